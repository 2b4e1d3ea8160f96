"""Memory that is asked for before it is needed.

With many customers the next tile lies outside the fast caches. Asked for all at once, its lines
would queue up and the processor wait; asked for little by little while the present tile is being
computed, they arrive unnoticed and a customer costs as much among a million as among a thousand.
"""

from __future__ import annotations

from nba_gym.compiled import fetch_to_write, scalar, stage
from nba_gym.lanes import AHEAD_SIZE, Array

LINE = 64
"""Bytes that come at once."""
PARTS = 9
"""Times that a little is asked for while one tile is computed."""
MOST_RANGES = (AHEAD_SIZE - 4) // 2
"""An order holds: range reached, place reached, ranges, lines at a time, and the ranges."""


@scalar
def clear_order(ahead: Array) -> None:
    """Begin an order: nothing is asked for."""
    ahead[0] = 0
    ahead[2] = 0
    ahead[3] = 0


@scalar
def order(ahead: Array, address: int, size: int) -> None:
    """Add a range of ``size`` bytes to the order."""
    r = ahead[2]
    ahead[4 + 2 * r] = address
    ahead[5 + 2 * r] = address + size
    ahead[2] = r + 1
    ahead[3] += size // LINE // PARTS + 1
    if r == 0:
        ahead[1] = address


@stage
def fetch_some(ahead: Array) -> None:
    """Ask for the next few lines of an order."""
    r, at, n, lines = ahead[0], ahead[1], ahead[2], ahead[3]
    while lines > 0 and r < n:
        end = ahead[5 + 2 * r]
        stop = min(end, at + LINE * lines)
        lines -= (stop - at + LINE - 1) // LINE
        while at < stop:
            fetch_to_write(at)
            at += LINE
        if at >= end:
            r += 1
            at = ahead[4 + 2 * min(r, MOST_RANGES - 1)]
    ahead[0] = r
    ahead[1] = at

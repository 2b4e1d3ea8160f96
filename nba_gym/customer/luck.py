"""This period's uniform random numbers, by kind of event."""

from __future__ import annotations

import numpy as np

from nba_gym.compiled import stage
from nba_gym.customer.places import (
    LUCK_ARRIVAL,
    LUCK_NOTICE,
    LUCK_PROBLEM,
    LUCK_REFERRAL,
    LUCK_SPEND,
)
from nba_gym.lanes import LANES, need_block
from nba_gym.randomness import philox, uniform
from nba_gym.records.places import TENURE
from nba_gym.scenario.parameters import Array

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
SEED_ROW = 0
CUSTOMER_ROW = LANES
"""Rows of the identity table: the world's seed and the customer's number."""

_FIRST_NEED_BLOCK = np.uint64(8)


@stage
def _draw_block(table: Array, identity: Array, block: int, target: Array, first: int) -> None:
    """Four uniforms a lane, into four rows of ``target`` that follow each other."""
    for j in range(LANES):
        seed, customer = identity[SEED_ROW + j], identity[CUSTOMER_ROW + j]
        period = np.uint64(np.int64(table[TENURE + j]))
        w0, w1, w2, w3 = philox(
            customer & _LOW, customer >> _SHIFT, period, block, seed & _LOW, seed >> _SHIFT
        )
        target[first + j] = uniform(w0)
        target[first + LANES + j] = uniform(w1)
        target[first + 2 * LANES + j] = uniform(w2)
        target[first + 3 * LANES + j] = uniform(w3)


@stage
def draw_luck(table: Array, identity: Array, n_needs: int) -> None:
    """Draw the period's uniforms of a tile: each depends on (seed, customer, period, kind) only.

    Args:
        table: Worktable; the rows ``LUCK_...`` are written.
        identity: Seeds and customer numbers of the tile, ``(2 * LANES,)``.
        n_needs: Needs in use.
    """
    _draw_block(table, identity, np.uint64(0), table, LUCK_NOTICE)
    _draw_block(table, identity, np.uint64(1), table, LUCK_SPEND)
    _draw_block(table, identity, np.uint64(2), table, LUCK_PROBLEM)
    _draw_block(table, identity, np.uint64(3), table, LUCK_REFERRAL)
    for k in range(n_needs):
        block = _FIRST_NEED_BLOCK + np.uint64(k)
        _draw_block(table, identity, block, need_block(table, k), LUCK_ARRIVAL)

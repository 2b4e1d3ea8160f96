"""Between rows of quantities (the worktable) and rows of customers (catalogues, observations).

On the worktable the same quantity of all lanes lies side by side; outside, all quantities of one
customer do. Turning one into the other number by number would cost more than all the equations
together, so it is done in pieces: whole pieces of a customer's row are copied at once, and pieces
of equal place are turned by loops that the compiler knows how to shuffle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import scalar, stage
from nba_gym.lanes import LANES, NEED_SIZE, TABLE_SIZE, used

Array = NDArray[Any]

PIECE = 4
"""Numbers of a card or row that are copied at once."""

# unsigned, so that no index can be taken for one that counts from the end
_PIECE, _GROUP = np.uint64(PIECE), np.uint64(PIECE * LANES)


def pad_cards(cards: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cards, ``(n, any)``, widened with zeros to whole pieces."""
    missing = -cards.shape[1] % PIECE
    return np.ascontiguousarray(np.pad(cards, ((0, 0), (0, missing))))


@scalar
def draw_cards(picks: Array, cards: Array, tray: Array, width: int) -> None:
    """Copy the card that each lane picks onto the tray, in groups of pieces of equal place."""
    _copy_cards(picks, cards.reshape(-1), cards.shape[1], tray, width)


@stage
def _copy_cards(picks: Array, cards: Array, size: int, tray: Array, width: int) -> None:
    n_pieces, size_ = np.uint64(size) // _PIECE, np.uint64(size)
    for j in range(np.uint64(used(width))):
        card = np.uint64(np.int64(picks[j])) * size_
        for p in range(n_pieces):
            for i in range(_PIECE):
                tray[p * _GROUP + j * _PIECE + i] = cards[card + p * _PIECE + i]


@stage
def turn_to_rows(tray: Array, table: Array, width: int) -> None:
    """Turn groups of a tray into rows that follow each other; ``table`` is as long as needed."""
    for g in range(table.shape[0] // (PIECE * LANES)):
        at = g * PIECE * LANES
        source, rows = tray[at : at + PIECE * LANES], table[at : at + PIECE * LANES]
        for j in range(used(width)):
            rows[j] = source[PIECE * j]
            rows[LANES + j] = source[PIECE * j + 1]
            rows[2 * LANES + j] = source[PIECE * j + 2]
            rows[3 * LANES + j] = source[PIECE * j + 3]


@stage
def turn_to_needs(tray: Array, blocks: Array, n_needs: int, width: int) -> None:
    """Turn groups of a tray into the same row of need after need, ``blocks`` beginning there."""
    for g in range((n_needs + PIECE - 1) // PIECE):
        source = tray[g * PIECE * LANES : (g + 1) * PIECE * LANES]
        rows = blocks[g * PIECE * NEED_SIZE :]
        for j in range(used(width)):
            rows[j] = source[PIECE * j]
            rows[NEED_SIZE + j] = source[PIECE * j + 1]
            rows[2 * NEED_SIZE + j] = source[PIECE * j + 2]
            rows[3 * NEED_SIZE + j] = source[PIECE * j + 3]


@stage
def turn_to_sheet(view: Array, places: Array, sheet: Array, width: int) -> None:
    """Turn rows of features into pieces of observations; the last piece may repeat some."""
    n_columns = places.shape[0]
    for p in range(n_columns // PIECE + 1):
        at = places[min(p * PIECE, n_columns - PIECE) :]
        piece = sheet[p * PIECE * LANES : (p + 1) * PIECE * LANES]
        a, b = view[at[0] : at[0] + LANES], view[at[1] : at[1] + LANES]
        c, d = view[at[2] : at[2] + LANES], view[at[3] : at[3] + LANES]
        for j in range(used(width)):
            piece[PIECE * j] = a[j]
            piece[PIECE * j + 1] = b[j]
            piece[PIECE * j + 2] = c[j]
            piece[PIECE * j + 3] = d[j]


@stage
def copy_sheet(sheet: Array, rows: Array, n_columns: int, count: int) -> None:
    """Copy the pieces of a sheet to the rows of ``count`` customers, ``rows`` beginning there."""
    size = np.uint64(n_columns)
    n_pieces, last = size // _PIECE, size - _PIECE
    for j in range(np.uint64(count)):
        for p in range(n_pieces):
            for i in range(_PIECE):
                rows[j * size + p * _PIECE + i] = sheet[p * _GROUP + j * _PIECE + i]
        for i in range(_PIECE):
            rows[j * size + last + i] = sheet[n_pieces * _GROUP + j * _PIECE + i]


@stage
def write_rows(sheet: Array, places: Array, out: Array, first: int, count: int) -> None:
    """Copy quantities of a tile into rows ``first ...`` of ``out`` one by one, as they are."""
    rows = out[first : first + count]
    for f in range(places.shape[0]):
        lanes = sheet[places[f] : places[f] + LANES]
        for j in range(count):
            rows[j, f] = lanes[j]


@stage
def write_events(
    table: Array, purse: Array, places: Array, out: Array, first: int, count: int
) -> None:
    """Copy events into rows of ``out``: from the worktable, or from ``TABLE_SIZE`` on the purse."""
    rows = out[first : first + count]
    for f in range(places.shape[0]):
        at = places[f]
        for j in range(count):
            event = purse[at - TABLE_SIZE + j] if at >= TABLE_SIZE else np.float64(table[at + j])
            rows[j, f] = event


@stage
def read_events(
    rows: Array, places: Array, table: Array, purse: Array, first: int, count: int
) -> None:
    """The reverse: lay rows ``first ...`` on the worktable and in the purse, one a lane."""
    for f in range(places.shape[0]):
        at = places[f]
        for j in range(LANES):
            event = rows[first + j, f] if j < count else 0.0
            if at >= TABLE_SIZE:
                purse[at - TABLE_SIZE + j] = event
            else:
                table[at + j] = event


@scalar
def write_observations(
    view: Array, places: Array, sheet: Array, out: Array, first: int, count: int, width: int
) -> None:
    """Copy at least four features of a tile into rows ``first ...`` of ``out``."""
    n_columns = out.shape[1]
    turn_to_sheet(view, places, sheet, width)
    copy_sheet(sheet, out.reshape(-1)[first * n_columns :], n_columns, count)


@stage
def lay_ragged(
    rows: Array,
    ends: Array,
    period: int,
    places: Array,
    table: Array,
    purse: Array,
    first: int,
    count: int,
) -> None:
    """The same of customers who lived different numbers of periods: one period, 0 once it is over.

    Rows of customer ``i`` are ``ends[i] ... ends[i + 1]``.
    """
    for f in range(places.shape[0]):
        at = places[f]
        for j in range(LANES):
            row = ends[first + j] + period if j < count else 0
            event = rows[row, f] if j < count and row < ends[first + j + 1] else 0.0
            if at >= TABLE_SIZE:
                purse[at - TABLE_SIZE + j] = event
            else:
                table[at + j] = event

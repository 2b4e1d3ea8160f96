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
from nba_gym.lanes import LANES, NEED_SIZE, used

Array = NDArray[Any]

CARD_PIECE = 4
"""Numbers of a card that are copied at once."""
ROW_PIECE = 8
"""Features of an observation that are copied at once."""

# unsigned, so that no index can be taken for one that counts from the end
_CARD_PIECE, _ROW_PIECE = np.uint64(CARD_PIECE), np.uint64(ROW_PIECE)
_CARD_GROUP, _ROW_GROUP = np.uint64(CARD_PIECE * LANES), np.uint64(ROW_PIECE * LANES)


def pad_cards(cards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cards, ``(n, any)``, widened with zeros to whole pieces."""
    missing = -cards.shape[1] % CARD_PIECE
    return np.ascontiguousarray(np.pad(cards, ((0, 0), (0, missing))))


def piece_starts(n_columns: int) -> NDArray[np.uint64]:
    """Where the pieces of a row of ``n_columns`` begin; the last may overlap the one before.

    A row shorter than one piece has none.
    """
    if n_columns < ROW_PIECE:
        return np.zeros(0, dtype=np.uint64)
    starts = [*range(0, n_columns - ROW_PIECE, ROW_PIECE), n_columns - ROW_PIECE]
    return np.array(starts, dtype=np.uint64)


@scalar
def draw_cards(picks: Array, cards: Array, tray: Array, width: int) -> None:
    """Copy the card that each lane picks onto the tray, in groups of pieces of equal place."""
    _copy_cards(picks, cards.reshape(-1), cards.shape[1], tray, width)


@stage
def _copy_cards(picks: Array, cards: Array, size: int, tray: Array, width: int) -> None:
    n_pieces, size_ = np.uint64(size) // _CARD_PIECE, np.uint64(size)
    for j in range(np.uint64(used(width))):
        card = np.uint64(np.int64(picks[j])) * size_
        for p in range(n_pieces):
            for i in range(_CARD_PIECE):
                tray[p * _CARD_GROUP + j * _CARD_PIECE + i] = cards[card + p * _CARD_PIECE + i]


@stage
def turn_to_rows(tray: Array, table: Array, width: int) -> None:
    """Turn groups of a tray into rows that follow each other; ``table`` is as long as needed."""
    for g in range(table.shape[0] // (CARD_PIECE * LANES)):
        at = g * CARD_PIECE * LANES
        source, rows = tray[at : at + CARD_PIECE * LANES], table[at : at + CARD_PIECE * LANES]
        for j in range(used(width)):
            rows[j] = source[CARD_PIECE * j]
            rows[LANES + j] = source[CARD_PIECE * j + 1]
            rows[2 * LANES + j] = source[CARD_PIECE * j + 2]
            rows[3 * LANES + j] = source[CARD_PIECE * j + 3]


@stage
def turn_to_needs(tray: Array, blocks: Array, n_needs: int, width: int) -> None:
    """Turn groups of a tray into the same row of need after need, ``blocks`` beginning there."""
    for g in range((n_needs + CARD_PIECE - 1) // CARD_PIECE):
        source = tray[g * CARD_PIECE * LANES : (g + 1) * CARD_PIECE * LANES]
        rows = blocks[g * CARD_PIECE * NEED_SIZE :]
        for j in range(used(width)):
            rows[j] = source[CARD_PIECE * j]
            rows[NEED_SIZE + j] = source[CARD_PIECE * j + 1]
            rows[2 * NEED_SIZE + j] = source[CARD_PIECE * j + 2]
            rows[3 * NEED_SIZE + j] = source[CARD_PIECE * j + 3]


@stage
def turn_to_sheet(table: Array, places: Array, starts: Array, sheet: Array, width: int) -> None:
    """Turn rows of the worktable into pieces of observations, in single precision."""
    for p in range(starts.shape[0]):
        at = places[starts[p] :]
        piece = sheet[p * ROW_PIECE * LANES : (p + 1) * ROW_PIECE * LANES]
        a, b = table[at[0] : at[0] + LANES], table[at[1] : at[1] + LANES]
        c, d = table[at[2] : at[2] + LANES], table[at[3] : at[3] + LANES]
        e, f = table[at[4] : at[4] + LANES], table[at[5] : at[5] + LANES]
        g, h = table[at[6] : at[6] + LANES], table[at[7] : at[7] + LANES]
        for j in range(used(width)):
            piece[ROW_PIECE * j] = a[j]
            piece[ROW_PIECE * j + 1] = b[j]
            piece[ROW_PIECE * j + 2] = c[j]
            piece[ROW_PIECE * j + 3] = d[j]
            piece[ROW_PIECE * j + 4] = e[j]
            piece[ROW_PIECE * j + 5] = f[j]
            piece[ROW_PIECE * j + 6] = g[j]
            piece[ROW_PIECE * j + 7] = h[j]


@stage
def copy_sheet(sheet: Array, starts: Array, rows: Array, n_columns: int, count: int) -> None:
    """Copy the pieces of a sheet to the rows of ``count`` customers, ``rows`` beginning there."""
    n_pieces, size = np.uint64(starts.shape[0]), np.uint64(n_columns)
    for j in range(np.uint64(count)):
        for p in range(n_pieces):
            start = j * size + starts[p]
            for i in range(_ROW_PIECE):
                rows[start + i] = sheet[p * _ROW_GROUP + j * _ROW_PIECE + i]


@stage
def write_rows(table: Array, places: Array, out: Array, first: int, count: int) -> None:
    """Copy quantities of a tile into rows ``first ...`` of ``out`` one by one, as they are."""
    rows = out[first : first + count]
    for f in range(places.shape[0]):
        lanes = table[places[f] : places[f] + LANES]
        for j in range(count):
            rows[j, f] = lanes[j]


@scalar
def write_observations(
    table: Array,
    places: Array,
    starts: Array,
    sheet: Array,
    out: Array,
    first: int,
    count: int,
    width: int,
) -> None:
    """Copy the features of a tile into rows ``first ...`` of ``out``, one a customer."""
    if starts.shape[0] == 0:
        write_rows(table, places, out, first, count)
        return
    n_columns = out.shape[1]
    turn_to_sheet(table, places, starts, sheet, width)
    copy_sheet(sheet, starts, out.reshape(-1)[first * n_columns :], n_columns, count)

"""This period's uniform random numbers, by kind of event."""

from __future__ import annotations

import numpy as np

from nba_gym.compiled import sequence, stage
from nba_gym.customer.places import LUCK_ARRIVAL, LUCK_NOTICE
from nba_gym.lanes import LANES, need_block, row, used
from nba_gym.randomness import WORDS, philox, uniform_single
from nba_gym.records.places import TENURE
from nba_gym.scenario.parameters import Array

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
SEED_ROW = 0
CUSTOMER_ROW = LANES
"""Rows of the identity table: the world's seed and the customer's number."""

CUSTOMER_BLOCKS = 4
"""Blocks of the generator that are drawn once a customer; the places of luck follow their order."""
_FIRST_NEED_BLOCK = np.uint64(8)


@stage
def _draw_block(
    tenure: Array, identity: Array, block: np.uint64, target: Array, width: int
) -> None:
    """Four uniforms a lane, into four rows that follow each other."""
    for j in range(used(width)):
        seed, customer = identity[SEED_ROW + j], identity[CUSTOMER_ROW + j]
        period = np.uint64(np.int64(tenure[j]))
        w0, w1, w2, w3 = philox(
            customer & _LOW, customer >> _SHIFT, period, block, seed & _LOW, seed >> _SHIFT
        )
        target[j] = uniform_single(w0)
        target[LANES + j] = uniform_single(w1)
        target[2 * LANES + j] = uniform_single(w2)
        target[3 * LANES + j] = uniform_single(w3)


@sequence
def draw_luck(table: Array, kept: Array, identity: Array, n_needs: int, width: int) -> None:
    """Draw the period's uniforms of a tile: each depends on (seed, customer, period, kind) only.

    Args:
        table: Worktable; the rows ``LUCK_...`` are written.
        kept: State; ``TENURE`` is the period.
        identity: Seeds and customer numbers of the tile, ``(2 * LANES,)``.
        n_needs: Needs in use.
        width: Lanes in use.
    """
    for block in range(CUSTOMER_BLOCKS):
        luck = table[
            LUCK_NOTICE + block * WORDS * LANES : LUCK_NOTICE + (block + 1) * WORDS * LANES
        ]
        _draw_block(row(kept, TENURE), identity, np.uint64(block), luck, width)
    for k in range(n_needs):
        block = _FIRST_NEED_BLOCK + np.uint64(k)
        luck = need_block(table, k)[LUCK_ARRIVAL : LUCK_ARRIVAL + WORDS * LANES]
        _draw_block(row(kept, TENURE), identity, block, luck, width)

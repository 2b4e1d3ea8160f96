"""This period's uniform random numbers, by kind of event."""

from __future__ import annotations

import numpy as np

from nba_gym.compiled import scalar, sequence, stage
from nba_gym.customer.places import (
    LUCK_ARRIVAL,
    LUCK_CHOICE,
    LUCK_NOTICE,
    LUCK_READING,
    LUCK_REFERRAL,
    LUCK_SOLVE,
    LUCK_SPEND,
    LUCK_STAGE,
    LUCK_VOLUNTEER,
)
from nba_gym.lanes import LANES, need_block, row, used
from nba_gym.randomness import WORDS, philox, uniform_single
from nba_gym.records.places import TENURE
from nba_gym.scenario.parameters import Array

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
SEED_ROW = 0
CUSTOMER_ROW = LANES
"""Rows of the identity table: the world's seed and the customer's number."""

CUSTOMER_BLOCKS = 2
"""Blocks of the generator that are drawn for every customer, in the order of their places."""
_BUYER_BLOCK, _SERVICE_BLOCK, _COURTSHIP_BLOCK = np.uint64(2), np.uint64(3), np.uint64(4)
_FIRST_NEED_BLOCK, _FIRST_ANSWER_BLOCK = np.uint64(8), np.uint64(16)
_WORDS = np.uint64(WORDS)


@scalar
def _words(
    tenure: Array, identity: Array, block: np.uint64, j: int
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """The four words of one block of lane ``j``."""
    seed, customer = identity[SEED_ROW + j], identity[CUSTOMER_ROW + j]
    period = np.uint64(np.int64(tenure[j]))
    return philox(customer & _LOW, customer >> _SHIFT, period, block, seed & _LOW, seed >> _SHIFT)


@stage
def _draw_block(
    tenure: Array, identity: Array, block: np.uint64, first: Array, second: Array, width: int
) -> None:
    """Four uniforms a lane, into the first two rows of ``first`` and of ``second``."""
    for j in range(used(width)):
        w0, w1, w2, w3 = _words(tenure, identity, block, j)
        first[j] = uniform_single(w0)
        first[LANES + j] = uniform_single(w1)
        second[j] = uniform_single(w2)
        second[LANES + j] = uniform_single(w3)


@sequence
def draw_luck(table: Array, kept: Array, identity: Array, n_needs: int, width: int) -> None:
    """Draw the period's uniforms of a tile: each depends on (seed, customer, period, kind) only.

    Args:
        table: Worktable; the rows ``LUCK_...`` that every customer needs are written.
        kept: State; ``TENURE`` is the period.
        identity: Seeds and customer numbers of the tile, ``(2 * LANES,)``.
        n_needs: Needs in use.
        width: Lanes in use.
    """
    tenure = row(kept, TENURE)
    for block in range(CUSTOMER_BLOCKS):
        at = LUCK_NOTICE + block * WORDS * LANES
        first, second = table[at : at + 2 * LANES], table[at + 2 * LANES : at + 4 * LANES]
        _draw_block(tenure, identity, np.uint64(block), first, second, width)
    for pair in range((n_needs + 1) // 2):
        block = _FIRST_NEED_BLOCK + np.uint64(pair)
        first = need_block(table, 2 * pair)[LUCK_ARRIVAL:]
        second = need_block(table, 2 * pair + 1)[LUCK_ARRIVAL:]
        _draw_block(tenure, identity, block, first, second, width)


@scalar
def draw_buyer_luck(table: Array, kept: Array, identity: Array, j: int) -> None:
    """Draw what only a purchase needs, for lane ``j``."""
    w0, w1, w2, _ = _words(row(kept, TENURE), identity, _BUYER_BLOCK, j)
    table[LUCK_CHOICE + j] = uniform_single(w0)
    table[LUCK_SPEND + j] = uniform_single(w1)
    table[LUCK_REFERRAL + j] = uniform_single(w2)


@scalar
def draw_service_luck(table: Array, kept: Array, identity: Array, j: int) -> None:
    """Draw what only an answer or a service needs, for lane ``j``."""
    w0, w1, _, _ = _words(row(kept, TENURE), identity, _SERVICE_BLOCK, j)
    table[LUCK_READING + j] = uniform_single(w0)
    table[LUCK_SOLVE + j] = uniform_single(w1)


@stage
def draw_courtship_luck(table: Array, kept: Array, identity: Array, width: int) -> None:
    """Draw what only a pipeline and volunteering need, for every lane."""
    tenure = row(kept, TENURE)
    for j in range(used(width)):
        w0, w1, _, _ = _words(tenure, identity, _COURTSHIP_BLOCK, j)
        table[LUCK_STAGE + j] = uniform_single(w0)
        table[LUCK_VOLUNTEER + j] = uniform_single(w1)


@scalar
def answer_luck(kept: Array, identity: Array, k: int, j: int) -> float:
    """Uniform: noise in the need ``k`` that lane ``j`` states in an answer; four to a block."""
    block = _FIRST_ANSWER_BLOCK + np.uint64(k) // _WORDS
    w0, w1, w2, w3 = _words(row(kept, TENURE), identity, block, j)
    low = w1 if k & 1 else w0
    high = w3 if k & 1 else w2
    return uniform_single(high if k & 2 else low)

"""Check a batch of observations, and rank actions by score: the compiled half of the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import entry, stage
from nba_gym.serving.contents import FORBIDDEN

Array = NDArray[Any]
_STEP = 16
_WHOLE_STEPS = 0xFFFFFF0  # shows the compiler a multiple of sixteen
FINE, NOT_FINITE, NOTHING_ALLOWED, NOT_A_MASK = -1, 1, 2, 3


def _make_check(digest: str) -> Callable[[Array, Array], tuple[int, int, int]]:
    def check_rows(features: Array, masks: Array) -> tuple[int, int, int]:
        _ = digest  # part of the cache key
        for i in range(features.shape[0]):
            total = np.float32(0.0)
            for f in range(features.shape[1]):
                total += features[i, f] * np.float32(0.0)  # 0, but for what is not finite
            if total != np.float32(0.0):
                for f in range(features.shape[1]):
                    if not np.isfinite(features[i, f]):
                        return NOT_FINITE, i, f
            count, bits = 0, 0
            for a in range(masks.shape[1]):
                count += masks[i, a]
                bits |= masks[i, a]
            if bits & ~1:
                return NOT_A_MASK, i, 0
            if count == 0:
                return NOTHING_ALLOWED, i, 0
        return FINE, 0, 0

    return check_rows


check_rows = entry(_make_check)
"""The first row that is wrong, and why.

Args:
    features: ``(n, n_features)`` float32.
    masks: ``(n, n_actions)`` int8, 0 or 1.

Returns:
    What is wrong (``FINE`` if nothing), the row, and the column.
"""


@stage
def _close(mask: Array, scores: Array, chances: Array, low: Any) -> None:
    """Close what may not be done: the mask has the last word, whatever the graph makes of it."""
    for a in range(len(mask)):
        taken = (mask[a] != 0) & (scores[a] > low)  # NaN is not above low
        scores[a] = scores[a] if taken else low
        chances[a] = chances[a] if taken else np.float32(0.0)


@stage
def _place(row: Array, who: Array, ranking: Array, better: Array, same: Array) -> None:
    """Write actions where they belong: how many scores are as good says the place."""
    count = len(who)
    padded = (count + _STEP - 1) & _WHOLE_STEPS
    for k in range(padded):
        better[k] = same[k] = 0
    # without branches, for a processor cannot guess which of two actions is better
    for b in range(count):
        other = row[b]
        for k in range(padded):
            better[k] += np.int32(other >= row[k])
    total = 0
    for k in range(count):
        total += better[k]
    if total == count * (count + 1) // 2:  # no two are equal
        for k in range(count):
            ranking[better[k] - 1] = who[k]
        return
    # of equal ones all have the place of the last: it is given to the last one first
    for back in range(count):
        k = count - 1 - back
        place = better[k] - 1
        ranking[place - same[place]] = who[k]
        same[place] += 1


def _make_rank(digest: str) -> Callable[[Array, Array, Array, Array, Array, Array, Array], int]:
    def rank_rows(
        masks: Array,
        scores: Array,
        probabilities: Array,
        ranking: Array,
        allowed: Array,
        keys: Array,
        places: Array,
    ) -> int:
        _ = digest  # part of the cache key
        n_actions, low = scores.shape[1], np.float32(FORBIDDEN)
        row, better, same, who, others = keys[0], places[0], places[1], places[2], places[3]
        for i in range(scores.shape[0]):
            _close(masks[i], scores[i], probabilities[i], low)
            count = 0
            for a in range(n_actions):
                # written in either case: what does not count is written over by the next
                row[count], who[count], others[a - count] = scores[i, a], a, a
                count += scores[i, a] > low
            if count == 0:
                return i
            allowed[i] = count
            _place(row, who[:count], ranking[i], better, same)
            for k in range(n_actions - count):
                ranking[i, count + k] = others[k]
        return FINE

    return rank_rows


rank_rows = entry(_make_rank)
"""Write the actions by falling score, row by row; of equal ones the first in the catalogue first.

Args:
    masks: ``(n, n_actions)`` int8.
    scores: ``(n, n_actions)`` float32; set to the lowest number where the mask forbids.
    probabilities: ``(n, n_actions)`` float32; set to 0 there.
    ranking: Written, ``(n, n_actions)`` int16.
    allowed: Written, how many actions of a row may be taken, ``(n,)`` int16.
    keys: Room to work, ``rank_room(n_actions)`` like ``places``, ``(1, padded)`` float32.
    places: ``(4, padded)`` int32.

Returns:
    ``FINE``, or the first row in which the policy leaves nothing.
"""


def rank_room(n_actions: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """``keys`` and ``places`` for ``rank_rows``, to be used again and again by one thread."""
    padded = n_actions + 1 + -(n_actions + 1) % _STEP  # one is written beyond the last
    return np.zeros((1, padded), dtype=np.float32), np.zeros((4, padded), dtype=np.int32)

"""What is asked of every row of a policy's answer, in compiled code: a draw, the best, a check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import entry

Array = NDArray[Any]


def draw_actions(
    probabilities: NDArray[np.float64], luck: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Actions by inversion: the first whose cumulative probability exceeds the luck.

    Args:
        probabilities: ``(n, n_actions)``, rows sum to 1.
        luck: Uniform numbers in (0, 1), ``(n,)``.

    Returns:
        ``(n,)``; never an action of probability 0.
    """
    out = np.zeros(len(probabilities), dtype=np.int64)
    _draw(np.ascontiguousarray(probabilities), np.ascontiguousarray(luck, dtype=np.float64), out)
    return out


def equal_shares(masks: Array, wait: float) -> NDArray[np.float64]:
    """A share for waiting, and the rest shared out equally among all that is allowed.

    Args:
        masks: Above 0 where an action is allowed, ``(n, n_actions)``.
        wait: What waiting gets before the rest is shared out, in [0, 1].

    Returns:
        ``(n, n_actions)``, rows sum to 1.
    """
    out = np.empty(masks.shape)
    _share(np.ascontiguousarray(masks), wait, out)
    return out


def best_open(worth: Array, closed: NDArray[np.bool_], threshold: float) -> NDArray[np.int64]:
    """The action that is worth most and not closed, if it beats a threshold; else 0, ``(n,)``.

    Args:
        worth: ``(n, n_actions)``; of two that are worth the same, the first wins.
        closed: Where an action may not be taken, ``(n, n_actions)``; waiting never is.
        threshold: What an action other than waiting must exceed.
    """
    out = np.zeros(len(worth), dtype=np.int64)
    at_least = worth.dtype.type(threshold)
    _best(np.ascontiguousarray(worth), np.ascontiguousarray(closed), at_least, out)
    return out


def first_odd_row(chances: Array) -> int:
    """The first row that is no distribution (>= 0, sums to 1 within 0.001); -1 if all are."""
    return int(_odd(np.ascontiguousarray(chances)))


def _make_draw(digest: str) -> Callable[..., None]:
    def draw(probabilities: Array, luck: Array, out: Array) -> None:
        _ = digest  # part of the cache key
        n_actions = probabilities.shape[1]
        for i in range(out.shape[0]):
            row = probabilities[i]
            total = row[0]
            for a in range(1, n_actions):
                total = total + row[a]
            target = luck[i] * total
            reached, chosen = row[0], 0
            while reached <= target and chosen < n_actions - 1:
                chosen += 1
                reached = reached + row[chosen]
            out[i] = chosen if reached > target else 0

    return draw


def _make_share(digest: str) -> Callable[..., None]:
    def share(masks: Array, wait: float, out: Array) -> None:
        _ = digest  # part of the cache key
        for i in range(masks.shape[0]):
            count = 0.0
            for a in range(masks.shape[1]):
                count += 1.0 if masks[i, a] > 0 else 0.0
            each = 1.0 / count * (1.0 - wait)
            for a in range(masks.shape[1]):
                out[i, a] = each if masks[i, a] > 0 else 0.0
            out[i, 0] += wait

    return share


def _make_best(digest: str) -> Callable[..., None]:
    def best(worth: Array, closed: Array, threshold: float, out: Array) -> None:
        _ = digest  # part of the cache key
        for i in range(worth.shape[0]):
            most, chosen = threshold, 0
            for a in range(1, worth.shape[1]):
                better = worth[i, a] > most and not closed[i, a]
                most = worth[i, a] if better else most
                chosen = a if better else chosen
            out[i] = chosen

    return best


def _make_odd(digest: str) -> Callable[..., int]:
    def odd(chances: Array) -> int:
        _ = digest  # part of the cache key
        for i in range(chances.shape[0]):
            total, fine = 0.0, True
            for a in range(chances.shape[1]):
                total += chances[i, a]
                fine = fine and chances[i, a] >= 0.0
            if not (fine and abs(total - 1.0) < 1e-3):
                return i
        return -1

    return odd


_draw, _share = entry(_make_draw), entry(_make_share)
_best, _odd = entry(_make_best), entry(_make_odd)

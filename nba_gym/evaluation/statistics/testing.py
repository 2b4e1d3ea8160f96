"""Whether two contenders differ: tests whose unit is the training seed, and many of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from nba_gym.evaluation.statistics.typical import Estimate, Floats, interquartile_mean, typical
from nba_gym.statistics import Interval, share_interval

RESAMPLES = 9_999
"""Permutations that are drawn where there are too many to try them all."""


def gap(one: NDArray[Any], other: NDArray[Any]) -> Estimate:
    """The typical seed of one contender less that of another (Welch's error and freedom).

    Two skewed samples differ by something symmetric with a heavy tail: its interval covers more
    than it says (97 to 98 % with 5 seeds). Whether they differ, :func:`permutation_p` says exactly.

    Args:
        one: Values by training seed, ``(..., n)``, on the same customers as the other's.
        other: Likewise, ``(..., m)``; seeds of the same number have nothing in common.
    """
    return gap_of(typical([one]), typical([other]))


def gap_of(a: Estimate, b: Estimate) -> Estimate:
    """One estimate less another that has nothing in common with it (Welch 1947)."""
    squares = a.error**2 + b.error**2
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = squares**2 / (a.error**4 / a.freedom + b.error**4 / b.freedom)
    freedom = np.where(np.isnan(freedom), np.inf, freedom)
    return Estimate(a.value - b.value, np.sqrt(squares), freedom)


def permutation_p(
    one: NDArray[Any], other: NDArray[Any], seed: int = 0, resamples: int = RESAMPLES
) -> Floats:
    """Two-sided p-value of the seeds of both being draws from the same distribution.

    Exact whatever that distribution is, so also where seeds are skewed or fail. With fewer than 4
    seeds on a side it cannot fall below 0.05.

    Args:
        one: Values by training seed, ``(..., n)``.
        other: Likewise, ``(..., m)``.
        seed: Of the permutations, where they are drawn.
        resamples: How many are drawn where there are more.

    Returns:
        p-values, ``(...)``.
    """

    def differ(x: Floats, y: Floats, axis: int) -> Floats:
        return interquartile_mean(np.moveaxis(x, axis, -1)) - interquartile_mean(
            np.moveaxis(y, axis, -1)
        )

    result: Any = stats.permutation_test(
        (one, other),
        differ,
        permutation_type="independent",
        vectorized=True,
        n_resamples=resamples,
        axis=-1,
        rng=np.random.default_rng(seed),
    )
    return np.asarray(result.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of a family of tests, so that all of them together err in 5 % (Holm 1979).

    Args:
        p_values: As the tests gave them.

    Returns:
        Adjusted ones, in the same order, at most 1.
    """
    n, highest = len(p_values), 0.0
    adjusted = [1.0] * n
    for rank, i in enumerate(sorted(range(n), key=lambda i: p_values[i])):
        highest = max(highest, (n - rank) * p_values[i])
        adjusted[i] = min(1.0, highest)
    return adjusted


def improvement(one: NDArray[Any], other: NDArray[Any], confidence: float = 0.95) -> Interval:
    """Probability that a seed of one contender does better than one of another.

    A tie counts as half. Against a contender without seeds it is a counted share with its exact
    interval; else the interval is that of Brunner & Munzel (2000) on the scale of log-odds, and,
    where every seed of one is better than every one of the other, that of the smaller count.

    Args:
        one: Values by training seed, ``(n,)``.
        other: Likewise, ``(m,)``; ``(1,)`` for a contender without seeds.
        confidence: Coverage, in (0, 1).
    """
    n, m = len(one), len(other)
    wins: Floats = (one[:, None] > other[None]) + 0.5 * (one[:, None] == other[None])
    share = float(wins.mean())
    if m == 1 or n == 1 or share in (0.0, 1.0):
        few = max(n, m) if min(n, m) == 1 else min(n, m)
        exact = share_interval(round(share * few), few, confidence)
        return Interval(share, exact.low, exact.high)
    by_one, by_other = wins.mean(axis=1).var(ddof=1) / n, wins.mean(axis=0).var(ddof=1) / m
    total = by_one + by_other
    freedom = total**2 / (by_one**2 / (n - 1) + by_other**2 / (m - 1))
    reach = float(special.stdtrit(float(freedom), 0.5 + confidence / 2.0)) * float(np.sqrt(total))
    odds, reach = float(special.logit(share)), reach / (share * (1.0 - share))
    return Interval(share, float(special.expit(odds - reach)), float(special.expit(odds + reach)))

"""Intervals: for means of many customers, of few training seeds, and for counted shares."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special


class Interval(NamedTuple):
    """A mean with its two-sided confidence interval.

    Attributes:
        mean: The mean.
        low: Lower end.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


def mean_interval(values: NDArray[Any], confidence: float = 0.95) -> Interval:
    """Mean and normal-theory interval over customers.

    Customers are independent and many (thousands), so the central limit theorem carries the
    interval even for skewed values. It speaks of these customers and this one training run; the
    spread over training seeds is another matter.

    Args:
        values: One number a customer, ``(n,)``, at least 2.
        confidence: Coverage, in (0, 1).
    """
    mean = float(np.mean(values))
    reach = float(special.ndtri(0.5 + confidence / 2.0))
    error = reach * float(np.std(values, ddof=1)) / float(np.sqrt(len(values)))
    return Interval(mean, mean - error, mean + error)


def ratio_interval(top: NDArray[Any], bottom: NDArray[Any], confidence: float = 0.95) -> Interval:
    """A rate, the ratio of two sums over customers, and its interval over customers.

    The events of a customer depend on each other, so the unit of the error is the customer, not
    the event: the variance is that of the linearised ratio (Cochran 1977, section 6.4).

    Args:
        top: What is counted, one number a customer, ``(n,)``, at least 2.
        bottom: What it is counted against, likewise; NaN is returned if it sums to 0.
        confidence: Coverage, in (0, 1).
    """
    total = float(np.sum(bottom))
    if total == 0.0:
        return Interval(float("nan"), float("nan"), float("nan"))
    rate = float(np.sum(top)) / total
    spread = mean_interval(top - rate * bottom, confidence)
    error = (spread.high - spread.mean) * len(bottom) / abs(total)
    return Interval(rate, rate - error, rate + error)


def seed_interval(values: NDArray[Any], confidence: float = 0.95) -> Interval:
    """Mean and Student's interval over few numbers, such as the outcomes of training seeds.

    It speaks of other seeds, not of other customers: all seeds are judged on the same ones.

    Args:
        values: One number a seed, ``(n,)``, at least 2.
        confidence: Coverage, in (0, 1).
    """
    n = len(values)
    mean = float(np.mean(values))
    reach = float(special.stdtrit(n - 1, 0.5 + confidence / 2.0))
    error = reach * float(np.std(values, ddof=1)) / float(np.sqrt(n))
    return Interval(mean, mean - error, mean + error)


def share_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """A counted share and its exact interval (Clopper & Pearson 1934).

    Args:
        successes: How many of them, 0 to ``n``.
        n: Of how many, at least 1.
        confidence: Coverage at least, in (0, 1).
    """
    tail = (1.0 - confidence) / 2.0
    low, high = 0.0, 1.0
    if successes > 0:
        low = float(special.betaincinv(successes, n - successes + 1, tail))
    if successes < n:
        high = float(special.betaincinv(successes + 1, n - successes, 1.0 - tail))
    return Interval(successes / n, low, high)

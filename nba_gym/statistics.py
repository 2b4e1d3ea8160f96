"""Intervals for means of many customers."""

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

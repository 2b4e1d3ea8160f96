"""Customers by number of repeat purchases: the chart that count models are judged by."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nba_gym.calibration.inputs import whole_number_column
from nba_gym.calibration.special import IntArray
from nba_gym.errors import DataError


def frequency_histogram(frequency: ArrayLike, *, top: int = 7) -> IntArray:
    """Number of customers with 0, 1, ..., ``top`` or more repeat purchases.

    Args:
        frequency: Repeat purchases of each customer, whole numbers >= 0.
        top: Count at which the last bar begins, >= 1.

    Returns:
        Customers per bar, shape ``(top + 1,)``; they sum to the number of customers.

    Raises:
        DataError: If a value is malformed.
    """
    require_bars(top)
    counts = whole_number_column("frequency", frequency).astype(np.int64)
    return np.bincount(np.minimum(counts, top), minlength=top + 1)


def require_bars(top: int) -> None:
    """Refuse a histogram of fewer than two bars.

    Raises:
        DataError: If ``top`` is below 1.
    """
    if top < 1:
        raise DataError(f"top must be at least 1, got {top}")

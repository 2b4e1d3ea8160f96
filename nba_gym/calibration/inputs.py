"""Checked input of the fitters: columns of numbers, and the purchase histories made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba_gym.calibration.grouping import group_rows
from nba_gym.calibration.special import FloatArray
from nba_gym.errors import DataError


@dataclass(frozen=True, eq=False)
class PurchaseHistory:
    """What the buy-till-you-die models need to know of each customer: (x, t_x, T).

    Attributes:
        frequency: Repeat purchases x, whole numbers >= 0. Shape ``(n_customers,)``.
        recency: Weeks from the first to the last purchase t_x; 0 where x is 0.
        age: Weeks from the first purchase to the end of observation T, at least t_x.
    """

    frequency: FloatArray  # (n_customers,)
    recency: FloatArray  # (n_customers,)
    age: FloatArray  # (n_customers,)

    @property
    def n_customers(self) -> int:
        """Number of customers."""
        return self.frequency.size

    def grouped(self) -> tuple[PurchaseHistory, FloatArray]:
        """The different histories, and how many customers have each, shape ``(n_groups,)``."""
        (x, t_x, t), customers = group_rows((self.frequency, self.recency, self.age))
        return PurchaseHistory(x, t_x, t), customers


@dataclass(frozen=True, eq=False)
class OpportunityHistory:
    """Purchases where there are opportunities to count, each taken or not: (x, t_x, n).

    Attributes:
        frequency: Opportunities taken x, whole numbers >= 0. Shape ``(n_rows,)``.
        recency: The last one taken t_x, counted from 1; 0 where x is 0, otherwise at least x.
        opportunities: Opportunities so far n, at least t_x.
        counts: Customers with this history, whole numbers >= 0.
    """

    frequency: FloatArray  # (n_rows,)
    recency: FloatArray  # (n_rows,)
    opportunities: FloatArray  # (n_rows,)
    counts: FloatArray  # (n_rows,)

    @property
    def n_customers(self) -> int:
        """Number of customers, those with the same history included."""
        return int(self.counts.sum())

    def grouped(self) -> OpportunityHistory:
        """The different histories that somebody has, each with all its customers."""
        columns = (self.frequency, self.recency, self.opportunities)
        (x, t_x, n), customers = group_rows(columns, self.counts)
        return OpportunityHistory(x, t_x, n, customers)


def numbers(
    name: str, values: ArrayLike, *, n_rows: int | None = None, like: str = "frequency"
) -> FloatArray:
    """Read one column of numbers, NaN and infinity included.

    Args:
        name: What the values are called in an error message.
        values: Anything NumPy reads as a one-dimensional array of numbers.
        n_rows: The length it must have, if known.
        like: The column that has this length.

    Returns:
        The values as floats, shape ``(n_rows,)``.

    Raises:
        DataError: If the values are not numbers, not one-dimensional, empty or of another length.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be numbers: {error}") from error
    if array.ndim != 1:
        raise DataError(f"{name} must have one dimension, got shape {array.shape}")
    if array.size == 0:
        raise DataError(f"{name} must have at least one value, got none")
    if n_rows is not None and array.size != n_rows:
        raise DataError(f"{name} must have as many values as {like}, {n_rows}, got {array.size}")
    return array


def column(
    name: str, values: ArrayLike, *, n_rows: int | None = None, like: str = "frequency"
) -> FloatArray:
    """Read one column of finite numbers.

    Raises:
        DataError: As :func:`numbers`, or if a value is NaN or infinite.
    """
    array = numbers(name, values, n_rows=n_rows, like=like)
    require(name, "finite", array, np.isfinite(array))
    return array


def require(name: str, rule: str, values: FloatArray, holds: NDArray[np.bool_]) -> None:
    """Refuse a column at the first value that breaks a rule.

    Args:
        name: What the values are called in the error message.
        rule: What they must be, as it reads after "must be".
        values: The values, shape ``(n,)``.
        holds: Whether each value obeys the rule, shape ``(n,)``.

    Raises:
        DataError: If the rule is broken anywhere; it names the first position, counted from 0.
    """
    if not holds.all():
        index = int(np.argmin(holds))
        raise DataError(f"{name} must be {rule}, got {values[index]:g} at index {index}")


def whole_number_column(
    name: str, values: ArrayLike, *, n_rows: int | None = None, like: str = "frequency"
) -> FloatArray:
    """Read one column of counts: whole numbers >= 0, kept as floats.

    Raises:
        DataError: As :func:`column`, or if a value is negative or not whole.
    """
    counts = column(name, values, n_rows=n_rows, like=like)
    require(name, "a whole number >= 0", counts, (counts >= 0) & (counts == np.floor(counts)))
    return counts


def purchase_history(frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> PurchaseHistory:
    """Check the three columns against one another.

    Args:
        frequency: Repeat purchases x of each customer.
        recency: Weeks from first to last purchase t_x.
        age: Weeks from first purchase to the end of observation T.

    Returns:
        The same numbers as float arrays of one length.

    Raises:
        DataError: If a column is malformed, if 0 <= recency <= age does not hold, or if recency
            is positive without a repeat purchase or zero with one.
    """
    x = whole_number_column("frequency", frequency)
    t_x = column("recency", recency, n_rows=x.size)
    t = column("age", age, n_rows=x.size)
    require("age", ">= 0", t, t >= 0)
    require("recency", "0 where frequency is 0", t_x, (x > 0) | (t_x == 0))
    require("recency", "positive where frequency is positive", t_x, (x == 0) | (t_x > 0))
    require("recency", "at most age", t_x, t_x <= t)
    return PurchaseHistory(x, t_x, t)


def opportunity_history(
    frequency: ArrayLike,
    recency: ArrayLike,
    opportunities: ArrayLike,
    counts: ArrayLike | None = None,
) -> OpportunityHistory:
    """Check the columns against one another.

    Args:
        frequency: Opportunities taken x.
        recency: The last one taken t_x, counted from 1.
        opportunities: Opportunities so far n.
        counts: Customers with this history; by default one a row.

    Returns:
        The same numbers as float arrays of one length.

    Raises:
        DataError: If a column is malformed or holds no whole numbers >= 0, if frequency <=
            recency <= opportunities does not hold, if recency is positive with frequency 0, or
            if the counts are all zero.
    """
    x = whole_number_column("frequency", frequency)
    t_x = whole_number_column("recency", recency, n_rows=x.size)
    n = whole_number_column("opportunities", opportunities, n_rows=x.size)
    customers = np.ones(x.size) if counts is None else counts
    customers = whole_number_column("counts", customers, n_rows=x.size)
    require_somebody(customers)
    require("recency", "0 where frequency is 0", t_x, (x > 0) | (t_x == 0))
    require("recency", "at least frequency", t_x, t_x >= x)
    require("recency", "at most opportunities", t_x, t_x <= n)
    return OpportunityHistory(x, t_x, n, customers)


def require_somebody(counts: FloatArray) -> None:
    """Refuse a column of counts that are all zero.

    Raises:
        DataError: If nobody is counted.
    """
    if not counts.any():
        raise DataError("counts must be positive in at least one row, got only zeros")

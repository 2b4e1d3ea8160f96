"""Transaction logs, and their summary into the numbers that customer-base models need.

A log holds one row for each transaction, as a firm's till wrote it. A summary holds one row for
each customer: how often, how recently and for how much the customer bought during a calibration
period, and how often in the holdout period that follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba_gym.calibration.special import FloatArray, IntArray
from nba_gym.errors import DataError

COLUMNS = ("customer", "date", "amount")
"""What a table of transactions must have."""

DAYS_PER_WEEK = 7
_FIRST_DAY = date(1900, 1, 1).toordinal() - date(1970, 1, 1).toordinal()
_LAST_DAY = date(2100, 12, 31).toordinal() - date(1970, 1, 1).toordinal()


@dataclass(frozen=True, eq=False)
class TransactionLog:
    """Transactions of a cohort of customers, in the order of the records.

    Attributes:
        table: One row for each transaction: ``customer`` (string), ``day`` (days since
            ``first_date``, so the first day is 0) and ``amount`` (currency units, >= 0).
        first_date: Date of day 0, the date of the first transaction.
    """

    table: pl.DataFrame
    first_date: date

    @property
    def n_transactions(self) -> int:
        """Number of records; a customer may have several on one day."""
        return self.table.height

    @property
    def n_customers(self) -> int:
        """Number of different customers."""
        return self.table["customer"].n_unique()

    @property
    def n_days(self) -> int:
        """Days from the first transaction to the last, both included."""
        return int(self.table["day"].to_numpy().max()) + 1


@dataclass(frozen=True, eq=False)
class CustomerSummary:
    """What each customer did, in weeks; all columns have shape ``(n_customers,)``.

    Attributes:
        customer: Names of the customers, in the order of the log.
        frequency: Days with a repeat purchase in the calibration period, x.
        recency: Weeks from the first purchase to the last one in it, t_x; 0 where x is 0.
        age: Weeks from the first purchase to the last day of the calibration period, T.
        mean_spend: Mean spend per day with a repeat purchase, currency units; NaN where x is 0.
        holdout_frequency: Days with a purchase in the holdout period.
        calibration_weeks: Length of the calibration period.
        holdout_weeks: Length of the holdout period, up to the last transaction of the log.
    """

    customer: NDArray[np.str_]
    frequency: IntArray
    recency: FloatArray
    age: FloatArray
    mean_spend: FloatArray
    holdout_frequency: IntArray
    calibration_weeks: int
    holdout_weeks: float

    @property
    def n_customers(self) -> int:
        """Number of customers."""
        return self.frequency.size


def transaction_log(
    columns: pl.DataFrame | Mapping[str, object],
    *,
    date_format: str = "%Y-%m-%d",
    source: str = "transactions",
) -> TransactionLog:
    """Check a table of transactions and count its days.

    Args:
        columns: A table with ``customer`` (anything that prints), ``date`` (dates, or text in
            ``date_format``) and ``amount`` (numbers >= 0, or text of them, currency units). Other
            columns are left out.
        date_format: How dates are written where they are text.
        source: What the table is called in an error message, such as a file name.

    Returns:
        The log, with days counted from the first transaction.

    Raises:
        DataError: If a column is missing, there is no row, or a value is missing, not a date from
            1900 to 2100, not a number or negative. It names the first such row, counted from 1.
    """
    try:
        raw = pl.DataFrame(columns)
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{source} must be a table: {error}") from error
    missing = [name for name in COLUMNS if name not in raw.columns]
    if missing:
        found = ", ".join(raw.columns) or "none"
        raise DataError(f"{source} must have the column {missing[0]!r}, got columns {found}")
    if raw.height == 0:
        raise DataError(f"{source} must have at least one transaction, got no rows")
    customer = raw["customer"].cast(pl.String)
    refuse_rows(source, raw["customer"], customer.is_null(), "given")
    day = parsed_dates(source, raw["date"], date_format)
    amount = raw["amount"].cast(pl.Float64, strict=False)
    refuse_rows(
        source, raw["amount"], ~amount.is_finite().fill_null(value=False), "a finite number"
    )
    refuse_rows(source, raw["amount"], amount < 0, ">= 0")
    number = day.cast(pl.Int32)  # polars counts dates in days since 1970-01-01
    first = int(number.to_numpy().min())
    table = pl.DataFrame({"customer": customer, "day": number - first, "amount": amount})
    return TransactionLog(table, date.fromordinal(date(1970, 1, 1).toordinal() + first))


def summarise(log: TransactionLog, calibration_weeks: int = 39) -> CustomerSummary:
    """Summarise a log into one row for each customer.

    Transactions of a customer on the same day count as one purchase, worth their sum. The
    calibration period is the first so many weeks of the log; on CDNOW 39 weeks end on 1997-09-30
    and leave a holdout of 39. Customers who first buy after it are left out.

    Args:
        log: The transactions.
        calibration_weeks: Length of the calibration period, at least 1 and within the log.

    Returns:
        The summary, customers in the order of their first record.

    Raises:
        DataError: If the calibration period is shorter than a week or longer than the log.

    Source: the conventions of Fader, Hardie & Lee (2005), section 5.
    """
    n_days = calibration_weeks * DAYS_PER_WEEK
    if calibration_weeks < 1 or n_days > log.n_days:
        longest = log.n_days / DAYS_PER_WEEK
        raise DataError(
            f"calibration_weeks must be in [1, {longest:.4g}], the length of the log, "
            f"got {calibration_weeks}"
        )
    table = _customers(log.table, last_day=n_days - 1)
    return CustomerSummary(
        customer=table["customer"].to_numpy().astype(np.str_),
        frequency=table["frequency"].to_numpy().astype(np.int64),
        recency=table["recency_days"].to_numpy() / DAYS_PER_WEEK,
        age=table["age_days"].to_numpy() / DAYS_PER_WEEK,
        mean_spend=table["mean_spend"].to_numpy().astype(np.float64),
        holdout_frequency=table["holdout_frequency"].to_numpy().astype(np.int64),
        calibration_weeks=calibration_weeks,
        holdout_weeks=(log.n_days - n_days) / DAYS_PER_WEEK,
    )


def _customers(transactions: pl.DataFrame, last_day: int) -> pl.DataFrame:
    """One row for each customer who bought by ``last_day``, the last of the calibration period."""
    first = pl.col("day").min().over("customer")
    purchases = (
        transactions.group_by("customer", "day", maintain_order=True)
        .agg(pl.col("amount").sum())
        .with_columns(first=first)
        .filter(pl.col("first") <= last_day)
    )
    calibration = pl.col("day") <= last_day
    repeat = calibration & (pl.col("day") > pl.col("first"))
    return purchases.group_by("customer", maintain_order=True).agg(
        frequency=repeat.sum(),
        recency_days=pl.col("day").filter(calibration).max() - pl.col("first").first(),
        age_days=last_day - pl.col("first").first(),
        mean_spend=pl.col("amount").filter(repeat).mean().fill_null(float("nan")),
        holdout_frequency=(~calibration).sum(),
    )


def parsed_dates(
    source: str, values: pl.Series, date_format: str, *, empty: pl.Series | None = None
) -> pl.Series:
    """Dates of a column of dates, times or text.

    Args:
        source: What the table is called in an error message.
        values: The column.
        date_format: How dates are written where they are text.
        empty: Rows that may be without a date; none by default.

    Raises:
        DataError: At the first row that is no date, or one before 1900 or after 2100.
    """
    if values.dtype == pl.Date or values.dtype == pl.Datetime:  # noqa: PLR1714
        day = values.cast(pl.Date, strict=False)
    else:
        day = values.cast(pl.String).str.to_date(date_format, strict=False)
    wrong = day.is_null() if empty is None else day.is_null() & ~empty
    refuse_rows(source, values, wrong, f"a date written as {date_format}")
    number = day.to_physical()
    far = ((number < _FIRST_DAY) | (number > _LAST_DAY)).fill_null(value=False)
    refuse_rows(source, values, far, "a date from 1900 to 2100")
    return day


def refuse_rows(source: str, values: pl.Series, broken: pl.Series, rule: str) -> None:
    """Refuse a column at the first row whose value breaks a rule.

    Raises:
        DataError: With the column, the rule, the value and the row, counted from 1.
    """
    rows = broken.arg_true()
    if len(rows) > 0:
        row = int(rows[0])
        raise DataError(
            f"{values.name} must be {rule}, got {values[row]!r} (row {row + 1} of {source})"
        )

"""A cohort as a purchase model sees it: what each customer did, and what all did together.

Time is counted in units: in weeks, where a purchase may fall on any day, or in opportunities (a
week, a month, a year), of which each is taken or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import polars as pl

from nba_gym.calibration.special import FloatArray, IntArray
from nba_gym.calibration.transactions import DAYS_PER_WEEK, TransactionLog, summarise
from nba_gym.errors import DataError

Unit = Literal["week", "month", "year"]
UNITS: tuple[Unit, ...] = ("week", "month", "year")
"""Lengths that an opportunity may have."""

_MONDAY = 4  # 1970-01-05 was a Monday; polars counts days from 1970-01-01


@dataclass(frozen=True, eq=False)
class Cohort:
    """Customers by what they did; columns have shape ``(n_customers,)``.

    Attributes:
        unit: What time is counted in.
        frequency: Repeat purchases in the calibration period, x: days, or opportunities, with one.
        recency: Units from the first purchase to the last one, t_x; 0 where x is 0.
        age: Units from the first purchase to the end of the calibration period, T.
        mean_spend: Mean spend per repeat purchase, currency; NaN where x is 0.
        start: Where on the calendar repeat purchases may begin, in units since the log began.
        holdout_frequency: Repeat purchases after the calibration period.
        calibration: Length of the calibration period, in units.
        holdout: Length of what follows in the log, in units.
        repeats: Repeat purchases of all, by calendar unit since the log began, whole units only.
        calibrated: How many of those units belong to the calibration period.
        lead: Periods of a journey before the first that counts. 1 for opportunities: the unit of
            the first purchase is not one, but a customer may leave at its end, as in BG/BB.
    """

    unit: Unit
    frequency: IntArray
    recency: FloatArray
    age: FloatArray
    mean_spend: FloatArray
    start: FloatArray
    holdout_frequency: IntArray
    calibration: int
    holdout: float
    repeats: IntArray  # (n_units,)
    calibrated: int
    lead: int = 0

    @property
    def n_customers(self) -> int:
        """Number of customers."""
        return self.frequency.size


def weekly_cohort(log: TransactionLog, weeks: int | None = None) -> Cohort:
    """Customers by the week, as BG/NBD and Pareto/NBD see them.

    Args:
        log: The transactions.
        weeks: Calibration period; by default half of the log.

    Raises:
        DataError: If the calibration period is shorter than a week or longer than the log.

    Source: the conventions of :func:`~nba_gym.calibration.summarise`.
    """
    summary = summarise(log, max(1, log.n_days // (2 * DAYS_PER_WEEK)) if weeks is None else weeks)
    last_day = summary.calibration_weeks * DAYS_PER_WEEK - 1
    bought = log.table.select("customer", "day").unique()
    bought = bought.with_columns(first=pl.col("day").min().over("customer"))
    again = bought.filter(pl.col("first") <= last_day, pl.col("day") > pl.col("first"))
    whole = log.n_days // DAYS_PER_WEEK
    return Cohort(
        unit="week",
        frequency=summary.frequency,
        recency=summary.recency,
        age=summary.age,
        mean_spend=summary.mean_spend,
        start=last_day / DAYS_PER_WEEK - summary.age,
        holdout_frequency=summary.holdout_frequency,
        calibration=summary.calibration_weeks,
        holdout=summary.holdout_weeks,
        repeats=_by_unit(again["day"] // DAYS_PER_WEEK, whole),
        calibrated=summary.calibration_weeks,
    )


def opportunity_cohort(log: TransactionLog, unit: Unit, opportunities: int | None = None) -> Cohort:
    """Customers by the opportunity, as BG/BB sees them: calendar weeks, months or years.

    All transactions of a customer in one calendar unit are one purchase, worth their sum. The unit
    of a customer's first purchase is not an opportunity, each later one is. The last unit of the
    log counts as a whole one: let a file end where a unit ends.

    Args:
        log: The transactions.
        unit: Length of an opportunity; weeks begin on Monday.
        opportunities: Calibration period: so many units after the first one of the log; by default
            half of them.

    Raises:
        DataError: If the log covers one unit only, or the calibration period does not lie in it.
    """
    place = _unit_of(log, unit)
    most = int(cast(int, place.max()))
    if most < 1:
        raise DataError(f"the log must cover at least 2 {unit}s for opportunities, got 1")
    n = max(1, most // 2) if opportunities is None else opportunities
    if not 1 <= n <= most:
        raise DataError(
            f"opportunities must be in [1, {most}], the {unit}s after the first, got {n}"
        )
    table = log.table.with_columns(at=place).group_by("customer", "at", maintain_order=True)
    taken = table.agg(pl.col("amount").sum()).with_columns(
        first=pl.col("at").min().over("customer")
    )
    taken = taken.filter(pl.col("first") <= n)
    within, again = pl.col("at") <= n, pl.col("at") > pl.col("first")
    row = taken.group_by("customer", maintain_order=True).agg(
        frequency=(within & again).sum(),
        recency=pl.col("at").filter(within).max() - pl.col("first").first(),
        first=pl.col("first").first(),
        mean_spend=pl.col("amount").filter(within & again).mean().fill_null(float("nan")),
        after=(~within).sum(),
    )
    first = row["first"].to_numpy().astype(np.float64)
    return Cohort(
        unit=unit,
        frequency=row["frequency"].to_numpy().astype(np.int64),
        recency=row["recency"].to_numpy().astype(np.float64),
        age=n - first,
        mean_spend=row["mean_spend"].to_numpy().astype(np.float64),
        start=first + 1.0,
        holdout_frequency=row["after"].to_numpy().astype(np.int64),
        calibration=n,
        holdout=float(most - n),
        repeats=_by_unit(taken.filter(again)["at"], most + 1),
        calibrated=n + 1,
        lead=1,
    )


def _by_unit(places: pl.Series, size: int) -> IntArray:
    """How many fell on each of the first ``size`` units."""
    found = places.to_numpy().astype(np.int64)
    return np.bincount(found[found < size], minlength=size).astype(np.int64)


def _unit_of(log: TransactionLog, unit: Unit) -> pl.Series:
    """Calendar unit of each transaction, counted from the first one of the log."""
    day = pl.lit(log.first_date) + pl.duration(days=pl.col("day"))
    table = log.table.select(date=day.cast(pl.Date))
    date = pl.col("date")
    place = {
        "week": (date.cast(pl.Int32) - _MONDAY) // DAYS_PER_WEEK,
        "month": 12 * date.dt.year() + date.dt.month().cast(pl.Int32),
        "year": date.dt.year(),
    }[unit]
    found = table.select(at=place.cast(pl.Int64))["at"]
    return found - int(cast(int, found.min()))

"""How long contracts were kept: whole periods between renewals, and the share that is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from nba_gym.calibration.cohort import Unit
from nba_gym.calibration.grouping import group_rows
from nba_gym.calibration.sbg import ContractLives, contract_lives
from nba_gym.calibration.special import FloatArray, IntArray
from nba_gym.errors import DataError

_PER_MONTH = {"month": 1, "year": 12}


@dataclass(frozen=True)
class Tenures:
    """Contracts by how long they were kept.

    Attributes:
        unit: Time from one renewal to the next.
        lives: What the sBG model needs of each.
    """

    unit: Unit
    lives: ContractLives

    @property
    def n_contracts(self) -> float:
        """Contracts; need not be whole where shares were given."""
        return float(self.lives.counts.sum())

    @property
    def most(self) -> int:
        """Renewals at which something was seen: a cancellation, or a contract that went on."""
        return int(self.lives.periods.max())

    def until(self, renewals: int) -> Tenures:
        """What one had known after so many renewals of each contract."""
        periods, cancelled, counts = self.lives
        later = periods > renewals
        lives = ContractLives(
            np.minimum(periods, renewals), np.where(later, 0.0, cancelled), counts
        )
        return Tenures(self.unit, lives)


class Curve(NamedTuple):
    """Retention by renewal, from contracts of any age. Each of shape ``(n_renewals,)``.

    Attributes:
        at_risk: Contracts that came up for this renewal.
        retention: Share of them that were renewed.
        survival: Share of new contracts that get past this renewal (product limit).
        error: Standard error of the survival (Greenwood).

    Source: Kaplan, E. L. and Meier, P. (1958), "Nonparametric Estimation from Incomplete
    Observations", JASA 53(282), 457-481.
    """

    at_risk: FloatArray
    retention: FloatArray
    survival: FloatArray
    error: FloatArray


def survival_curve(lives: ContractLives, renewals: int) -> Curve:
    """Retention at renewals 1 to ``renewals``, as far as anybody came up for them."""
    at = np.arange(1.0, renewals + 1.0)
    reached = lives.periods[np.newaxis, :] >= at[:, np.newaxis]
    at_risk = reached @ lives.counts
    now = (lives.periods[np.newaxis, :] == at[:, np.newaxis]) & (lives.cancelled == 1)
    gone = now @ lives.counts
    seen = at_risk > 0
    at_risk, gone = at_risk[seen], gone[seen]
    retention = 1.0 - gone / at_risk
    survival = np.asarray(np.cumprod(retention), dtype=np.float64)
    left = at_risk - gone
    terms = np.divide(gone, at_risk * left, out=np.zeros_like(gone), where=left > 0)
    return Curve(at_risk, retention, survival, survival * np.sqrt(np.cumsum(terms)))


def tenures_of_survivors(survivors: ArrayLike, unit: Unit) -> Tenures:
    """Contracts of a retention table.

    Raises:
        DataError: As :func:`~nba_gym.calibration.contract_lives`.
    """
    return Tenures(unit, contract_lives(survivors))


def tenures_of(begun: pl.Series, ended: pl.Series, unit: Unit, until: int | None) -> Tenures:
    """Contracts by their dates.

    A contract that ended in its t-th period, or on its last day, was cancelled at renewal t; one
    that runs was renewed as often as whole periods have passed until the last day known.

    Args:
        begun: First days.
        ended: Days of the end; null where it runs. At least the first day.
        unit: Time from one renewal to the next.
        until: The last day known, in days since 1970; by default the last date there is.

    Raises:
        DataError: If no contract came up for renewal, or none was cancelled.
    """
    first = begun.to_physical().to_numpy().astype(np.int64)
    last = ended.to_physical().fill_null(np.iinfo(np.int32).max).to_numpy().astype(np.int64)
    known = np.concatenate([first, last[ended.is_not_null().to_numpy()]])
    stop = int(known.max()) if until is None else until
    cancelled = last <= stop
    whole, more = _passed(first, np.minimum(last, stop), unit)
    periods = np.where(cancelled, np.maximum(whole + more, 1), whole).astype(np.float64)
    if not cancelled.any():
        raise DataError("end must be given for at least one contract, got none that ended")
    (t, gone), counts = group_rows((periods, cancelled.astype(np.float64)))
    return Tenures(unit, ContractLives(t, gone, counts))


def _passed(first: IntArray, last: IntArray, unit: Unit) -> tuple[IntArray, IntArray]:
    """Whole units from one day to another, and 1 where a part of one is over."""
    if unit == "week":
        days = last - first
        return days // 7, (days % 7 > 0).astype(np.int64)
    (a, da), (b, db) = (_month_and_day(days) for days in (first, last))
    months = b - a - (db < da)
    size = _PER_MONTH[unit]
    return months // size, ((months % size > 0) | (db != da)).astype(np.int64)


def _month_and_day(days: IntArray) -> tuple[IntArray, IntArray]:
    """Months since year 0, and day of the month."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    day = (dates - months).astype(np.int64) + 1
    return months.astype(np.int64), day

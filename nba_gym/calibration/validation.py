"""Simulated beside actual customers: the tables that a calibration is judged by.

An interval is where 19 of 20 cohorts as large as the actual one would lie, if the fitted world were
true: it holds the luck of a cohort and of the simulation, not the errors of the estimates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nba_gym.calibration.cohort import Cohort
from nba_gym.calibration.histogram import frequency_histogram
from nba_gym.calibration.left_alone import TOP, LeftAlone
from nba_gym.calibration.models import PurchaseFit
from nba_gym.calibration.special import FloatArray

REACH = 1.96
_SPEND_BARS = 10


@dataclass(frozen=True)
class Bar:
    """Customers with so many repeat purchases in the calibration period.

    Attributes:
        purchases: How many; the last bar is that many or more.
        actual: Customers in the records.
        fitted: Expected by the fitted model.
        simulated: Expected among as many simulated customers who are left alone.
        low: Lower end of where 19 of 20 such cohorts would lie.
        high: Upper end.
    """

    purchases: int
    actual: int
    fitted: float
    simulated: float
    low: float
    high: float


class Series(NamedTuple):
    """The same numbers of actual, fitted and simulated customers, one row a place on an axis.

    Attributes:
        at: The axis: a calendar unit, a number of purchases, the lower edge of a class.
        actual: In the records; NaN where there is nothing to compare with.
        fitted: By the fitted model; NaN where it says nothing.
        simulated: By as many simulated customers.
        low: Lower end of where 19 of 20 such cohorts would lie.
        high: Upper end.
    """

    at: FloatArray
    actual: FloatArray
    fitted: FloatArray
    simulated: FloatArray
    low: FloatArray
    high: FloatArray

    def inside(self) -> tuple[int, int]:
        """How many actual numbers lie inside their interval, and how many there are."""
        known = np.isfinite(self.actual) & np.isfinite(self.low)
        inside = (self.low <= self.actual) & (self.actual <= self.high) & known
        return int(inside.sum()), int(known.sum())


@dataclass(frozen=True)
class Validation:
    """All that simulated and actual customers are compared by.

    Attributes:
        bars: Customers by repeat purchases in the calibration period.
        holdout: Repeat purchases after it: actual, fitted, simulated, low, high.
        weekly: Repeat purchases by calendar unit.
        cumulative: Their sums.
        conditional: Mean purchases after the calibration period, by repeat purchases in it.
        spend: Repeat buyers by their mean spend; ``None`` if spend was not fitted.
    """

    bars: tuple[Bar, ...]
    holdout: dict[str, float]
    weekly: Series
    cumulative: Series
    conditional: Series
    spend: Series | None


def validate(cohort: Cohort, fit: PurchaseFit, people: LeftAlone, *, spend: bool) -> Validation:
    """Compare a cohort with simulated customers.

    Args:
        cohort: The actual customers.
        fit: The fitted model.
        people: Simulated ones, with their holdout.
        spend: Whether spend was fitted.
    """
    weekly, cumulative = _tracking(cohort, fit, people)
    return Validation(
        bars=_bars(cohort, fit, people),
        holdout=_holdout(cohort, fit, people),
        weekly=weekly,
        cumulative=cumulative,
        conditional=_conditional(cohort, fit, people),
        spend=_spend(cohort, people) if spend else None,
    )


def _bars(cohort: Cohort, fit: PurchaseFit, people: LeftAlone) -> tuple[Bar, ...]:
    n, m = cohort.n_customers, len(people.within)
    actual = frequency_histogram(cohort.frequency, top=TOP)
    fitted = np.maximum(fit.expected_histogram(cohort.age, top=TOP), 0.0)  # of rounding
    share = frequency_histogram(people.within, top=TOP) / m
    low, high = share_interval(share, n, m)
    return tuple(
        Bar(x, int(actual[x]), float(fitted[x]), float(n * share[x]), float(low[x]), float(high[x]))
        for x in range(TOP + 1)
    )


def share_interval(share: FloatArray, n: float, m: int) -> tuple[FloatArray, FloatArray]:
    """Where 19 of 20 cohorts of ``n`` lie in number, of a share seen among ``m`` simulated."""
    spread = REACH * np.sqrt(share * (1.0 - share) * n * (1.0 + n / m))
    return np.maximum(n * share - spread, 0.0), np.minimum(n * share + spread, n)


def _holdout(cohort: Cohort, fit: PurchaseFit, people: LeftAlone) -> dict[str, float]:
    n, after = cohort.n_customers, people.after
    ahead = fit.expected_future_purchases(
        cohort.holdout, cohort.frequency, cohort.recency, cohort.age
    )
    mean, spread = float(after.mean()), float(after.std()) * np.sqrt(n * (1.0 + n / len(after)))
    return {
        "actual": float(cohort.holdout_frequency.sum()),
        "fitted": float(ahead.sum()),
        "simulated": n * mean,
        "low": n * mean - REACH * spread,
        "high": n * mean + REACH * spread,
    }


def _tracking(cohort: Cohort, fit: PurchaseFit, people: LeftAlone) -> tuple[Series, Series]:
    """Purchases by calendar unit and their sums; the spread of sums is that of customers' sums."""
    n, (m, units) = cohort.n_customers, people.by_unit.shape
    running = np.zeros(m)
    means, errors = np.zeros((2, units)), np.zeros((2, units))
    for j in range(units):
        now = people.by_unit[:, j].astype(np.float64)
        running += now
        means[:, j] = now.mean(), running.mean()
        errors[:, j] = now.std(), running.std()
    spread = REACH * errors * np.sqrt(n * (1.0 + n / m))
    sums = _fitted_sums(cohort, fit, units)
    fitted = np.diff(sums, prepend=0.0), sums
    actual = cohort.repeats.astype(np.float64), np.cumsum(cohort.repeats).astype(np.float64)
    at = np.arange(1.0, units + 1.0)
    weekly, cumulative = (
        Series(
            at,
            actual[i],
            fitted[i],
            n * means[i],
            np.maximum(n * means[i] - spread[i], 0.0),
            n * means[i] + spread[i],
        )
        for i in range(2)
    )
    return weekly, cumulative


def _fitted_sums(cohort: Cohort, fit: PurchaseFit, units: int) -> FloatArray:
    """Repeat purchases that the model expects of all until the end of each calendar unit."""
    starts, customers = np.unique(np.round(cohort.start, 6), return_counts=True)
    sums = np.zeros(units)
    for start, count in zip(starts, customers, strict=True):
        time = np.maximum(np.arange(1.0, units + 1.0) - start, 0.0)
        sums += count * fit.expected_purchases(time)
    return sums


def _conditional(cohort: Cohort, fit: PurchaseFit, people: LeftAlone) -> Series:
    """Mean purchases after the calibration period by repeat purchases in it."""
    ahead = fit.expected_future_purchases(
        cohort.holdout, cohort.frequency, cohort.recency, cohort.age
    )
    rows: list[list[float]] = []
    for x in range(TOP + 1):
        own = np.minimum(cohort.frequency, TOP) == x
        like = np.minimum(people.within, TOP) == x
        n, m = int(own.sum()), int(like.sum())
        if not n or m < 2:
            rows.append([np.nan] * 5)
            continue
        after = people.after[like]
        mean, reach = float(after.mean()), REACH * float(after.std()) * np.sqrt(1 / n + 1 / m)
        actual = float(cohort.holdout_frequency[own].mean())
        rows.append([actual, float(ahead[own].mean()), mean, max(mean - reach, 0.0), mean + reach])
    return Series(np.arange(TOP + 1.0), *np.array(rows).T)


def _spend(cohort: Cohort, people: LeftAlone) -> Series:
    """Repeat buyers by what they spend on a purchase, in classes; the last one is open."""
    actual = cohort.mean_spend[(cohort.frequency > 0) & (cohort.mean_spend > 0)]
    bought = people.within > 0
    simulated = people.spent[bought] / people.within[bought]
    edges = _round_edges(float(np.quantile(actual, 0.95)))
    share = _classes(simulated, edges) / max(1, simulated.size)
    n, m = actual.size, max(1, simulated.size)
    low, high = share_interval(share, n, m)
    nothing = np.full(edges.size, np.nan)
    return Series(edges, _classes(actual, edges), nothing, n * share, low, high)


def _classes(values: FloatArray, edges: FloatArray) -> FloatArray:
    at = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, edges.size - 1)
    return np.bincount(at, minlength=edges.size).astype(np.float64)


def _round_edges(far: float) -> FloatArray:
    """Lower edges of about ten classes with round numbers; the last begins near ``far``."""
    step = far / (_SPEND_BARS - 1)
    power = 10.0 ** np.floor(np.log10(step))
    step = power * next(x for x in (1.0, 2.0, 2.5, 5.0, 10.0) if x * power >= step * 0.999)
    size = int(np.ceil(far / step - 1e-9)) + 1
    return float(step) * np.arange(size, dtype=np.float64)

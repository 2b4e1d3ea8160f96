"""Pareto/NBD model of repeat purchases with silent dropout at any moment.

While active, a customer buys at random times at rate lambda, and leaves for good at a random time
at rate mu, whether or not there was a purchase. Between customers lambda is Gamma(r, rate alpha)
and mu is Gamma(s, rate beta), independently, so that the time until a customer leaves is Pareto.

A customer of whom nothing was heard since t either left before the next purchase, or was
still there and will buy again; both shares are in closed form, so the likelihood is a sum of two
positive terms and never a small difference of large numbers.

Source: Schmittlein, D. C., Morrison, D. G. and Colombo, R. (1987), "Counting Your Customers: Who
Are They and What Will They Do Next?", Management Science 33(1), 1-24; Fader, P. S. and Hardie,
B. G. S. (2005), "A Note on Deriving the Pareto/NBD Model and Related Expressions",
http://www.brucehardie.com/notes/009/. "FH" below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nba_gym.calibration.grouping import group_rows
from nba_gym.calibration.histogram import require_bars
from nba_gym.calibration.inputs import (
    PurchaseHistory,
    column,
    purchase_history,
    require,
    whole_number_column,
)
from nba_gym.calibration.likelihood import maximise
from nba_gym.calibration.silence import (
    RateShapes,
    count_probability,
    log_active,
    share_that_left,
)
from nba_gym.calibration.special import FloatArray, IntArray, relative_exponential
from nba_gym.errors import DataError


class ParetoNbdErrors(NamedTuple):
    """Asymptotic standard errors of the estimates, in the units of the estimates."""

    r: float
    alpha: float
    s: float
    beta: float


@dataclass(frozen=True)
class ParetoNbdFit:
    """Pareto/NBD fitted to purchase histories.

    Attributes:
        r: Shape of the purchase rates, > 0. No unit.
        alpha: Rate of the purchase rates, > 0, in weeks; the mean purchase rate is r / alpha
            per week.
        s: Shape of the dropout rates, > 0. No unit.
        beta: Rate of the dropout rates, > 0, in weeks; the mean dropout rate is s / beta per week.
        log_likelihood: Total log-likelihood, in nats.
        n_customers: Customers that were fitted.
        standard_errors: Of r, alpha, s and beta.
    """

    r: float
    alpha: float
    s: float
    beta: float
    log_likelihood: float
    n_customers: int
    standard_errors: ParetoNbdErrors

    def expected_purchases(self, weeks: ArrayLike) -> FloatArray:
        """Expected repeat purchases of a new customer, E[X(t)].

        Args:
            weeks: Weeks since the first purchase t, >= 0. Shape ``(n,)``.

        Returns:
            Expected counts, shape ``(n,)``.

        Raises:
            DataError: If a value is malformed or negative.

        Source: FH equation 27.
        """
        t = column("weeks", np.atleast_1d(weeks))
        require("weeks", ">= 0", t, t >= 0)
        nobody = np.zeros_like(t)
        return self._mean_if_active(t, PurchaseHistory(nobody, nobody, nobody))

    def expected_future_purchases(
        self, weeks: float, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike
    ) -> FloatArray:
        """Expected purchases in the next weeks given the history, E[Y(t) | x, t_x, T].

        Args:
            weeks: Weeks ahead t, >= 0.
            frequency: Repeat purchases x. Shape ``(n,)``.
            recency: Weeks from first to last purchase t_x. Shape ``(n,)``.
            age: Weeks from first purchase to now T. Shape ``(n,)``.

        Returns:
            Expected counts, shape ``(n,)``.

        Raises:
            DataError: If a value is malformed.

        Source: FH equation 41: the probability to be active times the mean if active.
        """
        history = purchase_history(frequency, recency, age)
        t = np.full(history.n_customers, float(weeks))
        require("weeks", "finite and >= 0", t, np.isfinite(t) & (t >= 0))
        return self._active_probability(history) * self._mean_if_active(t, history)

    def active_probability(
        self, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike
    ) -> FloatArray:
        """Probability in [0, 1] that each customer has not left, given the history.

        Args:
            frequency: Repeat purchases x. Shape ``(n,)``.
            recency: Weeks from first to last purchase t_x. Shape ``(n,)``.
            age: Weeks from first purchase to now T. Shape ``(n,)``.

        Returns:
            Probabilities, shape ``(n,)``; 1 where t_x is T.

        Raises:
            DataError: If a value is malformed.

        Source: FH equation 36.
        """
        return self._active_probability(purchase_history(frequency, recency, age))

    def frequency_probability(self, frequency: int, weeks: ArrayLike) -> FloatArray:
        """Probability in [0, 1] of exactly so many repeat purchases, P(X(t) = x).

        Args:
            frequency: Repeat purchases x, >= 0.
            weeks: Weeks since the first purchase t, >= 0. Shape ``(n,)``.

        Returns:
            Probabilities, shape ``(n,)``.

        Raises:
            DataError: If a value is malformed or negative.

        Source: still active with x purchases, or left with them, integrated over the week of
        leaving; in closed form in Fader & Hardie (2006), http://www.brucehardie.com/notes/012/.
        """
        whole_number_column("frequency", [frequency])
        t = column("weeks", np.atleast_1d(weeks))
        require("weeks", ">= 0", t, t >= 0)
        return count_probability(self._rates, frequency, t)

    def expected_histogram(self, age: ArrayLike, *, top: int = 7) -> FloatArray:
        """Expected number of customers with 0, 1, ..., ``top`` or more repeat purchases.

        Args:
            age: Weeks each customer was observed T. Shape ``(n_customers,)``.
            top: Count at which the last bar begins, >= 1.

        Returns:
            Expected customers per bar, shape ``(top + 1,)``; they sum to ``n_customers``.

        Raises:
            DataError: If a value is malformed.
        """
        require_bars(top)
        (ages,), counts = group_rows((column("age", age),))
        bars = [float(counts @ self.frequency_probability(x, ages)) for x in range(top)]
        return np.array([*bars, counts.sum() - sum(bars)])

    @property
    def _rates(self) -> RateShapes:
        """The parameters alone."""
        return RateShapes(self.r, self.alpha, self.s, self.beta)

    def _active_probability(self, history: PurchaseHistory) -> FloatArray:
        """Probability to be active; ``met`` is at most 1, so nothing overflows."""
        x, since, now = history.frequency, history.recency, history.age
        met = np.exp(log_active(self._rates, x, now) - log_active(self._rates, x, since))
        left = share_that_left(self._rates, x, since)
        left = left - met * share_that_left(self._rates, x, now)
        return met / (met + np.maximum(left, 0.0))  # 0 left where t_x is T, up to rounding

    def _mean_if_active(self, t: FloatArray, history: PurchaseHistory) -> FloatArray:
        """Expected purchases in ``t`` weeks of customers known to be active, whatever s is."""
        rate = (self.r + history.frequency) / (self.alpha + history.age)
        beta = self.beta + history.age
        stretch = np.log1p(t / beta)
        return rate * beta * stretch * relative_exponential((1 - self.s) * stretch)


class _Moments(NamedTuple):
    """The different pairs of frequency and weeks, and which of them each group has."""

    frequency: FloatArray  # (n_pairs,)
    weeks: FloatArray  # (n_pairs,)
    position: IntArray  # (n_groups,)


def fit_pareto_nbd(frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> ParetoNbdFit:
    """Fit Pareto/NBD by maximum likelihood.

    Args:
        frequency: Repeat purchases x of each customer, whole numbers >= 0; several on one day
            count as one. Shape ``(n_customers,)``.
        recency: Weeks from first to last purchase t_x; 0 where x is 0.
        age: Weeks from first purchase to the end of observation T.

    Returns:
        The estimates with their standard errors.

    Raises:
        DataError: If the columns are malformed, nobody bought twice, or the likelihood has no
            interior maximum, as when the data show no dropout at all.
    """
    history = purchase_history(frequency, recency, age)
    purchases, weeks = float(history.frequency.sum()), float(history.age.sum())
    if purchases == 0:
        raise DataError("frequency must be positive for at least one customer, got only zeros")
    groups, counts = history.grouped()
    last = _moments(groups.frequency, groups.recency)
    now = _moments(groups.frequency, groups.age)

    def log_likelihood(parameters: FloatArray) -> FloatArray:
        return _log_likelihood(RateShapes(*parameters.tolist()), last, now)

    scale = weeks / purchases
    start = (1.0, scale, 1.0, scale)
    best = maximise("Pareto/NBD", ParetoNbdErrors._fields, log_likelihood, start, counts)
    r, alpha, s, beta = best.estimates.tolist()
    errors = ParetoNbdErrors(*best.standard_errors.tolist())
    return ParetoNbdFit(r, alpha, s, beta, best.log_likelihood, history.n_customers, errors)


def _moments(frequency: FloatArray, weeks: FloatArray) -> _Moments:
    """What the likelihood needs of one column of times: its two terms know one time each."""
    pairs, position = np.unique(frequency + 1j * weeks, return_inverse=True)
    return _Moments(pairs.real, pairs.imag, position)


def _log_likelihood(rates: RateShapes, last: _Moments, now: _Moments) -> FloatArray:
    """Log-likelihood of each group: silent since t_x because gone, or not yet back at T.

    A customer who is there at t_x and silent until T either left before the next purchase, or
    met T and will buy again. Who meets T and leaves later without another purchase counts with
    the first: whoever leaves before buying again, whenever that is.

    Source: FH equation 18.
    """
    gone = log_active(rates, last.frequency, last.weeks)
    gone = gone + np.log(share_that_left(rates, last.frequency, last.weeks))
    back = log_active(rates, now.frequency, now.weeks)
    back = back + np.log1p(-share_that_left(rates, now.frequency, now.weeks))
    return np.logaddexp(gone[last.position], back[now.position])

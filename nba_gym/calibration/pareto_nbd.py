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

from nba_gym.calibration.inputs import (
    PurchaseHistory,
    purchase_history,
)
from nba_gym.calibration.likelihood import maximise
from nba_gym.calibration.silence import (
    RateShapes,
    count_probability,
    log_active,
    share_that_left,
)
from nba_gym.calibration.silent import SilentDropout
from nba_gym.calibration.special import FloatArray, IntArray, relative_exponential
from nba_gym.errors import DataError


class ParetoNbdErrors(NamedTuple):
    """Asymptotic standard errors of the estimates, in the units of the estimates."""

    r: float
    alpha: float
    s: float
    beta: float


@dataclass(frozen=True)
class ParetoNbdFit(SilentDropout):
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

    Source: FH; the mean is equation 27, the mean to come equation 41, the probability to be active
    equation 36. Counts are integrated over the week of leaving; a closed form is in Fader & Hardie
    (2006), http://www.brucehardie.com/notes/012/.
    """

    r: float
    alpha: float
    s: float
    beta: float
    log_likelihood: float
    n_customers: int
    standard_errors: ParetoNbdErrors

    def _count_probability(self, x: int, t: FloatArray) -> FloatArray:
        """Still active with x purchases, or left with them."""
        return count_probability(self._rates, x, t)

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

"""BG/NBD model of repeat purchases with silent dropout.

While active, a customer buys at random times at rate lambda; after each repeat purchase the
customer leaves for good with probability p. Between customers lambda is Gamma(r, rate alpha) and
p is Beta(a, b), independently.

The likelihood is in closed form, so SciPy maximises it directly. The ``lifetimes`` package finds
the same six digits, but it is no longer maintained, needs pandas and autograd at run time, and
reports the likelihood of rescaled data; here it only serves as a source of data files.

Source: Fader, P. S., Hardie, B. G. S. and Lee, K. L. (2005), "'Counting Your Customers' the Easy
Way: An Alternative to the Pareto/NBD Model", Marketing Science 24(2), 275-284. "FHL" below.
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
from nba_gym.calibration.silent import SilentDropout
from nba_gym.calibration.special import (
    FloatArray,
    beta_cdf,
    hypergeometric,
    log_beta,
    log_gamma,
)
from nba_gym.errors import DataError

_NEAR = 1e-5  # how near a removable singularity the closed form of the mean loses its digits


class BgNbdErrors(NamedTuple):
    """Asymptotic standard errors of the estimates, in the units of the estimates."""

    r: float
    alpha: float
    a: float
    b: float


@dataclass(frozen=True)
class BgNbdFit(SilentDropout):
    """BG/NBD fitted to purchase histories.

    Attributes:
        r: Shape of the purchase rates, > 0. No unit.
        alpha: Rate of the purchase rates, > 0, in weeks; the mean purchase rate is r / alpha
            per week.
        a: First shape of the dropout probability, > 0. No unit.
        b: Second shape of the dropout probability, > 0; its mean is a / (a + b).
        log_likelihood: Total log-likelihood, in nats.
        n_customers: Customers that were fitted.
        standard_errors: Of r, alpha, a and b.

    Source: FHL; the mean is equation 9, the mean to come equation 10, whose denominator holds the
    probability to be active, and the counts are equation 8.
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    n_customers: int
    standard_errors: BgNbdErrors

    def _count_probability(self, x: int, t: FloatArray) -> FloatArray:
        """Its sum is the upper tail of a negative binomial, from the incomplete beta function."""
        z = t / (self.alpha + t)
        prior = log_beta(self.a, self.b)
        negative_binomial = np.exp(log_gamma(self.r + x) - log_gamma(self.r) - log_gamma(x + 1))
        still_active = np.exp(log_beta(self.a, self.b + x) - prior)
        exactly_x = still_active * negative_binomial * (1 - z) ** self.r * z**x
        if x == 0:
            return exactly_x
        left_at_x = np.exp(log_beta(self.a + 1, self.b + x - 1) - prior)
        return exactly_x + left_at_x * beta_cdf(x, self.r, z)

    def _active_probability(self, history: PurchaseHistory) -> FloatArray:
        """Probability to be active; the power is taken in logarithms, so nothing overflows."""
        x = history.frequency
        log_ratio = np.log(self.alpha + history.age) - np.log(self.alpha + history.recency)
        log_odds_left = (self.r + x) * log_ratio + np.log(self.a / (self.b + np.maximum(x, 1) - 1))
        return np.where(x > 0, np.exp(-np.logaddexp(0.0, log_odds_left)), 1.0)

    def _mean_if_active(self, t: FloatArray, history: PurchaseHistory) -> FloatArray:
        """Expected purchases in ``t`` weeks of customers known to be active."""
        x, rate = history.frequency, self.alpha + history.age
        if min(abs(self.a - 1), abs(self.a + self.b - 1)) > _NEAR:
            return _mean_purchases(t, self.r + x, rate, self.a, self.b + x)
        below = _mean_purchases(t, self.r + x, rate, self.a - 2 * _NEAR, self.b + x)
        above = _mean_purchases(t, self.r + x, rate, self.a + 2 * _NEAR, self.b + x)
        return (below + above) / 2


def fit_bg_nbd(frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> BgNbdFit:
    """Fit BG/NBD by maximum likelihood.

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

    def log_likelihood(parameters: FloatArray) -> FloatArray:
        return _log_likelihood(parameters, groups)

    start = (1.0, weeks / purchases, 1.0, 3.0)
    best = maximise("BG/NBD", BgNbdErrors._fields, log_likelihood, start, counts)
    r, alpha, a, b = best.estimates.tolist()
    errors = BgNbdErrors(*best.standard_errors.tolist())
    return BgNbdFit(r, alpha, a, b, best.log_likelihood, history.n_customers, errors)


def _log_likelihood(parameters: FloatArray, history: PurchaseHistory) -> FloatArray:
    """Log-likelihood of each customer: still active at T, or gone right after the last purchase.

    Source: FHL equation 6, in logarithms.
    """
    r, alpha, a, b = parameters
    x, shape = history.frequency, r + history.frequency
    common = log_gamma(shape) - log_gamma(r) + r * np.log(alpha)
    survived = log_beta(a, b + x) - log_beta(a, b)
    active = -shape * np.log(alpha + history.age)
    left = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - shape * np.log(alpha + history.recency)
    either: FloatArray = np.logaddexp(active, left)
    return common + survived + np.where(x > 0, either, active)


def _mean_purchases(
    t: FloatArray, shape: FloatArray, rate: FloatArray, a: float, b: FloatArray
) -> FloatArray:
    """Mean of the counts to come when lambda is Gamma(shape, rate) and p is Beta(a, b).

    Source: FHL equations 9 and 10 after Euler's transformation of 2F1 (DLMF 15.8.1), which turns
    huge arguments for frequent buyers into small ones.
    """
    z = t / (rate + t)
    series = hypergeometric(a + b - 1 - shape, a - 1, a + b - 1, z)
    return (a + b - 1) / (a - 1) * (1 - (1 - z) ** (a - 1) * series)

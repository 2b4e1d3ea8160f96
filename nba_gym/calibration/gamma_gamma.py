"""Gamma-gamma model of spend per purchase.

Each purchase of a customer is worth Gamma(p, nu), and nu varies between customers as Gamma(q, v).
Spend is taken to be independent of how often the customer buys.

Source: Fader, P. S. and Hardie, B. G. S. (2013), "The Gamma-Gamma Model of Monetary Value",
http://www.brucehardie.com/notes/025/. The note writes gamma for the parameter called v here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nba_gym.calibration.grouping import group_rows
from nba_gym.calibration.inputs import numbers, require, whole_number_column
from nba_gym.calibration.likelihood import maximise
from nba_gym.calibration.special import FloatArray, log_gamma
from nba_gym.errors import DataError


class GammaGammaErrors(NamedTuple):
    """Asymptotic standard errors of the estimates, in the units of the estimates."""

    p: float
    q: float
    v: float


@dataclass(frozen=True)
class GammaGammaFit:
    """Gamma-gamma spend fitted to repeat buyers.

    Attributes:
        p: Shape of the spend of one customer's purchases, > 0. No unit.
        q: Shape of the heterogeneity between customers, > 0. No unit.
        v: Scale of the heterogeneity between customers, > 0, in currency units.
        log_likelihood: Total log-likelihood, in nats.
        n_customers: Repeat buyers that were fitted.
        standard_errors: Of p, q and v.
    """

    p: float
    q: float
    v: float
    log_likelihood: float
    n_customers: int
    standard_errors: GammaGammaErrors

    @property
    def mean_spend(self) -> float:
        """Expected spend per purchase of a customer not yet seen, p v / (q - 1), currency units.

        Infinite when q <= 1: the spend of the richest customers then has no mean.
        """
        return self.p * self.v / (self.q - 1) if self.q > 1 else np.inf

    def expected_spend(self, frequency: ArrayLike, mean_spend: ArrayLike) -> FloatArray:
        """Expected spend per future purchase of customers with a history.

        Args:
            frequency: Repeat purchases x, whole numbers >= 0. Shape ``(n,)``.
            mean_spend: Mean over those purchases, currency units; ignored where x is 0.

        Returns:
            A compromise between the customer's mean and everybody's, currency units, shape
            ``(n,)``. Infinite where p x + q <= 1.

        Raises:
            DataError: If a value is malformed, or a mean of at least one purchase not positive.

        Source: Fader & Hardie (2013), equation 5, written so that q <= 1 is no special case.
        """
        x, spend = _spend_history(frequency, mean_spend)
        weight = self.p * x + self.q - 1
        total = self.p * (self.v + x * spend)
        return np.divide(total, weight, out=np.full_like(total, np.inf), where=weight > 0)


def fit_gamma_gamma(frequency: ArrayLike, mean_spend: ArrayLike) -> GammaGammaFit:
    """Fit the gamma-gamma model by maximum likelihood.

    Customers without a repeat purchase say nothing about spend and are left out, so the columns
    of a :class:`~nba_gym.calibration.CustomerSummary` can be passed as they are.

    Args:
        frequency: Repeat purchases x of each customer, whole numbers >= 0.
        mean_spend: Mean spend over those x purchases, positive, in currency units; ignored
            (NaN allowed) where x is 0. Half cents matter: on CDNOW v is 15.44 (published) from
            the transactions and 15.45 from means with half cents rounded up.

    Returns:
        The estimates with their standard errors.

    Raises:
        DataError: If the columns are malformed, nobody bought twice, or the likelihood has no
            interior maximum.

    Source: Fader & Hardie (2013), equation 1a (the likelihood of x purchases of mean z).
    """
    x, spend = _spend_history(frequency, mean_spend)
    repeats = x > 0
    if not repeats.any():
        raise DataError("frequency must be positive for at least one customer, got only zeros")
    n_customers = int(np.count_nonzero(repeats))
    (x, spend), counts = group_rows((x[repeats], spend[repeats]))

    def log_likelihood(parameters: FloatArray) -> FloatArray:
        p, q, v = parameters
        return (
            log_gamma(p * x + q)
            - log_gamma(p * x)
            - log_gamma(q)
            + q * np.log(v)
            + (p * x - 1) * np.log(spend)
            + p * x * np.log(x)
            - (p * x + q) * np.log(v + x * spend)
        )

    names = GammaGammaErrors._fields
    start = (2.0, 3.0, float(counts @ spend) / n_customers)
    best = maximise("gamma-gamma", names, log_likelihood, start, counts)
    p, q, v = best.estimates.tolist()
    errors = GammaGammaErrors(*best.standard_errors.tolist())
    return GammaGammaFit(p, q, v, best.log_likelihood, n_customers, errors)


def _spend_history(frequency: ArrayLike, mean_spend: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Check both columns; spend is put to 1 where there was no repeat purchase to average."""
    x = whole_number_column("frequency", frequency)
    spend = numbers("mean_spend", mean_spend, n_rows=x.size)
    spend = np.where(x > 0, spend, 1.0)
    require("mean_spend", "finite where frequency is positive", spend, np.isfinite(spend))
    require("mean_spend", "positive where frequency is positive", spend, spend > 0)
    return x, spend

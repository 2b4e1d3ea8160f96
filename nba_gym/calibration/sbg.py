"""Shifted-beta-geometric model of how long customers keep a contract.

At each renewal a customer cancels with probability theta, the same every time. Between customers
theta is Beta(alpha, beta). Retention rises with tenure although no single customer grows loyal:
those who cancel easily are gone first.

Source: Fader, P. S. and Hardie, B. G. S. (2007), "How to Project Customer Retention", Journal of
Interactive Marketing 21(1), 76-90 ("FH" below); and (2010), "Customer-Base Valuation in a
Contractual Setting: The Perils of Ignoring Heterogeneity", Marketing Science 29(1), 85-93.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nba_gym.calibration.grouping import group_rows
from nba_gym.calibration.inputs import column, require, require_somebody, whole_number_column
from nba_gym.calibration.likelihood import maximise
from nba_gym.calibration.special import FloatArray, hypergeometric_from_one, log_beta
from nba_gym.errors import DataError


class SbgErrors(NamedTuple):
    """Asymptotic standard errors of the estimates, in the units of the estimates."""

    alpha: float
    beta: float


class ContractLives(NamedTuple):
    """How long contracts were kept, as :func:`fit_sbg` takes it. Each of shape ``(n_rows,)``.

    Attributes:
        periods: Renewal at which the contract was cancelled (1 is the first), or renewals so far.
        cancelled: 1 where it was cancelled, 0 where it still runs.
        counts: Contracts of this kind, >= 0.
    """

    periods: FloatArray
    cancelled: FloatArray
    counts: FloatArray


@dataclass(frozen=True)
class SbgFit:
    """Shifted-beta-geometric fitted to contracts.

    Attributes:
        alpha: First shape of the probability to cancel at a renewal, > 0. No unit.
        beta: Second shape of it, > 0; its mean is alpha / (alpha + beta).
        log_likelihood: Total log-likelihood, in nats.
        n_customers: Contracts that were fitted; need not be whole where survivors were shares.
        standard_errors: Of alpha and beta.
    """

    alpha: float
    beta: float
    log_likelihood: float
    n_customers: float
    standard_errors: SbgErrors

    @property
    def expected_lifetime(self) -> float:
        """Expected periods of a new contract, the first included, (alpha + beta - 1) / (alpha - 1).

        Infinite when alpha <= 1: those who hardly ever cancel then stay too long for a mean.
        """
        return 1 + float(self.expected_renewals(0)[0])

    def survival(self, renewals: ArrayLike) -> FloatArray:
        """Probability in (0, 1] that a new contract is renewed so many times, S(t).

        Args:
            renewals: Renewals t, whole numbers >= 0. Shape ``(n,)``.

        Returns:
            Probabilities, shape ``(n,)``; 1 where t is 0.

        Raises:
            DataError: If a value is malformed, negative or not whole.

        Source: FH equation 6.
        """
        t = whole_number_column("renewals", np.atleast_1d(renewals))
        return np.exp(log_beta(self.alpha, self.beta + t) - log_beta(self.alpha, self.beta))

    def cancellation_probability(self, renewal: ArrayLike) -> FloatArray:
        """Probability in (0, 1) that a new contract is cancelled at this renewal, P(T = t).

        Args:
            renewal: Renewal t, whole numbers >= 1. Shape ``(n,)``.

        Returns:
            Probabilities, shape ``(n,)``.

        Raises:
            DataError: If a value is malformed, below 1 or not whole.

        Source: FH equation 5.
        """
        t = _renewal(renewal)
        cancelled = log_beta(self.alpha + 1, self.beta + t - 1)
        return np.exp(cancelled - log_beta(self.alpha, self.beta))

    def retention(self, renewal: ArrayLike) -> FloatArray:
        """Share in (0, 1) of the contracts up for this renewal that are renewed, r_t.

        Args:
            renewal: Renewal t, whole numbers >= 1. Shape ``(n,)``.

        Returns:
            Shares, shape ``(n,)``; they rise with t.

        Raises:
            DataError: If a value is malformed, below 1 or not whole.

        Source: FH equation 8.
        """
        t = _renewal(renewal)
        return (self.beta + t - 1) / (self.alpha + self.beta + t - 1)

    def expected_renewals(self, renewals: ArrayLike) -> FloatArray:
        """Expected further renewals of a contract that was renewed so many times.

        Args:
            renewals: Renewals so far t, whole numbers >= 0. Shape ``(n,)``.

        Returns:
            Expected counts, shape ``(n,)``; infinite when alpha <= 1.

        Raises:
            DataError: If a value is malformed, negative or not whole.

        Source: the sum of S(t + k) / S(t) over k >= 1, with FH equation 6.
        """
        t = whole_number_column("renewals", np.atleast_1d(renewals))
        return (self.beta + t) / (self.alpha - 1) if self.alpha > 1 else np.full_like(t, np.inf)

    def discounted_renewals(self, renewals: ArrayLike, *, discount: float) -> FloatArray:
        """Expected further renewals, later ones discounted (DERL, expected residual lifetime).

        The next renewal counts in full and each later one ``1 + discount`` times less than the one
        before, so this times the price is what a contract is worth just before it is renewed.

        Args:
            renewals: Renewals so far t, whole numbers >= 0. Shape ``(n,)``.
            discount: Discount rate per period, > 0.

        Returns:
            Discounted counts, shape ``(n,)``; finite whatever alpha is.

        Raises:
            DataError: If a value is malformed, negative or not whole, or discount not positive.

        Source: Fader & Hardie (2010), equation 6, whose n is t + 1.
        """
        t = whole_number_column("renewals", np.atleast_1d(renewals))
        rate = column("discount", [discount])
        require("discount", "> 0", rate, rate > 0)
        series = hypergeometric_from_one(
            self.beta + t + 1, self.alpha + self.beta + t + 1, 1 / (1 + rate)
        )
        return self.retention(t + 1) * series


def contract_lives(survivors: ArrayLike) -> ContractLives:
    """What a table of survivors says about each contract of a cohort.

    Args:
        survivors: Contracts at the start, and how many were left after each renewal: numbers, or
            shares in any unit, but standard errors are then those of that many contracts. >= 0,
            never rising. Shape ``(n_renewals + 1,)``.

    Returns:
        Contracts by the renewal at which they were cancelled, and last those that still run.
        Cohorts of different age are fitted together by joining their columns.

    Raises:
        DataError: If there are fewer than two numbers, or one is malformed, negative or rises.

    Source: FH, appendix B.
    """
    table = column("survivors", survivors)
    if table.size < 2:
        raise DataError("survivors must have at least two values, the start and one renewal, got 1")
    require("survivors", ">= 0", table, table >= 0)
    require("survivors", "at most the value before", table, np.diff(table, prepend=np.inf) <= 0)
    renewals = np.arange(1.0, table.size)
    return ContractLives(
        np.append(renewals, renewals[-1]),
        np.append(np.ones(renewals.size), 0.0),
        np.append(-np.diff(table), table[-1]),
    )


def fit_sbg(periods: ArrayLike, cancelled: ArrayLike, counts: ArrayLike | None = None) -> SbgFit:
    """Fit the shifted-beta-geometric by maximum likelihood.

    A table of survivors is fitted by ``fit_sbg(*contract_lives(survivors))``.

    Args:
        periods: Renewal at which each contract was cancelled, >= 1; or, of those that still run,
            renewals so far, >= 0. Whole numbers. Shape ``(n_rows,)``.
        cancelled: Whether it was cancelled: booleans, or 0 and 1.
        counts: Contracts in each row, >= 0, not necessarily whole; by default one.

    Returns:
        The estimates with their standard errors.

    Raises:
        DataError: If the columns are malformed, nobody cancelled, or the likelihood has no
            interior maximum, as when retention does not rise with tenure.

    Source: FH equation B3.
    """
    (t, gone), customers = group_rows(*_contracts(periods, cancelled, counts))
    if not gone.any():
        raise DataError("cancelled must be 1 for at least one contract, got only zeros")

    def log_likelihood(parameters: FloatArray) -> FloatArray:
        alpha, beta = parameters
        # cancelled at t: renewed t - 1 times before
        return log_beta(alpha + gone, beta + t - gone) - log_beta(alpha, beta)

    best = maximise("sBG", SbgErrors._fields, log_likelihood, (1.0, 1.0), customers)
    alpha, beta = best.estimates.tolist()
    errors = SbgErrors(*best.standard_errors.tolist())
    return SbgFit(alpha, beta, best.log_likelihood, float(customers.sum()), errors)


def _contracts(
    periods: ArrayLike, cancelled: ArrayLike, counts: ArrayLike | None
) -> tuple[tuple[FloatArray, FloatArray], FloatArray]:
    """Check the columns of :func:`fit_sbg` against one another."""
    t = whole_number_column("periods", periods)
    gone = column("cancelled", cancelled, n_rows=t.size, like="periods")
    require("cancelled", "0 or 1", gone, (gone == 0) | (gone == 1))
    require("periods", ">= 1 where cancelled is 1", t, t >= gone)
    customers = np.ones(t.size) if counts is None else counts
    customers = column("counts", customers, n_rows=t.size, like="periods")
    require("counts", ">= 0", customers, customers >= 0)
    require_somebody(customers)
    return (t, gone), customers


def _renewal(renewal: ArrayLike) -> FloatArray:
    """Check which renewals are asked about."""
    t = whole_number_column("renewal", np.atleast_1d(renewal))
    require("renewal", ">= 1", t, t >= 1)
    return t

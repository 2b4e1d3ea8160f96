"""BG/BB model of repeat purchases at discrete opportunities, with silent dropout.

At the beginning of each opportunity a customer leaves for good with probability theta; who is
still there takes the opportunity with probability p. Between customers p is Beta(alpha, beta) and
theta is Beta(gamma, delta), independently. An opportunity is a yearly appeal, a catalogue, a week.

Source: Fader, P. S., Hardie, B. G. S. and Shang, J. (2010), "Customer-Base Analysis in a
Discrete-Time Noncontractual Setting", Marketing Science 29(6), 1086-1108. "FHS" below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nba_gym.calibration.histogram import require_bars
from nba_gym.calibration.inputs import (
    OpportunityHistory,
    opportunity_history,
    require_somebody,
    whole_number_column,
)
from nba_gym.calibration.likelihood import maximise
from nba_gym.calibration.special import FloatArray, log_beta, log_difference, log_gamma
from nba_gym.errors import DataError

_NEAR = 1e-5  # how near to gamma = 1 the closed form of the mean loses its digits


class BgBbErrors(NamedTuple):
    """Asymptotic standard errors of the estimates, in the units of the estimates."""

    alpha: float
    beta: float
    gamma: float
    delta: float


@dataclass(frozen=True)
class BgBbFit:
    """BG/BB fitted to histories of opportunities.

    Attributes:
        alpha: First shape of the probability to take an opportunity, > 0. No unit.
        beta: Second shape of it, > 0; its mean is alpha / (alpha + beta).
        gamma: First shape of the dropout probability, > 0. No unit.
        delta: Second shape of it, > 0; its mean is gamma / (gamma + delta).
        log_likelihood: Total log-likelihood, in nats.
        n_customers: Customers that were fitted.
        standard_errors: Of alpha, beta, gamma and delta.
    """

    alpha: float
    beta: float
    gamma: float
    delta: float
    log_likelihood: float
    n_customers: int
    standard_errors: BgBbErrors

    def expected_purchases(self, opportunities: ArrayLike) -> FloatArray:
        """Expected repeat purchases of a new customer, E[X(n)].

        Args:
            opportunities: Opportunities since the first purchase n, >= 0. Shape ``(n_rows,)``.

        Returns:
            Expected counts, shape ``(n_rows,)``.

        Raises:
            DataError: If a value is malformed, negative or not whole.

        Source: FHS equation 9.
        """
        n = whole_number_column("opportunities", np.atleast_1d(opportunities))
        taken = self.alpha / (self.alpha + self.beta)
        return taken * _mean_stay(n, self.gamma, np.full_like(n, self.delta))

    def expected_future_purchases(
        self, ahead: int, frequency: ArrayLike, recency: ArrayLike, opportunities: ArrayLike
    ) -> FloatArray:
        """Expected purchases at the next opportunities given the history, E[X(n, n + n*)].

        Args:
            ahead: Opportunities ahead n*, >= 0.
            frequency: Opportunities taken x. Shape ``(n_rows,)``.
            recency: The last one taken t_x, counted from 1; 0 where x is 0.
            opportunities: Opportunities so far n.

        Returns:
            Expected counts, shape ``(n_rows,)``.

        Raises:
            DataError: If a value is malformed.

        Source: FHS equation 13: the probability to have met n opportunities, times the mean of p,
        times the mean number that are met from there.
        """
        history = opportunity_history(frequency, recency, opportunities)
        whole_number_column("ahead", [ahead])
        x, n = history.frequency, history.opportunities
        taken = (self.alpha + x) / (self.alpha + self.beta + n)
        met = _mean_stay(np.full_like(n, ahead), self.gamma, self.delta + n)
        return self._stayed(history) * taken * met

    def active_probability(
        self, frequency: ArrayLike, recency: ArrayLike, opportunities: ArrayLike
    ) -> FloatArray:
        """Probability in [0, 1] that each customer meets the next opportunity, given the history.

        Args:
            frequency: Opportunities taken x. Shape ``(n_rows,)``.
            recency: The last one taken t_x, counted from 1; 0 where x is 0.
            opportunities: Opportunities so far n.

        Returns:
            Probabilities, shape ``(n_rows,)``; below 1 even where t_x is n, since customers leave
            at the beginning of an opportunity.

        Raises:
            DataError: If a value is malformed.

        Source: FHS equation 11.
        """
        history = opportunity_history(frequency, recency, opportunities)
        n = history.opportunities
        return self._stayed(history) * (self.delta + n) / (self.gamma + self.delta + n)

    def frequency_probability(self, frequency: int, opportunities: ArrayLike) -> FloatArray:
        """Probability in [0, 1] of exactly so many repeat purchases, P(X(n) = x).

        Args:
            frequency: Repeat purchases x, >= 0.
            opportunities: Opportunities since the first purchase n, >= 0. Shape ``(n_rows,)``.

        Returns:
            Probabilities, shape ``(n_rows,)``; 0 where x is above n.

        Raises:
            DataError: If a value is malformed, negative or not whole.

        Source: FHS equation 7; its sum has the same terms for every n, so it is taken once.
        """
        whole_number_column("frequency", [frequency])
        n = whole_number_column("opportunities", np.atleast_1d(opportunities)).astype(np.int64)
        x, i = frequency, np.arange(frequency, max(frequency, int(n.max())) + 1)
        ways = log_gamma(i + 1) - log_gamma(x + 1) - log_gamma(i - x + 1)
        taken = ways + log_beta(self.alpha + x, self.beta + i - x) - log_beta(self.alpha, self.beta)
        prior = log_beta(self.gamma, self.delta)
        stayed = np.exp(taken + log_beta(self.gamma, self.delta + i) - prior)
        left = np.exp(taken + log_beta(self.gamma + 1, self.delta + i) - prior)
        probability = stayed + np.cumsum(left) - left  # left before n: up to i = n - 1
        return np.where(n >= x, probability[np.maximum(n - x, 0)], 0.0)

    def expected_histogram(
        self, opportunities: ArrayLike, *, counts: ArrayLike | None = None, top: int = 7
    ) -> FloatArray:
        """Expected number of customers with 0, 1, ..., ``top`` or more repeat purchases.

        Args:
            opportunities: Opportunities each customer had n. Shape ``(n_rows,)``.
            counts: Customers in each row, >= 0; by default one. Shape ``(n_rows,)``.
            top: Count at which the last bar begins, >= 1.

        Returns:
            Expected customers per bar, shape ``(top + 1,)``; they sum to the customers.

        Raises:
            DataError: If a value is malformed.
        """
        require_bars(top)
        n = whole_number_column("opportunities", opportunities)
        customers = np.ones(n.size) if counts is None else counts
        customers = whole_number_column("counts", customers, n_rows=n.size, like="opportunities")
        require_somebody(customers)
        bars = [float(customers @ self.frequency_probability(x, n)) for x in range(top)]
        return np.array([*bars, customers.sum() - sum(bars)])

    def _stayed(self, history: OpportunityHistory) -> FloatArray:
        """Probability to have met the last opportunity, given the history."""
        parameters = np.array([self.alpha, self.beta, self.gamma, self.delta])
        stayed = _log_stayed(parameters, history)
        return np.exp(stayed - np.logaddexp(stayed, _log_left(parameters, history)))


def fit_bg_bb(
    frequency: ArrayLike,
    recency: ArrayLike,
    opportunities: ArrayLike,
    counts: ArrayLike | None = None,
) -> BgBbFit:
    """Fit BG/BB by maximum likelihood.

    Args:
        frequency: Opportunities taken x, whole numbers >= 0, without the first purchase, which
            made somebody a customer. Shape ``(n_rows,)``.
        recency: The last opportunity taken t_x, counted from 1; 0 where x is 0.
        opportunities: Opportunities so far n, at least t_x.
        counts: Customers with this history, whole numbers >= 0; by default one a row.

    Returns:
        The estimates with their standard errors.

    Raises:
        DataError: If the columns are malformed, nobody bought twice, or the likelihood has no
            interior maximum, as when the data show no dropout at all.
    """
    history = opportunity_history(frequency, recency, opportunities, counts).grouped()
    if not history.frequency.any():
        raise DataError("frequency must be positive for at least one customer, got only zeros")

    def log_likelihood(parameters: FloatArray) -> FloatArray:
        return np.logaddexp(_log_stayed(parameters, history), _log_left(parameters, history))

    names = BgBbErrors._fields
    best = maximise("BG/BB", names, log_likelihood, (1.0, 1.0, 1.0, 3.0), history.counts)
    alpha, beta, gamma, delta = best.estimates.tolist()
    errors = BgBbErrors(*best.standard_errors.tolist())
    n_customers = history.n_customers
    return BgBbFit(alpha, beta, gamma, delta, best.log_likelihood, n_customers, errors)


def _log_stayed(parameters: FloatArray, history: OpportunityHistory) -> FloatArray:
    """Log-probability of each history of a customer who met all the opportunities.

    Source: FHS equation 5, first term.
    """
    alpha, beta, gamma, delta = parameters
    x, n = history.frequency, history.opportunities
    taken = log_beta(alpha + x, beta + n - x) - log_beta(alpha, beta)
    return taken + log_beta(gamma, delta + n) - log_beta(gamma, delta)


def _log_left(parameters: FloatArray, history: OpportunityHistory) -> FloatArray:
    """Log-probability of each history of a customer who left after the last purchase.

    The terms of the sum depend on x and on the last opportunity met, m, alone. So there is one
    table of sums from m on, and the sum from t_x to n - 1 is a difference of two of its entries.
    Terms fall with m, so that loses no more digits than the longest history has.

    Source: FHS equation 5, the sum.
    """
    alpha, beta, gamma, delta = parameters
    different, row = np.unique(history.frequency, return_inverse=True)
    x, m = different[:, np.newaxis], np.arange(int(history.opportunities.max()) + 1)
    passed = np.maximum(m - x, 0)  # m < x cannot be; those entries are never looked up
    taken = log_beta(alpha + x, beta + passed) - log_beta(alpha, beta)
    left = log_beta(gamma + 1, delta + m) - log_beta(gamma, delta)
    table: FloatArray = np.logaddexp.accumulate((taken + left)[:, ::-1], axis=1)[:, ::-1]
    since, now = history.recency.astype(np.int64), history.opportunities.astype(np.int64)
    return log_difference(table[row, since], table[row, now])


def _mean_stay(ahead: FloatArray, gamma: float, delta: FloatArray) -> FloatArray:
    """Mean number of the opportunities ahead that are met when theta is Beta(gamma, delta).

    Source: FHS equations 9 and 13, without the probability to take one.
    """
    if abs(gamma - 1) < _NEAR:  # a removable singularity
        below = _mean_stay(ahead, gamma - 2 * _NEAR, delta)
        return (below + _mean_stay(ahead, gamma + 2 * _NEAR, delta)) / 2
    stays = log_gamma(gamma + delta) - log_gamma(gamma + delta + ahead)
    stays = stays + log_gamma(1 + delta + ahead) - log_gamma(1 + delta)
    return delta / (gamma - 1) * -np.expm1(stays)

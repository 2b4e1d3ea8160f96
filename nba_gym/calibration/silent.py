"""What models of buying with silent dropout in continuous time have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

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
from nba_gym.calibration.special import FloatArray


class SilentDropout(ABC):
    """Buying until one leaves without a word; a model says how, in three closed forms.

    Its own docstring names their sources.
    """

    def expected_purchases(self, weeks: ArrayLike) -> FloatArray:
        """Expected repeat purchases of a new customer, E[X(t)].

        Args:
            weeks: Weeks since the first purchase t, >= 0. Shape ``(n,)``.

        Returns:
            Expected counts, shape ``(n,)``.

        Raises:
            DataError: If a value is malformed or negative.
        """
        t = column("weeks", np.atleast_1d(weeks))
        require("weeks", ">= 0", t, t >= 0)
        nobody = np.zeros_like(t)
        return self._mean_if_active(t, PurchaseHistory(nobody, nobody, nobody))

    def expected_future_purchases(
        self, weeks: float, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike
    ) -> FloatArray:
        """Expected purchases in the next weeks given the history, E[Y(t) | x, t_x, T].

        The probability to be active times the mean if active.

        Args:
            weeks: Weeks ahead t, >= 0.
            frequency: Repeat purchases x. Shape ``(n,)``.
            recency: Weeks from first to last purchase t_x. Shape ``(n,)``.
            age: Weeks from first purchase to now T. Shape ``(n,)``.

        Returns:
            Expected counts, shape ``(n,)``.

        Raises:
            DataError: If a value is malformed.
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
            Probabilities, shape ``(n,)``.

        Raises:
            DataError: If a value is malformed.
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
        """
        whole_number_column("frequency", [frequency])
        t = column("weeks", np.atleast_1d(weeks))
        require("weeks", ">= 0", t, t >= 0)
        return self._count_probability(frequency, t)

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

    @abstractmethod
    def _mean_if_active(self, t: FloatArray, history: PurchaseHistory) -> FloatArray:
        """Expected purchases in ``t`` weeks of customers known to be active."""

    @abstractmethod
    def _active_probability(self, history: PurchaseHistory) -> FloatArray:
        """Probability to be active."""

    @abstractmethod
    def _count_probability(self, x: int, t: FloatArray) -> FloatArray:
        """Probability of ``x`` repeat purchases in ``t`` weeks."""

"""Policies that see the hidden half. They are bounds and yardsticks, never fair contenders."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer.populate import AnyPopulation
from nba_gym.errors import PolicyError
from nba_gym.truth.expected import expected_profit


class MyopicOracle:
    """Greedy with perfect knowledge: the allowed action with the highest expected profit now.

    Args:
        margin: An action must beat waiting by this much, in currency; 0 is exactly greedy.

    Source: equation 38 of the model; ties go to the action with the lower number.
    """

    privileged = True

    def __init__(self, margin: float = 0.0) -> None:
        self.name = "myopic oracle"
        self.margin = margin
        self._population: AnyPopulation | None = None

    def bind(self, population: AnyPopulation) -> None:
        """Show the oracle the customers it will act for."""
        self._population = population

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``.

        Raises:
            PolicyError: If the oracle was not bound to the customers.
        """
        if self._population is None:
            raise PolicyError("the myopic oracle must be bound to a population before it acts")
        values = expected_profit(self._population)
        values[:, 1:] -= self.margin
        return np.argmax(np.where(masks > 0, values, -np.inf), axis=1)

"""Policies that see the hidden half. They are bounds and yardsticks, never fair contenders."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer.populate import AnyPopulation
from nba_gym.truth.expected import expected_profit
from nba_gym.truth.privileged import Privileged, best_allowed


class MyopicOracle(Privileged[AnyPopulation]):
    """Greedy with perfect knowledge: the allowed action with the highest expected profit now.

    Args:
        margin: An action must beat waiting by this much, in currency; 0 is exactly greedy.

    Source: equation 38 of the model; ties go to the action with the lower number.
    """

    def __init__(self, margin: float = 0.0) -> None:
        super().__init__("myopic oracle")
        self.margin = margin

    def look(self, population: AnyPopulation) -> AnyPopulation:
        """Everything."""
        return population

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``."""
        return best_allowed(expected_profit(self.seen), masks, self.margin)

"""What a policy is."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class Policy(Protocol):
    """Chooses one allowed action for every customer from what the records show.

    A privileged policy says so: with an attribute ``observe = "everything"`` the evaluator shows it
    the hidden half as further columns, with a method ``bind`` the simulator itself.

    Attributes:
        name: What tables and plots call it.
    """

    name: str

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Choose actions.

        Args:
            observations: ``(n, n_features)``.
            masks: 1 where an action is allowed, ``(n, n_actions)``; waiting always is.
            generator: The only source of randomness a policy may use.

        Returns:
            Chosen actions, ``(n,)``.
        """
        ...


@runtime_checkable
class StochasticPolicy(Policy, Protocol):
    """A policy that can say how likely each action is.

    The evaluator then draws the action itself, with the customer's own random number, so that a
    journey does not depend on who else is simulated; and off-policy estimators can use the logged
    propensities.
    """

    def probabilities(
        self, observations: NDArray[np.float32], masks: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Probability of every action, ``(n, n_actions)``; rows sum to 1, forbidden are 0."""
        ...

"""What policies share that are shown the simulator itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer.populate import AnyPopulation
from nba_gym.errors import PolicyError

Seen = TypeVar("Seen")


class Privileged(ABC, Generic[Seen]):
    """A policy that must be shown the customers it acts for; each says what it keeps of them.

    Args:
        name: What tables call it.
    """

    privileged = True

    def __init__(self, name: str) -> None:
        self.name = name
        self._seen: Seen | None = None

    @abstractmethod
    def look(self, population: AnyPopulation) -> Seen:
        """What it needs to know of the customers it will act for."""

    @abstractmethod
    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``.

        Raises:
            PolicyError: If the policy was not bound to the customers.
        """

    def bind(self, population: AnyPopulation) -> None:
        """Show the policy the customers it will act for."""
        self._seen = self.look(population)

    @property
    def seen(self) -> Seen:
        """What it knows of the customers it acts for.

        Raises:
            PolicyError: If it was not bound to any.
        """
        if self._seen is None:
            raise PolicyError(f"{self.name} must be bound to a population before it acts")
        return self._seen


def best_allowed(
    values: NDArray[np.float64], masks: NDArray[Any], margin: float
) -> NDArray[np.int64]:
    """The allowed action that is worth most, ``(n,)``; ties go to the lower number.

    Args:
        values: What actions are worth, ``(n, n_actions)``; changed in place.
        masks: Above 0 where an action is allowed, ``(n, n_actions)``.
        margin: An action must beat waiting by this much.
    """
    values[:, 1:] -= margin
    return np.argmax(np.where(masks > 0, values, -np.inf), axis=1)

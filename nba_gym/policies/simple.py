"""Yardsticks that need no data: wait, uniform random, round robin."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.policies.rows import draw_actions, equal_shares


class NoContact:
    """Always waits. What customers do of themselves; every contact must earn more than this."""

    def __init__(self) -> None:
        self.name = "no contact"

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Wait, for every customer, ``(n,)``."""
        return np.zeros(len(observations), dtype=np.int64)


class ByLot(ABC):
    """What policies share that say how likely each action is: the action is drawn accordingly."""

    @abstractmethod
    def probabilities(
        self, observations: NDArray[np.float32], masks: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Probability of every action, ``(n, n_actions)``; each policy has its own."""

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Draw an action for every customer, ``(n,)``."""
        return draw_actions(self.probabilities(observations, masks), generator.random(len(masks)))


class UniformRandom(ByLot):
    """Every allowed action, waiting included, is equally likely.

    Args:
        wait: Probability of waiting instead, in [0, 1]; the rest is shared out equally. 0 gives
            waiting the same share as any other allowed action.
    """

    def __init__(self, wait: float = 0.0) -> None:
        self.name = "uniform random" if wait == 0.0 else f"random, {wait:.0%} wait"
        self.wait = wait

    def probabilities(
        self, observations: NDArray[np.float32], masks: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Probability of every action, ``(n, n_actions)``."""
        return equal_shares(masks, self.wait)


class RoundRobin:
    """Each customer's allowed actions in turn, by the catalogue: the n-th period the n-th of them.

    The turn is read off the tenure in the records, so the policy has no memory of its own.

    Args:
        tenure: Column of the observation that holds the tenure as ``x / (x + 26)``.
    """

    def __init__(self, tenure: int = 0) -> None:
        self.name = "round robin"
        self.tenure = tenure

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``."""
        share = observations[:, self.tenure].astype(np.float64)
        periods = np.rint(26.0 * share / (1.0 - share)).astype(np.int64)
        allowed = masks > 0
        turn = periods % allowed.sum(axis=1)
        rank = np.cumsum(allowed, axis=1) - 1
        return np.argmax(allowed & (rank == turn[:, None]), axis=1)

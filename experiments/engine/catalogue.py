"""A policy in a world with another catalogue than the one it learned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.policies import Policy
from nba_gym.scenario import Scenario


def in_catalogue_of(policy: Policy, learned: Scenario, world: Scenario) -> Policy:
    """The policy as it acts in a world: actions are the same if they have the same name."""
    before = [action.name for action in learned.actions]
    now = [action.name for action in world.actions]
    return policy if before == now else OldCatalogue(policy, before, now)


class OldCatalogue:
    """A policy that knows the actions it learned: new ones it cannot choose, gone ones are closed.

    Args:
        policy: The policy.
        before: Names of the actions where it learned, waiting first.
        now: Names of the actions where it acts, waiting first.
    """

    def __init__(self, policy: Policy, before: list[str], now: list[str]) -> None:
        self.policy, self.name = policy, policy.name
        self.observe = getattr(policy, "observe", "records")
        self._place = np.array([now.index(name) if name in now else -1 for name in before])

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``, among the actions of the world."""
        known = masks[:, np.maximum(self._place, 0)] * (self._place >= 0)
        shown = np.ascontiguousarray(known, dtype=masks.dtype)
        return self._place[self.policy.act(observations, shown, generator)]

"""Arbitration by one number an action, linear in the records: what uplift and bandits come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.policies.arbiter import all_levers, lever_of_each
from nba_gym.policies.attributes import Array
from nba_gym.policies.limits import Contacts
from nba_gym.policies.practice import NO_CAP
from nba_gym.policies.rows import best_open


@dataclass(frozen=True)
class LinearWorth:
    """What each action is worth more than waiting, however that was learned.

    Attributes:
        effects: Coefficients of what an action adds to waiting, in currency, the last row the
            intercept, ``(n_features + 1, n_actions)``; the first column is 0.
        costs: Cost of a contact by action, ``(n_actions,)``; 0 where ``effects`` are net of it.
        kinds: Kind of each action, ``n_actions`` of them.
        contacts: How the records count contacts.
        typical: A typical amount to set thresholds by, in currency.
    """

    effects: Array
    costs: Array
    kinds: tuple[str, ...]
    contacts: Contacts
    typical: float

    def gains(self, observations: Array) -> Array:
        """Expected earnings that each action adds to waiting, before costs, ``(n, n_actions)``."""
        return observations @ self.effects[:-1] + self.effects[-1]

    def worth(self, observations: Array) -> Array:
        """The same after costs, ``(n, n_actions)``."""
        return self.gains(observations) - self.costs


class Arbitration:
    """The action that is worth most, if it beats waiting by a threshold, within a cap.

    Args:
        model: What actions are worth.
        threshold: By how much an action must beat waiting, in currency.
        cap: No outbound contact after so many within the last 4 periods.
        levers: Factors on what actions add, by kind; 1 where not given.
        name: What tables call it.

    Raises:
        PolicyError: If the cap or a lever is negative.
    """

    def __init__(
        self,
        model: LinearWorth,
        *,
        threshold: float = 0.0,
        cap: int = NO_CAP,
        levers: Mapping[str, float] | None = None,
        name: str = "arbitration",
    ) -> None:
        self.levers = all_levers(model.kinds, levers, cap=cap)
        self.name = name
        self.model = model
        self.threshold = threshold
        self.cap = cap
        self._weights = lever_of_each(model.kinds, self.levers)

    @property
    def settings(self) -> dict[str, Any]:
        """What was tuned."""
        return {name: getattr(self, name) for name in ("threshold", "cap", "levers")}

    @property
    def weights(self) -> Array:
        """Lever of every action, ``(n_actions,)``."""
        return self._weights

    @property
    def recent(self) -> Contacts:
        """How the records count contacts."""
        return self.model.contacts

    def weigh(self, observations: Array) -> Array:
        """What actions are ranked by: weighted gains less the cost, ``(n, n_actions)``."""
        worth = self.model.gains(observations)
        worth *= self._weights
        worth -= self.model.costs
        return worth

    def act(
        self, observations: Array, masks: NDArray[Any], generator: np.random.Generator
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``."""
        closed = (masks <= 0) | self.recent.tired(observations, self.cap)
        return best_open(self.weigh(observations), closed, self.threshold)

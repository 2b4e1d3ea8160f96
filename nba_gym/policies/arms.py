"""The arms that practitioners measure arbitration against: what each of its parts is worth.

One arm draws a relevant action by lot, one goes by propensity alone, one has no levers, one skips
every rule of engagement but eligibility. The difference to full arbitration is what the missing
part brings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import check_least
from nba_gym.policies.attributes import Array, Floats
from nba_gym.policies.limits import Contacts
from nba_gym.policies.practice import NO_CAP, PracticeModel
from nba_gym.policies.rows import best_open
from nba_gym.policies.simple import ByLot
from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario


class RandomRelevant(ByLot):
    """An action by lot among all that the rules of engagement leave; waiting if they leave none."""

    def __init__(self) -> None:
        self.name = "random relevant action"

    def probabilities(self, observations: Array, masks: NDArray[Any]) -> Floats:
        """Probability of every action, ``(n, n_actions)``."""
        relevant = (masks > 0).astype(np.float64)
        relevant[:, 0] = relevant[:, 1:].sum(axis=1) == 0.0
        return relevant / relevant.sum(axis=1, keepdims=True)


class PropensityOnly:
    """The action after which the customer most likely buys what it is about.

    It minds neither what that is worth, nor what the contact costs, nor whether the customer would
    have bought without it.

    Args:
        model: What was learned from the campaign.
        threshold: Propensity that an action must exceed, in [0, 1).
        cap: No outbound contact after so many within the last 4 periods.

    Raises:
        PolicyError: If the threshold or the cap is negative.
    """

    def __init__(self, model: PracticeModel, *, threshold: float = 0.0, cap: int = NO_CAP) -> None:
        check_least(0, threshold=threshold, cap=cap)
        self.name = "propensity only"
        self.model = model
        self.threshold = threshold
        self.cap = cap

    @property
    def settings(self) -> dict[str, Any]:
        """What was tuned."""
        return {"threshold": self.threshold, "cap": self.cap}

    def act(
        self, observations: Array, masks: NDArray[Any], generator: np.random.Generator
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``."""
        closed = (masks <= 0) | self.recent.tired(observations, self.cap)
        return best_open(self.weigh(observations), closed, self.threshold)

    @property
    def recent(self) -> Contacts:
        """How the records count contacts."""
        return self.model.recent

    def weigh(self, observations: Array) -> Array:
        """What actions are ranked by: the propensity to buy, ``(n, n_actions)``."""
        return self.model.now.most_likely(observations)


def without_levers(model: PracticeModel) -> PracticeModel:
    """What was learned, with every business weight of the catalogue at 1."""
    return replace(model, levers=np.ones_like(model.levers))


def eligibility_only(scenario: Scenario) -> Scenario:
    """The same world, whose rules of engagement are those of eligibility alone.

    Applicability and suitability forbid nothing; consent, caps, pauses and quotas stay. The same
    customers live in it with the same luck, so values are comparable one by one.
    """
    tree = scenario.model_dump(mode="json")
    free: dict[str, Any] = {"applicability": [], "suitability": []}
    tree["actions"] = [action | free for action in tree["actions"]]
    return load_scenario(Scenario.model_validate(tree))

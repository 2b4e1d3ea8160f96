"""Policies and actions that tests of counterfactual twins live with."""

from __future__ import annotations

from typing import Any

import numpy as np

from nba_gym.policies import NoContact
from nba_gym.scenario.schema import Scenario


def some_action(scenario: Scenario, kind: str = "offer") -> str:
    """One that the firm may begin itself at any time; of this kind if there is one."""
    outbound = [channel.name for channel in scenario.channels if channel.direction == "outbound"]
    open_ones = [a for a in scenario.actions if a.channel in outbound and not a.valid]
    return min(open_ones, key=lambda action: action.kind != kind).name


def number_of(scenario: Scenario, name: str) -> int:
    return [action.name for action in scenario.actions].index(name)


class Once:
    """Gives one action in one period, or in each of some, to whoever may get it; else waits."""

    def __init__(self, action: int, *periods: int) -> None:
        self.name, self.action, self.periods = "once", action, periods

    def act(self, observations: Any, masks: Any, generator: Any) -> Any:
        tenure = observations[:, 0].astype(np.float64)  # x / (x + 26)
        now = np.isin(np.rint(26.0 * tenure / (1.0 - tenure)), self.periods)
        return np.where(now & (masks[:, self.action] > 0), self.action, 0)


class DrawsItself:
    """Draws from the generator it is given, and does not say probabilities."""

    name = "draws itself"

    def act(self, observations: Any, masks: Any, generator: Any) -> Any:
        return np.argmax(generator.random(masks.shape) * masks, axis=1)


class SeesEverything(NoContact):
    """Shown the hidden half and the simulator, and waits all the same."""

    observe = "everything"

    def bind(self, population: Any) -> None:
        self.population = population

    def act(self, observations: Any, masks: Any, generator: Any) -> Any:
        assert observations.shape[1] == len(self.population.features)
        return super().act(observations, masks, generator)

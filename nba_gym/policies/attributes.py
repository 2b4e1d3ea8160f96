"""What actions have in common, so that one may learn from another.

An action is described by its kind, channel, discount and the needs it speaks to; what it does
beyond that is its own, and shrunk. So thousands of contacts speak for each coefficient although
each action was tried on few: partial pooling (Gelman & Hill 2007).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nba_gym.scenario.schema import Scenario

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

STATE = ("recency", "frequency", "contacts_4", "responses_13", "complaint")
"""What may make any contact work better or worse."""
NEED_STATE = ("signals", "bought", "informed", "answer", "basket")
"""What may make a contact about a need work better or worse."""


class Attributes:
    """What the effects of actions on outcomes are made of: numbers, each a feature times a weight.

    An effect of an action on an outcome is ``sum_p theta_p * weight_p * feature_p``, where weight
    and feature depend on the action and the outcome and theta is shared by all of them.

    Args:
        scenario: For the catalogue, which the firm knows.
        feature_names: Names of the observation's columns.
        speaks: How much an action speaks to an outcome, ``(n_actions, n)``; nothing is learned of
            how well it does so where this is 0 throughout.
        goodwill: Ridge penalty on what actions do to all outcomes alike, through goodwill or
            annoyance; nothing is learned of it by default.
        seasonal: Whether each outcome has a level and a season of its own, as it must where no
            propensity to be left alone knows of them.
    """

    def __init__(
        self,
        scenario: Scenario,
        feature_names: list[str],
        speaks: Floats,
        *,
        goodwill: float | None = None,
        seasonal: bool = False,
    ) -> None:
        self.shape = (len(feature_names) + 1, *speaks.shape)
        self._index = {name: i for i, name in enumerate([*feature_names, "one"])}
        self._columns: list[NDArray[np.int64]] = []
        self._weights: list[Floats] = []
        self._strengths: list[float] = []
        if speaks.any():
            self._add_persuasion(scenario, speaks)
        if seasonal:
            self._add_seasons(speaks)
        if goodwill is not None:
            self._add_goodwill(scenario, goodwill)

    @property
    def strengths(self) -> Floats:
        """Ridge penalties, ``(n_attributes,)``: the inverse variance expected of each theta."""
        return np.array(self._strengths)

    def rows(self, observations: Array, actions: NDArray[np.int64], outcome: int) -> Array:
        """Values of the attributes for customers, actions and an outcome, ``(rows, n)``."""
        one = np.ones((len(observations), 1), dtype=np.float32)
        known = np.concatenate([observations, one], axis=1)
        design = np.empty((len(known), len(self._columns)), dtype=np.float32)
        row = np.arange(len(known))
        for p, (columns, weights) in enumerate(zip(self._columns, self._weights, strict=True)):
            design[:, p] = known[row, columns[actions, outcome]] * weights[actions, outcome]
        return design

    def concerned(self, outcome: int) -> Flags:
        """Which actions have any attribute for an outcome, ``(n_actions,)``."""
        weights = [weights[:, outcome] != 0.0 for weights in self._weights]
        return np.any(weights, axis=0) if weights else np.zeros(self.shape[1], dtype=np.bool_)

    def effects(self, theta: Floats) -> Array:
        """Coefficients of the effects, ``(n_features + 1, n, n_actions)``."""
        effects = np.zeros(self.shape)
        action, outcome = np.indices(self.shape[1:])
        for columns, weights, value in zip(self._columns, self._weights, theta, strict=True):
            effects[columns, action, outcome] += value * weights
        return np.ascontiguousarray(effects.transpose(0, 2, 1), dtype=np.float32)

    def _add(self, weights: NDArray[np.generic], strength: float, feature: str = "one") -> None:
        self._add_columns(np.array(self._index[feature]), weights, strength)

    def _add_columns(
        self, columns: NDArray[np.int64], weights: NDArray[np.generic], strength: float
    ) -> None:
        self._columns.append(np.broadcast_to(columns, self.shape[1:]))
        self._weights.append(np.broadcast_to(weights, self.shape[1:]).astype(np.float64))
        self._strengths.append(strength)

    def _add_persuasion(self, scenario: Scenario, speaks: Floats) -> None:
        """How well actions sell what they speak to."""
        for treatment in _treatments(scenario):
            self._add(treatment * speaks, 1.0)
        for own in np.eye(scenario.n_actions)[1:, :, None]:
            self._add(own * speaks, 10.0)
        discounts = np.array([[action.discount] for action in scenario.actions])
        self._add(discounts * speaks, 0.1)
        for feature in ("coupon", "deal_share", "spend"):
            self._add(discounts * speaks, 0.1, feature)
        for feature in STATE:
            self._add(speaks, 3.0, feature)
        for feature in ("sent_4", "ignored"):
            names = [f"{feature}.{action.channel}" for action in scenario.actions]
            here = np.array([[name in self._index] for name in names])
            own = np.array([[self._index.get(name, -1)] for name in names])
            self._add_columns(np.where(here, own, self._index["one"]), here * speaks, 3.0)
        for kind in sorted({action.kind for action in scenario.actions}):
            of_kind = np.array([[action.kind == kind] for action in scenario.actions])
            for feature in NEED_STATE if (of_kind * speaks).any() else ():
                own = np.array([self._index[f"{feature}.{need.name}"] for need in scenario.needs])
                self._add_columns(own, of_kind * speaks, 3.0)

    def _add_seasons(self, speaks: Floats) -> None:
        """How well any action sells what it speaks to, by outcome and time of the year."""
        for own in np.eye(speaks.shape[1]):
            for feature in ("one", "season_sin", "season_cos"):
                if feature in self._index:
                    self._add(own * speaks, 3.0, feature)

    def _add_goodwill(self, scenario: Scenario, strength: float) -> None:
        """What actions do to everything: care, annoyance, trust."""
        actions = scenario.actions
        for treatment in _treatments(scenario):
            self._add(treatment, strength)
        self._add(np.array([[action.discount] for action in actions]), strength)
        self._add(np.array([[action.pressure] for action in actions]), strength)
        outbound = outbound_actions(scenario)[:, None]
        inbound = ~outbound & np.array([[bool(action.channel)] for action in actions])
        for feature in STATE:
            self._add(outbound, strength, feature)
            self._add(inbound, strength, feature)
        service = np.array([[action.kind == "service"] for action in actions])
        self._add(service, strength, "complaint")


def outbound_actions(scenario: Scenario) -> Flags:
    """Which actions contact the customer of the firm's own accord, ``(n_actions,)``."""
    direction = {channel.name: channel.direction for channel in scenario.channels}
    return np.array([direction.get(a.channel) == "outbound" for a in scenario.actions])


def spoken_to(scenario: Scenario) -> Floats:
    """How much actions speak to needs, ``(n_actions, n_needs)``."""
    return np.array([[a.needs.get(n.name, 0.0) for n in scenario.needs] for a in scenario.actions])


def contact_costs(scenario: Scenario) -> Array:
    """What a contact costs, that of its channel included, in currency, ``(n_actions,)``."""
    channels = {channel.name: channel.cost for channel in scenario.channels}
    costs = [action.cost + channels.get(action.channel, 0.0) for action in scenario.actions]
    return np.array(costs, dtype=np.float32)


def _treatments(scenario: Scenario) -> Iterator[NDArray[np.bool_]]:
    """For every kind of contact on every channel, which actions are of it, ``(n_actions, 1)``."""
    treatments = [(action.kind, action.channel) for action in scenario.actions]
    for treatment in sorted(set(treatments[1:])):
        yield np.array([[other == treatment] for other in treatments])

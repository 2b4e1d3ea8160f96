"""Segment rules: recency, frequency and monetary value say what kind of action a customer gets.

What firms did before propensity models, and many do today. Terciles of recency, frequency and spend
among those who have bought make segments; a table says which kind of action a segment gets and how
long to pause between contacts; triggers (an open basket, a visit, a complaint, a renewal) come
first. Of the actions of that kind the customer gets the one about the need of which the records
tell most, of several the cheapest.

Source: Hughes (2012), "Strategic database marketing", 4th edition, chapter 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import DataError, PolicyError, nearest
from nba_gym.policies.attributes import (
    Array,
    Flags,
    contact_costs,
    outbound_actions,
    spoken_to,
)
from nba_gym.policies.campaign import CampaignLog
from nba_gym.policies.situations import Situations, find_situations
from nba_gym.scenario.schema import Scenario

NOTHING = "nothing"
"""The plan of a segment that is left alone."""
SEGMENTS = ("prospect", "new", "promising", "champion", "loyal", "drifting", "at_risk", "lost")
_EVIDENCE = {"basket": 4.0, "answer": 2.0, "signals": 2.0, "bought": 1.0}
_USUAL = {
    "prospect": ("invite", "inform"),
    "new": ("inform", "offer"),
    "promising": ("offer", "inform"),
    "champion": ("reward", "inform"),
    "loyal": ("inform", "ask"),
    "drifting": ("offer", "inform"),
    "at_risk": ("offer", "service"),
    "lost": (),
}
"""Kinds of action a segment usually gets, the first that the catalogue has."""


@dataclass(frozen=True)
class RfmModel:
    """Segments of one world, and what its catalogue has for them.

    Attributes:
        columns: Columns of recency, frequency, spend and of the time since the last contact.
        cuts: Terciles of recency, frequency and spend among buyers, ``(3, 2)``, scaled as the
            records are.
        kinds: Kind of each action, ``n_actions`` of them.
        outbound: Actions that contact the customer, ``(n_actions,)``.
        costs: Cost of a contact by action, ``(n_actions,)``.
        evidence: What columns tell of the need an action is about, ``(n_features, n_actions)``.
        situations: Situations that trigger actions.
    """

    columns: tuple[int, int, int, int]
    cuts: Array
    kinds: tuple[str, ...]
    outbound: Flags
    costs: Array
    evidence: Array
    situations: Situations

    def scores(self, observations: Array) -> NDArray[np.int64]:
        """Recency, frequency and monetary scores, 1 to 3, 3 the best, ``(n, 3)``."""
        known = observations[:, self.columns[:3]]
        above = (known[:, :, None] > self.cuts).sum(axis=2)
        above[:, 0] = 2 - above[:, 0]  # the shorter ago the better
        return above + 1

    def segments(self, observations: Array) -> NDArray[np.int64]:
        """Segment of every customer, as a place in ``SEGMENTS``, ``(n,)``."""
        recency, frequency, money = self.scores(observations).T
        rules = {
            "prospect": observations[:, self.columns[1]] <= 0.0,
            "champion": (recency == 3) & (frequency == 3) & (money >= 2),
            "new": (recency == 3) & (frequency == 1),
            "promising": recency == 3,
            "loyal": (recency == 2) & (frequency >= 2),
            "drifting": recency == 2,
            "at_risk": (frequency == 3) | (money == 3),
        }
        places = [SEGMENTS.index(name) for name in rules]
        return np.select(list(rules.values()), places, SEGMENTS.index("lost"))

    def pauses(self, observations: Array) -> NDArray[np.float64]:
        """Periods since the last outbound contact, ``(n,)``."""
        share = np.minimum(observations[:, self.columns[3]].astype(np.float64), 0.9999)
        return np.rint(4.0 * share / (1.0 - share))

    @property
    def usual_plans(self) -> dict[str, str]:
        """What each segment usually gets, of what the catalogue has."""
        return {
            segment: next((kind for kind in kinds if kind in self.kinds), NOTHING)
            for segment, kinds in _USUAL.items()
        }


def fit_rfm(log: CampaignLog, scenario: Scenario, feature_names: list[str]) -> RfmModel:
    """Learn the cut points of the segments from a logged campaign.

    Args:
        log: Any campaign in which customers bought.
        scenario: For the catalogue.
        feature_names: Names of the observation's columns.

    Raises:
        DataError: If the records have no purchases to segment by.
    """
    names = ("recency", "frequency", "spend", "since_contact")
    missing = [name for name in names if name not in feature_names]
    if missing:
        raise DataError(f"records must have {missing[0]} to segment by, got {scenario.name!r}")
    columns = tuple(feature_names.index(name) for name in names)
    buyers = log.observations[log.observations[:, columns[1]] > 0.0]
    if not len(buyers):
        raise DataError("the campaign log must hold purchases, got none")
    speaks = spoken_to(scenario)
    evidence = np.zeros((len(feature_names), len(speaks)), dtype=np.float32)
    for k, need in enumerate(scenario.needs):
        for name, weight in _EVIDENCE.items():
            evidence[feature_names.index(f"{name}.{need.name}")] = weight * speaks[:, k]
    return RfmModel(
        columns=(columns[0], columns[1], columns[2], columns[3]),
        cuts=np.quantile(buyers[:, columns[:3]], (1 / 3, 2 / 3), axis=0).T.astype(np.float32),
        kinds=tuple(action.kind for action in scenario.actions),
        outbound=outbound_actions(scenario),
        costs=contact_costs(scenario),
        evidence=evidence,
        situations=find_situations(scenario, feature_names),
    )


class SegmentRules:
    """A rule table over RFM segments.

    Args:
        model: Segments and catalogue.
        plans: Kind of action by segment, or ``"nothing"``; the usual one where not given.
        pauses: Periods between outbound contacts by segment; 4 where not given.
        triggers: Situations whose actions come first; by default all that can occur.

    Raises:
        PolicyError: If a segment, kind or situation is not known, or a pause is negative.
    """

    def __init__(
        self,
        model: RfmModel,
        *,
        plans: Mapping[str, str] | None = None,
        pauses: Mapping[str, int] | None = None,
        triggers: Mapping[str, bool] | None = None,
    ) -> None:
        self.name = "segment rules"
        self.model = model
        self.plans = model.usual_plans | dict(plans or {})
        self.pauses = dict.fromkeys(SEGMENTS, 4) | dict(pauses or {})
        self.triggers = dict.fromkeys(model.situations.names, True) | dict(triggers or {})
        self._check()
        planned = [[self.plans[s] == kind for kind in model.kinds] for s in SEGMENTS]
        self._planned = np.array(planned)
        self._pause = np.array([self.pauses[segment] for segment in SEGMENTS])

    def _check(self) -> None:
        kinds = {*self.model.kinds[1:], NOTHING}
        known = {"plans": SEGMENTS, "pauses": SEGMENTS, "triggers": self.model.situations.names}
        for field, names in known.items():
            for name in getattr(self, field):
                if name not in names:
                    raise PolicyError(f"{field} must be of {names}, got {name!r}")
        for segment, kind in self.plans.items():
            if kind not in kinds:
                raise PolicyError(
                    f"plans.{segment} must be a kind of action, got {kind!r}{nearest(kind, kinds)}"
                )
            if self.pauses[segment] < 0:
                raise PolicyError(
                    f"pauses.{segment} must be at least 0, got {self.pauses[segment]}"
                )

    @property
    def settings(self) -> dict[str, Any]:
        """What was tuned."""
        return {name: getattr(self, name) for name in ("plans", "pauses", "triggers")}

    def act(
        self, observations: Array, masks: NDArray[Any], generator: np.random.Generator
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``."""
        model, allowed = self.model, masks > 0
        segment = model.segments(observations)
        early = model.pauses(observations) < self._pause[segment]
        wanted = allowed & self._planned[segment] & ~(model.outbound & early[:, None])
        for name, on in self.triggers.items():
            if on:
                called = allowed & model.situations.called_for(observations, name)
                wanted = np.where(called.any(axis=1, keepdims=True), called, wanted)
        wanted[:, 0] = False
        score = observations @ model.evidence - 1e-3 * model.costs
        best = np.argmax(np.where(wanted, score, -np.inf), axis=1)
        return np.where(wanted.any(axis=1), best, 0)

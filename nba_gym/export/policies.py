"""Policies without torch as graphs: practice, uplift, bandits that have learned, arms by lot.

All that arbitrates comes to one number an action, a threshold that waiting stands for, and a cap on
contacts; what differs is where the numbers come from. Each is drawn from what the policy learned,
and ``write_folder`` proves that the graph says what the policy says.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import BundleError
from nba_gym.export.draft import CERTAIN, Draft
from nba_gym.export.drawing import (
    draw_contexts,
    draw_linear,
    draw_most_likely,
    draw_practice,
)
from nba_gym.export.write import Exportable
from nba_gym.policies.arbitration import Arbitration
from nba_gym.policies.arms import PropensityOnly, RandomRelevant
from nba_gym.policies.attributes import Array, Flags
from nba_gym.policies.limits import Contacts
from nba_gym.policies.lookahead import OneStepLookahead
from nba_gym.policies.practice import GreedyPractice
from nba_gym.policies.protocol import Policy
from nba_gym.policies.simple import NoContact, UniformRandom
from nba_gym.serving.contents import FORBIDDEN


def exportable(policy: Policy, **training: Any) -> Exportable:
    """A policy as something that ``write_folder`` writes.

    Args:
        policy: Any that ``nba-gym policies`` lists and that is a function of the present records.
        **training: What the card shall say of how it was made.

    Raises:
        BundleError: If it cannot be a graph, and why.
    """
    about = {"algorithm": policy.name, **training}
    if getattr(policy, "observe", "records") != "records" or hasattr(policy, "bind"):
        raise BundleError(
            f"a policy to be served must see the records only, got {policy.name!r}, which is "
            "privileged: no firm can show it what it sees"
        )
    if isinstance(policy, Arbiter):
        return Arbitrated(policy, about | {"settings": policy.settings})
    if isinstance(policy, (NoContact, UniformRandom, RandomRelevant)):
        return ByChance(policy, about)
    raise BundleError(
        "a policy to be served must be a graph of the present records: practice, uplift, "
        f"lookahead, a bandit or an arm by lot; got {policy.name!r}, which is a program"
    )


def check_exportable(name: str, needs: str) -> None:
    """Refuse by its name what cannot be a graph, before minutes are spent on making it.

    Raises:
        BundleError: If it is privileged, or a program.
    """
    if needs == "simulator":
        raise BundleError(
            f"policy must see the records only to be served, got {name!r}, which is privileged"
        )
    if name in _PROGRAMS:
        raise BundleError(
            f"policy must be a graph of the present records to be served, got {name!r}, "
            f"{_PROGRAMS[name]}"
        )


_PROGRAMS = {
    "relevant-capped": "a limit around an arm by lot",
    "robin": "which counts turns",
    "rules": "a rule table that is looked up step by step",
}


@runtime_checkable
class Arbiter(Protocol):
    """What all have in common that arbitrate: worth, threshold and cap."""

    name: str
    threshold: float
    cap: int

    @property
    def settings(self) -> dict[str, Any]: ...  # noqa: D102
    @property
    def recent(self) -> Contacts: ...  # noqa: D102
    def weigh(self, observations: Array) -> Array: ...  # noqa: D102
    def act(  # noqa: D102
        self, observations: Array, masks: NDArray[Any], generator: np.random.Generator
    ) -> NDArray[np.int64]: ...


class Arbitrated:
    """A policy that takes what is worth most, if that beats a threshold.

    Args:
        policy: Practice, lookahead, uplift, a bandit that has learned, or propensity alone.
        training: What the card says of how it was made.
    """

    def __init__(self, policy: Arbiter, training: dict[str, Any]) -> None:
        self.policy, self.training = policy, training
        likely = isinstance(policy, PropensityOnly)
        unit = "propensity to buy" if likely else "expected earnings beyond waiting, in currency"
        self.scores_are = f"{unit}; that of waiting is the threshold"

    def draw(self, draft: Draft) -> tuple[str, str]:
        """Worth, threshold, cap."""
        worth = _draw_worth(draft, self.policy)
        waiting = np.zeros((1, draft.n_actions), dtype=np.bool_)
        waiting[0, 0] = True
        threshold = draft.constant(self.policy.threshold)
        worth = draft.add("Where", draft.constant(waiting, np.bool_), threshold, worth)
        recent = self.policy.recent
        share = draft.columns(draft.observations, [recent.column])
        count = draft.add("Round", draft.add("Mul", share, draft.constant(float(recent.periods))))
        many = draft.add("GreaterOrEqual", count, draft.constant(float(self.policy.cap)))
        outbound = draft.constant(recent.outbound[None], np.bool_)
        draft.bar(draft.add("And", many, outbound))
        return worth, CERTAIN

    def answer(self, observations: Array, masks: NDArray[Any]) -> tuple[Array, Array]:
        """Worth of what is open, and a chance of 1 for what is chosen."""
        scores = self.policy.weigh(observations).copy()
        scores[:, 0] = self.policy.threshold
        closed: Flags = (masks <= 0) | self.policy.recent.tired(observations, self.policy.cap)
        scores[closed] = FORBIDDEN
        chosen = self.policy.act(observations, masks, np.random.default_rng(0))
        return scores, np.eye(scores.shape[1], dtype=np.float32)[chosen]


def _draw_worth(draft: Draft, policy: Arbiter) -> str:
    if isinstance(policy, PropensityOnly):
        return draw_most_likely(draft, policy.model.now)
    if isinstance(policy, Arbitration):
        gain = draw_linear(draft, policy.model.effects)
    elif isinstance(policy, GreedyPractice):
        gain = draw_practice(draft, policy)
        if isinstance(policy, OneStepLookahead) and policy.future > 0.0:
            later = draw_linear(draft, policy.later.effects)
            more = draft.add("Mul", later, draft.constant(policy.future))
            gain = draft.add("Add", gain, more)
    else:
        raise BundleError(f"a policy to be served must be a known arbiter, got {policy.name!r}")
    gain = draft.add("Mul", gain, draft.constant(policy.weights[None]))
    if isinstance(policy, GreedyPractice):
        gain = draw_contexts(draft, policy, gain)
    return draft.add("Sub", gain, draft.constant(policy.model.costs[None]))


class ByChance:
    """A policy whose choice the records do not matter for: waiting, or by lot.

    Args:
        policy: Waiting, uniform chances, or a relevant action by lot.
        training: What the card says of how it was made.
    """

    scores_are = "the chance of each action"

    def __init__(
        self, policy: NoContact | UniformRandom | RandomRelevant, training: dict[str, Any]
    ) -> None:
        self.policy, self.training = policy, training

    def draw(self, draft: Draft) -> tuple[str, str]:
        """Shares of what is allowed."""
        waiting = np.zeros((1, draft.n_actions), dtype=np.float32)
        waiting[0, 0] = 1.0
        first = draft.constant(waiting)
        allowed = draft.add("Cast", draft.allowed, to=1)
        if isinstance(self.policy, NoContact):
            chances = draft.add("Mul", allowed, first)
        elif isinstance(self.policy, UniformRandom):
            shares = draft.add("Div", allowed, draft.sum(allowed))
            rest = draft.add("Mul", shares, draft.constant(1.0 - self.policy.wait))
            wait = draft.add("Mul", first, draft.constant(self.policy.wait))
            chances = draft.add("Add", rest, wait)
        else:
            others = draft.add("Mul", allowed, draft.constant(1.0 - waiting))
            none = draft.add("Equal", draft.sum(others), draft.constant(0.0))
            alone = draft.add("Mul", draft.add("Cast", none, to=1), first)
            relevant = draft.add("Add", others, alone)
            chances = draft.add("Div", relevant, draft.sum(relevant))
        return chances, chances

    def answer(self, observations: Array, masks: NDArray[Any]) -> tuple[Array, Array]:
        """Chances, which are the scores of what is allowed."""
        if isinstance(self.policy, NoContact):
            chances = np.zeros(masks.shape, dtype=np.float32)
            chances[:, 0] = 1.0
        else:
            chances = self.policy.probabilities(observations, masks).astype(np.float32)
        return np.where(masks > 0, chances, np.float32(FORBIDDEN)), chances

"""Whole lives of some customers under one policy, with all that was known, hidden and possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer.populate import AnyPopulation
from nba_gym.customer.population import Population
from nba_gym.errors import PolicyError
from nba_gym.evaluation.rollout import Rollout, rollout
from nba_gym.policies.protocol import Policy, StochasticPolicy
from nba_gym.records.events import event_columns
from nba_gym.scenario.schema import Scenario
from nba_gym.truth.expected import expected_profit

MOST_ACTIONS = 64
"""Actions that a word of 64 bits can tell apart."""
HIDDEN = ("loyalty", "fatigue", "reference_discount", "problem", "alive", "need")
"""Hidden quantities that change, as they are when a decision is made."""
TRAITS = (
    *("price_sensitivity", "tolerance", "baseline_loyalty", "purchase_propensity"),
    *("leaving_propensity", "spend_level"),
)
"""Hidden quantities that a customer is born with."""


@runtime_checkable
class Weighing(Protocol):
    """A policy that says what it ranks actions by, in currency beyond waiting."""

    def weigh(self, observations: NDArray[np.float32]) -> NDArray[Any]:
        """``(n, n_actions)``."""
        ...


@runtime_checkable
class Decider(Protocol):
    """An exported policy: says how likely each action is, and what the customer is worth."""

    def decide_batch(self, features: NDArray[Any], masks: NDArray[Any]) -> Any:
        """Decisions with ``probabilities``, ``(n, n_actions)``, and ``values``, ``(n,)``."""
        ...


@dataclass(frozen=True)
class Lives:
    """Customers under one policy: ``n`` of them, for ``T`` periods.

    Attributes:
        outcome: What they came to.
        actions: Action of each period, ``(T, n)``; -1 once the journey was seen to be over.
        seen: What the agent saw, ``(T, n, n_features)``.
        blocked: What forbade actions, as a word of bits, ``(T, n)``.
        expected: Exact expected profit of the period by action, ``(T, n, n_actions)``.
        own: What the policy ranks actions by, ``(T, n, n_actions)``; none if it does not say.
        own_unit: ``"money"`` or ``"probability"``.
        worth: What the policy expects the customer to be worth from now on, ``(T, n)``; or none.
        events: Events of the period, ``(T, n, n_events)``.
        ledger: Lines of the ledger, undiscounted, ``(T, n, n_lines)``.
        hidden: Hidden quantities when the decision was made, by name, ``(T, n)`` each.
        traits: Hidden quantities that never change, by name, ``(n,)`` each.
    """

    outcome: Rollout
    actions: NDArray[np.int64]
    seen: NDArray[np.float32]
    blocked: NDArray[np.uint64]
    expected: NDArray[np.float64]
    own: NDArray[np.float64] | None
    own_unit: str
    worth: NDArray[np.float64] | None
    events: NDArray[np.float64]
    ledger: NDArray[np.float64]
    hidden: Mapping[str, NDArray[np.float64]]
    traits: Mapping[str, NDArray[np.float64]]


def live(
    policy: Policy,
    scenario: Scenario,
    customers: NDArray[np.uint64],
    seed: int,
    threads: int | None = None,
) -> Lives:
    """Let customers live under a policy, and keep everything.

    Args:
        policy: Who acts.
        scenario: The world.
        customers: Numbers of the customers, ``(n,)``; a few hundred, for all of it is kept.
        seed: Seed of the world.
        threads: Threads of the kernel.

    Raises:
        PolicyError: If the world has more than 64 actions.
    """
    if scenario.n_actions > MOST_ACTIONS:
        raise PolicyError(
            f"scenario must have at most {MOST_ACTIONS} actions to be explored, "
            f"got {scenario.n_actions} ({scenario.name})"
        )
    diary = _Diary(policy, scenario)
    n = len(customers)
    outcome = rollout(policy, scenario, customers, seed, threads=threads, chunk=n, watch=diary)
    return diary.lives(outcome)


class _Diary:
    """Looks at all customers before every decision, and at what came of it."""

    def __init__(self, policy: Policy, scenario: Scenario) -> None:
        self._policy, self._scenario = policy, scenario
        self._kept: dict[str, list[NDArray[Any]]] = {}
        self._hidden: dict[str, list[NDArray[Any]]] = {}
        self._traits: dict[str, NDArray[Any]] = {}
        self._unit = "money"
        self._action = event_columns(scenario).index("action")

    def __call__(self, t: int, population: AnyPopulation) -> None:
        if t > 0:
            events = population.out.events
            action = np.where(self._running, events[:, self._action].astype(np.int64), -1)
            self._keep(actions=action, events=events, ledger=population.out.ledger)
        elif isinstance(population, Population):
            self._traits = {name: population.read(name)[:, 0] for name in TRAITS}
        if t < self._scenario.horizon:
            self._look(population)

    def _look(self, population: AnyPopulation) -> None:
        out = population.out
        self._running = population.state.ended[: population.n] == 0
        self._keep(seen=out.observations, expected=expected_profit(population))
        self._keep(blocked=_conditions(population), **self._opinion(population))
        if isinstance(population, Population):
            for name in HIDDEN:
                columns = population.read(name).T
                names = [name]
                if name == "need":
                    names = [f"need.{need.name}" for need in self._scenario.needs]
                for each, column in zip(names, columns, strict=True):
                    self._hidden.setdefault(each, []).append(column.astype(np.float64))

    def _opinion(self, population: AnyPopulation) -> dict[str, NDArray[Any]]:
        """What the policy itself thinks of every action, where it says so."""
        policy, x, masks = self._policy, population.out.observations, population.out.masks
        if isinstance(policy, Weighing):
            return {"own": policy.weigh(x)}
        if isinstance(policy, Decider):
            self._unit, told = "probability", policy.decide_batch(x, masks)
            return {"own": told.probabilities, "worth": told.values}
        if isinstance(policy, StochasticPolicy):
            self._unit = "probability"
            return {"own": policy.probabilities(x, masks)}
        return {}

    def _keep(self, **arrays: NDArray[Any]) -> None:
        for name, array in arrays.items():
            self._kept.setdefault(name, []).append(array.copy())

    def lives(self, outcome: Rollout) -> Lives:
        """All of it."""
        kept: dict[str, Any] = {name: np.stack(parts) for name, parts in self._kept.items()}
        for name in ("own", "worth"):
            kept[name] = kept[name].astype(np.float64) if name in kept else None
        hidden = {name: np.stack(parts) for name, parts in self._hidden.items()}
        traits = {name: each.astype(np.float64) for name, each in self._traits.items()}
        return Lives(outcome, **kept, own_unit=self._unit, hidden=hidden, traits=traits)


def _conditions(population: AnyPopulation) -> NDArray[np.uint64]:
    """What forbids actions now: the customer's broken rules; in a table, the actions themselves."""
    if isinstance(population, Population):
        return population.state.conditions[: population.n].astype(np.uint64)
    closed = (population.out.masks <= 0).astype(np.uint64)
    places = np.arange(closed.shape[1], dtype=np.uint64)
    return cast(NDArray[np.uint64], (closed << places).sum(axis=1, dtype=np.uint64))

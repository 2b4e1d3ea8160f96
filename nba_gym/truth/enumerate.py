"""Small worlds as tables: every state that customers can reach, by unfolding real periods.

The result is a :class:`TabularProblem`, so ``solve``, ``evaluate`` and ``regret`` work on it as on
tables that were given. Nothing about the dynamics is written here: see ``branches.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer.population import Population
from nba_gym.errors import PolicyError, ScenarioError
from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario
from nba_gym.tabular import TabularProblem, tabular_problem
from nba_gym.truth.branches import Branching
from nba_gym.truth.matters import Key
from nba_gym.truth.snapshot import Snapshot, join, snapshot_of

Floats = NDArray[np.float64]

MOST_STATES = 2_000
"""States that are enumerated at most: tables grow with their square."""
_PAIRS = 512
"""States and actions that are unfolded at a time."""


@dataclass(frozen=True, eq=False)
class Enumeration:
    """A small world, enumerated.

    Attributes:
        scenario: The world.
        problem: Its tables; a forbidden action moves and earns as waiting does, for it becomes it.
        key: What tells states apart.
        customers: A customer in each state, ``(S,)`` rows.
        values: The quantities that matter, ``(S, len(key.names))``.
    """

    scenario: Scenario
    problem: TabularProblem
    key: Key
    customers: Snapshot
    values: Floats

    @cached_property
    def _known(self) -> dict[bytes, int]:
        return {row.tobytes(): i for i, row in enumerate(self.values)}

    def states_of(self, snapshot: Snapshot) -> NDArray[np.int64]:
        """The state each customer is in, ``(n,)``.

        Raises:
            PolicyError: If one is in a state that customers of this world cannot reach.
        """
        known = self._known
        distinct, of = _distinct(self.key.of(snapshot))
        found = np.array([known.get(row.tobytes(), -1) for row in distinct], dtype=np.int64)
        if (found < 0).any():
            row = distinct[int(np.flatnonzero(found < 0)[0])]
            got = ", ".join(f"{n}={v:g}" for n, v in zip(self.key.names, row, strict=True))
            raise PolicyError(
                f"customers must be in states that {self.scenario.name} can reach, got {got}"
            )
        return found[of]


class _Moves(NamedTuple):
    """Probability and mean income of moves between states, one entry a possible move."""

    state: NDArray[np.int64]
    action: NDArray[np.int64]
    to: NDArray[np.int64]
    chance: Floats
    income: Floats
    cost: Floats


def enumerate_world(scenario: Scenario, *, most: int = MOST_STATES) -> Enumeration:
    """Find all states of a small world, and what each action leads to there.

    Args:
        scenario: A world that says ``enumerable = true``.
        most: States at most.

    Raises:
        ScenarioError: If the world is not enumerable, or has more states.
    """
    if not scenario.enumerable:
        raise ScenarioError(
            f"enumerable must be true for a world to be enumerated, got false in {scenario.name!r}"
        )
    key, branching = Key(scenario), Branching(scenario)
    customers, start = _births(scenario)
    values, of = _distinct(key.of(customers))
    shares: Floats = np.bincount(of, weights=start).astype(np.float64)
    customers = customers.take(_first_of(of, len(values)))
    found = {row.tobytes(): i for i, row in enumerate(values)}
    moves: list[_Moves] = []
    done = 0
    while done < len(values):
        unknown = np.arange(done, len(values))
        done = len(values)
        for part in _parts(unknown, scenario.n_actions):
            step = _unfold(scenario, branching, customers, part)
            reached, to = _distinct(key.of(step.after))
            new = np.array([row.tobytes() not in found for row in reached], dtype=np.bool_)
            for row in reached[new]:
                found[row.tobytes()] = len(found)
            fresh = step.after.take(_first_of(to, len(reached))[new])
            customers = join([customers, fresh])
            values = np.concatenate([values, reached[new]])
            _check_size(scenario, key, values, most)
            at = np.array([found[row.tobytes()] for row in reached], dtype=np.int64)
            moves.append(_Moves(step.state, step.action, at[to], *step[2:5]))
    problem = _tables(scenario, key, values, customers, moves, shares)
    return Enumeration(scenario, problem, key, customers, values)


class _Step(NamedTuple):
    state: NDArray[np.int64]
    action: NDArray[np.int64]
    chance: Floats
    income: Floats
    cost: Floats
    after: Snapshot


def _unfold(
    scenario: Scenario, branching: Branching, customers: Snapshot, states: NDArray[np.int64]
) -> _Step:
    """Everything that can happen in some states, for each action; forbidden ones become waiting."""
    n_actions = scenario.n_actions
    state = np.repeat(states, n_actions)
    action = np.tile(np.arange(n_actions), len(states))
    carried_out = np.where(_allowed(branching, customers.take(states)).ravel(), action, 0)
    out = branching.unfold(customers.take(state), carried_out)
    return _Step(
        state[out.of],
        action[out.of],
        out.weight,
        out.rewards + out.contact_cost,
        out.contact_cost,
        out.after,
    )


def _allowed(branching: Branching, customers: Snapshot) -> NDArray[np.bool_]:
    """Which actions are allowed, ``(n, n_actions)``."""
    return (customers.conditions[:, None] & branching.blocked_by) == 0


def _births(scenario: Scenario) -> tuple[Snapshot, Floats]:
    """A newborn of every persona, and how likely each is: all else at birth is without luck."""
    newborn: list[Snapshot] = []
    shares = [persona.share for persona in scenario.personas]
    for name in [persona.name for persona in scenario.personas]:
        only = {f"personas.{p.name}.share": float(p.name == name) for p in scenario.personas}
        population = Population(load_scenario(scenario, only), 1, threads=1)
        nobody = np.zeros(1, dtype=np.uint64)
        population.begin(np.ones(1, dtype=np.bool_), nobody, nobody)
        newborn.append(snapshot_of(population))
    return join(newborn), np.array(shares)


def _parts(states: NDArray[np.int64], n_actions: int) -> list[NDArray[np.int64]]:
    """States in parts that are unfolded at a time."""
    size = max(1, _PAIRS // n_actions)
    return [states[i : i + size] for i in range(0, len(states), size)]


def _tables(
    scenario: Scenario,
    key: Key,
    values: Floats,
    customers: Snapshot,
    moves: list[_Moves],
    shares: Floats,
) -> TabularProblem:
    n, a = len(values), scenario.n_actions
    state, action, to, chance, income, cost = (
        np.concatenate(column) for column in zip(*moves, strict=True)
    )
    move, pair = (state * a + action) * n + to, state * a + action
    p = np.bincount(move, weights=chance, minlength=n * a * n)
    earned = np.bincount(move, weights=chance * income, minlength=n * a * n)
    costs = np.bincount(pair, weights=chance * cost, minlength=n * a)
    start = np.zeros(n)
    start[: len(shares)] = shares
    return tabular_problem(
        p.reshape(n, a, n),
        np.divide(earned, p, out=np.zeros_like(p), where=p > 0.0).reshape(n, a, n),
        scenario.discount,
        name=scenario.name,
        states=_state_names(scenario, key, values),
        actions=[each.name for each in scenario.actions],
        costs=np.maximum(costs, 0.0).reshape(n, a),
        start=start,
        allowed=_allowed(Branching(scenario), customers),
        source=f"enumerated from {scenario.name}",
    )


def _state_names(scenario: Scenario, key: Key, values: Floats) -> list[str]:
    """Every state by what tells it from others: ``regular need=1 loyalty=0.5``."""
    telling = [i for i in range(values.shape[1]) if len(np.unique(values[:, i])) > 1]
    names: list[str] = []
    for row in values:
        parts = [f"{key.names[i]}={np.float32(row[i])!s}" for i in telling]
        names.append(" ".join(parts) or "the only state")
    return names


def _check_size(scenario: Scenario, key: Key, values: Floats, most: int) -> None:
    if len(values) > most:
        levels = [len(np.unique(column)) for column in values.T]
        widest = int(np.argmax(levels))
        raise ScenarioError(
            f"enumerable must be false in a world of more than {most:,} states, got true in "
            f"{scenario.name!r}; most levels has {key.names[widest]} ({levels[widest]:,})"
        )


def _distinct(values: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Rows that differ, in order of their bytes, and which of them each row is."""
    rows = np.ascontiguousarray(values)
    whole: NDArray[Any] = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0]
    _, first, of = np.unique(whole, return_index=True, return_inverse=True)
    return rows[first], of.astype(np.int64)


def _first_of(of: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """The first row of each of ``n`` groups."""
    first = np.full(n, len(of), dtype=np.int64)
    np.minimum.at(first, of, np.arange(len(of)))
    return first

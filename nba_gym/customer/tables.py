"""Customers of a tabular world: the same engine as ``Population``, with tables for mechanisms.

A customer is in one of a few states, which the firm sees. One uniform number a period draws the
next state from the row of the table; it depends on seed, customer and period only, so two policies
meet the same luck here, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.arithmetic import round_money
from nba_gym.compiled import entry, scalar
from nba_gym.customer.arrays import Outcome, Shelf
from nba_gym.customer.kernel import BEGIN, NEXT_STEP, SAME_STEP
from nba_gym.randomness import philox, uniform
from nba_gym.records.events import event_columns
from nba_gym.records.features import Feature
from nba_gym.records.ledger import LINES
from nba_gym.scenario.schema import Scenario
from nba_gym.scenario.tables import problem_of

Array = NDArray[Any]

_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)
_BIRTH, _MOVE = np.uint64(0), np.uint64(1)
_MARGIN, _CONTACT_COST = LINES.index("margin"), LINES.index("contact_cost")
_NO_STATE = -1
TENURE_SCALE = 26.0
"""Periods of tenure that are shown as one half."""


class Lives(NamedTuple):
    """Where the customers are, ``(n,)`` each.

    Attributes:
        seeds: Seed of the world.
        customers: Number of the customer.
        states: State now.
        periods: Periods lived.
        ended: 1 once a journey is over.
    """

    seeds: Array
    customers: Array
    states: Array
    periods: Array
    ended: Array


class Tables(NamedTuple):
    """The problem as the kernel needs it.

    Attributes:
        start: Cumulative probability of the states at the start, ``(S,)``.
        moves: Cumulative probability of the next states, ``(S, A, S)``.
        income: What a period earns, ``(S, A, S)``.
        costs: What its contact costs, ``(S, A)``.
        allowed: Actions that may be taken, ``(S, A)``, int8.
        instead: What happens in the place of an action that may not be taken, ``(S,)``.
        absorbing: States in which the customer is gone, ``(S,)``.
    """

    start: Array
    moves: Array
    income: Array
    costs: Array
    allowed: Array
    instead: Array
    absorbing: Array


class Report(NamedTuple):
    """What a step came to, ``(n,)`` each.

    Attributes:
        carried_out: The action that was carried out.
        margin: Income of the period.
        contact_cost: Costs of contact, <= 0.
        terminated: The customer is seen to be gone.
        truncated: The horizon was reached.
        forbidden: The chosen action was not allowed.
        reached: State that the period led to; -1 where a journey only began.
        final: Last state of a journey that was begun anew in this step, or -1.
        final_period: Periods it lasted.
    """

    carried_out: Array
    margin: Array
    contact_cost: Array
    terminated: Array
    truncated: Array
    forbidden: Array
    reached: Array
    final: Array
    final_period: Array


@scalar
def _draw(chances: Array, seed: Any, customer: Any, period: int, kind: Any) -> int:
    """The first place whose cumulative probability is above the customer's own number."""
    word = philox(
        customer & _LOW,
        customer >> _SHIFT,
        np.uint64(period),
        kind,
        seed & _LOW,
        seed >> _SHIFT,
    )[0]
    place: Any = np.searchsorted(chances, uniform(word), side="right")
    return place


@scalar
def _begin(i: int, lives: Lives, tables: Tables) -> None:
    lives.states[i] = _draw(tables.start, lives.seeds[i], lives.customers[i], 0, _BIRTH)
    lives.periods[i] = 0
    lives.ended[i] = 0


@scalar
def _live(i: int, action: int, horizon: int, lives: Lives, tables: Tables, out: Report) -> bool:
    """One period of one customer; says whether the journey is over."""
    state = lives.states[i]
    forbidden = tables.allowed[state, action] == 0
    done = tables.instead[state] if forbidden else action
    reached = _draw(
        tables.moves[state, done], lives.seeds[i], lives.customers[i], lives.periods[i], _MOVE
    )
    lives.states[i] = reached
    lives.periods[i] += 1
    running = lives.ended[i] == 0
    gone = running and tables.absorbing[reached]
    late = running and lives.periods[i] >= horizon
    out.carried_out[i], out.forbidden[i], out.reached[i] = done, forbidden, reached
    out.margin[i] = tables.income[state, done, reached]
    out.contact_cost[i] = 0.0 - tables.costs[state, done]
    out.terminated[i] = gone
    out.truncated[i] = late and not gone
    return gone or late


@scalar
def _only_begin(i: int, out: Report) -> None:
    """Report nothing for a customer who was only begun anew (NEXT_STEP autoreset)."""
    out.carried_out[i], out.forbidden[i], out.reached[i] = 0, False, _NO_STATE
    out.margin[i], out.contact_cost[i] = 0.0, 0.0
    out.terminated[i], out.truncated[i] = False, False


def _make_run(digest: str) -> Callable[..., None]:
    def run(
        mode: int,
        horizon: int,
        newborn: Array,
        actions: Array,
        lives: Lives,
        tables: Tables,
        out: Report,
    ) -> None:
        _ = digest  # part of the cache key
        n = lives.states.shape[0]
        for i in range(n):
            if mode == BEGIN:
                if newborn[i]:
                    _begin(i, lives, tables)
                continue
            out.final[i] = _NO_STATE
            again = mode == NEXT_STEP and lives.ended[i] > 0
            if again:
                _only_begin(i, out)
            elif _live(i, actions[i], horizon, lives, tables, out):
                lives.ended[i] = 1
                if mode == SAME_STEP:
                    out.final[i], out.final_period[i] = lives.states[i], lives.periods[i]
                    again = True
            if again:
                lives.customers[i] += np.uint64(n)
                _begin(i, lives, tables)

    return run


_run = entry(_make_run)


class _State(NamedTuple):
    """The part of ``Population.state`` that others look at."""

    ended: Array


class TabularPopulation:
    """``n`` customers of a tabular scenario; the counterpart of ``Population``.

    Args:
        scenario: The world; it must have tables.
        n: Number of customers.
        record: Whether events are kept after each step.

    Attributes:
        scenario: The world.
        problem: Its tables.
        n: Number of customers.
        features: The tenure, then one for each state: 1 where the customer is.
        out: What the last step reported.
        state: ``ended``, 1 once a journey is over.

    Raises:
        ScenarioError: If the scenario has no tables.
    """

    def __init__(self, scenario: Scenario, n: int, *, record: bool = False) -> None:
        self.scenario, self.n, self.record = scenario, n, record
        problem = self.problem = problem_of(scenario)
        tenure = Feature("tenure", 0.0, 1.0, "x/(x+26)", "periods since acquisition")
        self.features = (
            tenure,
            *(
                Feature(f"state.{name}", 0.0, 1.0, "0 or 1", f"the customer is in state {name}")
                for name in problem.states
            ),
        )
        money = np.vectorize(round_money, otypes=[np.float64])
        self._tables = Tables(
            start=_cumulative(problem.start),
            moves=_cumulative(problem.transitions),
            income=money(problem.income),
            costs=money(problem.costs),
            allowed=problem.allowed.astype(np.int8),
            instead=problem.allowed.argmax(axis=1),
            absorbing=problem.absorbing,
        )
        self._lives = Lives(
            np.zeros(n, dtype=np.uint64),
            np.zeros(n, dtype=np.uint64),
            np.zeros(n, dtype=np.int64),
            np.zeros(n, dtype=np.int64),
            np.ones(n, dtype=np.uint8),
        )
        self._columns = event_columns(scenario)
        self.state = _State(self._lives.ended)
        self._shelf = Shelf(self.new_outcome())
        self.out = self.new_outcome()

    def new_outcome(self) -> Outcome:
        """Arrays for what a step reports; those of the same name in ``Population``."""
        n, (s, a) = self.n, self.problem.allowed.shape
        return Outcome(
            observations=np.zeros((n, s + 1), dtype=np.float32),
            masks=np.zeros((n, a), dtype=np.int8),
            ledger=np.zeros((n, len(LINES))),
            rewards=np.zeros(n),
            terminated=np.zeros(n, dtype=np.bool_),
            truncated=np.zeros(n, dtype=np.bool_),
            forbidden=np.zeros(n, dtype=np.bool_),
            final_observations=np.zeros((n, s + 1), dtype=np.float32),
            final_masks=np.zeros((n, a), dtype=np.int8),
            events=np.zeros((n if self.record else 0, len(self._columns))),
            desk=np.zeros(0, dtype=np.int64),
        )

    def fresh_outcome(self) -> Outcome:
        """The same, but from memory that was used before if nobody holds any of it."""
        return self._shelf.take(self.new_outcome)

    def who(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Seed and number of every customer, ``(n,)`` each, as copies."""
        return self._lives.seeds.copy(), self._lives.customers.copy()

    def memory(self) -> dict[str, NDArray[Any]]:
        """All that is kept from one period to the next, as copies by name; see ``Lives``."""
        return {name: array.copy() for name, array in self._lives._asdict().items()}

    def recall(self, memory: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what :meth:`memory` told, and observe everybody."""
        for name, array in self._lives._asdict().items():
            array[...] = memory[name]
        self.out = self.new_outcome()
        self._observe()

    def copy_places(self, sources: NDArray[Any]) -> None:
        """Let every place go on as a copy of another one; see ``Population.copy_places``."""
        self.recall({name: array[sources] for name, array in self._lives._asdict().items()})

    def begin(
        self, newborn: NDArray[np.bool_], seeds: NDArray[np.uint64], customers: NDArray[np.uint64]
    ) -> None:
        """Let customers begin where ``newborn`` is true, and observe everybody."""
        self._lives.seeds[newborn] = seeds[newborn]
        self._lives.customers[newborn] = customers[newborn]
        self._step(BEGIN, newborn, np.zeros(0, dtype=np.int64))
        self._observe()

    def step(self, actions: NDArray[np.int64], mode: int) -> Outcome:
        """Live one period; arguments and result as for ``Population.step``."""
        chosen = np.ascontiguousarray(actions, dtype=np.int64)
        report = self._step(mode, np.zeros(0, dtype=np.bool_), chosen)
        out = self.out
        out.ledger[:] = 0.0
        out.ledger[:, _MARGIN] = report.margin
        out.ledger[:, _CONTACT_COST] = report.contact_cost
        out.rewards[:] = report.margin + report.contact_cost
        final = np.flatnonzero(report.final >= 0)
        if len(final):
            last = report.final[final]
            rows = np.zeros((len(final), len(self.features)), dtype=np.float32)
            _show(rows, last, report.final_period[final])
            out.final_observations[final] = rows
            out.final_masks[final] = self._tables.allowed[last]
        if self.record:
            self._write_events(report)
        self._observe()
        return out

    def _step(self, mode: int, newborn: NDArray[np.bool_], actions: NDArray[np.int64]) -> Report:
        n, out = self.n, self.out
        report = Report(
            carried_out=np.zeros(n, dtype=np.int64),
            margin=np.zeros(n),
            contact_cost=np.zeros(n),
            terminated=out.terminated,
            truncated=out.truncated,
            forbidden=out.forbidden,
            reached=np.full(n, _NO_STATE),
            final=np.full(n, _NO_STATE),
            final_period=np.zeros(n, dtype=np.int64),
        )
        _run(mode, self.scenario.horizon, newborn, actions, self._lives, self._tables, report)
        return report

    def _observe(self) -> None:
        _show(self.out.observations, self._lives.states, self._lives.periods)
        self.out.masks[:] = self._tables.allowed[self._lives.states]

    def _write_events(self, report: Report) -> None:
        bought = (report.reached >= 0) & self.problem.bought[report.reached]
        found = {
            "action": report.carried_out,
            "sent": report.carried_out > 0,
            "purchases": bought,
            "list_spend": np.where(bought, report.margin, 0.0),
            "cancelled": report.terminated,
        }
        self.out.events[:] = 0.0
        for name, values in found.items():
            self.out.events[:, self._columns.index(name)] = values

    def broken_rules(self, i: int) -> list[list[str]]:
        """Why customer ``i`` may not get an action now, one list an action; empty if allowed."""
        state = self._lives.states[i]
        reason = f"not in state {self.problem.states[state]}"
        return [[] if allowed else [reason] for allowed in self._tables.allowed[state]]

    def read(self, name: str) -> NDArray[Any]:
        """A quantity of all customers by name, ``(n, 1)``.

        Raises:
            KeyError: If there is nothing of that name.
        """
        states = self._lives.states
        kept = {
            "state": states,
            "tenure": self._lives.periods,
            "persona": np.zeros(self.n),
            "alive": ~self._tables.absorbing[states],
        }
        return kept[name].astype(np.float64)[:, None]


def _show(rows: NDArray[np.float32], states: Array, periods: Array) -> None:
    """Write observations: tenure and state."""
    rows[:] = 0.0
    rows[:, 0] = periods / (periods + TENURE_SCALE)
    rows[np.arange(len(rows)), 1 + states] = 1.0


def _cumulative(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulative probabilities along the last axis; what rounding leaves goes to the last state."""
    sums = np.cumsum(chances, axis=-1)
    possible = chances > 0.0
    last = chances.shape[-1] - 1 - possible[..., ::-1].argmax(axis=-1)
    sums[np.arange(chances.shape[-1]) >= last[..., None]] = 1.0
    return sums

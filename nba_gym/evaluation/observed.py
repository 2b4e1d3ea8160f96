"""A rollout and all that a study keeps of it: by customer, by period, by season."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer.populate import AnyPopulation
from nba_gym.evaluation.rollout import Rollout, StateCounts, Watch, rollout
from nba_gym.policies.protocol import Policy
from nba_gym.records.events import event_columns
from nba_gym.records.ledger import LINES
from nba_gym.scenario.schema import Scenario

Arrays = dict[str, NDArray[Any]]
HIDDEN = ("loyalty", "fatigue", "reference_discount")
"""Hidden quantities that are followed over time, among those who have not left."""


@dataclass(frozen=True)
class Observed:
    """What a policy came to.

    Attributes:
        customers: By customer, ``(n,)`` each: ``customer`` (number), ``persona``, ``value``, the
            lines of the ledger (discounted), ``lifetime`` (periods), ``left`` (0 or 1),
            ``contacts``, ``opt_outs``, ``purchases``, ``responses``, ``courtship`` and, but for
            tables, ``loyalty`` (at the end, of those who have not left; else 0).
        periods: By period ``alive``, ``profit``, ``purchases``, ``responses``, ``(horizon,)`` each,
            and, but for tables, ``loyalty``, ``fatigue``, ``reference_discount`` (at its end, of
            those who had not left when it began); ``lines``, ``(horizon, n_lines)``; ``contacts``
            and ``opt_outs``, ``(horizon, n_channels)``; ``actions``, shares of the customers,
            ``(horizon, n_actions)``. By period of the year ``season_here`` (customers who have not
            left, summed over periods), ``season_purchases``, ``(cycle,)`` each, and
            ``season_contacts``, ``(cycle, n_channels)``. By what the records show: ``states``,
            names, and ``state_kinds``, counts ``(n_states, n_kinds)``. Money is not discounted.
    """

    customers: Arrays
    periods: Arrays


def observe_rollout(
    policy: Policy,
    scenario: Scenario,
    customers: NDArray[np.uint64],
    seed: int,
    *,
    threads: int | None = None,
    also: Watch | None = None,
) -> Observed:
    """Simulate whole journeys and keep what a study keeps.

    Args:
        policy: Who acts.
        scenario: The world.
        customers: Numbers of the customers.
        seed: Seed of the world.
        threads: Threads of the kernel.
        also: A further watcher, called before this one looks; it may change the hidden half.
    """
    watcher = _Watcher(scenario, also)
    run = rollout(policy, scenario, customers, seed, threads=threads, watch=watcher)
    return Observed(_by_customer(run, watcher), watcher.by_period(run))


def _by_customer(run: Rollout, watcher: _Watcher) -> Arrays:
    names = ("persona", "value", "lifetime", "contacts", "opt_outs", "purchases", "courtship")
    found: Arrays = {"customer": run.customers}
    found |= {name: getattr(run, name) for name in names}
    found |= {line: run.lines[line] for line in LINES}
    return found | {name: np.concatenate(parts) for name, parts in watcher.ends.items()}


class _Watcher:
    """Sums up what happens in one chunk of customers after the other.

    Attributes:
        ends: What is known of each customer once the journey is over, a part a chunk.
    """

    def __init__(self, scenario: Scenario, also: Watch | None) -> None:
        self._scenario, self._also = scenario, also
        self._rich = scenario.tabular is None
        columns = event_columns(scenario)
        names = ("action", "sent", "responded", "opted_out", "purchases")
        self._column = {name: columns.index(name) for name in names}
        self._channel = np.array(scenario.channel_of_action)
        horizon, cycle, n_channels = scenario.horizon, scenario.cycle, scenario.n_channels
        self._here = np.zeros(horizon)
        self._sums = {name: np.zeros(horizon) for name in ("purchases", "responses")}
        self._hidden = {name: np.zeros(horizon) for name in HIDDEN}
        self._lines = np.zeros((horizon, len(LINES)))
        self._opt_outs = np.zeros((horizon, n_channels))
        self._season = {"here": np.zeros(cycle), "purchases": np.zeros(cycle)}
        self._season_contacts = np.zeros((cycle, n_channels))
        self._n = 0
        self.ends: dict[str, list[NDArray[Any]]] = {"responses": [], "left": []}

    def __call__(self, t: int, population: AnyPopulation) -> None:
        if self._also is not None:
            self._also(t, population)
        if t == 0:
            self._n += population.n
            self._responses = np.zeros(population.n)
        else:
            self._add(t - 1, population)
        self._alive = population.read("alive")[:, 0] > 0
        cycle = self._scenario.cycle
        self._phase = (
            population.read("phase")[:, 0].astype(np.int64) % cycle
            if self._rich
            else np.full(population.n, t % cycle)
        )
        if t == self._scenario.horizon:
            self._end(population)

    def _add(self, t: int, population: AnyPopulation) -> None:
        events, at = population.out.events, self._column
        bought, responded = events[:, at["purchases"]], events[:, at["responded"]]
        self._responses += responded
        self._here[t] += self._alive.sum()
        self._sums["purchases"][t] += bought.sum()
        self._sums["responses"][t] += responded.sum()
        self._lines[t] += population.out.ledger.sum(axis=0)
        cycle, n_channels = self._scenario.cycle, self._scenario.n_channels
        self._season["here"] += np.bincount(self._phase, self._alive, cycle)
        self._season["purchases"] += np.bincount(self._phase, bought, cycle)
        channel = self._channel[events[:, at["action"]].astype(np.int64)]
        sent = np.flatnonzero((events[:, at["sent"]] > 0) & (channel >= 0))
        place = self._phase[sent] * n_channels + channel[sent]
        counts = np.bincount(place, minlength=cycle * n_channels)
        self._season_contacts += counts.reshape(cycle, n_channels)
        lost = np.flatnonzero((events[:, at["opted_out"]] > 0) & (channel >= 0))
        self._opt_outs[t] += np.bincount(channel[lost], minlength=n_channels)
        if self._rich:
            for name, total in self._hidden.items():
                total[t] += population.read(name)[:, 0].astype(np.float64)[self._alive].sum()

    def _end(self, population: AnyPopulation) -> None:
        self.ends["responses"].append(self._responses)
        self.ends["left"].append((~self._alive).astype(np.float64))
        if self._rich:
            loyalty = population.read("loyalty")[:, 0].astype(np.float64)
            self.ends.setdefault("loyalty", []).append(np.where(self._alive, loyalty, 0.0))

    def by_period(self, run: Rollout) -> Arrays:
        """Means over customers, by period and by season."""
        n = self._n
        found: Arrays = {"alive": run.alive, "profit": run.profit, "contacts": run.contact_rate}
        found |= {name: total / n for name, total in self._sums.items()}
        found |= {"lines": self._lines / n, "opt_outs": self._opt_outs / n}
        found["actions"] = run.action_share
        if self._rich:
            with np.errstate(invalid="ignore", divide="ignore"):  # nobody left: not a number
                found |= {name: total / self._here for name, total in self._hidden.items()}
        found |= {f"season_{name}": total for name, total in self._season.items()}
        found["season_contacts"] = self._season_contacts
        found["states"] = np.array(list(run.by_state), dtype=np.str_)
        kinds = len(StateCounts.KINDS)
        found["state_kinds"] = np.array(list(run.by_state.values())).reshape(-1, kinds)
        return found

"""Whole journeys under a policy, what they did to the hidden half, and what contacts came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer.populate import AnyPopulation
from nba_gym.customer.population import Population
from nba_gym.customer.response import notice_probability
from nba_gym.evaluation.rollout import Progress, Rollout, rollout
from nba_gym.policies.protocol import Policy
from nba_gym.records.events import event_columns
from nba_gym.scenario.schema import Scenario

Floats = NDArray[np.float64]

_REACH = 1.96
_notice = np.vectorize(notice_probability, otypes=[np.float64])

SERIES = ("purchases", "opt_outs", "fatigue", "loyalty")
"""What is followed over time; the last two among those who have not left, where not tabular."""
COUNTS = ("sent", "responded", "opted_out", "reached", "noticed", "met")
"""What is counted by channel: contacts made; responses; withdrawals of consent; contacts with
customers who had not left; of those the expected number noticed; and visits that were answered."""


@dataclass(frozen=True, eq=False)
class Watched:
    """A rollout and what was seen on the way.

    Attributes:
        run: What it came to.
        series: Mean, lower and upper end of its 95 % interval by period, ``(3, horizon)`` each, by
            name as in ``SERIES``; ``opt_outs`` is the number so far.
        counts: Contacts by name as in ``COUNTS``, ``(n, n_channels)`` each.
        bought_by: Purchases of each customer by the end of each period, ``(horizon, n)``.
    """

    run: Rollout
    series: dict[str, Floats]
    counts: dict[str, Floats]
    bought_by: NDArray[np.int32]


def watched_rollout(
    policy: Policy,
    scenario: Scenario,
    customers: NDArray[np.uint64],
    seed: int,
    *,
    loyalty: float = 1.0,
    progress: Progress | None = None,
) -> Watched:
    """Simulate whole journeys and watch.

    Args:
        policy: Who acts.
        scenario: The world.
        customers: Numbers of the customers.
        seed: Seed of the world.
        loyalty: Factor on everybody's baseline loyalty, which loyalty also starts from; at most 1
            is reached.
        progress: Called with customers done and customers in all.
    """
    watcher = _Watcher(scenario, loyalty)
    run = rollout(policy, scenario, customers, seed, progress=progress, watch=watcher)
    return Watched(run, watcher.series(), watcher.counts(), watcher.bought_by())


class _Watcher:
    """Sums up what happens in one chunk of customers after the other."""

    def __init__(self, scenario: Scenario, loyalty: float) -> None:
        self._scenario, self._loyalty = scenario, loyalty
        self._rich = scenario.tabular is None
        columns = event_columns(scenario)
        names = ("action", "sent", "responded", "opted_out", "purchases")
        self._column = {name: columns.index(name) for name in names}
        self._channel = np.array(scenario.channel_of_action)
        self._reach = np.array([channel.reach for channel in scenario.channels])
        # by quantity and period: sum of weights, of values, of their squares
        self._sums = np.zeros((len(SERIES), 3, scenario.horizon))
        self._counts: list[Floats] = []
        self._bought: list[NDArray[np.int32]] = []
        self._before: tuple[Floats, Floats] = (np.zeros(0), np.zeros(0))

    def __call__(self, t: int, population: AnyPopulation) -> None:
        if t == 0:
            self._begin(population)
        else:
            self._add(t - 1, population)
        if self._rich:
            strain = population.read("fatigue") / population.read("tolerance")
            self._before = (strain[:, 0], population.read("alive")[:, 0])

    def _begin(self, population: AnyPopulation) -> None:
        n, scenario = population.n, self._scenario
        self._counts.append(np.zeros((len(COUNTS), n, scenario.n_channels)))
        self._bought.append(np.zeros((scenario.horizon, n), dtype=np.int32))
        self._left_channels = np.zeros(n)
        if self._loyalty != 1.0 and isinstance(population, Population):
            more = np.minimum(self._loyalty * population.read("baseline_loyalty"), 1.0)
            population.write("baseline_loyalty", more)
            population.write("loyalty", more)

    def _add(self, t: int, population: AnyPopulation) -> None:
        events = population.out.events
        bought = events[:, self._column["purchases"]]
        self._left_channels += events[:, self._column["opted_out"]]
        done = self._bought[-1]
        done[t] = (done[t - 1] if t else 0) + bought.astype(np.int32)
        alive = population.read("alive")[:, 0] > 0
        everybody = np.ones(len(alive), dtype=np.bool_)
        seen: list[tuple[Any, Any]] = [(bought, everybody), (self._left_channels, everybody)]
        if self._rich:
            seen += [(population.read(name)[:, 0], alive) for name in SERIES[2:]]
            self._count(events, population)
        for i, (values, who) in enumerate(seen):
            x = values[who].astype(np.float64)
            self._sums[i, :, t] += len(x), x.sum(), (x * x).sum()

    def _count(self, events: Floats, population: AnyPopulation) -> None:
        channel = self._channel[events[:, self._column["action"]].astype(np.int64)]
        met = np.flatnonzero((channel >= 0) & (events[:, self._column["sent"]] <= 0))
        self._counts[-1][COUNTS.index("met"), met, channel[met]] += 1.0
        who = np.flatnonzero(events[:, self._column["sent"]] > 0)
        if not len(who):
            return
        c, (strain, alive) = channel[who], self._before
        attention = population.read("attention")[who, c]
        chance = _notice(self._reach[c], attention, strain[who], 1.0, alive[who])
        columns = [events[who, self._column[name]] for name in ("sent", "responded", "opted_out")]
        for i, values in enumerate([*columns, alive[who], chance]):
            self._counts[-1][i, who, c] += values

    def series(self) -> dict[str, Floats]:
        """Means with their intervals."""
        found: dict[str, Floats] = {}
        for name, (n, total, squares) in zip(SERIES, self._sums, strict=True):
            if not self._rich and name in SERIES[2:]:
                continue
            with np.errstate(invalid="ignore", divide="ignore"):  # nobody left: not a number
                mean = total / n
                spread = np.sqrt(np.maximum(squares / n - mean**2, 0.0) / (n - 1))
            found[name] = np.stack([mean, mean - _REACH * spread, mean + _REACH * spread])
        return found

    def counts(self) -> dict[str, Floats]:
        """Contacts by name, ``(n, n_channels)`` each."""
        whole: Floats = np.concatenate(self._counts, axis=1)
        return {name: whole[i] for i, name in enumerate(COUNTS)}

    def bought_by(self) -> NDArray[np.int32]:
        """Purchases so far, ``(horizon, n)``."""
        return np.concatenate(self._bought, axis=1)

"""Let some customers live, counted as they go; their events are kept if asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer import kernel
from nba_gym.customer.populate import AnyPopulation, populate
from nba_gym.evaluation.rollout import birth_records, decide, decide_and_tell
from nba_gym.policies.asking import sees_everything, show_simulator
from nba_gym.policies.protocol import Policy
from nba_gym.records.event_files import EventPart
from nba_gym.records.sums import Counter, Sums
from nba_gym.scenario.schema import Scenario


class StoppedError(Exception):
    """Raised inside a part that is given up because the run is stopped."""


def _decide_only(*question: Any) -> tuple[NDArray[np.int64], None]:
    """What is decided, of which nobody wants to know how likely it was."""
    return decide(*question), None


class Batch:
    """Customers simulated side by side by one thread, batch after batch in the same arrays.

    Args:
        policy: Chooses the actions; an attribute, too.
        scenario: The world.
        seed: Seed of the world.
        periods: Periods to live.
        threads: Threads of the kernel.
        stop: Set to make it give up.
        lived: Called after each period with customers and periods lived.
    """

    def __init__(
        self,
        policy: Policy,
        scenario: Scenario,
        seed: int,
        periods: int,
        *,
        threads: int,
        stop: threading.Event,
        lived: Callable[[int], None],
    ) -> None:
        self.policy = policy
        self._scenario = scenario
        self._seed = seed
        self._periods = periods
        self._threads = threads
        self._stop = stop
        self._lived = lived
        self._population: AnyPopulation | None = None

    def live(self, customers: NDArray[np.uint64], sums: Sums, events: EventPart | None) -> None:
        """Whole journeys of some customers.

        Args:
            customers: Their numbers, ``(n,)``.
            sums: Counts them.
            events: Keeps what happened, if anything does.

        Raises:
            StoppedError: If the run was stopped meanwhile.
        """
        population = self._begin(customers)
        generator = np.random.default_rng([self._seed, int(customers[0])])
        groups = population.read("persona")[:, 0].astype(np.int64)
        counter = Counter(sums, self._scenario, groups)
        alive = np.ones((2, len(customers)))
        alive[1] = population.read("alive")[:, 0]
        if events is not None:
            events.begin(customers, birth_records(population))
        ask = decide_and_tell if events is not None and events.by_lot else _decide_only
        for t in range(self._periods):
            if self._stop.is_set():
                raise StoppedError
            alive[0] = alive[1]
            actions, likely = ask(self.policy, population, self._seed, t, generator)
            out = population.step(actions, kernel.DISABLED)
            alive[1] = population.read("alive")[:, 0]
            counter.add(t, out.events, out.ledger, out.rewards, alive)
            if events is not None:
                events.add(t, out.events, likely)
            self._lived(len(customers))
        counter.close()

    def _begin(self, customers: NDArray[np.uint64]) -> AnyPopulation:
        n = len(customers)
        if self._population is None or self._population.n != n:
            hidden = sees_everything(self.policy)
            self._population = populate(
                self._scenario, n, hidden=hidden, record=True, threads=self._threads
            )
        newborn: NDArray[Any] = np.ones(n, dtype=np.bool_)
        self._population.begin(newborn, np.full(n, self._seed, dtype=np.uint64), customers)
        show_simulator(self.policy, self._population)
        return self._population

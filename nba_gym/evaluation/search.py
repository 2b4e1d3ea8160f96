"""One search for every policy that has something to tune, on customers of their own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.effort import TRIALS
from nba_gym.errors import PolicyError, check_least
from nba_gym.evaluation.rollout import rollout
from nba_gym.policies.checks import check_customers
from nba_gym.policies.protocol import Policy
from nba_gym.scenario.schema import Scenario

Settings = Mapping[str, Any]


FIRST_LOOK = 4
"""A trial is first looked at after this part of its customers."""
HOPELESS = 2.5
"""Standard errors of the paired difference to the best so far at which a trial is given up."""


@dataclass(frozen=True)
class Trial:
    """One setting tried.

    Attributes:
        settings: What was tried.
        value: Mean value per customer; of a trial that was given up, that of the best by then plus
            the mean paired difference to it.
        customers: How many customers lived it; fewer than all if it was given up.
        seconds: Processor time that it took.
    """

    settings: dict[str, Any]
    value: float
    customers: int
    seconds: float = field(default=0.0, compare=False)


class Lived(NamedTuple):
    """What is remembered of a trial.

    Attributes:
        values: Value of each customer who lived it, ``(customers,)``.
        seconds: Processor time that it took.
    """

    values: NDArray[np.float64]
    seconds: float


Memory = MutableMapping[str, Lived]
"""What earlier runs of the same search left, by settings as text."""


@dataclass(frozen=True)
class Tunable:
    """A policy and what may be changed about it.

    Attributes:
        make: The policy with some settings.
        starts: Settings to search from, complete.
        ladders: What to try for each setting, those that matter most first; a dot leads into a
            table of settings, as in ``levers.offer``.
    """

    make: Callable[[dict[str, Any]], Policy]
    starts: tuple[Settings, ...]
    ladders: tuple[tuple[str, tuple[Any, ...]], ...]

    def check(self) -> None:
        """Check that every ladder leads to a setting.

        Raises:
            PolicyError: If there is no start, or a start lacks a setting that a ladder changes.
        """
        if not self.starts:
            raise PolicyError("starts must hold settings to search from, got none")
        for start in self.starts:
            for path, _ in self.ladders:
                if path.split(".")[0] not in start:
                    raise PolicyError(f"ladders must be of settings of the start, got {path!r}")


def tune(
    tunable: Tunable,
    scenario: Scenario,
    customers: int | NDArray[Any],
    seed: int,
    *,
    trials: int = TRIALS,
    seconds: float = math.inf,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    memory: Memory | None = None,
) -> tuple[Policy, list[Trial]]:
    """Choose settings by simulated value.

    From each start, one setting after the other is searched along its ladder, the others at their
    best so far, until a whole pass finds nothing better or the start's share of the trials, or of
    the time, is used up: a search along one ladder at a time may end in a corner. A trial is given
    up once it is clearly worse than the best of its start on the same customers (racing; Maron &
    Moore 1994). Each start is tried, however little time there is.

    Args:
        tunable: The policy.
        scenario: The world.
        customers: Customers for tuning, disjoint from those of any comparison.
        seed: Seed of the world.
        trials: Settings to try at most; each simulates whole journeys.
        seconds: Processor time that all trials may take, so that it does not matter what else the
            machine does; the last trial may end after it.
        threads: Threads of the kernel.
        progress: Called with trials done and trials in all.
        memory: What is known of trials from an earlier run of the same search, and what remembers
            those of this one. Remembered seconds count as if they had passed now.

    Returns:
        The best policy and all trials in the order they were made.

    Raises:
        PolicyError: If there are no trials, no time or no starts, or a ladder leads nowhere.
    """
    check_least(1, trials=trials)
    check_least(0, seconds=seconds)
    tunable.check()
    numbers = check_customers(customers)

    def done(tried: int) -> None:
        if progress is not None:
            progress(tried, trials)

    search = _Search(tunable, scenario, numbers, seed, threads, memory, done)
    winners: list[Trial] = []
    for i, start in enumerate(tunable.starts):
        part = (i + 1) / len(tunable.starts)
        search.begin((i + 1) * trials // len(tunable.starts), part * seconds)
        search.attempt(dict(start))
        before: Trial | None = None
        while search.leader is not None and before != search.leader and not search.is_over:
            before = search.leader
            for path, ladder in tunable.ladders:
                for step in ladder:
                    search.attempt(_changed(search.leader.settings, path, step))
        if search.leader is not None:
            winners.append(search.leader)
    best = max(winners, key=lambda trial: trial.value)
    return tunable.make(best.settings), list(search.tried.values())


class _Search:
    """Trials, the best of the present start, and what may still be tried.

    Attributes:
        tried: Trials by settings.
        leader: The best trial of the present start.
        values: Value of the leader's customers.
        seconds: Processor time of all trials.
    """

    def __init__(
        self,
        tunable: Tunable,
        scenario: Scenario,
        numbers: NDArray[np.uint64],
        seed: int,
        threads: int | None,
        memory: Memory | None,
        done: Callable[[int], None],
    ) -> None:
        self.tried: dict[str, Trial] = {}
        self.leader: Trial | None = None
        self.values: NDArray[np.float64] = np.empty(0)
        self.seconds = 0.0
        self._tunable, self._numbers, self._threads = tunable, numbers, threads
        self._scenario, self._seed = scenario, seed
        self._memory: Memory = {} if memory is None else memory
        self._done = done
        self._most, self._until = 0, 0.0

    @property
    def is_over(self) -> bool:
        """Whether trials or time of the present start are used up."""
        return len(self.tried) >= self._most or self.seconds >= self._until

    def begin(self, most: int, until: float) -> None:
        """Begin with another start, which may use so many trials and seconds, all before told."""
        self.leader, self._most, self._until = None, most, until

    def attempt(self, settings: dict[str, Any]) -> None:
        """Try settings, if they are new and there is time; a start is tried in any case."""
        key = str(settings)
        late = self.is_over if self.leader is not None else len(self.tried) >= self._most
        if key in self.tried or late:
            return
        if key not in self._memory:
            begun = time.process_time()
            reached = self._race(self._tunable.make(settings))
            self._memory[key] = Lived(reached, time.process_time() - begun)
        reached, seconds = self._memory[key]
        n, level = len(reached), 0.0
        if self.leader is not None and n < len(self._numbers):
            level = self.leader.value - float(self.values[:n].mean())
        trial = Trial(settings, float(reached.mean()) + level, n, seconds)
        self.tried[key] = trial
        self.seconds += seconds
        if self.leader is None or trial.value > self.leader.value:
            self.leader, self.values = trial, reached
        self._done(len(self.tried))

    def _race(self, policy: Policy) -> NDArray[np.float64]:
        """Value of the customers, or of the first of them if they tell that another is better."""
        n, reached = len(self._numbers), np.empty(0)
        for until in sorted({min(n, max(2, n // FIRST_LOOK)), min(n, max(2, n // 2)), n}):
            part = self._numbers[len(reached) : until]
            more = rollout(policy, self._scenario, part, self._seed, threads=self._threads)
            reached = np.concatenate([reached, more.value])
            if self.leader is not None and len(reached) < n:
                difference = reached - self.values[: len(reached)]
                error = float(difference.std(ddof=1)) / np.sqrt(len(difference))
                if difference.mean() < -HOPELESS * error:
                    break
        return reached


def _changed(settings: dict[str, Any], path: str, step: Any) -> dict[str, Any]:
    """Settings with one of them changed."""
    name, _, inner = path.partition(".")
    return settings | {name: settings[name] | {inner: step} if inner else step}

"""One search for every policy that has something to tune, on customers of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    """

    settings: dict[str, Any]
    value: float
    customers: int


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
    trials: int = 200,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Policy, list[Trial]]:
    """Choose settings by simulated value.

    From each start, one setting after the other is searched along its ladder, the others at their
    best so far, until a whole pass finds nothing better or the start's share of the trials is used
    up: a search along one ladder at a time may end in a corner. A trial is given up once it is
    clearly worse than the best of its start on the same customers (racing; Maron & Moore 1994).

    Args:
        tunable: The policy.
        scenario: The world.
        customers: Customers for tuning, disjoint from those of any comparison.
        seed: Seed of the world.
        trials: Settings to try at most; each simulates whole journeys.
        threads: Threads of the kernel.
        progress: Called with trials done and trials in all.

    Returns:
        The best policy and all trials in the order they were made.

    Raises:
        PolicyError: If there are no trials or no starts, or a ladder leads nowhere.
    """
    check_least(1, trials=trials)
    tunable.check()
    numbers = check_customers(customers)
    tried: dict[str, Trial] = {}
    leader: Trial | None = None
    values: NDArray[np.float64] = np.empty(0)  # of the leader's customers

    def attempt(settings: dict[str, Any], most: int) -> None:
        nonlocal leader, values
        key = str(settings)
        if key in tried or len(tried) >= most:
            return
        rival = None if leader is None else values
        policy = tunable.make(settings)
        reached = _race(policy, scenario, numbers, seed, threads, rival)
        n = len(reached)
        level = 0.0 if leader is None else leader.value - float(values[:n].mean())
        trial = Trial(settings, float(reached.mean()) + (level if n < len(numbers) else 0.0), n)
        tried[key] = trial
        if leader is None or trial.value > leader.value:
            leader, values = trial, reached
        if progress is not None:
            progress(len(tried), trials)

    winners: list[Trial] = []
    for i, start in enumerate(tunable.starts):
        leader, most = None, (i + 1) * trials // len(tunable.starts)
        attempt(dict(start), most)
        before: Trial | None = None
        while leader is not None and before != leader and len(tried) < most:
            before = leader
            for path, ladder in tunable.ladders:
                for step in ladder:
                    attempt(_changed(leader.settings, path, step), most)
        if leader is not None:
            winners.append(leader)
    best = max(winners, key=lambda trial: trial.value)
    return tunable.make(best.settings), list(tried.values())


def _race(
    policy: Policy,
    scenario: Scenario,
    numbers: NDArray[np.uint64],
    seed: int,
    threads: int | None,
    rival: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Value of the customers, or of the first of them if they tell that the rival is better."""
    n, reached = len(numbers), np.empty(0)
    for until in sorted({min(n, max(2, n // FIRST_LOOK)), min(n, max(2, n // 2)), n}):
        more = rollout(policy, scenario, numbers[len(reached) : until], seed, threads=threads)
        reached = np.concatenate([reached, more.value])
        if rival is not None and len(reached) < n:
            difference = reached - rival[: len(reached)]
            error = float(difference.std(ddof=1)) / np.sqrt(len(difference))
            if difference.mean() < -HOPELESS * error:
                break
    return reached


def _changed(settings: dict[str, Any], path: str, step: Any) -> dict[str, Any]:
    """Settings with one of them changed."""
    name, _, inner = path.partition(".")
    return settings | {name: settings[name] | {inner: step} if inner else step}

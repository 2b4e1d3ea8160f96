"""One search for every policy that has something to tune, on customers of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from nba_gym.errors import PolicyError, check_least
from nba_gym.evaluation.rollout import rollout
from nba_gym.policies.protocol import Policy
from nba_gym.scenario.schema import Scenario

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """One setting tried, and the mean value per customer it reached."""

    settings: dict[str, Any]
    value: float


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
    trials: int = 160,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Policy, list[Trial]]:
    """Choose settings by simulated value.

    From each start, one setting after the other is searched along its ladder, the others at their
    best so far, until a whole pass finds nothing better or the start's share of the trials is used
    up: a search along one ladder at a time may end in a corner.

    Args:
        tunable: The policy.
        scenario: The world.
        customers: Customers for tuning, disjoint from those of any comparison.
        seed: Seed of the world.
        trials: Settings to try at most; each simulates the whole journeys of all ``customers``.
        threads: Threads of the kernel.
        progress: Called with trials done and trials in all.

    Returns:
        The best policy and all trials in the order they were made.

    Raises:
        PolicyError: If there are no trials or no starts, or a ladder leads nowhere.
    """
    check_least(1, trials=trials)
    tunable.check()
    tried: dict[str, Trial] = {}

    def attempt(settings: dict[str, Any], most: int) -> None:
        key = str(settings)
        if key in tried or len(tried) >= most:
            return
        policy = tunable.make(settings)
        value = float(rollout(policy, scenario, customers, seed, threads=threads).value.mean())
        tried[key] = Trial(settings, value)
        if progress is not None:
            progress(len(tried), trials)

    def best(since: int = 0) -> dict[str, Any]:
        return max(list(tried.values())[since:], key=lambda trial: trial.value).settings

    for i, start in enumerate(tunable.starts):
        since, most = len(tried), (i + 1) * trials // len(tunable.starts)
        attempt(dict(start), most)
        before: dict[str, Any] = {}
        while len(tried) > since and before != best(since) and len(tried) < most:
            before = best(since)
            for path, ladder in tunable.ladders:
                for step in ladder:
                    attempt(_changed(best(since), path, step), most)
    return tunable.make(best()), list(tried.values())


def _changed(settings: dict[str, Any], path: str, step: Any) -> dict[str, Any]:
    """Settings with one of them changed."""
    name, _, inner = path.partition(".")
    return settings | {name: settings[name] | {inner: step} if inner else step}

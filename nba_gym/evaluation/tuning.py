"""Tune greedy practice with the same care as an agent: on customers of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from nba_gym.evaluation.rollout import rollout
from nba_gym.policies.practice import NO_CAP, GreedyPractice, PracticeModel
from nba_gym.scenario.schema import Scenario


@dataclass(frozen=True)
class Trial:
    """One setting tried, and the mean value per customer it reached."""

    settings: dict[str, Any]
    value: float


def tune_practice(
    model: PracticeModel,
    scenario: Scenario,
    customers: int | NDArray[Any],
    seed: int,
    *,
    trials: int = 30,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[GreedyPractice, list[Trial]]:
    """Choose threshold, cap, ripening, years and levers by simulated value.

    One setting after the other is searched along its ladder, the others at their best so far, until
    a whole pass finds nothing better or the trials are used up.

    Args:
        model: What was learned from the campaign.
        scenario: The world.
        customers: Customers for tuning, disjoint from those of any comparison.
        seed: Seed of the world.
        trials: Settings to try at most; each simulates the whole journeys of all ``customers``.
        threads: Threads of the kernel.
        progress: Called with trials done and trials in all.

    Returns:
        The best policy and all trials in the order they were made.
    """
    tried: dict[tuple[Any, ...], Trial] = {}

    def attempt(settings: dict[str, Any]) -> None:
        key = tuple(settings.values())
        if key in tried or len(tried) >= trials:
            return
        policy = GreedyPractice(model, **settings)
        value = float(rollout(policy, scenario, customers, seed, threads=threads).value.mean())
        tried[key] = Trial(policy.settings, value)
        if progress is not None:
            progress(len(tried), trials)

    def best() -> dict[str, Any]:
        return max(tried.values(), key=lambda trial: trial.value).settings

    ladders = _ladders(model)
    attempt(GreedyPractice(model, threshold=ladders["threshold"][1]).settings)
    before: dict[str, Any] = {}
    while before != best() and len(tried) < trials:
        before = best()
        for name, ladder in ladders.items():
            for step in ladder:
                attempt(best() | {name: step})
        ladders["threshold"] = [best()["threshold"] * factor for factor in (0.5, 0.7, 1.4, 2.0)]
    return GreedyPractice(model, **best()), list(tried.values())


def _ladders(model: PracticeModel) -> dict[str, list[Any]]:
    """Values to try of each setting, the ones that matter most first."""
    ladders: dict[str, list[Any]] = {
        "threshold": [share * model.typical for share in (0.0, 0.003, 0.01, 0.03, 0.1)],
        "cap": [1, 2, 3, 4, NO_CAP],
        "levers": [False, True],
    }
    if model.leaving is not None:
        ladders = {"years": [0.0, 1.0, 2.0, 4.0, 8.0], **ladders}
    if model.later is not None:
        ladders = {"ripening": [0.0, 1.0, 2.0, 4.0, 8.0], **ladders}
    return ladders

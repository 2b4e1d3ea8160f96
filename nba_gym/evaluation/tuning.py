"""Tune greedy practice with the same care as an agent: on customers of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from nba_gym.errors import check_least
from nba_gym.evaluation.rollout import log_campaign, rollout
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies.campaign import fit_practice
from nba_gym.policies.practice import NO_CAP, GreedyPractice, PracticeModel
from nba_gym.scenario.schema import Scenario


@dataclass(frozen=True)
class Trial:
    """One setting tried, and the mean value per customer it reached."""

    settings: dict[str, Any]
    value: float


def learn_practice(
    scenario: Scenario,
    *,
    campaign: int = 32_000,
    tuning: int = 6_000,
    trials: int = 160,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[GreedyPractice, list[Trial]]:
    """Greedy practice from nothing: a logged random campaign, propensity models, tuning.

    Args:
        scenario: The world.
        campaign: Customers in the campaign.
        tuning: Customers on which it is tuned.
        trials: Settings to try at most.
        threads: Threads of the kernel.
        progress: Called with trials done and trials in all.

    Returns:
        The best policy and all trials in the order they were made.
    """
    log = log_campaign(scenario, SPLIT.logging(campaign), SPLIT.seed, threads=threads)
    model = fit_practice(log, scenario, log.feature_names)
    customers = SPLIT.tuning(tuning)
    return tune_practice(
        model, scenario, customers, SPLIT.seed, trials=trials, threads=threads, progress=progress
    )


def tune_practice(
    model: PracticeModel,
    scenario: Scenario,
    customers: int | NDArray[Any],
    seed: int,
    *,
    trials: int = 160,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[GreedyPractice, list[Trial]]:
    """Choose window, ripening, years, threshold, cap and levers by simulated value.

    From each of two starts, one setting after the other is searched along its ladder, the others at
    their best so far, until a whole pass finds nothing better or the start's share of the trials is
    used up.

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
    check_least(1, trials=trials)
    tried: dict[str, Trial] = {}

    def attempt(settings: dict[str, Any], most: int) -> None:
        key = str(settings)
        if key in tried or len(tried) >= most:
            return
        policy = GreedyPractice(model, **settings)
        value = float(rollout(policy, scenario, customers, seed, threads=threads).value.mean())
        tried[key] = Trial(policy.settings, value)
        if progress is not None:
            progress(len(tried), trials)

    def best(since: int = 0) -> dict[str, Any]:
        return max(list(tried.values())[since:], key=lambda trial: trial.value).settings

    starts = _starts(model)
    for i, start in enumerate(starts):  # a search along one ladder at a time may end in a corner
        since, most = len(tried), (i + 1) * trials // len(starts)
        attempt(start.settings, most)
        before: dict[str, Any] = {}
        while len(tried) > since and before != best(since) and len(tried) < most:
            before = best(since)
            for change in _changes(start):
                attempt(best(since) | change(best(since)), most)
    return GreedyPractice(model, **best()), list(tried.values())


def _starts(model: PracticeModel) -> list[GreedyPractice]:
    """Where to search from: take what looks good at once, or seldom and with an eye on later."""
    eager = GreedyPractice(model, threshold=0.003 * model.typical)
    levers = {kind: 1.0 if kind == "inform" else 0.5 for kind in eager.levers}
    patient = GreedyPractice(
        model,
        threshold=0.03 * model.typical,
        cap=2,
        window=max(model.windows),
        ripening=16.0,
        levers=levers,
    )
    return [eager, patient]


def _changes(start: GreedyPractice) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    """What to change in the best settings so far, the changes that matter most first."""
    model = start.model
    steps: dict[str, tuple[float, ...]] = {}
    if len(model.windows) > 1:
        steps["window"] = tuple(model.windows)
    if any(credited.later is not None for credited in model.windows.values()):
        steps["ripening"] = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
    if any(credited.leaving is not None for credited in model.windows.values()):
        steps["years"] = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
    steps["threshold"] = tuple(
        share * model.typical for share in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    )
    for name, ladder in steps.items():
        for step in ladder:
            yield lambda _, name=name, step=step: {name: step}
    for kind in start.levers:
        for step in (0.0, 0.5, 1.0):
            yield lambda best, kind=kind, step=step: {"levers": best["levers"] | {kind: step}}
    for step in (1, 2, 3, NO_CAP):
        yield lambda _, step=step: {"cap": step}

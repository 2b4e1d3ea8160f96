"""Tune greedy practice with the same care as an agent: on customers of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from numpy.typing import NDArray

from nba_gym.effort import CAMPAIGN, TRIALS, TUNING
from nba_gym.evaluation.knobs import practice_knobs
from nba_gym.evaluation.rollout import log_campaign
from nba_gym.evaluation.search import Trial, tune
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies.campaign import fit_practice
from nba_gym.policies.practice import GreedyPractice, PracticeModel
from nba_gym.scenario.schema import Scenario


def learn_practice(
    scenario: Scenario,
    *,
    campaign: int = CAMPAIGN,
    tuning: int = TUNING,
    trials: int = TRIALS,
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
    trials: int = TRIALS,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[GreedyPractice, list[Trial]]:
    """Choose window, ripening, years, threshold, cap and levers by simulated value.

    The search is that of :func:`~nba_gym.evaluation.search.tune`, from two starts.

    Args:
        model: What was learned from the campaign.
        scenario: The world.
        customers: Customers for tuning, disjoint from those of any comparison.
        seed: Seed of the world.
        trials: Settings to try at most; each simulates whole journeys.
        threads: Threads of the kernel.
        progress: Called with trials done and trials in all.

    Returns:
        The best policy and all trials in the order they were made.
    """
    best, tried = tune(
        practice_knobs(model),
        scenario,
        customers,
        seed,
        trials=trials,
        threads=threads,
        progress=progress,
    )
    return cast(GreedyPractice, best), tried

"""Tune greedy practice with the same care as an agent: on customers of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.evaluation.rollout import rollout
from nba_gym.policies.practice import Basis, GreedyPractice, PracticeModel
from nba_gym.scenario.schema import Scenario

BASES: tuple[Basis, ...] = ("incremental", "total")


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
    trials: int = 40,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[GreedyPractice, list[Trial]]:
    """Choose threshold, cap, basis and levers by simulated value.

    Half of the trials are a coarse grid over everything; the other half search around the best, the
    threshold ever more finely.

    Args:
        model: What was learned from the campaign.
        scenario: The world.
        customers: Customers for tuning, disjoint from those of any comparison.
        seed: Seed of the world.
        trials: Settings to try in all.
        threads: Threads of the kernel.
        progress: Called with trials done and trials in all.

    Returns:
        The best policy and all trials in the order they were made.
    """
    scale = _typical_gain(model, scenario)
    tried: dict[tuple[Any, ...], Trial] = {}

    def attempt(threshold: float, cap: int, basis: Basis, levers: bool) -> None:
        key = (round(threshold, 6), cap, basis, levers)
        if key in tried or len(tried) >= trials:
            return
        policy = GreedyPractice(model, threshold=threshold, cap=cap, basis=basis, levers=levers)
        value = float(rollout(policy, scenario, customers, seed, threads=threads).value.mean())
        tried[key] = Trial(policy.settings, value)
        if progress is not None:
            progress(len(tried), trials)

    coarse = list(product((0.05, 0.3, 1.0, 3.0), (1, 2, 4), BASES))
    for share, cap, basis in coarse[: max(trials * 3 // 5, 1)]:
        attempt(share * scale, cap, basis, basis == "incremental")
    step = 2.0
    while len(tried) < trials:
        before = len(tried)
        best = max(tried.values(), key=lambda trial: trial.value).settings
        for factor in (1.0 / step, step):
            attempt(best["threshold"] * factor, best["cap"], best["basis"], best["levers"])
        for cap in (best["cap"] - 1, best["cap"] + 1):
            attempt(best["threshold"], max(cap, 0), best["basis"], best["levers"])
        attempt(best["threshold"], best["cap"], best["basis"], not best["levers"])
        step = step**0.5 if len(tried) == before or step > 1.2 else step
        if step < 1.02:
            break
    best = max(tried.values(), key=lambda trial: trial.value)
    return GreedyPractice(model, **best.settings), list(tried.values())


def _typical_gain(model: PracticeModel, scenario: Scenario) -> float:
    """A scale for thresholds: a few per cent of the margin of a typical buying period."""
    typical = np.full((1, len(model.value) - 1), 0.3, dtype=np.float32)
    margin = float(model.values(typical)[0])
    rates: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-model.propensity[-1]))
    return max(0.02 * margin, 0.2 * margin * float(np.mean(rates)), 1e-3)

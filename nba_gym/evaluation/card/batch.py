"""Several cards in one go, with an estimate of the time before each."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nba_gym.errors import NbaGymError
from nba_gym.evaluation.card.bench import Bench, Say, Sizes
from nba_gym.evaluation.card.mechanisms import MECHANISMS, is_on
from nba_gym.evaluation.card.targets import load_targets
from nba_gym.evaluation.card.write import Card, write_card
from nba_gym.evaluation.rollout import rollout
from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario

_PROBE = 2_048
"""Customers whose journeys are timed for the estimate."""


@dataclass
class Batch:
    """What came of many cards.

    Attributes:
        cards: Those that were written.
        failed: Why the others were not, by scenario.
    """

    cards: list[Card] = field(default_factory=list[Card])
    failed: dict[str, str] = field(default_factory=dict[str, str])


def write_cards(
    scenarios: Iterable[str],
    folder: str | Path = "docs/scenarios",
    *,
    sizes: Sizes | None = None,
    targets: str | Path | None = None,
    say: Say = lambda _: None,
) -> Batch:
    """Write one card after the other; a world that cannot be described does not stop the others.

    Args:
        scenarios: Preset names or files.
        folder: Where to.
        sizes: How many customers.
        targets: A file of targets of one's own.
        say: Told what is being done, how long it will take, and what was reached.
    """
    batch, sizes, names = Batch(), sizes or Sizes(), list(scenarios)
    guesses: dict[str, float] = {}
    for name in names:
        try:
            guesses[name] = estimate_seconds(load_scenario(name), sizes)
        except NbaGymError as error:
            batch.failed[name] = str(error)
    told = ", ".join(f"{name} {told_time(seconds)}" for name, seconds in guesses.items())
    say(f"{len(guesses)} cards, about {told_time(sum(guesses.values()))}: {told}")
    for name in guesses:
        started = time.perf_counter()
        try:
            card = write_card(name, folder, sizes=sizes, targets=targets, say=say)
        except NbaGymError as error:
            batch.failed[name] = str(error)
            say(f"{name}: no card: {error}")
            continue
        batch.cards.append(card)
        say(f"{card.summary}\n{card.paths[0]}, {told_time(time.perf_counter() - started)}")
    return batch


def estimate_seconds(scenario: Scenario, sizes: Sizes) -> float:
    """How long a card will take here and now, from the time of a few hundred journeys."""
    bench = Bench(scenario, sizes)
    numbers = bench.customers(_PROBE)
    cost: dict[str, float] = {}
    for name in ("random", "oracle"):
        policy = bench.policy(name)
        rollout(policy, scenario, numbers[:8], bench.seed)  # compiling is not what is asked about
        started = time.perf_counter()
        rollout(policy, scenario, numbers, bench.seed)
        cost[name] = (time.perf_counter() - started) / _PROBE
    mechanisms = sum(bool(each.fields) and is_on(each, scenario) for each in MECHANISMS)
    rich = scenario.tabular is None
    worlds = 2 * mechanisms * sizes.sensitivity if rich else 0
    aims = len(load_targets(scenario.name).targets) * sizes.targets / 2.0
    learning = 2 * sizes.campaign + sizes.trials * sizes.tuning if rich else 0
    oracle = sizes.customers + (sizes.targets + worlds if rich else 0)
    simple = 3 * sizes.customers + aims + 1.2 * worlds + learning
    return cost["oracle"] * oracle + cost["random"] * simple


def told_time(seconds: float) -> str:
    """A length of time for people."""
    return f"{seconds:.0f} s" if seconds < 100.0 else f"{seconds / 60.0:.1f} min"

"""How much depends on what: a little more loyalty, and each mechanism weaker or stronger.

Always the same customers with the same luck, and the same policies: practice is not tuned again,
for the question is what the world does, not what a firm would do about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from nba_gym.evaluation.card.bench import Bench
from nba_gym.evaluation.card.mechanisms import MECHANISMS, Mechanism, is_on, scale
from nba_gym.evaluation.card.watch import watched_rollout
from nba_gym.evaluation.rollout import rollout
from nba_gym.policies.protocol import Policy
from nba_gym.statistics import Interval, mean_interval, ratio_interval

Values = dict[str, NDArray[np.float64]]

LOOKED_AT = ("no_contact", "practice", "oracle")
"""Policies whose value is looked at."""
FACTORS = (0.5, 1.5)
MORE_LOYALTY = 1.05


@dataclass(frozen=True)
class Loyalty:
    """What more loyalty is worth under one policy.

    Attributes:
        value: Value per customer before.
        change: Change in value per customer, with its interval, in currency.
        relative: The same as a share of the value before; none unless that is above 0.
    """

    value: float
    change: Interval
    relative: Interval | None


@dataclass(frozen=True)
class Reaction:
    """What one mechanism at one strength does.

    Attributes:
        mechanism: Which.
        factor: Its strength.
        stopped: Fields that stopped at the end of their range.
        change: Change in value per customer by policy, in currency.
        relative: The same as a share of the value as it is; none unless that is above 0.
        ranking: Pairs of policies of which the better one is another than before, or that can no
            longer be told apart; in words.
    """

    mechanism: str
    factor: float
    stopped: tuple[str, ...]
    change: dict[str, Interval]
    relative: dict[str, Interval | None]
    ranking: list[str]


def loyalty_elasticity(bench: Bench) -> dict[str, Loyalty]:
    """Raise every customer's baseline loyalty by 5 % of itself (to 1 at most), by policy."""
    n = bench.sizes.targets
    found: dict[str, Loyalty] = {}
    for name in LOOKED_AT:
        bench.say(f"5 % more loyalty, {n:,} customers under {name}")
        before = bench.watched(name).run.value[:n]
        policy, numbers = bench.policy(name), bench.customers(n)
        more = watched_rollout(policy, bench.scenario, numbers, bench.seed, loyalty=MORE_LOYALTY)
        change = more.run.value - before
        mean = float(before.mean())
        relative = ratio_interval(change, before) if mean > 0.0 else None
        found[name] = Loyalty(mean, mean_interval(change), relative)
    return found


def sensitivity(bench: Bench) -> list[Reaction]:
    """Every mechanism that is on, at half and at one and a half of its strength."""
    n = bench.sizes.sensitivity
    policies = {name: bench.policy(name) for name in LOOKED_AT}
    base: Values = {name: bench.watched(name).run.value[:n] for name in LOOKED_AT}
    used = [each for each in MECHANISMS if each.fields and is_on(each, bench.scenario)]
    found: list[Reaction] = []
    for i, mechanism in enumerate(used, start=1):
        bench.say(f"sensitivity {i} of {len(used)}: {mechanism.name}")
        found += [_react(bench, policies, base, mechanism, factor) for factor in FACTORS]
    return found


def _react(
    bench: Bench,
    policies: Mapping[str, Policy],
    base: Values,
    mechanism: Mechanism,
    factor: float,
) -> Reaction:
    changed = scale(mechanism, bench.scenario, factor)
    numbers = bench.customers(len(next(iter(base.values()))))
    values: Values = {
        name: rollout(policy, changed.scenario, numbers, bench.seed).value
        for name, policy in policies.items()
    }
    change = {name: values[name] - base[name] for name in base}
    return Reaction(
        mechanism=mechanism.name,
        factor=changed.factor,
        stopped=changed.stopped,
        change={name: mean_interval(each) for name, each in change.items()},
        relative={
            name: ratio_interval(each, base[name]) if base[name].mean() > 0.0 else None
            for name, each in change.items()
        },
        ranking=compare_rankings(base, values),
    )


def compare_rankings(before: Values, after: Values) -> list[str]:
    """Which pairs stand otherwise after than before, in words.

    A pair is ranked where the 95 % interval of its paired difference leaves 0 out.
    """
    told: list[str] = []
    for one, other in combinations(before, 2):
        was, now = (_order(values[one] - values[other]) for values in (before, after))
        if was == now:
            continue
        if not now:
            told.append(f"{one} and {other} can no longer be told apart")
        else:
            better, worse = (one, other) if now > 0 else (other, one)
            told.append(f"{better} is now better than {worse}")
    return told


def _order(gap: NDArray[np.float64]) -> int:
    """1 if the interval of a difference lies above 0, -1 if below, else 0."""
    interval = mean_interval(gap)
    return int(interval.low > 0.0) - int(interval.high < 0.0)

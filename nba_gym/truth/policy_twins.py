"""Counterfactual twins: one customer lived twice with the same luck, under two policies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.policies.checks import check_customers, check_policy, check_world
from nba_gym.policies.protocol import Policy
from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario
from nba_gym.truth.crowd import CHUNK, Crowd, check_count
from nba_gym.truth.pairs import Pair

NEVER = -1


@dataclass(frozen=True, eq=False)
class PolicyTwins:
    """What the first policy rather than the second did to each customer.

    Attributes:
        customers: Numbers of the customers, ``(n,)``.
        value: Discounted profit of the journey, in currency.
        lifetime: Periods until the customer left, or the horizon.
        purchases: Purchases of the journey.
        parted: First period in which the two treated the customer differently, ``(n,)``; -1 if they
            never did, which makes both lives the same.
    """

    customers: NDArray[np.uint64]
    value: Pair
    lifetime: Pair
    purchases: Pair
    parted: NDArray[np.int64]

    @property
    def shares(self) -> dict[str, float]:
        """Share of customers who are worth more, less and as much under the first policy."""
        effect = self.value.effect
        return {
            "better": float((effect > 0).mean()),
            "worse": float((effect < 0).mean()),
            "unchanged": float((effect == 0).mean()),
        }


def policy_twins(
    first: Policy,
    second: Policy,
    scenario: str | Path | Scenario,
    customers: int | NDArray[Any] = 10_000,
    seed: int = 0,
    *,
    threads: int | None = None,
    chunk: int = CHUNK,
) -> PolicyTwins:
    """Live every customer twice, once under each policy.

    Args:
        first: Who acts in the first life.
        second: Who acts in the second.
        scenario: The world.
        customers: Numbers of the customers, or how many from number 0 on.
        seed: Seed of the world.
        threads: Threads of the kernel.
        chunk: Customers simulated side by side; it does not change any journey.

    Returns:
        The individual differences, first less second, in the order of ``customers``.

    Raises:
        PolicyError: If a policy answers with something that is not one action a customer, or
            policies, customers, seed, threads or chunk are out of range.
    """
    scenario, numbers = load_scenario(scenario), check_customers(customers)
    check_policy("first", first)
    check_policy("second", second)
    check_world(seed, threads)
    check_count("chunk", chunk)
    parts: list[PolicyTwins] = []
    for start in range(0, len(numbers), chunk):
        part = numbers[start : start + chunk]
        mine, other = (
            _live(Crowd(policy, scenario, part, seed, threads), scenario)
            for policy in (first, second)
        )
        differs = mine.actions != other.actions
        parts.append(
            PolicyTwins(
                customers=part,
                value=Pair(mine.value, other.value),
                lifetime=Pair(mine.lifetime, other.lifetime),
                purchases=Pair(mine.purchases, other.purchases),
                parted=np.where(differs.any(axis=0), differs.argmax(axis=0), NEVER),
            )
        )
    return _join(parts)


class _Lives(NamedTuple):
    """What one life of each customer came to, ``(n,)``; ``actions`` ``(horizon, n)``."""

    value: NDArray[np.float64]
    lifetime: NDArray[np.float64]
    purchases: NDArray[np.float64]
    actions: NDArray[np.int64]


def _live(crowd: Crowd, scenario: Scenario) -> _Lives:
    value = np.zeros(len(crowd.alive))
    lifetime, purchases = np.zeros_like(value), np.zeros_like(value)
    actions: list[NDArray[np.int64]] = []
    for t in range(scenario.horizon):
        lifetime += crowd.alive
        value += scenario.discount**t * crowd.live(crowd.choose()).rewards
        purchases += crowd.purchases
        actions.append(crowd.carried_out)
    return _Lives(value, lifetime, purchases, np.stack(actions))


def _join(parts: list[PolicyTwins]) -> PolicyTwins:
    """One result from chunks."""

    def whole(name: str) -> Pair:
        pairs: list[Pair] = [getattr(part, name) for part in parts]
        return Pair(
            np.concatenate([pair.first for pair in pairs]),
            np.concatenate([pair.second for pair in pairs]),
        )

    return PolicyTwins(
        customers=np.concatenate([part.customers for part in parts]),
        value=whole("value"),
        lifetime=whole("lifetime"),
        purchases=whole("purchases"),
        parted=np.concatenate([part.parted for part in parts]),
    )

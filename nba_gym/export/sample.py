"""Journeys to export with: observations to prove parity on, and what customers are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer import kernel
from nba_gym.customer.populate import populate
from nba_gym.evaluation.rollout import decide
from nba_gym.evaluation.split import SPLIT
from nba_gym.export.draft import Layer
from nba_gym.policies.protocol import Policy
from nba_gym.policies.simple import UniformRandom
from nba_gym.scenario.schema import Scenario

CUSTOMERS = 2_000
"""Customers whose journeys under the policy teach what a customer is worth."""
_TAUGHT = 0.75
_RIDGE = 1e-3


def sample_observations(
    scenario: Scenario, rows: int
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Observations and masks from all stages of journeys under a random policy.

    Args:
        scenario: The world.
        rows: How many.

    Returns:
        ``(rows, n_features)`` and ``(rows, n_actions)``.
    """
    n = -(-rows // scenario.horizon)
    population = populate(scenario, n)
    seeds = np.full(n, SPLIT.seed, dtype=np.uint64)
    population.begin(np.ones(n, dtype=np.bool_), seeds, SPLIT.watching(n))
    generator = np.random.default_rng(SPLIT.seed)
    acting = UniformRandom()
    kept: list[tuple[NDArray[np.float32], NDArray[np.int8]]] = []
    for _ in range(scenario.horizon):
        out = population.out
        kept.append((out.observations.copy(), out.masks.copy()))
        population.step(acting.act(out.observations, out.masks, generator), kernel.DISABLED)
    observations = np.concatenate([x for x, _ in kept])[:rows]
    return observations, np.concatenate([mask for _, mask in kept])[:rows]


@dataclass(frozen=True)
class Worth:
    """What a customer is expected to be worth from now on under a policy, given the records.

    Attributes:
        layer: Coefficients ``(n_features, 1)`` and intercept ``(1,)``, in currency.
        explained: Share of the variance between other customers and periods that it explains.
        customers: Customers it was learned and tested on.
    """

    layer: Layer
    explained: float
    customers: int


def learn_worth(policy: Policy, scenario: Scenario, customers: int = CUSTOMERS) -> Worth:
    """Regress the discounted profit still to come on the records, in journeys under a policy.

    A critic will not do for this: that of training sees the hidden half, and other policies have
    none. So the value means the same whatever was exported.

    Args:
        policy: Who acts.
        scenario: The world.
        customers: How many to look at; three in four teach, the others test.
    """
    seen, earned, who = _journeys(policy, scenario, customers)
    taught = who < _TAUGHT * customers
    layer = _regress(seen[taught], earned[taught])
    x, y = seen[~taught], earned[~taught]
    left: NDArray[Any] = y - (x @ layer[0][:, 0] + layer[1][0])
    spread = float(np.var(y)) if len(y) else 0.0
    explained = 1.0 - float(np.mean(left**2)) / spread if spread > 0.0 else 0.0
    return Worth(layer, explained, customers)


def _journeys(
    policy: Policy, scenario: Scenario, n: int
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
    """What was seen, the discounted profit still to come, and of whom; a row a period."""
    population = populate(scenario, n)
    seeds = np.full(n, SPLIT.seed, dtype=np.uint64)
    population.begin(np.ones(n, dtype=np.bool_), seeds, SPLIT.watching(n))
    generator = np.random.default_rng(SPLIT.seed)
    shape = (scenario.horizon, n)
    seen = np.empty((*shape, len(population.features)), dtype=np.float32)
    running, earned = np.empty(shape, dtype=np.bool_), np.empty(shape)
    for t in range(scenario.horizon):
        running[t] = population.state.ended[:n] == 0
        seen[t] = population.out.observations
        actions = decide(policy, population, SPLIT.seed, t, generator)
        earned[t] = population.step(actions, kernel.DISABLED).rewards
    for t in reversed(range(scenario.horizon - 1)):
        earned[t] += scenario.discount * earned[t + 1]
    who = np.broadcast_to(np.arange(n), shape)
    return seen[running], earned[running], who[running]


def _regress(x: NDArray[np.float32], y: NDArray[np.float64]) -> Layer:
    """Ridge regression with an intercept that is free."""
    middle: NDArray[np.float64] = x.mean(axis=0, dtype=np.float64)
    level, centred = float(y.mean()), x - middle
    curvature = centred.T @ centred / len(x) + _RIDGE * np.eye(x.shape[1])
    weights: NDArray[Any] = np.linalg.solve(curvature, centred.T @ (y - level) / len(x))
    intercept = level - float(middle @ weights)
    return weights.astype(np.float32)[:, None], np.array([intercept], dtype=np.float32)

"""Simulated customers of small worlds against their exact values."""

from typing import Any

import numpy as np
import pytest

from nba_gym.customer import kernel
from nba_gym.evaluation import compare, rollout
from nba_gym.evaluation.rollout import decide
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.truth import (
    MyopicOracle,
    OptimalPolicy,
    exact,
)
from tests.theory.enumerated import WORLDS, tables_of, value_of
from tests.worlds import populate

Z = 4.0
CROWD = 45_000  # for 26 periods: 1.17 million customer periods


# --- simulated customers --------------------------------------------------------------------------


def z_score(values: Any, exact_mean: float) -> float:
    return float((values.mean() - exact_mean) / (values.std(ddof=1) / np.sqrt(len(values))))


@pytest.mark.parametrize("policy", [OptimalPolicy(), NoContact(), UniformRandom(), MyopicOracle()])
@pytest.mark.parametrize("world", WORLDS)
def test_simulated_customers_are_worth_what_the_tables_say(world, policy):
    scenario = world()
    known = exact(scenario)
    best = known.schedule.value
    tables = tables_of(scenario)
    foreseen = value_of(scenario, tables[policy.name]) if policy.name in tables else best
    values = rollout(policy, scenario, CROWD, seed=8, threads=1).value
    assert abs(z_score(values, foreseen)) < Z
    assert z_score(values, best) < 3.0
    assert foreseen <= best + 1e-9


@pytest.mark.parametrize("world", WORLDS)
def test_customers_move_between_states_as_often_as_the_tables_say(world):
    scenario = world()
    known = exact(scenario)
    n, (s, a, _) = 20_000, known.problem.transitions.shape
    population = populate(scenario, n, seed=6)
    generator = np.random.default_rng(0)
    before, counts = known.states_of(population), np.zeros(s * a * s)
    for t in range(scenario.horizon):
        actions = decide(UniformRandom(), population, 6, t, generator)
        population.step(actions, kernel.DISABLED)
        after = known.states_of(population)
        counts += np.bincount((before * a + actions) * s + after, minlength=s * a * s)
        before = after
    seen = counts.reshape(s, a, s)
    p, times = known.problem.transitions, seen.sum(axis=2, keepdims=True)
    assert (seen[p == 0.0] == 0.0).all()
    spread = np.sqrt(times * p * (1.0 - p))
    telling = spread > 3.0
    z = (seen - times * p)[telling] / spread[telling]
    assert len(z) > 100
    assert np.abs(z).max() < 5.5  # the largest of hundreds
    assert (z**2).mean() < 1.0 + Z * np.sqrt(2.0 / len(z))


@pytest.mark.parametrize("world", WORLDS)
def test_what_is_foreseen_is_earned_on_average_in_every_period(world):
    """E[r + gamma V*(s') - V*(s)] = 0 under the optimal policy (Bellman's equation)."""
    scenario = world()
    known, policy = exact(scenario), OptimalPolicy()
    values = known.schedule.values
    n = CROWD
    population = populate(scenario, n, seed=9)
    policy.bind(population)
    before, total, generator = known.states_of(population), np.zeros(n), np.random.default_rng(0)
    for t in range(scenario.horizon):
        actions = policy.act(population.out.observations, population.out.masks, generator)
        out = population.step(actions, kernel.DISABLED)
        after = known.states_of(population)
        surprise = out.rewards + scenario.discount * values[t + 1, after] - values[t, before]
        assert abs(z_score(surprise, 0.0)) < Z
        total += scenario.discount**t * surprise
        before = after
    assert abs(z_score(total, 0.0)) < Z


def test_the_optimal_policy_of_a_world_of_tables_is_worth_its_optimum():
    values = rollout(OptimalPolicy(), "mailing", 20_000, seed=4).value
    assert abs(z_score(values, 53.149)) < Z


def test_a_comparison_says_how_much_of_the_optimum_each_policy_reaches():
    policies = {"best": OptimalPolicy(), "myopic": MyopicOracle(), "no contact": NoContact()}
    result = compare(policies, "solvable", 20_000, seed=2)
    assert result.optimum == pytest.approx(10.895, abs=1e-3)
    rows = {row["policy"]: row["of_optimum"] for row in result.table.to_dicts()}
    assert rows["best"] == pytest.approx(1.0, abs=0.02)
    assert rows["myopic"] < 0.9
    assert rows["no contact"] < rows["myopic"]

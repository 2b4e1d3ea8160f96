"""The rollout oracle against exact values, and without the luck that customers will have."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from nba_gym.customer import kernel
from nba_gym.customer.population import Population
from nba_gym.errors import PolicyError
from nba_gym.evaluation import rollout
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.scenario import Scenario, load_scenario
from nba_gym.truth import MyopicOracle, RolloutOracle, exact
from nba_gym.truth.rollouts import Copies
from tests.worlds import populate, smallest, step

Z = 4.0


@cache
def solvable() -> Scenario:
    return load_scenario("solvable")


def grown(scenario: Scenario, n: int, periods: int) -> Population:
    """Customers some periods old, after random actions."""
    population, generator = populate(scenario, n), np.random.default_rng(periods)
    for _ in range(periods):
        chosen = UniformRandom().act(population.out.observations, population.out.masks, generator)
        population.step(chosen, kernel.DISABLED)
    return population


def act(oracle: RolloutOracle, population: Population) -> Any:
    oracle.bind(population)
    out = population.out
    return oracle.act(out.observations, out.masks, np.random.default_rng(0))


def test_with_one_period_it_is_the_myopic_oracle():
    shop = load_scenario("retail", ["horizon=12"])
    one = rollout(RolloutOracle(UniformRandom(), periods=1), shop, 150, 4)
    np.testing.assert_array_equal(one.value, rollout(MyopicOracle(), shop, 150, 4).value)


@pytest.mark.parametrize("age", [0, 7])
def test_what_it_expects_of_later_periods_is_what_enumeration_says(age):
    """Of waiting for 5 periods after each action, for customers in all kinds of states."""
    world, draws, periods = exact(solvable()), 200, 6
    population = grown(solvable(), 64, age)
    problem, states = world.problem, world.states_of(population)
    value = np.zeros(problem.n_states)
    for _ in range(periods - 1):
        value = problem.rewards[:, 0] + problem.discount * problem.transitions[:, 0] @ value
    wanted = problem.discount * (problem.transitions @ value)[states]
    allowed = population.out.masks > 0
    copies = Copies(solvable(), NoContact(), 4_096)
    found, squares = np.zeros(wanted.shape), np.zeros(wanted.shape)
    for _ in range(5):  # each a period older than the copies know, so with other luck
        later = copies.later(population, allowed, periods, draws)
        found, squares = found + later / 5, squares + later**2 / 5
        population.write("tenure", population.read("tenure") + 100)
    here = allowed & (population.read("alive") > 0)
    error = np.sqrt(np.maximum(squares - found**2, 0.0).sum(where=here)) / here.sum() / 2
    assert here.sum() > 60
    assert abs((found - wanted).mean(where=here)) < Z * error
    np.testing.assert_allclose(found[~here], 0.0)


def test_it_does_not_see_how_long_a_customer_will_stay():
    """Patience is luck that is fixed at birth: whoever leaves at once is treated like the rest."""
    chosen = []
    for patience in (1e-6, 1.0):
        population = grown(load_scenario("retail"), 64, 3)
        alive = population.read("alive") > 0
        population.write("patience", np.where(alive, patience, 0.0))
        chosen.append(act(RolloutOracle(periods=4, draws=3), population))
    np.testing.assert_array_equal(*chosen)
    assert len(set(chosen[0].tolist())) > 3


def test_copies_do_not_draw_the_luck_that_the_customer_will_have():
    """What a customer buys next has nothing to do with what the copy of that customer bought."""
    world, n = smallest(), 4_000
    population = populate(world, n)
    copies = Copies(world, NoContact(), 8_192)
    dreamt = copies.later(population, population.out.masks[:, :] > 0, 2, 1)[:, 0]
    step(population, 0)
    lived = step(population, 0).rewards
    assert dreamt.std() > 0
    assert lived.std() > 0
    assert abs(np.corrcoef(dreamt, lived)[0, 1]) < Z / np.sqrt(n)


def test_choices_depend_neither_on_who_else_is_there_nor_on_how_many_live_side_by_side():
    shop = load_scenario("retail", ["horizon=5"])
    base = UniformRandom(wait=0.5)
    whole, parts, narrow = (
        rollout(RolloutOracle(base, periods=3, draws=2, most=most), shop, 70, 1, chunk=chunk).value
        for most, chunk in ((65_536, 8_192), (65_536, 23), (128, 8_192))
    )
    np.testing.assert_array_equal(whole, parts)
    np.testing.assert_array_equal(whole, narrow)


def test_looking_ahead_is_worth_more_than_not_where_the_optimum_is_known():
    runs = [
        rollout(oracle, solvable(), 600, 9).value
        for oracle in (MyopicOracle(), RolloutOracle(periods=26, draws=8))
    ]
    assert runs[1].mean() - runs[0].mean() > Z * (runs[1] - runs[0]).std() / np.sqrt(600)
    assert runs[1].mean() < exact(solvable()).schedule.value + Z * runs[1].std() / np.sqrt(600)


def test_what_cannot_be_is_refused():
    with pytest.raises(PolicyError, match="periods must be at least 1, got 0"):
        RolloutOracle(periods=0)
    with pytest.raises(PolicyError, match="most must be at least 64, got 1"):
        RolloutOracle(most=1)
    with pytest.raises(PolicyError, match="got 'mailing', a tabular world"):
        rollout(RolloutOracle(), "mailing", 4)
    with pytest.raises(PolicyError, match="must be bound"):
        RolloutOracle().act(np.zeros((1, 1), np.float32), np.ones((1, 2)), np.random.default_rng(0))

"""Small worlds that are enumerated: their tables, and what cannot be one."""

from typing import Any

import numpy as np
import pytest

from nba_gym.customer import kernel
from nba_gym.customer.population import Population
from nba_gym.errors import PolicyError, ScenarioError
from nba_gym.evaluation.rollout import decide
from nba_gym.policies import UniformRandom
from nba_gym.scenario import Scenario, load_scenario
from nba_gym.truth import (
    Enumeration,
    OptimalPolicy,
    enumerate_world,
    exact,
    expected_profit,
    solve,
)
from nba_gym.truth.branches import Branching
from nba_gym.truth.matters import Key
from nba_gym.truth.snapshot import Snapshot, join, snapshot_of, tiles_of_rows
from tests.theory.enumerated import WORLDS, solvable, tables_of, value_of
from tests.worlds import populate


def crowd_of(snapshot: Snapshot, scenario: Scenario) -> Population:
    """A population that is in the states of a snapshot."""
    population = Population(scenario, len(snapshot.kept), threads=1)
    for part, rows in zip(population.state, tiles_of_rows(snapshot), strict=True):
        part[...] = rows
    return population


def enumerated(scenario: Scenario) -> Enumeration:
    """What is kept of a world that was enumerated."""
    found = exact(scenario).enumeration
    assert found is not None
    return found


def all_pairs(found: Enumeration) -> tuple[Any, Any]:
    """Every state with every action."""
    s, a = found.problem.allowed.shape
    return np.repeat(np.arange(s), a), np.tile(np.arange(a), s)


# --- the tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize("world", WORLDS)
def test_the_events_of_a_period_are_all_there_and_their_probabilities_sum_to_one(world):
    found = enumerated(world())
    states, actions = all_pairs(found)
    out = Branching(world()).unfold(found.customers.take(states), actions)
    sums = np.bincount(out.of, weights=out.weight, minlength=len(states))
    np.testing.assert_allclose(sums, 1.0, atol=1e-12)
    np.testing.assert_allclose(found.problem.transitions.sum(axis=2), 1.0, atol=1e-12)


@pytest.mark.parametrize("world", WORLDS)
def test_enumerated_rewards_are_the_expected_profits_of_the_closed_form(world):
    found = enumerated(world())
    closed = expected_profit(crowd_of(found.customers, world()))
    allowed = found.problem.allowed
    assert allowed[:, 1:].mean() > 0.05
    np.testing.assert_allclose(found.problem.rewards[allowed], closed[allowed], atol=1e-5)


@pytest.mark.parametrize("world", WORLDS)
def test_a_forbidden_action_moves_and_earns_as_waiting_does(world):
    problem = exact(world()).problem
    state, action = np.nonzero(~problem.allowed)
    assert len(state) > 10
    for table in (problem.transitions, problem.rewards):
        np.testing.assert_array_equal(table[state, action], table[state, 0])


def test_the_small_tea_merchant_is_small_and_sequential():
    scenario = solvable()
    found = exact(scenario)
    best = found.schedule.value
    assert found.problem.n_states == 356
    assert found.schedule.value == pytest.approx(10.895, abs=1e-3)
    shares = {name: value_of(scenario, table) / best for name, table in tables_of(scenario).items()}
    assert 0.75 < shares["myopic oracle"] < 0.9
    assert shares["no contact"] < 0.75
    deal = np.where(found.problem.allowed[:, 3], 3, 0)
    assert value_of(scenario, deal) < 0.1 * best
    assert set(np.unique(found.schedule.policy)) == set(range(scenario.n_actions))


def test_three_periods_by_brute_force_are_worth_what_the_tables_say():
    """The whole tree of events and actions, no two customers ever taken for the same."""
    scenario = load_scenario("solvable", {"horizon": 3})
    found = enumerated(scenario)
    branching = Branching(scenario)
    newborn = found.customers.take(np.flatnonzero(found.problem.start > 0.0))
    start = found.problem.start[found.problem.start > 0.0]

    def best(customers: Snapshot, left: int) -> Any:
        allowed = (customers.conditions[:, None] & branching.blocked_by) == 0
        n, a = allowed.shape
        if left == 1:
            q = expected_profit(crowd_of(customers, scenario))
        else:
            every = np.repeat(np.arange(n), a), np.tile(np.arange(a), n)
            out = branching.unfold(customers.take(every[0]), every[1])
            worth = out.rewards + scenario.discount * best(out.after, left - 1)
            q = np.bincount(out.of, weights=out.weight * worth, minlength=n * a).reshape(n, a)
        return np.where(allowed, q, -np.inf).max(axis=1)

    assert float(start @ best(newborn, 3)) == pytest.approx(
        solve(found.problem, horizon=3).value, abs=1e-5
    )


# --- what matters ---------------------------------------------------------------------------------


def step_distribution(key: Key, branching: Branching, one: Snapshot, action: int) -> dict[Any, Any]:
    """Probability of each (reward, next state, actions allowed there) of a customer."""
    out = branching.unfold(one, np.array([action]))
    states = key.of(out.after)
    allowed = (out.after.conditions[:, None] & branching.blocked_by) == 0
    found: dict[Any, Any] = {}
    for reward, state, may, weight in zip(out.rewards, states, allowed, out.weight, strict=True):
        what = (float(reward), state.tobytes(), may.tobytes())
        found[what] = found.get(what, 0.0) + float(weight)
    return found


def lived(scenario: Scenario, n: int, periods: int) -> Snapshot:
    """Customers after some periods of random contact."""
    population = populate(scenario, n, seed=periods)
    generator = np.random.default_rng(1)
    for t in range(periods):
        population.step(decide(UniformRandom(), population, 3, t, generator), kernel.DISABLED)
    return snapshot_of(population)


@pytest.mark.parametrize("world", WORLDS)
def test_customers_who_agree_on_what_matters_have_the_same_future(world):
    scenario = world()
    key, branching = Key(scenario), Branching(scenario)
    customers = join([lived(scenario, 800, periods) for periods in (5, 9)])
    groups: dict[bytes, list[int]] = {}
    for i, state in enumerate(key.of(customers)):
        groups.setdefault(state.tobytes(), []).append(i)
    compared = 0
    for group in (group for group in groups.values() if len(group) > 1):
        for i in group[1:3]:
            one, other = (customers.take(np.array([j])) for j in (group[0], i))
            assert (one.kept != other.kept).any()
            blocked = (np.append(one.conditions, other.conditions)[:, None]) & branching.blocked_by
            assert ((blocked[0] > 0) == (blocked[1] > 0)).all()
            for action in range(scenario.n_actions):
                mine = step_distribution(key, branching, one, action)
                theirs = step_distribution(key, branching, other, action)
                assert mine.keys() == theirs.keys()
                assert mine == pytest.approx(theirs, abs=1e-12)
            compared += 1
    assert compared > 50


# --- what cannot be enumerated --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"purchase.process": "counted"}, "purchase.process must be 'one' .* got 'counted'"),
        ({"purchase.transaction_shape": 2.0}, "purchase.transaction_shape must be 0 .* got 2"),
        ({"purchase.referral_rate": 0.1}, "purchase.referral_rate must be 0 .* got 0.1"),
        ({"need_dynamics.start": 0.3}, "need_dynamics.start must be 0 .* got 0.3"),
        ({"discount": 1.0}, "discount must be below 1 .* got 1"),
        ({"channels.email.opt_in": 0.5}, "channels.email.opt_in must be 0 or 1 .* got 0.5"),
        (
            {"contract": {"enabled": True, "commitment": 4}},
            "contract.commitment must be 1 .* got 4",
        ),
        ({"needs.tea.season_utility": 1.0}, "spread_start must be false in a seasonal world"),
        (
            {"traits.spend": {"family": "lognormal", "median": 20.0, "sigma": 0.5}},
            "traits.spend.family must be 'constant' .* got 'lognormal'",
        ),
        (
            {"personas.saver.traits.arrival.tea": {"family": "gamma", "shape": 2.0, "rate": 8.0}},
            "personas.saver.traits.arrival.tea.family must be 'constant' .* got 'gamma'",
        ),
    ],
)
def test_a_world_with_more_luck_than_can_be_listed_is_refused_in_one_line(changes, message):
    with pytest.raises(ScenarioError, match=message) as error:
        load_scenario("solvable", changes)
    assert "\n" not in str(error.value)


def test_a_world_with_too_many_states_is_refused_by_the_quantity_that_makes_them():
    scenario = load_scenario("solvable", {"attention.fatigue_decay": 0.6})
    with pytest.raises(ScenarioError, match=r"more than 500 states, .* most levels has fatigue"):
        enumerate_world(scenario, most=500)


def test_worlds_that_are_not_enumerable_have_no_optimum():
    with pytest.raises(ScenarioError, match="enumerable must be true"):
        enumerate_world(load_scenario("retail"))
    with pytest.raises(ScenarioError, match="got neither in 'retail'"):
        exact(load_scenario("retail"))
    with pytest.raises(ScenarioError, match="tabular must be absent where enumerable"):
        load_scenario("mailing", {"enumerable": True})


def test_the_optimal_policy_knows_the_customers_it_is_bound_to_only():
    with pytest.raises(PolicyError, match="must be bound to a population"):
        OptimalPolicy().act(np.zeros((1, 1), np.float32), np.ones((1, 5)), np.random.default_rng(0))
    found = enumerated(load_scenario("solvable"))
    strange = found.customers.take(np.array([0]))
    strange.kept[:] = 0.25
    with pytest.raises(PolicyError, match="customers must be in states that solvable can reach"):
        found.states_of(strange)

"""Small worlds that are enumerated: exact values against simulated customers and closed forms."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from nba_gym.customer import kernel
from nba_gym.customer.population import Population
from nba_gym.errors import PolicyError, ScenarioError
from nba_gym.evaluation import compare, rollout
from nba_gym.evaluation.rollout import decide
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.scenario import Scenario, load_scenario
from nba_gym.truth import (
    Enumeration,
    MyopicOracle,
    OptimalPolicy,
    enumerate_world,
    evaluate,
    exact,
    expected_profit,
    solve,
)
from nba_gym.truth.branches import Branching
from nba_gym.truth.matters import Key
from nba_gym.truth.snapshot import Snapshot, join, snapshot_of, tiles_of_rows
from tests.worlds import constant, populate

Z = 4.0
CROWD = 45_000  # for 26 periods: 1.17 million customer periods


def service(problem_hazard: float = 0.1) -> dict[str, float]:
    return {
        "problem_hazard": problem_hazard,
        "problem_end": 0.2,
        "complain": 0.5,
        "visit_scale": 0.5,
        "visit_by_problem": 1.0,
        "basket_rate": 0.4,
        "basket_periods": 2,
    }


@cache
def shop() -> Scenario:
    """Problems, complaints, visits, baskets, pauses, rules; leaving after purchases, too."""
    tree = load_scenario("solvable").model_dump(mode="json")
    wait, _, offer, *_ = tree["actions"]
    email, letter = tree["channels"]
    inbound = letter | {"direction": "inbound", "response": 0.5, "cap": 32, "window": 1}
    offer |= {"pressure": 1.0, "fulfil_cost": 0.25}
    help_, ask = (offer | {"needs": {}, "pressure": 0.0} for _ in range(2))
    return Scenario.model_validate(
        tree
        | {
            "name": "shop",
            "horizon": 12,
            "personas": [{"name": "anybody", "share": 1.0}],
            "channels": [
                email | {"pause_after": 2, "pause": 1},
                inbound | {"name": "counter", "visit_share": 0.6},
                inbound | {"name": "app", "visit_share": 0.4},
            ],
            "actions": [
                wait,
                offer | {"suitability": ["no_complaint", "no_recent_purchase"]},
                help_ | {"name": "counter_help", "kind": "service", "channel": "counter"},
                ask
                | {"name": "app_ask", "kind": "ask", "channel": "app"}
                | {"suitability": ["no_recent_answer"]},
            ],
            "service": service(),
            "traits": tree["traits"] | {"attention": {"email": constant(0.9)}},
            "attention": tree["attention"] | {"opt_out_scale": 0.0},
            "purchase": tree["purchase"] | {"by_basket": 1.0, "by_pressure": 1.0},
            "relationship": {"by_problem": 1.0, "by_solution": 1.0, "by_pressure": 1.0},
            "leaving": tree["leaving"] | {"purchase_scale": 0.3, "purchase_base": 3.0},
            "engagement": {"recent_purchase": 1, "recent_answer": 1},
        }
    )


@cache
def contract() -> Scenario:
    """A contract that is cancelled, renewed and prolonged; a season."""
    tree = load_scenario("solvable").model_dump(mode="json")
    tree["contract"] = {"enabled": True, "renewal": 3, "recommitment": 4, "recurring_margin": 2.0}
    tree["leaving"] |= {"by_retention": 2.0, "period_base": 1.0}
    tree["needs"][0] |= {"season_utility": 0.5, "season_arrival": 0.5, "season_peak": 1}
    tree["actions"][2] |= {"kind": "retain", "needs": {}, "eligibility": ["near_renewal"]}
    tree["actions"][1] |= {"valid": [1, 2]}
    tree["engagement"]["renewal_window"] = 1
    tree["attention"]["opt_out_scale"] = 0.0
    tree["actions"] = tree["actions"][:4]
    tree["channels"][1] |= {"cap": 32, "window": 1}
    changes = {"name": "contract", "cycle": 3, "spread_start": False, "horizon": 12}
    return Scenario.model_validate(tree | changes)


def solvable() -> Scenario:
    return load_scenario("solvable")


WORLDS = [solvable, shop, contract]


def crowd_of(snapshot: Snapshot, scenario: Scenario) -> Population:
    """A population that is in the states of a snapshot."""
    population = Population(scenario, len(snapshot.kept), threads=1)
    for part, rows in zip(population.state, tiles_of_rows(snapshot), strict=True):
        part[...] = rows
    return population


def value_of(scenario: Scenario, policy: Any) -> float:
    problem = exact(scenario).problem
    return float(problem.start @ evaluate(problem, policy, horizon=scenario.horizon))


def tables_of(scenario: Scenario) -> dict[str, Any]:
    """Policies by state, as tables, by the name of the policy that plays them."""
    problem = exact(scenario).problem
    return {
        "no contact": np.zeros(problem.n_states, dtype=np.int64),
        "uniform random": problem.allowed / problem.allowed.sum(axis=1, keepdims=True),
        "myopic oracle": np.where(problem.allowed, problem.rewards, -np.inf).argmax(axis=1),
    }


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

"""Counterfactual twins against closed forms, and against what must hold to the bit."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nba_gym.errors import ActionError, NbaGymError, PolicyError
from nba_gym.evaluation import rollout
from nba_gym.policies import NoContact, RoundRobin, UniformRandom
from nba_gym.scenario import load_scenario
from nba_gym.scenario.schema import Scenario
from nba_gym.scenario.tables import problem_of
from nba_gym.statistics import mean_interval
from nba_gym.truth import (
    MyopicOracle,
    action_twins,
    attribution,
    expected_profit,
    groups_table,
    policy_twins,
    solve,
)
from nba_gym.truth.pairs import Pair
from tests.journeys import journey_worlds
from tests.worlds import constant, let_live, nothing_but, populate, without_effects

WORLDS = journey_worlds()
Z = 4.0


def some_action(scenario: Scenario, kind: str = "offer") -> str:
    return next(action.name for action in scenario.actions if action.kind == kind)


def number_of(scenario: Scenario, name: str) -> int:
    return [action.name for action in scenario.actions].index(name)


class Once:
    """Gives one action in one period, or in each of some, to whoever may get it; else waits."""

    def __init__(self, action: int, *periods: int) -> None:
        self.name, self.action, self.periods = "once", action, periods

    def act(self, observations: Any, masks: Any, generator: Any) -> Any:
        tenure = observations[:, 0].astype(np.float64)  # x / (x + 26)
        now = np.isin(np.rint(26.0 * tenure / (1.0 - tenure)), self.periods)
        return np.where(now & (masks[:, self.action] > 0), self.action, 0)


class DrawsItself:
    """Draws from the generator it is given, and does not say probabilities."""

    name = "draws itself"

    def act(self, observations: Any, masks: Any, generator: Any) -> Any:
        return np.argmax(generator.random(masks.shape) * masks, axis=1)


class SeesEverything(NoContact):
    """Shown the hidden half and the simulator, and waits all the same."""

    observe = "everything"

    def bind(self, population: Any) -> None:
        self.population = population

    def act(self, observations: Any, masks: Any, generator: Any) -> Any:
        assert observations.shape[1] == len(self.population.features)
        return super().act(observations, masks, generator)


# --- without effects there are none --------------------------------------------------------------


@pytest.mark.parametrize("policy", [NoContact(), UniformRandom(wait=0.5)], ids=lambda p: p.name)
@pytest.mark.parametrize("name", WORLDS)
def test_without_effects_every_individual_effect_is_exactly_zero(name, policy):
    scenario = without_effects(name, costs=False)
    action = some_action(scenario)
    twins = action_twins(scenario, action, customers=400, seed=1, period=5, policy=policy)
    assert len(twins.customers) > 100
    for pair in (twins.bought, twins.left, twins.value):
        assert not pair.effect.any()
    assert twins.purchase_groups.uplift == twins.staying_groups.uplift == 0.0
    assert twins.purchase_groups.sure_thing > 0
    found = policy_twins(policy, NoContact(), scenario, 400, 1)
    assert found.shares == {"better": 0.0, "worse": 0.0, "unchanged": 1.0}
    assert not found.lifetime.effect.any()
    assert not found.purchases.effect.any()
    brought = attribution(policy, scenario, 20, 1)
    assert not brought.effect.any()
    assert brought.total.mean == 0.0


@pytest.mark.parametrize("name", WORLDS)
def test_without_effects_but_with_costs_a_contact_costs_what_it_costs(name):
    scenario = without_effects(name, costs=True)
    action = scenario.actions[number_of(scenario, some_action(scenario))]
    channel = next(each for each in scenario.channels if each.name == action.channel)
    twins = action_twins(scenario, action.name, customers=400, seed=1, period=5, horizon=1)
    assert not twins.bought.effect.any()
    assert not twins.left.effect.any()
    cost = channel.cost + action.cost
    possible = np.array([[-cost], [-cost - action.fulfil_cost]])
    assert (np.abs(twins.value.effect - possible) < 2 / 65536).any(axis=0).all()
    assert (twins.value.effect < 0).all()


# --- closed forms --------------------------------------------------------------------------------


def lived_until(scenario: Scenario, period: int, n: int, seed: int):
    """Customers left alone until a period."""
    crowd = populate(scenario, n, seed=seed)
    for _ in let_live(NoContact(), crowd, period):
        pass
    return crowd


@pytest.mark.parametrize("period", [0, 9])
@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("retail", "email_offer_clothing"),
        ("retail", "sms_deal_home"),
        ("telecom", "call_deal_internet"),
        ("telecom", "email_stay_bonus"),
        ("control", "sms_offer_tea"),
    ],
)
def test_the_mean_effect_of_a_period_on_value_is_the_difference_of_expected_profits(
    name, action, period
):
    scenario, n = load_scenario(name), 40_000
    crowd = lived_until(scenario, period, n, seed=3)
    expected = expected_profit(crowd)
    expected = expected[:, number_of(scenario, action)] - expected[:, 0]
    twins = action_twins(scenario, action, customers=n, seed=3, period=period, horizon=1)
    who = twins.customers.astype(np.int64)
    at = number_of(scenario, action)
    may = (crowd.out.masks[:, at] > 0) & (crowd.state.ended[:n] == 0)
    assert np.array_equal(who, np.flatnonzero(may))
    assert len(who) > 1_000
    assert twins.forbidden + twins.ended + len(who) == n
    gap = twins.value.effect - expected[who]
    z = gap.mean() / (gap.std() / math.sqrt(len(gap)))
    assert abs(z) < Z


def test_the_mean_effect_on_purchase_is_the_difference_of_purchase_probabilities():
    """Where a purchase earns 1 and all else nothing, expected profit is the chance of buying."""
    settings: dict[str, Any] = {
        "purchase__process": "one",
        "purchase__intercept": -2.0,
        "purchase__by_offer": 1.0,
        "traits__spend": constant(1.0),
    }
    scenario = nothing_but("retail", **settings)
    tree = scenario.model_dump(mode="json")
    tree["needs"] = [need | {"price": 1.0, "margin": 1.0} for need in tree["needs"]]
    free = {"cost": 0.0, "fulfil_cost": 0.0, "discount": 0.0}
    tree["actions"] = [action | free for action in tree["actions"]]
    tree["channels"] = [channel | {"cost": 0.0} for channel in tree["channels"]]
    scenario = Scenario.model_validate(tree)
    n, action = 100_000, "email_offer_clothing"
    crowd = populate(scenario, n, seed=2)
    chances = expected_profit(crowd)
    effect = chances[:, number_of(scenario, action)] - chances[:, 0]
    assert 0.001 < effect.mean() < 0.5
    twins = action_twins(scenario, action, customers=n, seed=2, horizon=1)
    money = twins.value.first - twins.bought.first
    assert np.abs(money).max() < 2 / 65536
    gap = twins.bought.effect - effect
    assert abs(gap.mean()) < Z * gap.std() / math.sqrt(n)
    assert twins.purchase_groups.persuadable > 100


def test_in_tables_the_mean_effect_on_value_is_the_advantage_of_mailing():
    scenario = load_scenario("mailing")
    problem, n = problem_of(scenario), 40_000
    twins = action_twins(scenario, "mail", customers=n, seed=4, horizon=1)
    start = problem.start @ (problem.rewards[:, 1] - problem.rewards[:, 0])
    assert abs(twins.value.effect - start).mean() < 1e-4  # it costs 4 and brings nothing yet
    later = action_twins(scenario, "mail", customers=n, seed=4, horizon=2)
    income = problem.transitions @ problem.rewards[:, 0]
    exact = problem.start @ (problem.rewards + problem.discount * income)
    value = later.value.effect
    error = value.std() / math.sqrt(n)
    assert abs(value.mean() - (exact[1] - exact[0])) < Z * error


# --- what must hold to the bit -------------------------------------------------------------------


@pytest.mark.parametrize(("name", "period"), [("retail", 0), ("telecom", 11), ("mailing", 0)])
def test_groups_are_everybody_and_their_balance_is_the_mean_effect(name, period):
    scenario = load_scenario(name)
    action = some_action(scenario, "inform" if name == "mailing" else "offer")
    twins = action_twins(name, action, customers=3_000, seed=1, period=period, horizon=6)
    n = len(twins.customers)
    for groups, effect in (
        (twins.purchase_groups, twins.bought.effect),
        (twins.staying_groups, -twins.left.effect),
    ):
        assert groups.n == n
        assert sum(groups.shares.values()) == pytest.approx(1.0, abs=1e-15)
        assert groups.persuadable - groups.sleeping_dog == effect.sum()
        assert groups.uplift == effect.mean()
    assert twins.purchase_groups.persuadable > 0


@pytest.mark.parametrize("policy", [NoContact(), UniformRandom()], ids=lambda p: p.name)
def test_twins_that_change_places_have_the_opposite_effects(policy):
    settings: dict[str, Any] = {"customers": 1_000, "seed": 6, "period": 3, "policy": policy}
    there = action_twins("retail", "email_offer_shoes", **settings)
    back = action_twins("retail", "wait", against="email_offer_shoes", **settings)
    assert np.array_equal(there.customers, back.customers)
    for a, b in ((there.bought, back.bought), (there.left, back.left), (there.value, back.value)):
        assert np.array_equal(a.effect, -b.effect)
    assert there.value.effect.any()
    groups, mirrored = there.purchase_groups, back.purchase_groups
    assert groups.persuadable == mirrored.sleeping_dog
    assert groups.sleeping_dog == mirrored.persuadable
    forth = policy_twins(RoundRobin(), UniformRandom(), "retail", 300, 6)
    other = policy_twins(UniformRandom(), RoundRobin(), "retail", 300, 6)
    assert np.array_equal(forth.value.effect, -other.value.effect)
    assert np.array_equal(forth.parted, other.parted)
    assert forth.shares["better"] == other.shares["worse"]


@pytest.mark.parametrize(
    "policy",
    [NoContact(), UniformRandom(), MyopicOracle(), DrawsItself(), SeesEverything()],
    ids=lambda policy: policy.name,
)
@pytest.mark.parametrize("name", ["retail", "telecom", "mailing"])
def test_the_same_policy_or_action_twice_differs_by_exactly_nothing(name, policy):
    found = policy_twins(policy, policy, name, 200, 3)
    assert not found.value.effect.any()
    assert not found.lifetime.effect.any()
    assert (found.parted == -1).all()
    assert found.shares["unchanged"] == 1.0
    period = 0 if name == "mailing" else 5  # who is not mailed there is lost at once
    same = action_twins(name, 1, against=1, customers=200, seed=3, period=period, policy=policy)
    assert not same.value.effect.any()
    assert not same.left.effect.any()


@pytest.mark.parametrize("name", [*WORLDS, "mailing"])
def test_policy_twins_are_the_rollouts_of_both(name):
    first, second = UniformRandom(), NoContact()
    found = policy_twins(first, second, name, 300, 5)
    mine, other = (rollout(policy, name, 300, 5) for policy in (first, second))
    for pair, field in (
        (found.lifetime, "lifetime"),
        (found.purchases, "purchases"),
    ):
        assert np.array_equal(pair.first, getattr(mine, field))
        assert np.array_equal(pair.second, getattr(other, field))
    np.testing.assert_allclose(found.value.first, mine.value, rtol=1e-12, atol=1e-9)
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert found.parted.min() >= -1


def test_policies_part_in_the_period_of_the_first_different_treatment():
    scenario = load_scenario("retail")
    action = number_of(scenario, "mail_catalogue")
    found = policy_twins(Once(action, 7), NoContact(), scenario, 300, 2)
    contacted = found.parted == 7
    assert contacted.sum() > 200
    assert (found.parted[~contacted] == -1).all()
    assert not found.value.effect[~contacted].any()
    twins = action_twins(scenario, action, customers=300, seed=2, period=7)
    assert np.array_equal(twins.customers, found.customers[contacted])
    from_birth = scenario.discount**7 * twins.value.effect
    np.testing.assert_allclose(found.value.effect[contacted], from_birth, atol=1e-9)


@pytest.mark.parametrize("name", ["retail", "telecom", "control", "mailing", "catalogues"])
def test_the_only_contact_of_a_journey_brought_all_that_contact_brought(name):
    scenario = load_scenario(name)
    action, period = 1, 0 if name == "mailing" else 2  # who is not mailed there is lost at once
    brought = attribution(Once(action, period), scenario, 300, 4)
    assert 20 < len(brought.effect) <= 300
    assert len(np.unique(brought.owner)) == len(brought.owner)
    assert (brought.period == period).all()
    assert (brought.action == action).all()
    assert np.array_equal(brought.value.effect[brought.owner], brought.effect)
    assert brought.effect.any()
    assert brought.of_contacts == pytest.approx(brought.total)
    assert brought.by_action["contacts"].to_list() == [len(brought.effect)]
    assert brought.by_action["value"][0] == pytest.approx(brought.total.mean)


@pytest.mark.parametrize("name", ["retail", "telecom", "catalogues"])
def test_one_of_two_contacts_brought_what_is_missed_without_it(name):
    both = attribution(Once(1, 2, 8), name, 300, 4)
    twice = np.bincount(both.owner, minlength=300) == 2
    assert twice.sum() > 50
    for left_out, kept in ((2, 8), (8, 2)):
        without = policy_twins(Once(1, 2, 8), Once(1, kept), name, 300, 4)
        mine = (both.period == left_out) & twice[both.owner]
        assert np.array_equal(both.effect[mine], without.value.effect[twice])
        assert both.effect[mine].any()


def test_effects_of_contacts_add_up_by_action_and_by_channel():
    brought = attribution(UniformRandom(wait=0.6), "retail", 60, 4)
    found = rollout(UniformRandom(wait=0.6), "retail", 60, 4)
    np.testing.assert_allclose(brought.value.first, found.value, atol=1e-9)
    assert len(brought.effect) > found.contacts.sum() > 500  # inbound ones count, too
    for table in (brought.by_action, brought.by_channel):
        assert table["contacts"].sum() == len(brought.effect)
        assert table["value"].sum() == pytest.approx(brought.of_contacts.mean)
        assert (table["value_low"] <= table["value_high"]).all()
    assert "web" in brought.by_channel["channel"].to_list()
    assert brought.total != brought.of_contacts  # they need not sum to it, and here do not
    few = attribution(UniformRandom(wait=0.6), "retail", 60, 4, most=10)
    first = brought.owner < 10
    assert np.array_equal(few.customers, brought.customers[:10])
    assert np.array_equal(few.effect, brought.effect[first])


def test_a_policy_without_contacts_has_nothing_to_attribute():
    nothing = attribution(NoContact(), "telecom", 5, 4)
    assert len(nothing.effect) == len(nothing.by_action) == len(nothing.by_channel) == 0
    assert nothing.total == nothing.of_contacts == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("change", [{"chunk": 37}, {"threads": 3}])
def test_results_do_not_depend_on_chunk_or_threads(change):
    for name, action in (("telecom", "email_loyalty_gift"), ("catalogues", "mail")):
        settings: dict[str, Any] = {"customers": 300, "seed": 2, "policy": UniformRandom(wait=0.6)}
        a = action_twins(name, action, period=4, **settings)
        b = action_twins(name, action, period=4, **settings, **change)
        assert (a.forbidden, a.ended) == (b.forbidden, b.ended)
        for field in ("bought", "left", "value"):
            assert np.array_equal(getattr(a, field).effect, getattr(b, field).effect)
        policies = UniformRandom(), RoundRobin()
        c = policy_twins(*policies, name, 300, 2)
        d = policy_twins(*policies, name, 300, 2, **change)
        assert np.array_equal(c.value.effect, d.value.effect)
        assert np.array_equal(c.parted, d.parted)
        e = attribution(UniformRandom(wait=0.9), name, 80, 2)
        f = attribution(UniformRandom(wait=0.9), name, 80, 2, **change)
        for field in ("owner", "period", "action", "effect", "customers"):
            assert np.array_equal(getattr(e, field), getattr(f, field))
        assert e.by_channel.equals(f.by_channel)


def test_customers_by_number_are_the_same_customers():
    every = action_twins("retail", "mail_catalogue", customers=50, seed=8, horizon=5)
    some = action_twins("retail", "mail_catalogue", customers=np.array([31, 7]), seed=8, horizon=5)
    assert np.array_equal(some.customers, [31, 7])
    assert np.array_equal(some.value.effect, every.value.effect[[31, 7]])


# --- what is found -------------------------------------------------------------------------------


def test_a_retention_offer_in_telecom_wakes_sleeping_dogs():
    """Most who get it are content: reminded that they could leave, some do."""
    mail, call = (
        action_twins("telecom", action, customers=10_000, seed=1, period=11, horizon=6)
        for action in ("email_stay_bonus", "call_stay_bonus")
    )
    assert mail.staying_groups.sleeping_dog > 3 * mail.staying_groups.persuadable
    assert mail.left.interval().low > 0.0  # on the whole it makes customers leave
    assert min(call.staying_groups.persuadable, call.staying_groups.sleeping_dog) > 10
    asleep = load_scenario("telecom", {"leaving.by_wake_up": 0.0})
    settings: dict[str, Any] = {"customers": 10_000, "seed": 1, "period": 11, "horizon": 6}
    quiet = action_twins(asleep, "email_stay_bonus", **settings)
    assert quiet.staying_groups.sleeping_dog < 0.5 * mail.staying_groups.sleeping_dog


def test_the_table_of_groups_has_a_row_for_every_action():
    scenario = load_scenario("telecom")
    table = groups_table(scenario, customers=500, seed=1, horizon=3)
    assert table["action"].to_list() == [each.name for each in scenario.actions[1:]]
    names = ["persuadable", "sure_thing", "lost_cause", "sleeping_dog"]
    for row in table.to_dicts():
        if row["n"] == 0:
            assert all(value is None for value in list(row.values())[2:])
            continue
        twins = action_twins(scenario, row["action"], customers=500, seed=1, horizon=3)
        assert row["n"] == len(twins.customers)
        for prefix, groups in (("", twins.purchase_groups), ("staying_", twins.staying_groups)):
            assert {name: row[prefix + name] for name in names} == groups.shares
        for outcome, pair in (
            ("purchase", twins.bought),
            ("churn", twins.left),
            ("value", twins.value),
        ):
            found = [row[outcome], row[f"{outcome}_low"], row[f"{outcome}_high"]]
            if row["n"] > 1:
                assert found == list(mean_interval(pair.effect))
    assert 0 < (table["n"] > 0).sum() < len(table)
    two = groups_table("mailing", ["mail", 1], customers=50)
    assert two.height == 2
    assert two.row(0) == two.row(1)


def test_the_summary_tells_mean_interval_and_quantiles():
    twins = action_twins("retail", "mail_catalogue", customers=500, seed=1)
    rows = {row["outcome"]: row for row in twins.summary.to_dicts()}
    assert list(rows) == ["purchase", "churn", "value"]
    value = twins.value.effect
    assert rows["value"]["mean"] == value.mean()
    assert rows["value"]["q05"] == np.quantile(value, 0.05)
    assert rows["value"]["low"] < value.mean() < rows["value"]["high"]
    one = Pair(np.array([3.0]), np.array([1.0])).interval()
    assert one.mean == 2.0
    assert math.isnan(one.low)


def test_the_best_policy_of_a_table_gains_what_the_tables_say():
    problem = problem_of(load_scenario("mailing"))
    best = solve(problem).policy

    class Best(NoContact):
        def act(self, observations: Any, masks: Any, generator: Any) -> Any:
            return best[observations[:, 1:].argmax(axis=1)]

    found = policy_twins(Best(), NoContact(), "mailing", 5_000, 1)
    gain = solve(problem).value - 40.0  # what no contact earns, exactly
    error = found.value.effect.std() / math.sqrt(5_000)
    assert abs(found.value.effect.mean() - gain) < Z * error
    assert found.shares["worse"] > 0.4  # the best on average is not the best for everybody


def test_the_code_of_the_tutorial_runs():
    text = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
    section = re.split(r"^## ", text, flags=re.MULTILINE)[10]
    assert section.startswith("10. Counterfactual twins")
    blocks = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    names = dict(globals())  # a block continues those before it, and imports what it needs anew
    for block in blocks:
        exec(block, names)
    assert len(blocks) == 2
    assert names["twins"].staying_groups.sleeping_dog > 0


# --- bad input -----------------------------------------------------------------------------------

TWINS: dict[str, Any] = {"scenario": "retail", "action": "email_offer_shoes", "customers": 4}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "email_offer_shoe"}, "action must be an action of retail, .* did you mean 'em"),
        ({"action": 29}, r"action must be a name or a number in \[0, 29\), got 29"),
        ({"action": True}, r"action must be a name or a number in \[0, 29\), got True"),
        ({"against": None}, r"against must be a name or a number in \[0, 29\), got None"),
        ({"period": 104}, r"period must be a whole number in \[0, 104\), got 104"),
        ({"period": 1.5}, r"period must be a whole number in \[0, 104\), got 1.5"),
        ({"period": 100, "horizon": 5}, r"horizon must be a whole number in \[1, 4\], got 5"),
        ({"horizon": 0}, r"horizon must be a whole number in \[1, 104\], got 0"),
        ({"customers": [1, 2, 1]}, "customers must be different, got 3 with duplicates"),
        ({"customers": 0}, "customers must be at least 1, got 0"),
        ({"seed": -1}, r"seed must be a whole number in .*, got -1"),
        ({"threads": 0}, "threads must be a whole number .*, got 0"),
        ({"chunk": 0}, "chunk must be a whole number >= 1, got 0"),
        ({"policy": NoContact}, "policy must be a policy, with a name and act"),
        ({"scenario": "retal"}, "scenario must be a preset .* did you mean 'retail'"),
        (
            {"action": "email_survey"},
            "action and against must both be allowed for some customer in period 0, got "
            r"'email_survey' and 'wait' \(of 4 customers forbidden for 4, 0 journeys over\)",
        ),
    ],
)
def test_twins_that_cannot_be_are_refused_in_one_line(change, message):
    with pytest.raises(NbaGymError, match=message) as error:
        action_twins(**(TWINS | change))
    assert "\n" not in str(error.value)


def test_policies_and_tables_that_cannot_be_are_refused_in_one_line():
    none: Any = None
    with pytest.raises(PolicyError, match="second must be a policy"):
        policy_twins(NoContact(), none, "retail", 4)
    with pytest.raises(PolicyError, match="customers must be different"):
        policy_twins(NoContact(), NoContact(), "retail", np.array([3, 3]))
    with pytest.raises(PolicyError, match="most must be a whole number >= 1, got 0"):
        attribution(NoContact(), "retail", 4, most=0)
    with pytest.raises(PolicyError, match="policy must be a policy"):
        attribution(none, "retail", 4)
    with pytest.raises(ActionError, match=r"actions\[1\] must be an action of retail, got 'x'"):
        groups_table("retail", ["mail_catalogue", "x"], customers=4)
    with pytest.raises(PolicyError, match="actions must name at least one action"):
        groups_table("retail", [], customers=4)

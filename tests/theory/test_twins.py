"""Counterfactual twins against closed forms, and what is found with them."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nba_gym.policies import NoContact, UniformRandom
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
from tests.twins import number_of, some_action
from tests.worlds import constant, let_live, nothing_but, populate, without_effects

WORLDS = journey_worlds()
Z = 4.0


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
    # a block continues those before it, and imports what it needs anew
    names: dict[str, Any] = dict(globals()) | {"MyopicOracle": MyopicOracle}
    for block in blocks:
        exec(block, names)
    assert len(blocks) == 2
    assert names["twins"].staying_groups.sleeping_dog > 0

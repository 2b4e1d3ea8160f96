"""Counterfactual twins against what must hold to the bit."""

from typing import Any

import numpy as np
import pytest

from nba_gym.evaluation import rollout
from nba_gym.policies import NoContact, RoundRobin, UniformRandom
from nba_gym.scenario import load_scenario
from nba_gym.truth import MyopicOracle, action_twins, attribution, policy_twins
from tests.journeys import journey_worlds
from tests.twins import DrawsItself, Once, SeesEverything, number_of, some_action

WORLDS = journey_worlds()


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

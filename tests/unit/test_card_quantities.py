"""The quantities on a card."""

import numpy as np
import pytest

from nba_gym.errors import ScenarioError
from nba_gym.evaluation import record_journeys
from nba_gym.evaluation.card.quantities import measure
from nba_gym.evaluation.card.rules import RelevantContact
from nba_gym.evaluation.card.sensitivity import compare_rankings, loyalty_elasticity
from nba_gym.evaluation.card.watch import watched_rollout
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.records.events import event_columns
from nba_gym.scenario import load_scenario
from nba_gym.statistics import Interval, ratio_interval
from tests.unit.cards import aim, bench

STILL = {f"needs.{need}.season_utility": 0.0 for need in ("bread", "tea", "soap", "books")}


def agrees(found: Interval, expected: float) -> bool:
    error = (found.high - found.mean) / 1.96
    return abs(found.mean - expected) < 4.0 * error


# --- quantities ----------------------------------------------------------------------------------


def test_rates_count_what_the_event_log_holds():
    people = bench("retail", 300)
    policy, numbers = UniformRandom(), people.customers(300)
    log = record_journeys(policy, people.scenario, numbers, people.seed)
    column = {name: i for i, name in enumerate(event_columns(people.scenario))}
    names = [channel.name for channel in people.scenario.channels]
    email = [i for i, a in enumerate(people.scenario.actions) if a.channel == "email"]
    on_it = np.isin(log.events[..., column["action"]], email)
    counts = people.watched("random").counts
    for name in ("sent", "responded", "opted_out"):
        expected = (log.events[..., column[name]] * on_it).sum(axis=0)
        np.testing.assert_array_equal(counts[name][:, names.index("email")], expected)
    bought = log.events[..., column["purchases"]].cumsum(axis=0)
    np.testing.assert_array_equal(people.watched("random").bought_by, bought)


def test_the_notice_rate_of_rested_customers_is_reach_times_attention():
    found = measure(bench("control", 100), aim("notice_rate", channel="sms"))
    assert found == pytest.approx((0.9 * 0.8,) * 3, abs=1e-6)


def test_more_contact_costs_more_consents_than_contact_at_rest():
    growth = aim("opt_out_growth", channel="email")
    found = measure(bench("retail", 4_000, **{"attention.opt_out_by_strain": 3.0}), growth)
    assert found.low > 1.0


def test_monthly_churn_of_a_constant_hazard_is_that_hazard():
    leaving = {"leaving.period_scale": 1.0, "traits.leaving.value": 0.02}
    found = measure(bench("control", 20_000, **leaving), aim("monthly_churn", policy="no_contact"))
    assert agrees(found, 0.02 * 365.25 / 84.0)


def test_who_never_buys_again_follows_from_the_chance_to_buy():
    odds = 4 * 0.02 / 0.98  # four needs, each as likely as the trait says
    world = bench("control", 40_000, **STILL)
    found = measure(world, aim("never_again", window=26))
    assert agrees(found, (1.0 / (1.0 + odds)) ** 26)
    later = measure(world, aim("never_again", window=26, period=12))
    ages = np.linspace(14, 26, 40_000).round()
    assert agrees(later, float(((1.0 / (1.0 + odds)) ** ages).mean()))


def test_a_contact_carries_over_where_there_is_something_to_carry():
    gift = aim("carry_over", action="sms_thanks", period=3)
    assert measure(bench("control", 500), gift) == (0.0, 0.0, 0.0)
    caring = {"relationship.by_care": 0.4, "purchase.by_loyalty": 4.0}
    assert measure(bench("control", 3_000, **caring), gift).low > 0.0


def test_a_rate_is_a_ratio_of_sums_with_the_customer_as_unit():
    found = ratio_interval(np.array([1.0, 0.0, 2.0]), np.array([2.0, 1.0, 3.0]))
    # residuals 0, -1/2, 1/2: their standard deviation 1/2, over the mean of 2 and the root of 3
    assert found.mean == 0.5
    assert found.high - found.mean == pytest.approx(1.959964 * 0.5 / 2.0 / 3.0**0.5)
    assert np.isnan(ratio_interval(np.zeros(3), np.zeros(3)).mean)


def test_relevant_contact_keeps_to_its_channel_and_its_rhythm():
    world = load_scenario("retail")
    log = record_journeys(RelevantContact(world, "push", 4), world, 200, 3)
    column = event_columns(world).index("action")
    actions = log.events[..., column].astype(int)
    periods, _ = np.nonzero(actions)
    assert set(periods % 4) == {3}
    assert {world.actions[a].channel for a in np.unique(actions) if a} == {"push"}
    with pytest.raises(ScenarioError, match="channel must be one of the world, got 'web'"):
        RelevantContact(world, "web", 4)  # inbound: they come to us


# --- loyalty and rankings ------------------------------------------------------------------------


def test_five_percent_more_loyalty_is_five_percent_of_everybodys_own():
    world = load_scenario("control", {"traits.baseline_loyalty.value": 0.4})
    numbers = np.arange(70, dtype=np.uint64)
    more = watched_rollout(NoContact(), world, numbers, 1, loyalty=1.05)
    np.testing.assert_allclose(more.series["loyalty"][0], 0.42, atol=1e-6)
    most = watched_rollout(NoContact(), world, numbers, 1, loyalty=3.0)
    np.testing.assert_array_equal(most.series["loyalty"][0], 1.0)


def test_loyalty_pays_where_it_makes_buy_and_nothing_where_it_does_not(monkeypatch):
    monkeypatch.setattr("nba_gym.evaluation.card.sensitivity.LOOKED_AT", ("no_contact",))
    for coefficient in (0.0, 4.0):
        world = bench("control", 4_000, **{"purchase.by_loyalty": coefficient})
        found = loyalty_elasticity(world)["no_contact"]
        assert found.relative is not None
        if coefficient:  # 4 * 0.025 more utility: e^0.1 more odds to buy, a little less of buying
            assert found.relative.low > 0.05
            assert found.relative.high < 0.105
        else:
            assert found.change == (0.0, 0.0, 0.0)


def test_a_ranking_changes_only_where_the_interval_leaves_zero_out():
    rise = np.linspace(0.0, 1.0, 50)
    base = {"a": rise, "b": rise - 1.0, "c": rise - 0.0001 + 0.01 * np.cos(np.arange(50) * np.pi)}
    same = compare_rankings(base, {"a": rise, "b": rise - 2.0, "c": rise})
    assert same == []
    assert compare_rankings(base, base | {"b": rise + 1.0}) == [
        "b is now better than a",
        "b is now better than c",
    ]
    assert "a and b can no longer be told apart" in compare_rankings(base, base | {"b": rise})

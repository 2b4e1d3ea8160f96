"""Policies and comparisons."""

import json
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from nba_gym.errors import DataError, PolicyError
from nba_gym.evaluation import compare, log_campaign, rollout, tune_practice
from nba_gym.evaluation.search import Tunable, tune
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import GreedyPractice, NoContact, RoundRobin, UniformRandom, fit_practice
from nba_gym.policies.campaign import happens_within
from nba_gym.policies.propensity import (
    _regress,  # pyright: ignore[reportPrivateUsage]
)
from nba_gym.policies.rows import draw_actions
from nba_gym.records.ledger import LINES
from nba_gym.scenario.load import load_scenario
from nba_gym.statistics import mean_interval
from nba_gym.truth import MyopicOracle


@pytest.fixture(scope="module")
def shop():
    return load_scenario("retail", ["horizon=30"])


@pytest.fixture(scope="module")
def learned(shop):
    log = log_campaign(shop, SPLIT.logging(800), SPLIT.seed)
    return log, fit_practice(log, shop, log.feature_names)


def test_drawn_actions_follow_their_probabilities_and_never_take_an_impossible_one():
    chances = np.array([0.0, 0.2, 0.0, 0.5, 0.3])
    luck = (np.arange(10_000) + 0.5) / 10_000
    actions = draw_actions(np.tile(chances, (10_000, 1)), luck)
    np.testing.assert_allclose(np.bincount(actions, minlength=5) / 10_000, chances, atol=1e-3)
    assert set(actions) == {1, 3, 4}


def test_round_robin_takes_the_allowed_actions_in_turn():
    masks = np.array([[1, 0, 1, 1, 0]] * 6, dtype=np.int8)
    tenure = np.arange(6) / (np.arange(6) + 26.0)
    actions = RoundRobin().act(tenure[:, None].astype(np.float32), masks, np.random.default_rng(0))
    assert actions.tolist() == [0, 2, 3, 0, 2, 3]


def test_waiting_keeps_its_promised_share_in_a_random_campaign():
    chances = UniformRandom(wait=0.5).probabilities(
        np.zeros((1, 1), np.float32), np.array([[1, 1, 0, 1]])
    )
    np.testing.assert_allclose(chances, [[0.5 + 0.5 / 3, 0.5 / 3, 0.0, 0.5 / 3]])


def test_a_rollout_does_not_depend_on_the_chunk(shop):
    whole = rollout(UniformRandom(), shop, 300, 5)
    parts = rollout(UniformRandom(), shop, 300, 5, chunk=70)
    np.testing.assert_array_equal(whole.value, parts.value)
    np.testing.assert_allclose(whole.alive, parts.alive)
    np.testing.assert_allclose(whole.contact_rate, parts.contact_rate)


def test_value_is_the_sum_of_the_discounted_ledger_lines(shop):
    run = rollout(UniformRandom(), shop, 200, 5)
    np.testing.assert_allclose(run.value, sum(run.lines[line] for line in LINES), rtol=1e-12)
    late = rollout(UniformRandom(), shop.model_copy(update={"discount": 1.0}), 200, 5)
    assert late.lines["margin"].sum() > run.lines["margin"].sum()


def test_the_same_policy_twice_differs_by_exactly_nothing(shop, tmp_path):
    result = compare({"a": NoContact(), "b": NoContact(), "c": UniformRandom()}, shop, 200, 1)
    assert result.difference("b") == (0.0, 0.0, 0.0)
    assert result.difference("c").low < result.difference("c").high
    text, rows = result.save(tmp_path)
    saved = json.loads(text.read_text())
    assert saved["provenance"]["customers"] == 200
    assert {row["policy"] for row in saved["policies"]} == {"a", "b", "c"}
    frame = pl.read_parquet(rows)
    assert frame.height == 600
    values = frame.filter(pl.col("policy") == "c")["value"].to_numpy()
    np.testing.assert_array_equal(values, result.rollouts["c"].value)


def test_the_myopic_oracle_never_expects_less_than_waiting(shop):
    gain = (
        rollout(MyopicOracle(), shop, 400, 2).profit[0]
        - rollout(NoContact(), shop, 400, 2).profit[0]
    )
    assert gain > -0.5
    with pytest.raises(PolicyError, match="bound"):
        MyopicOracle().act(np.zeros((1, 1), np.float32), np.ones((1, 2)), np.random.default_rng(0))


def test_practice_respects_its_cap_and_threshold(shop, learned):
    _, model = learned
    customers = SPLIT.tuning(200)
    silent = rollout(GreedyPractice(model, threshold=1e9), shop, customers, SPLIT.seed)
    assert silent.contacts.sum() == 0
    eager = rollout(GreedyPractice(model, threshold=-1e9), shop, customers, SPLIT.seed)
    capped = rollout(GreedyPractice(model, threshold=-1e9, cap=1), shop, customers, SPLIT.seed)
    assert 0 < capped.contacts.max() <= 8 < eager.contacts.max()


def test_a_lever_of_zero_switches_a_kind_of_action_off(shop, learned):
    _, model = learned
    customers = SPLIT.tuning(200)
    kinds = np.array([action.kind for action in shop.actions])
    open_to_all = GreedyPractice(model, ripening=4.0)
    no_offers = GreedyPractice(model, ripening=4.0, levers={"offer": 0.0})
    shares = [
        rollout(policy, shop, customers, SPLIT.seed).action_share.sum(axis=0)
        for policy in (open_to_all, no_offers)
    ]
    assert shares[0][kinds == "offer"].sum() > 0.0
    assert shares[1][kinds == "offer"].sum() == 0.0
    assert shares[1][kinds == "inform"].sum() > 0.0
    with pytest.raises(PolicyError, match=r"levers\.ask must be at least 0, got -1"):
        GreedyPractice(model, levers={"ask": -1.0})


def test_practice_learns_that_a_need_just_seen_sells(shop, learned):
    log, model = learned
    chances = model.now.left_alone(log.observations).sum(axis=1)
    assert chances[log.bought].mean() > 1.5 * chances[~log.bought].mean()
    waited = log.actions == 0
    assert chances[waited].mean() == pytest.approx(log.bought[waited].mean(), rel=0.02)


def test_practice_learns_what_a_contact_changes_and_only_for_what_it_speaks_to(shop, learned):
    log, model = learned
    names = [action.name for action in shop.actions]
    shoes = [need.name for need in shop.needs].index("shoes")
    x = log.observations[:2_000]
    for j, only in enumerate(np.eye(len(shop.needs), dtype=np.float32)):
        gain = model.now.uplift(x, np.tile(only, (len(x), 1))).mean(axis=0)
        assert gain[0] == pytest.approx(0.0, abs=1e-7)
        offer = gain[names.index("sms_deal_shoes")]
        assert offer > 1e-3 if j == shoes else abs(offer) < 1e-7


def test_what_ripens_later_counts_within_the_window(shop, learned):
    log, model = learned
    alone = fit_practice(log, shop, log.feature_names, windows=[1])
    assert list(model.windows) == [4, 13, 26]
    assert all(credited.later is not None for credited in model.windows.values())
    assert alone.windows[1].later is None
    x = log.observations[::20]
    now, soon = alone.gains(x), model.gains(x, ripening=4.0)
    gift = [i for i, action in enumerate(shop.actions) if action.kind == "reward"]
    np.testing.assert_allclose(now[:, gift], 0.0, atol=1e-4)
    assert np.abs(soon[:, gift]).max() > 1e-2
    np.testing.assert_allclose(now, model.gains(x, ripening=0.0), atol=1e-4)
    quarter = fit_practice(log, shop, log.feature_names, windows=[13])
    np.testing.assert_array_equal(model.gains(x, window=13), quarter.gains(x))
    assert np.abs(model.gains(x, window=13) - model.gains(x)).max() > 1e-2


def test_a_window_reaches_from_its_first_period_to_its_last():
    events = np.zeros(8, dtype=np.bool_)
    events[[2, 7]] = True  # customer 0 in period 2, customer 1 in period 3
    customers, periods = np.repeat([0, 1], 4), np.tile(np.arange(4), 2)
    later = happens_within(customers, periods, events[:, None], 1, 2)[:, 0]
    assert later.tolist() == [False, True, False, False, False, False, True, False]
    any_time = happens_within(customers, periods, events[:, None], 0, 3)[:, 0]
    assert any_time.tolist() == [True, True, True, False, False, True, True, True]


def test_practice_keeps_contracts_only_where_the_customer_may_end_them():
    telecom = load_scenario("telecom", ["horizon=30"])
    log = log_campaign(telecom, SPLIT.logging(1_500), SPLIT.seed)
    model = fit_practice(log, telecom, log.feature_names)
    assert model.windows[4].leaving is not None
    x = log.observations[:4_000]
    gain = model.gains(x, years=5.0) - model.gains(x, years=0.0)
    bound = x[:, log.feature_names.index("commitment")] >= 4.0 / 10.0 - 1e-6  # 4 periods or more
    assert 0 < bound.sum() < len(x)
    np.testing.assert_allclose(gain[bound], 0.0, atol=1e-5)
    assert np.abs(gain[~bound][:, 1:]).mean() > 0.1


def test_practice_is_near_the_oracle_where_nothing_carries_over():
    control = load_scenario("control", ["horizon=30"])
    log = log_campaign(control, SPLIT.logging(3_000), SPLIT.seed)
    model = fit_practice(log, control, log.feature_names)
    policies = {"practice": GreedyPractice(model), "oracle": MyopicOracle(), "idle": NoContact()}
    value = {
        name: rollout(policy, control, SPLIT.tuning(1_000), SPLIT.seed).value.mean()
        for name, policy in policies.items()
    }
    assert value["practice"] - value["idle"] > 0.95 * (value["oracle"] - value["idle"])


def test_practice_says_what_is_wrong_with_a_campaign(shop, learned):
    log, model = learned
    empty = replace(log, bought=np.zeros_like(log.bought))
    with pytest.raises(DataError, match="must hold purchases"):
        fit_practice(empty, shop, log.feature_names)
    with pytest.raises(DataError, match="shorter than the 30 periods of the campaign, got 30"):
        fit_practice(log, shop, log.feature_names, windows=[4, 30])
    with pytest.raises(PolicyError, match="cap must be at least 0, got -1"):
        GreedyPractice(model, cap=-1)
    with pytest.raises(PolicyError, match=r"that was learned \(4, 13, 26\), got 5"):
        GreedyPractice(model, window=5)


def test_tuning_keeps_the_best_of_its_trials(shop, learned):
    _, model = learned
    best, trials = tune_practice(model, shop, SPLIT.tuning(100), SPLIT.seed, trials=6)
    assert len(trials) == 6
    assert best.settings == max(trials, key=lambda trial: trial.value).settings


def test_a_trial_that_is_clearly_worse_is_given_up_and_told_apart_from_a_close_one():
    control = load_scenario("control", ["horizon=20"])
    choices = {0: NoContact(), 1: MyopicOracle(), 2: UniformRandom()}
    tunable = Tunable(
        make=lambda settings: choices[settings["who"]],
        starts=({"who": 0},),
        ladders=(("who", (1, 2)),),
    )
    best, trials = tune(tunable, control, SPLIT.tuning(2_000), SPLIT.seed, trials=9)
    assert isinstance(best, MyopicOracle)
    assert [trial.customers for trial in trials] == [2_000, 2_000, 500]
    for who, trial in enumerate(trials):
        whole = rollout(choices[who], control, SPLIT.tuning(2_000), SPLIT.seed).value
        assert trial.settings == {"who": who}
        if trial.customers == 2_000:
            assert trial.value == pytest.approx(whole.mean())
        else:  # the level of the best so far, and the difference to it on the first customers
            assert trial.value == pytest.approx(whole.mean(), abs=0.3 * trials[1].value)
            assert trial.value < trials[1].value


def test_a_policy_that_answers_nonsense_is_named(shop):
    class Bad:
        name = "bad"

        def act(self, observations, masks, generator):
            return np.full(len(masks), 999)

    with pytest.raises(PolicyError, match="bad must answer in"):
        rollout(Bad(), shop, 10, 0)
    with pytest.raises(PolicyError, match="baseline"):
        compare({"a": NoContact()}, shop, 10, baseline="b")


def test_intervals_cover_the_truth_as_often_as_they_say():
    draws = np.random.default_rng(1).gamma(0.5, 2.0, (2_000, 1_000))
    covered = [low <= 1.0 <= high for _, low, high in map(mean_interval, draws)]
    assert abs(np.mean(covered) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 2_000) + 0.005


def test_no_purpose_shares_a_customer_with_another():
    blocks = [SPLIT.reporting(50), SPLIT.logging(50), SPLIT.tuning(50), SPLIT.watching(50)]
    assert len(np.unique(np.concatenate(blocks))) == 200
    assert SPLIT.training_seed(0) != SPLIT.seed


def test_the_regression_finds_the_minimum_where_whole_newton_steps_lead_astray():
    """30 of 1,000 at log-odds of -8 to begin with: the first whole step would go to +67."""
    design, answers = np.ones((1_000, 1), np.float32), (np.arange(1_000) < 30).astype(np.float64)
    ridge, offsets = np.array([0.1]), np.full(1_000, -8.0)
    [found] = _regress(design, answers, np.ones(1_000), offsets, ridge)
    chance = 1.0 / (1.0 + math.exp(8.0 - found))
    assert 1_000 * chance - 30.0 + 0.1 * found == pytest.approx(0.0, abs=0.1)

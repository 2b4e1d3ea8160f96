"""Policies and comparisons."""

import json

import numpy as np
import polars as pl
import pytest

from nba_gym.errors import PolicyError
from nba_gym.evaluation import compare, log_campaign, rollout, tune_practice
from nba_gym.evaluation.split import SPLIT
from nba_gym.evaluation.statistics import mean_interval
from nba_gym.policies import GreedyPractice, NoContact, RoundRobin, UniformRandom, fit_practice
from nba_gym.policies.simple import draw_actions
from nba_gym.records.ledger import LINES
from nba_gym.scenario.load import load_scenario
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
    eager = rollout(GreedyPractice(model, threshold=-1e9, cap=32), shop, customers, SPLIT.seed)
    capped = rollout(GreedyPractice(model, threshold=-1e9, cap=1), shop, customers, SPLIT.seed)
    assert 0 < capped.contacts.max() <= 8 < eager.contacts.max()


def test_practice_learns_that_a_need_just_seen_sells(shop, learned):
    log, model = learned
    x = log.observations[log.bought]
    quiet = log.observations[~log.bought]
    mean = model.propensities(x)[:, 0].mean(), model.propensities(quiet)[:, 0].mean()
    assert mean[0] > 1.5 * mean[1]


def test_tuning_keeps_the_best_of_its_trials(shop, learned):
    _, model = learned
    best, trials = tune_practice(model, shop, SPLIT.tuning(100), SPLIT.seed, trials=6)
    assert len(trials) == 6
    assert best.settings == max(trials, key=lambda trial: trial.value).settings


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

"""Off-policy evaluation: the formulas by hand, what it refuses, and what a log must hold."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any, cast

import numpy as np
import polars as pl
import pytest

from nba_gym import cli
from nba_gym.errors import DataError, PolicyError
from nba_gym.evaluation import off_policy, record_journeys
from nba_gym.evaluation.bulk import Bulk, simulate
from nba_gym.evaluation.fitted_values import fit_values
from nba_gym.evaluation.off_policy import (
    AS_LOGGED,
    ESTIMATORS,
    LoggedJourneys,
    judge_by_log,
    logged_journeys,
)
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.policies.asking import chances_of, choose, choose_by_lot
from nba_gym.policies.limits import Contacts, EpsilonGreedy, capped
from nba_gym.policies.simple import ByLot
from nba_gym.randomness import policy_luck
from nba_gym.records.log import read_log, write_log
from nba_gym.scenario.load import load_scenario
from nba_gym.statistics import mean_interval
from nba_gym.truth import MyopicOracle

CONTROL = load_scenario("control", ("horizon=6",))
TELECOM = load_scenario("telecom", ("horizon=8",))


class Told(ByLot):
    """A policy of two actions whose probability of the second is the only feature."""

    name = "told"

    def probabilities(self, observations, masks):
        chances = observations[:, 0].astype(np.float64)
        return np.column_stack([1.0 - chances, chances])


def small(n: int = 40, periods: int = 3) -> LoggedJourneys:
    """Journeys of two actions, some of which end early."""
    luck = np.random.default_rng(5)
    likely = luck.uniform(0.2, 0.8, (periods, n))
    actions = (luck.random((periods, n)) < likely).astype(np.int64)
    ends = luck.integers(1, 2 * periods, n)
    running = np.arange(periods)[:, None] < ends
    wanted = luck.uniform(0.1, 0.9, (periods, n, 1)).astype(np.float32)
    return LoggedJourneys(
        observations=wanted,
        masks=np.ones((periods, n, 2), dtype=np.int8),
        actions=actions,
        propensities=np.where(running, np.where(actions == 1, likely, 1.0 - likely), 1.0),
        rewards=np.where(running, luck.normal(1.0, 2.0, (periods, n)) + actions, 0.0),
        running=running,
        discount=0.9,
    )


def weights_by_hand(log: LoggedJourneys) -> np.ndarray:
    periods, n = log.actions.shape
    weights = np.ones((periods, n))
    for i in range(n):
        weight = 1.0
        for t in range(periods):
            if log.running[t, i]:
                wanted = float(log.observations[t, i, 0])
                chance = wanted if log.actions[t, i] == 1 else 1.0 - wanted
                weight *= chance / log.propensities[t, i]
            weights[t, i] = weight
    return weights


@pytest.fixture
def judged(monkeypatch):
    """The journeys, values that are made up, and what came of them."""
    log = small()
    luck = np.random.default_rng(6)
    values = luck.normal(size=log.rewards.shape), luck.normal(size=log.rewards.shape)
    monkeypatch.setattr(off_policy, "fit_values", lambda *_, **__: values)
    return log, *values, judge_by_log({"told": Told()}, log)["told"]


def test_importance_is_the_sum_worked_out_by_hand(judged):
    log, _, _, found = judged
    weights, total = weights_by_hand(log), 0.0
    for i in range(40):
        for t in range(3):
            total += 0.9**t * weights[t, i] * log.rewards[t, i]
    assert found.estimates["importance"].mean == pytest.approx(total / 40)


def test_weighted_importance_divides_by_the_weights_of_each_period(judged):
    log, _, _, found = judged
    weights, total = weights_by_hand(log), 0.0
    for t in range(3):
        total += 0.9**t * float(weights[t] @ log.rewards[t]) / float(weights[t].sum())
    assert found.estimates["weighted"].mean == pytest.approx(total)


def test_doubly_robust_adds_what_the_values_did_not_foresee(judged):
    log, done, onwards, found = judged
    weights, plain, ratio = weights_by_hand(log), 0.0, 0.0
    for t in range(3):
        before = weights[t - 1] if t else np.ones(40)
        surprise = log.rewards[t] - done[t]
        plain += 0.9**t * float(weights[t] @ surprise + before @ onwards[t]) / 40
        share, earlier = weights[t] / weights[t].sum(), before / before.sum()
        ratio += 0.9**t * float(share @ surprise + earlier @ onwards[t])
    assert found.estimates["doubly robust"].mean == pytest.approx(plain)
    assert found.estimates["weighted doubly robust"].mean == pytest.approx(ratio)
    assert found.estimates["direct"].mean == pytest.approx(onwards[0].mean())
    assert np.isnan(found.estimates["direct"].low)


def test_the_spread_of_a_weighted_estimate_is_that_of_leaving_customers_out(judged):
    log, done, onwards, found = judged
    weights = weights_by_hand(log)
    before = np.vstack([np.ones(40), weights[:-1]])

    def without(i: int) -> float:
        keep = np.arange(40) != i
        total = 0.0
        for t in range(3):
            share, earlier = weights[t, keep], before[t, keep]
            total += 0.9**t * float(share @ (log.rewards - done)[t, keep]) / float(share.sum())
            total += 0.9**t * float(earlier @ onwards[t, keep]) / float(earlier.sum())
        return total

    jackknife = np.array([without(i) for i in range(40)])
    spread = np.sqrt(39 / 40 * ((jackknife - jackknife.mean()) ** 2).sum())
    interval = found.estimates["weighted doubly robust"]
    assert (interval.high - interval.mean) / 1.96 == pytest.approx(spread, rel=0.1)


def test_customers_in_effect_are_counted_by_their_weights(judged):
    log, _, _, found = judged
    weights = weights_by_hand(log)
    effective = weights.sum(axis=1) ** 2 / (weights**2).sum(axis=1)
    np.testing.assert_allclose(found.effective, effective)
    np.testing.assert_allclose(found.heaviest, weights.max(axis=1) / weights.sum(axis=1))


def test_the_policy_that_acted_is_judged_to_be_worth_what_it_earned():
    acting = UniformRandom(wait=0.5)
    log = logged_journeys(record_journeys(acting, CONTROL, 500), CONTROL)
    found = judge_by_log({"same": acting}, log)
    earned = mean_interval(CONTROL.discount ** np.arange(6) @ log.rewards)
    assert found[AS_LOGGED].estimates["importance"] == earned
    for name in ("importance", "weighted"):
        assert found["same"].estimates[name] == pytest.approx(earned)
    np.testing.assert_allclose(found["same"].effective, 500.0)
    assert found["same"].covered == pytest.approx((1.0, 1.0, 1.0))
    assert found["same"].less(found[AS_LOGGED], "importance") == pytest.approx((0.0, 0.0, 0.0))


def test_fitted_values_find_a_linear_world():
    luck = np.random.default_rng(0)
    x = luck.normal(size=(2, 4_000, 2)).astype(np.float32)
    actions = luck.integers(0, 2, (2, 4_000))
    running = np.ones((2, 4_000), dtype=bool)
    running[1, ::5] = False
    # the second action adds 1 + x0; of those who are still there the next period pays, too
    rewards = 2.0 + x[..., 1] + np.where(actions == 1, 1.0 + x[..., 0], 0.0)
    rewards = np.where(running, rewards, 0.0)
    chances = np.zeros((2, 4_000, 2))
    chances[..., 1] = 1.0
    done, onwards = fit_values(x, actions, rewards, running, chances, discount=0.5, folds=2)
    assert (done[1, ::5] == 0.0).all()
    assert (onwards[1, ::5] == 0.0).all()
    there = running[1]
    last = 3.0 + x[1, :, 0] + x[1, :, 1]
    assert np.abs(onwards[1] - last)[there].mean() < 0.15  # ridges pull a little
    mean_later = 0.5 * 0.8 * 3.0
    first = 3.0 + x[0, :, 0] + x[0, :, 1] + mean_later
    assert np.abs(onwards[0] - first).mean() < 0.15
    waited = np.where(actions[0] == 1, first, first - 1.0 - x[0, :, 0])
    assert np.abs(done[0] - waited).mean() < 0.15


def test_nobody_is_in_the_fit_of_their_own_value():
    log = small(n=400)
    chances = np.full((3, 400, 2), 0.5)

    def fitted(rewards: np.ndarray) -> np.ndarray:
        return fit_values(
            log.observations, log.actions, rewards, log.running, chances, discount=0.9, folds=2
        )[1]

    lucky = log.rewards.copy()
    lucky[:, 0] += 1_000.0
    before, after = fitted(log.rewards), fitted(lucky)
    np.testing.assert_array_equal(before[:, ::2], after[:, ::2])  # the fold of the lucky one
    assert (before[0, 1::2] != after[0, 1::2]).all()


def test_what_is_forbidden_counts_as_waiting():
    masks = np.array([[1, 0, 1], [1, 1, 0]], dtype=np.int8)

    class Careless(ByLot):
        name = "careless"

        def probabilities(self, observations, masks):
            return np.tile([0.2, 0.5, 0.3], (len(masks), 1))

    x = np.zeros((2, 1), dtype=np.float32)
    np.testing.assert_allclose(chances_of(Careless(), x, masks), [[0.7, 0, 0.3], [0.5, 0.5, 0]])
    actions, likely = choose_by_lot(Careless(), x, masks, np.array([0.4, 0.9]))
    assert actions.tolist() == [1, 2]  # forbidden, both
    np.testing.assert_allclose(likely, [0.7, 0.5])

    class Stubborn:
        name = "stubborn"

        def act(self, observations, masks, generator):
            return np.full(len(masks), 2)

    np.testing.assert_array_equal(chances_of(Stubborn(), x, masks), [[0, 0, 1], [1, 0, 0]])


def test_a_log_says_how_likely_what_was_drawn_was():
    acting = UniformRandom(wait=0.5)
    log = record_journeys(acting, CONTROL, 50, seed=4)
    log_of_journeys = logged_journeys(log, CONTROL)
    numbers = np.arange(50, dtype=np.uint64)
    for t in range(6):
        x, masks = log_of_journeys.observations[t], log_of_journeys.masks[t]
        drawn = choose(acting, x, masks, numbers, 4, t, np.random.default_rng(0))
        again, likely = choose_by_lot(acting, x, masks, policy_luck(4, numbers, t))
        np.testing.assert_array_equal(drawn, again)
        np.testing.assert_array_equal(drawn, log_of_journeys.actions[t])
        np.testing.assert_array_equal(likely, np.asarray(log.propensities)[t])
    assert record_journeys(NoContact(), CONTROL, 5).propensities is None


def test_journeys_that_ended_keep_their_weights():
    log = record_journeys(UniformRandom(), TELECOM, 3_000)
    journeys = logged_journeys(log, TELECOM)
    over = ~journeys.running
    assert over[-1].sum() > 20  # some have cancelled
    assert (journeys.propensities[over] == 1.0).all()
    assert (journeys.rewards[over] == 0.0).all()
    found = judge_by_log({"wait": EpsilonGreedy(NoContact(), 0.9)}, journeys)["wait"]
    error = (found.covered.high - found.covered.low) / 2.0 / 1.96
    assert error < 0.005
    assert abs(found.covered.mean - 1.0) < 3.0 * error


def test_propensities_are_written_and_read_with_the_log(tmp_path):
    acting = UniformRandom(wait=0.5)
    log = record_journeys(acting, CONTROL, 30)
    assert len(np.unique(np.asarray(log.propensities))) > 1
    write_log(log, CONTROL, tmp_path / "whole")
    again = read_log(tmp_path / "whole", CONTROL)
    np.testing.assert_array_equal(again.propensities, log.propensities)
    some = read_log(tmp_path / "whole", CONTROL, customers=10, periods=4)
    np.testing.assert_array_equal(some.events, log.events[:4, :10])
    np.testing.assert_array_equal(some.propensities, np.asarray(log.propensities)[:4, :10])
    assert read_log(tmp_path / "whole", CONTROL, customers=99).events.shape == log.events.shape
    for limits in ({"customers": 0}, {"periods": 0}):
        with pytest.raises(PolicyError, match="must be at least 1, got 0"):
            read_log(tmp_path / "whole", CONTROL, **limits)
    bulk = Bulk(30, events=True, part=8, side_by_side=4, threads=2)
    simulate(acting, CONTROL, bulk, tmp_path / "bulk")
    parts = read_log(tmp_path / "bulk", CONTROL)
    np.testing.assert_array_equal(parts.propensities, log.propensities)
    some = read_log(tmp_path / "bulk", CONTROL, customers=10, periods=4)
    np.testing.assert_array_equal(some.propensities, np.asarray(log.propensities)[:4, :10])
    simulate(NoContact(), CONTROL, bulk, tmp_path / "silent")
    assert read_log(tmp_path / "silent", CONTROL).propensities is None


def test_a_damaged_column_of_propensities_is_refused(tmp_path):
    _, events = write_log(record_journeys(UniformRandom(), CONTROL, 5), CONTROL, tmp_path)
    whole = pl.read_parquet(events)
    for broken in (pl.lit("often"), pl.lit(None, dtype=pl.Float64)):
        whole.with_columns(broken.alias("propensity")).write_parquet(events)
        with pytest.raises(DataError, match="propensity must hold numbers only"):
            read_log(tmp_path, CONTROL)


def test_a_log_that_cannot_be_judged_by_is_refused():
    log = record_journeys(UniformRandom(), CONTROL, 20)
    with pytest.raises(DataError, match="log must have the column 'propensity'"):
        logged_journeys(record_journeys(NoContact(), CONTROL, 20), CONTROL)
    for wrong in (0.0, -0.1, 1.1, float("nan")):
        odd = np.array(log.propensities)
        odd[2, 7] = wrong
        words = rf"propensity must be in \(0, 1\], got {wrong:g} .*\(customer 7, period 2\)"
        with pytest.raises(DataError, match=words):
            logged_journeys(dataclasses.replace(log, propensities=odd), CONTROL)
    with pytest.raises(DataError, match=r"propensity must have shape \(6, 20\), got \(5, 20\)"):
        logged_journeys(
            dataclasses.replace(log, propensities=np.asarray(log.propensities)[:5]), CONTROL
        )
    log = record_journeys(UniformRandom(), TELECOM, 20)
    forced = log.events.copy()
    t, i, action = np.argwhere(logged_journeys(log, TELECOM).masks == 0)[0]
    forced[t, i, 0] = action
    name = TELECOM.actions[action].name
    words = rf"action must be one that was allowed, got '{name}' \(customer {i}, period {t}\)"
    with pytest.raises(DataError, match=words):
        logged_journeys(dataclasses.replace(log, events=forced), TELECOM)


class Dice:
    """Draws, and does not say how."""

    name = "dice"

    def act(self, observations, masks, generator):
        return np.where(generator.random(len(masks)) < 0.5, 0, masks.argmax(axis=1))


def test_a_policy_that_cannot_be_judged_is_refused():
    log = logged_journeys(record_journeys(UniformRandom(), CONTROL, 200), CONTROL)

    class Drawing(Dice):
        def act(self, observations, masks, generator):
            return generator.integers(0, masks.shape[1], len(masks))

    for policy, words in (
        (Drawing(), "policy must say probabilities or never draw, got 'dice'"),
        (MyopicOracle(), "policy must go by the records alone"),
        (capped(MyopicOracle(), Contacts(np.zeros(3, dtype=bool), 0, 4), 2), "records alone"),
        ("wait", r"policies\['it'\] must be a policy"),
    ):
        with pytest.raises(PolicyError, match=words):
            judge_by_log({"it": cast(Any, policy)}, log)
    wait = {"wait": NoContact()}
    for changes, words in (
        ({"periods": 0}, r"periods must be in \[1, 6\], as long as the log, got 0"),
        ({"periods": 7}, r"periods must be in \[1, 6\], as long as the log, got 7"),
        ({"folds": 1}, "folds must be at least 2, got 1"),
    ):
        with pytest.raises(PolicyError, match=words):
            judge_by_log(wait, log, **changes)
    with pytest.raises(PolicyError, match="policies must not be called 'as logged'"):
        judge_by_log({AS_LOGGED: NoContact()}, log)
    with pytest.raises(DataError, match="journeys must be of at least 800 customers, got 200"):
        judge_by_log(wait, log, folds=400)


def test_a_log_of_nobody_who_was_treated_so_says_what_to_do():
    log = logged_journeys(record_journeys(UniformRandom(), CONTROL, 4), CONTROL)

    class Last:
        name = "last"

        def act(self, observations, masks, generator):
            return masks.shape[1] - 1 - masks[:, ::-1].argmax(axis=1)

    words = "journeys must include some that last could have lived, got none of . periods: judge"
    with pytest.raises(DataError, match=words):
        judge_by_log({"last": Last()}, log)


def test_what_was_never_tried_is_noticed():
    acting = EpsilonGreedy(NoContact(), 0.0)  # says 1, and always waits
    log = logged_journeys(record_journeys(acting, CONTROL, 400), CONTROL)
    found = judge_by_log({"half": UniformRandom(wait=0.5)}, log)["half"]
    assert found.covered.high < 0.9
    assert set(found.estimates) == set(ESTIMATORS)


def call(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["nba-gym", *arguments])
    cli.main()


def test_the_command_judges_a_simulated_log_beside_the_truth(tmp_path, monkeypatch, capsys):
    log, out = str(tmp_path / "log"), tmp_path / "judged"
    world = ("control", "--customers", "4_000", "--periods", "4")
    call(monkeypatch, "simulate", *world, "--policy", "wait", "--epsilon", "0.5", "--out", log)
    capsys.readouterr()
    asked = ("off-policy", "control", log, "--policies", "wait", "random", "--truth", "4_000")
    call(monkeypatch, *asked, "--out", str(out), "--json")
    told = json.loads(capsys.readouterr().out)["result"]
    rows = {row["policy"]: row for row in told["policies"]}
    assert list(rows) == ["as logged", "wait", "random"]
    assert told["customers"] == 4_000
    assert told["periods"] == 4
    for name in ("wait", "random"):
        row = rows[name]
        assert row["truth_low"] < row["weighted_doubly_robust_high"]
        assert row["weighted_doubly_robust_low"] < row["truth_high"]
        assert 100 < row["effective"] < 4_000
        assert row["direct_low"] is None
    assert sorted(told["wrote"]) == [str(out / f"off_policy.{end}") for end in ("csv", "png")]
    assert pl.read_csv(out / "off_policy.csv")["policy"].to_list() == list(rows)
    assert (out / "off_policy.png").read_bytes().startswith(b"\x89PNG")
    call(monkeypatch, *asked[:-2], "--periods", "2", "--customers", "1000")
    shown = capsys.readouterr().out
    assert "over 2 periods, with 95 % intervals, by the log of 1,000 customers" in shown
    assert "truth" not in shown
    assert "careful" not in shown


def test_the_command_warns_of_few_customers_and_of_what_was_never_tried(
    tmp_path, monkeypatch, capsys
):
    log = str(tmp_path / "log")
    call(monkeypatch, "simulate", "control", "--customers", "9000", "--periods", "3", "--out", log)
    call(monkeypatch, "off-policy", "control", log, "--policies", "wait")
    assert "customers in effect for wait; judge fewer --periods" in capsys.readouterr().out
    events = tmp_path / "log" / "events"
    for path in events.iterdir():
        frame = pl.read_parquet(path)
        frame.with_columns(propensity=pl.lit(1.0)).write_parquet(path)
    call(monkeypatch, "off-policy", "control", log, "--policies", "random")
    assert "careful: the log seems never to have tried" in capsys.readouterr().out
    for path in events.iterdir():
        frame = pl.read_parquet(path)
        frame.with_columns(propensity=pl.lit(0.01)).write_parquet(path)
    call(monkeypatch, "off-policy", "control", log, "--policies", "random")
    assert "it can be 100 % at most, so see whether propensities" in capsys.readouterr().out
    for path in events.iterdir():
        frame = pl.read_parquet(path)
        frame.with_columns(propensity=pl.lit(1e-200)).write_parquet(path)
    with pytest.raises(SystemExit, match=r"propensity must not be so .* got 1e-200 \(jou"):
        call(monkeypatch, "off-policy", "control", log, "--policies", "random")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("telecom", "{log}"), "log must be of telecom as it is given"),
        (("control", "{log}", "--set", "horizon=7"), "log must be of control as it is given"),
        (("control", "{log}/nowhere"), "event log must hold births.parquet"),
        (("control", "{log}", "--policies", "practise"), "did you mean 'practice'?"),
        (("control", "{log}", "--policies", "wait", "wait"), "policies must be some, and differ"),
        (("control", "{log}", "--policies", "oracle"), "policy must go by the records alone"),
        (("control", "{log}", "--policies", "wait", "--periods", "0"), "periods must be at least"),
        (("control", "{log}", "--policies", "wait", "--folds", "1"), "folds must be at least 2"),
        (("control", "{log}", "--policies", "wait", "--truth", "-1"), "truth must be at least 0"),
        (("control", "{log}", "--policies", "wait", "--customers", "0"), "customers must be at"),
        (
            ("control", "{log}", "--policies", "wait", "--out", "{log}/summary.json"),
            "out must be a",
        ),
        (("control", "{log}", "--out", "{log}/summary.json/deep"), "out must be a folder"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, words, tmp_path, monkeypatch, capsys):
    log = tmp_path / "log"
    simulate(UniformRandom(), "control", Bulk(40, periods=3, events=True), log)
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, "off-policy", *(text.format(log=log) for text in arguments))
    assert words in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_exploration_must_be_a_share_of_a_policy_that_does_not_draw(tmp_path, monkeypatch):
    for arguments, words in (
        (("--policy", "wait", "--epsilon", "1.5"), "epsilon must be in [0, 1], got 1.5"),
        (("--policy", "random", "--epsilon", "0.5"), "policy must be a deterministic one"),
    ):
        with pytest.raises(SystemExit) as stopped:
            call(monkeypatch, "simulate", "control", *arguments, "--out", str(tmp_path / "o"))
        assert words in str(stopped.value)
        assert not (tmp_path / "o").exists()

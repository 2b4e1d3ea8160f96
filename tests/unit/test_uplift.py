"""Uplift and lookahead: outcomes worked out by hand, effects planted in logs, a known world."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nba_gym.errors import DataError, MissingExtraError, PolicyError
from nba_gym.evaluation import log_campaign, rollout
from nba_gym.evaluation.rollout import LoggedCampaign
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import NoContact, fit_practice
from nba_gym.policies.arbitration import Arbitration, LinearWorth
from nba_gym.policies.limits import Contacts, EpsilonGreedy
from nba_gym.policies.lookahead import (
    OneStepLookahead,
    fit_lookahead,
    value_change,
    value_to_come,
)
from nba_gym.policies.uplift import earned_within, fit_uplift
from nba_gym.records.features import feature_table
from nba_gym.scenario.load import load_scenario
from nba_gym.truth import MyopicOracle

NOBODY = np.random.default_rng(0)


def control(horizon: int = 30) -> Any:
    return load_scenario("control", {"horizon": horizon})


def logged(**columns: Any) -> LoggedCampaign:
    """A log of the rows that are given; the rest says that nothing happened."""
    n = len(columns["customers"])
    no, zero = np.zeros(n, dtype=np.bool_), np.zeros(n)
    usual: dict[str, Any] = {
        "observations": np.zeros((n, 1), dtype=np.float32),
        "actions": np.zeros(n, dtype=np.int64),
        "bought": no,
        "needs": np.zeros(n, dtype=np.int64),
        "left": no,
        "volunteered": no,
        "margins": zero,
        "earnings": zero,
        "masks": np.ones((n, 2), dtype=np.bool_),
        "propensities": np.full(n, 0.5),
        "feature_names": ["x"],
    }
    return LoggedCampaign(**(usual | columns))


# customer 0 lives for three periods, customer 1 leaves after the first
SMALL: dict[str, Any] = {
    "customers": np.array([0, 1, 0, 0]),
    "periods": np.array([0, 0, 1, 2]),
    "earnings": np.array([1.0, 10.0, 2.0, 4.0]),
}


def test_what_is_earned_within_a_window_is_discounted_and_ends_with_the_journey():
    earned, whole = earned_within(logged(**SMALL), 2, 0.5)
    assert earned.tolist() == [2.0, 10.0, 4.0, 4.0]
    assert whole.tolist() == [True, True, True, False]
    with pytest.raises(DataError, match=r"window must be in \[1, 3\], the campaign's periods"):
        earned_within(logged(**SMALL), 4, 0.5)


def test_value_to_come_counts_the_cost_of_contacts():
    world = load_scenario("control", {"discount": 0.5, "channels.email.cost": 0.25})
    email = [a.channel for a in world.actions].index("email")
    log = logged(**SMALL, actions=np.array([0, 0, email, 0]))
    later = 2.0 - 0.25 - world.actions[email].cost + 0.5 * 4.0
    np.testing.assert_allclose(value_to_come(log, world), [1.0 + 0.5 * later, 10.0, later, 4.0])


def test_value_changes_to_that_of_the_next_records_and_to_nothing_at_the_end():
    values = np.array([3.0, 7.0, 5.0, 2.0])
    change = value_change(values, logged(**SMALL), 0.5)
    assert change.tolist() == [0.5 * 5.0 - 3.0, -7.0, 0.5 * 2.0 - 5.0, -2.0]


def campaign(world: Any, effect: Any, n: int = 40_000) -> LoggedCampaign:
    """Customers of one period each, by lot; ``effect`` says what an action adds to earnings."""
    generator = np.random.default_rng(7)
    names = [feature.name for feature, _ in feature_table(world)]
    x = generator.random((n, len(names)), dtype=np.float32)
    masks = np.ones((n, world.n_actions), dtype=np.bool_)
    masks[:, 1] = x[:, 3] > 0.5  # the first is allowed to those only who earn more anyway
    chances = masks / masks.sum(axis=1, keepdims=True)
    actions = (chances.cumsum(axis=1) > generator.random((n, 1))).argmax(axis=1)
    alone = 5.0 * (x[:, 3] > 0.5) + 2.0 * x[:, 4] + generator.normal(0.0, 0.5, n)
    return logged(
        customers=np.arange(n),
        periods=np.zeros(n, dtype=np.int64),
        observations=x,
        actions=actions,
        masks=masks,
        propensities=chances[np.arange(n), actions],
        earnings=alone + np.choose(np.minimum(actions, 2), [0.0 * x[:, 5], *effect(x)]),
        feature_names=names,
    )


@pytest.mark.parametrize(("learner", "spread"), [("T", 1.35), ("X", 0.6)])
def test_planted_uplift_is_found_although_an_action_was_only_for_some(learner, spread):
    """Action 1 adds 1 - 2 x to whoever may get it, all others add 0.5.

    The step in what is earned anyway is no line: 25 (1/4 - 3/16) of its variance is left to the
    ridge regressions of the T-learner, 1.35 with the noise; boosting leaves little but the noise.
    """
    world = control(4)
    log = campaign(world, lambda x: (1.0 - 2.0 * x[:, 5], 0.5 + 0.0 * x[:, 5]))
    model = fit_uplift(log, world, log.feature_names, learner, window=1)
    gains = model.gains(log.observations)
    allowed = log.masks[:, 1]
    error = gains[allowed, 1] - (1.0 - 2.0 * log.observations[allowed, 5])
    assert np.abs(error).mean() < 0.15
    of_mean = spread * np.sqrt(2.0 / (40_000 / 14.5))  # each of 14 or 15 actions, and waiting
    assert np.abs(gains[:, 2:].mean(axis=0) - 0.5).max() < 4.0 * of_mean
    assert (gains[:, 0] == 0.0).all()
    np.testing.assert_allclose(model.worth(log.observations), gains - model.costs)


@pytest.fixture(scope="module")
def known():
    """A world in which nothing carries over, its log, and the values of waiting and the oracle."""
    world = control()
    log = log_campaign(world, SPLIT.logging(3_000), SPLIT.seed)
    customers = SPLIT.tuning(800)
    values = [rollout(p, world, customers, SPLIT.seed).value for p in (NoContact(), MyopicOracle())]
    return world, log, customers, values[0].mean(), values[1].mean()


@pytest.mark.parametrize("learner", ["T", "X", "pooled"])
def test_each_learner_finds_most_of_what_there_is_where_greedy_is_optimal(known, learner):
    world, log, customers, idle, best = known
    model = fit_uplift(log, world, log.feature_names, learner, window=1)
    value = rollout(Arbitration(model), world, customers, SPLIT.seed).value.mean()
    assert 0.75 < (value - idle) / (best - idle) < 1.01


def test_customer_value_teaches_that_a_gift_pays_later():
    """Nobody earns anything at once; who got action 1 buys often and earns 10 from then on."""
    world = control(2)
    names = [feature.name for feature, _ in feature_table(world)]
    generator, n = np.random.default_rng(3), 6_000
    gift = world.n_actions - 1  # speaks to no need
    actions = np.where(generator.random(n) < 0.5, gift, 0)
    x = generator.random((2, n, len(names)), dtype=np.float32)
    x[1, :, names.index("frequency")] = actions == gift
    log = logged(
        customers=np.tile(np.arange(n), 2),
        periods=np.repeat([0, 1], n),
        observations=x.reshape(2 * n, -1),
        actions=np.append(actions, np.zeros(n, dtype=np.int64)),
        masks=np.ones((2 * n, world.n_actions), dtype=np.bool_),
        earnings=np.append(np.zeros(n), 10.0 * (actions == gift)),
        propensities=np.full(2 * n, 0.5),
        feature_names=names,
    )
    later = fit_lookahead(log, log, world, names)
    gains = later.gains(log.observations[:n])[:, gift]
    assert gains.mean() == pytest.approx(10.0 * world.discount, rel=0.15)
    narrow = replace(log, observations=log.observations[:, :3])
    with pytest.raises(DataError, match=r"journeys must show the .* columns of .*, got 3"):
        fit_lookahead(narrow, log, world, names)


def test_lookahead_without_weight_is_practice_and_with_it_still_near_the_optimum(known):
    world, log, customers, idle, best = known
    model = fit_practice(log, world, log.feature_names)
    greedy = OneStepLookahead(model, _nothing(world, log), future=0.0, ripening=1.0, years=1.0)
    journeys = log_campaign(
        world, SPLIT.logging(4_000)[3_000:], SPLIT.seed, policy=EpsilonGreedy(greedy, 0.3)
    )
    later = fit_lookahead(journeys, log, world, log.feature_names)
    x, masks = log.observations[:2_000], log.masks[:2_000]
    same = OneStepLookahead(model, later, future=0.0, ripening=1.0, years=1.0)
    np.testing.assert_array_equal(same.act(x, masks, NOBODY), greedy.act(x, masks, NOBODY))
    ahead = OneStepLookahead(model, later)
    value = rollout(ahead, world, customers, SPLIT.seed).value.mean()
    assert 0.75 < (value - idle) / (best - idle) < 1.01
    assert (ahead.act(x, masks, NOBODY) != greedy.act(x, masks, NOBODY)).any()
    with pytest.raises(PolicyError, match="future must be at least 0, got -1"):
        OneStepLookahead(model, later, future=-1.0)


def _nothing(world: Any, log: LoggedCampaign) -> LinearWorth:
    effects = np.zeros((len(log.feature_names) + 1, world.n_actions), dtype=np.float32)
    return hand_made(effects)


def hand_made(effects: Any, costs: Any = None) -> LinearWorth:
    n = effects.shape[1]
    return LinearWorth(
        effects=effects.astype(np.float32),
        costs=np.zeros(n, dtype=np.float32) if costs is None else np.array(costs, np.float32),
        kinds=("wait", "offer", "inform", "offer", *["offer"] * n)[:n],
        contacts=Contacts(np.arange(n) > 0, 0),
        typical=1.0,
    )


def test_arbitration_weighs_levers_costs_threshold_and_cap():
    effects = np.array([[0.0, 0.0, 0.0, 0.0], [0.0, 3.0, 2.0, 2.5]])
    model = hand_made(effects, [0.0, 1.5, 0.25, 0.5])  # worth 1.5, 1.75 and 2
    x, masks = np.array([[0.25], [0.25]], dtype=np.float32), np.array([[1, 1, 1, 1], [1, 1, 1, 0]])

    def chosen(**settings: Any) -> Any:
        return Arbitration(model, **settings).act(x, masks, NOBODY).tolist()

    assert chosen() == [3, 2]
    assert chosen(threshold=1.75) == [3, 0]
    assert chosen(levers={"offer": 0.5}) == [2, 2]
    assert chosen(cap=1) == [0, 0]
    with pytest.raises(PolicyError, match=r"levers\.offer must be at least 0, got -1"):
        Arbitration(model, levers={"offer": -1.0})


def test_what_is_missing_or_unknown_is_named(monkeypatch):
    world, log = control(4), campaign(control(4), lambda x: (x[:, 5], x[:, 5]), 100)
    with pytest.raises(PolicyError, match="learner must be one of T, X, pooled, got 'S'"):
        fit_uplift(log, world, log.feature_names, "S")  # pyright: ignore[reportArgumentType]
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nba_gym\[baselines\]'"):
        fit_uplift(log, world, log.feature_names, window=1)

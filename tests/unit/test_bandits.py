"""Bandits learn by acting, from money that comes later."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from nba_gym.errors import MissingExtraError, PolicyError
from nba_gym.evaluation import rollout
from nba_gym.evaluation.interaction import let_learn
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import NoContact
from nba_gym.policies.arbitration import Arbitration
from nba_gym.policies.bandits import RULES, BanditLearner
from nba_gym.records.features import feature_table
from nba_gym.scenario.load import load_scenario
from nba_gym.truth import MyopicOracle


def meet(learner: BanditLearner, rounds: int = 20, n: int = 200) -> list[Any]:
    """Arm 1 is worth 2 to whoever has x, arm 2 is worth 1 to all; arm 3 is never allowed."""
    generator, chosen = np.random.default_rng(5), []
    masks = np.tile([1, 1, 1, 0], (n, 1))
    for _ in range(rounds):
        x = (generator.random((n, 1)) < 0.5).astype(np.float32)
        actions = learner.choose(x, masks)
        worth = np.array([0.0, 0.0, 1.0, 9.0])[actions] + 2.0 * x[:, 0] * (actions == 1)
        learner.learn(x, actions, worth + generator.normal(0.0, 0.5, n))
        chosen.append((x, actions))
        if not learner.has_begun:
            learner.begin()
    return chosen


@pytest.mark.parametrize("rule", RULES)
def test_a_bandit_finds_the_best_arm_for_each_and_never_what_is_forbidden(rule):
    chosen = meet(BanditLearner(rule, 1, 4, seed=1))
    assert not any((actions == 3).any() for _, actions in chosen)
    x, actions = chosen[-1]
    best = np.where(x[:, 0] > 0.5, 1, 2)
    # one choice in ten is by lot for epsilon, two thirds of those are not the best
    assert (actions == best).mean() > 0.85
    first = chosen[0][1]
    assert min(np.bincount(first, minlength=4)[:3]) > 40  # at first it draws by lot


@pytest.mark.parametrize("rule", RULES)
def test_a_bandit_that_does_what_it_did_learns_the_same(rule):
    learned = [meet(BanditLearner(rule, 1, 4, seed=1), rounds=4)[-1][1] for _ in range(2)]
    np.testing.assert_array_equal(*learned)


def test_an_arm_that_was_given_up_is_compared_with_what_is_known_now():
    """Arm 1 is tried at first only, when hardly anything is known of what x is worth to all."""
    generator, learner = np.random.default_rng(3), BanditLearner("epsilon", 1, 3, explore=0.0)
    for batch, arms in enumerate(((0, 1), *[(0, 2)] * 30)):
        n = 20 if batch == 0 else 2_000
        x = generator.random((n, 1)).astype(np.float32)
        actions = generator.choice(arms, n)
        learner.learn(x, actions, 50.0 * x[:, 0].astype(np.float64) + 1.0 * (actions == 1))
        if batch == 0:
            learner.begin()
    shared = learner._shared._imp.arm_to_model[0].beta
    beyond = np.array([model.beta @ [0.5, 1.0] for model in learner._models]) * learner.scale
    assert 0.5 * shared[0] * learner.scale == pytest.approx(25.0, rel=0.05)
    # a ridge of 1 leaves 20 of 22 of a difference in the mean, and hardly anything of its noise
    assert beyond[1] - beyond[0] == pytest.approx(1.0, abs=0.35)


def test_rewards_are_measured_by_how_they_spread_by_lot():
    learner = BanditLearner("linucb", 1, 2)
    x, arms = np.ones((4, 1), dtype=np.float32), np.array([0, 1, 0, 1])
    learner.learn(x, arms, np.zeros(4))
    learner.learn(x, arms, np.array([0.0, 0.0, 0.0, 80.0]))
    assert not learner.has_begun
    learner.begin()
    assert learner.scale == pytest.approx(np.array([0.0] * 7 + [80.0]).std())
    before = learner.scale
    learner.learn(x, arms, np.full(4, 1e6))
    assert learner.scale == before
    # twice the money is twice the scale, and the same choices
    other = BanditLearner("linucb", 1, 2)
    other.learn(x, arms, np.zeros(4))
    other.learn(x, arms, np.array([0.0, 0.0, 0.0, 160.0]))
    other.begin()
    other.learn(x, arms, np.full(4, 2e6))
    for one, two in zip(learner._models, other._models, strict=True):
        np.testing.assert_allclose(one.beta, two.beta)


def test_exploring_less_is_choosing_the_best_more_often():
    actions = {}
    for explore in (0.0, 0.9):
        x, chosen = meet(BanditLearner("epsilon", 1, 4, explore=explore))[-1]
        actions[explore] = (chosen == np.where(x[:, 0] > 0.5, 1, 2)).mean()
    assert actions[0.0] == 1.0
    assert actions[0.9] < 0.6


@pytest.fixture(scope="module")
def known():
    """A world in which nothing carries over, and the values of waiting and the oracle."""
    world = load_scenario("control", ["horizon=30"])
    values = [
        rollout(policy, world, SPLIT.tuning(600), SPLIT.seed).value.mean()
        for policy in (NoContact(), MyopicOracle())
    ]
    return world, *values


@pytest.mark.parametrize(("rule", "least"), [("linucb", 0.6), ("thompson", 0.8), ("epsilon", 0.8)])
def test_after_meeting_customers_a_bandit_has_most_of_what_there_is(known, rule, least):
    world, idle, best = known
    names = [feature.name for feature, _ in feature_table(world)]
    learner = BanditLearner(rule, len(names), world.n_actions)
    let_learn(learner, world, 3_000, SPLIT.training_seed(0), window=1)
    policy = Arbitration(learner.worth(world, names))
    value = rollout(policy, world, SPLIT.tuning(600), SPLIT.seed).value.mean()
    assert least < (value - idle) / (best - idle) < 1.01


class Watches:
    """Waits, and keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def choose(self, observations: Any, masks: Any) -> Any:
        return np.argmax(masks * np.arange(masks.shape[1]), axis=1)

    def learn(self, observations: Any, actions: Any, rewards: Any) -> None:
        self.told.append((actions.copy(), rewards.copy()))

    has_begun = True


def test_the_reward_of_an_action_is_the_discounted_money_of_its_window_less_its_cost():
    world = load_scenario("control", {"horizon": 4, "discount": 0.5})
    seen = {}
    for window in (1, 2):
        watching = Watches()
        let_learn(watching, world, 40, 3, window=window, waves=1)  # pyright: ignore[reportArgumentType]
        seen[window] = watching.told
    assert [len(told) for told in seen.values()] == [4, 3]  # the last window is never over
    channels = {channel.name: channel.cost for channel in world.channels}
    cost = np.array([a.cost + channels.get(a.channel, 0.0) for a in world.actions])
    for t in range(3):
        (actions, now), (after, later) = seen[1][t], seen[1][t + 1]
        earned = now + 0.5 * (later + cost[after])  # the cost of the next contact is not its fault
        np.testing.assert_allclose(seen[2][t][1], earned, atol=1e-9)
        np.testing.assert_array_equal(seen[2][t][0], actions)


def test_what_cannot_be_is_refused(monkeypatch):
    with pytest.raises(PolicyError, match="rule must be a known one, got 'linucp'; did you mean"):
        BanditLearner("linucp", 1, 2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(PolicyError, match="explore must be at least 0, got -1"):
        BanditLearner("linucb", 1, 2, explore=-1.0)
    world = load_scenario("control", ["horizon=3"])
    learner = BanditLearner("epsilon", 1, 2)
    with pytest.raises(PolicyError, match="must have begun before it is asked"):
        learner.worth(world, ["contacts_4"])
    with pytest.raises(PolicyError, match="must have met somebody before it begins"):
        learner.begin()
    with pytest.raises(PolicyError, match="window must be at most 3, got 4"):
        let_learn(learner, world, 10, 0, window=4)
    monkeypatch.setitem(sys.modules, "mabwiser.mab", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nba_gym\[baselines\]'"):
        BanditLearner("epsilon", 1, 2)

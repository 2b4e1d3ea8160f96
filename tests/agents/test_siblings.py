"""Siblings: the same customer with the same luck, and what comparing them takes off the noise."""

from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecNormalize

from agents.algorithms import build
from agents.siblings import less_siblings
from agents.worlds import FiniteJourneys, ShowHistory, copy_places
from nba_gym.errors import ActionError, EpisodeError, PolicyError
from nba_gym.records.features import feature_table
from nba_gym.scenario.load import load_scenario, preset_names
from tests.agents.kills import small

SCENARIO = load_scenario("telecom")


def journeys(world: str, n: int = 12) -> Any:
    envs: Any = FiniteJourneys(n, load_scenario(world), threads=1)
    envs.seed(4)
    envs.reset()
    return envs


def act(envs: Any, luck: np.random.Generator) -> Any:
    masks = envs.action_masks()
    return envs.step(np.where(masks, luck.random(masks.shape), -1.0).argmax(axis=1))


@pytest.mark.parametrize("world", preset_names())
def test_copies_of_a_customer_live_the_same_life_under_the_same_actions(world):
    envs, luck = journeys(world), np.random.default_rng(0)
    for _ in range(9):
        act(envs, luck)
    sources = np.arange(12) // 3 * 3
    shown = envs.population.out.observations[sources].copy()
    envs.copy_places(sources)
    assert np.array_equal(envs.population.out.observations, shown)
    moved = False
    for _ in range(60):
        chosen = luck.integers(0, envs.env.scenario.n_actions, 12)[sources]
        observations, rewards, dones, _ = envs.step(chosen)
        assert np.array_equal(observations, observations[sources])
        assert np.array_equal(rewards, rewards[sources])
        assert np.array_equal(dones, dones[sources])
        moved |= bool(rewards.any())
    assert moved


def test_who_copies_lives_on_as_the_original_would_have():
    envs, alone, luck = journeys("retail"), journeys("retail"), np.random.default_rng(1)
    for _ in range(5):
        actions = luck.integers(0, SCENARIO.n_actions, 12)
        for both in (envs, alone):
            both.step(actions)
    envs.copy_places(np.full(12, 7))
    for _ in range(30):
        actions = luck.integers(0, SCENARIO.n_actions, 12)
        assert envs.step(np.full(12, actions[7]))[1][0] == alone.step(actions)[1][7]


def test_places_that_are_none_are_refused_and_nothing_is_copied():
    envs = journeys("retail")
    before = envs.state()
    with pytest.raises(ActionError):
        envs.copy_places(np.full(12, 12))
    assert all(np.array_equal(envs.state()[name], part) for name, part in before.items())
    with pytest.raises(EpisodeError):
        FiniteJourneys(3, SCENARIO, threads=1).copy_places(np.zeros(3, dtype=np.int64))


def test_what_wrappers_remember_is_copied_as_well():
    records = len(feature_table(SCENARIO))
    shown = ShowHistory(FiniteJourneys(6, SCENARIO, threads=1), records, 3)
    envs: Any = VecNormalize(shown)
    envs.seed(0)
    envs.reset()
    luck = np.random.default_rng(0)
    for _ in range(4):
        envs.step(luck.integers(0, 2, 6))
    envs.training, sources = False, np.array([0, 0, 0, 3, 3, 3])
    assert len(set(envs.returns)) > 2
    copy_places(envs, sources)
    assert np.array_equal(envs.returns, envs.returns[sources])
    seen = envs.step(np.zeros(6, dtype=np.int64))[0]
    assert np.array_equal(seen, seen[sources])
    assert not np.array_equal(seen[0], seen[3])


# --- what is taken off ----------------------------------------------------------------------------


def test_luck_that_siblings_share_is_taken_off_and_what_is_their_own_stays():
    luck = np.random.default_rng(2)
    shared, own = luck.normal(size=(1, 3_000, 1)), 0.1 * luck.normal(size=(1, 3_000, 4))
    gains = (5.0 * shared + own).reshape(1, -1).astype(np.float32)
    less = less_siblings(gains, np.zeros(gains.shape, dtype=np.bool_), 4)
    # the mean of three others has a third of their own variance beside the luck
    assert less.std() == pytest.approx(0.1 * np.sqrt(1 + 1 / 3), rel=0.02)
    assert np.corrcoef(less.ravel(), own.ravel())[0, 1] > 0.8


def test_nothing_is_taken_off_where_siblings_tell_nothing():
    gains = np.random.default_rng(3).normal(size=(2, 40_000)).astype(np.float32)
    less = less_siblings(gains, np.zeros(gains.shape, dtype=np.bool_), 2)
    assert np.abs(less - gains).max() < 0.05


def test_only_siblings_in_the_same_period_of_the_same_journey_are_compared():
    """One of a family leaves before; the two that stay are compared with each other alone."""
    gains = np.array([[1.0, 1.0, 9.0], [2.0, 2.0, 9.0], [3.0, 3.0, 9.0]], dtype=np.float32)
    ended = np.zeros((3, 3), dtype=np.bool_)
    ended[0, 2] = True
    less = less_siblings(gains, ended, 3)
    assert np.allclose(less[1:], [[0.0, 0.0, 9.0], [0.0, 0.0, 9.0]])
    assert not np.allclose(less[0, :2], 0.0)  # when it left, it was one of them
    ended[1, :2] = True  # the others leave later: the same next customer, but not the same period
    assert np.allclose(less_siblings(gains, ended, 3)[2], [0.0, 0.0, 9.0])
    ended[:] = [[True] * 3, [False] * 3, [False] * 3]  # all leave at once, and meet again
    assert not np.allclose(less_siblings(gains, ended, 3)[2], [0.0, 0.0, 9.0])


def learned(siblings: int, rollouts: int, scale: float = 1.0) -> Any:
    """Gradients of the actor in some rollouts of an untrained policy."""
    recipe: Any = small("maskable_ppo_from_scratch").with_changes(
        customers=2048, rollout_periods=13, siblings=siblings
    )
    model = build(SCENARIO, recipe, seed=1).model
    model.set_logger(Logger(None, []))
    _, callback = model._setup_learn(1_000, None)
    gradients = []
    for _ in range(rollouts):
        rows = model.rollout_buffer
        assert model.collect_rollouts(model.env, callback, rows, model.n_steps)
        (batch,) = rows.batches(rows.buffer_size * rows.n_envs, model.luck)
        model.normalize_advantage, model.vf_coef = False, 0.0
        model.policy.optimizer.zero_grad()
        model._loss(batch, 0.2)[0].backward()
        gradients.append(model.policy.action_net.bias.grad.numpy().copy())
    return np.array(gradients)


def test_siblings_leave_the_gradient_as_it_is_and_take_most_of_its_noise_off():
    alone, four = learned(1, 40), learned(4, 40)
    apart = alone.mean(axis=0) - four.mean(axis=0)
    error = np.sqrt((alone.var(axis=0, ddof=1) + four.var(axis=0, ddof=1)) / 40)
    z = apart / error
    assert np.abs(z).max() < 4.0
    assert four.var(axis=0, ddof=1).sum() < 0.5 * alone.var(axis=0, ddof=1).sum()


@pytest.mark.parametrize("name", ["maskable_ppo_from_scratch", "a2c"])
def test_siblings_must_divide_the_customers(name):
    recipe = small(name).with_changes(customers=10, siblings=4)
    with pytest.raises(PolicyError, match="siblings must divide customers"):
        build(SCENARIO, recipe, seed=0)


@pytest.mark.parametrize("name", ["maskable_ppo_from_scratch", "a2c"])
def test_siblings_begin_each_rollout_at_the_same_place(name):
    recipe = small(name).with_changes(customers=64, siblings=4)
    model = build(SCENARIO, recipe, seed=0).model
    model.set_logger(Logger(None, []))
    _, callback = model._setup_learn(1_000, None)
    rows, firsts = model.rollout_buffer, np.arange(64) // 4 * 4
    for _ in range(2):
        model.collect_rollouts(model.env, callback, rows, model.n_steps)
        assert torch.equal(rows.seen[0], rows.seen[0, firsts])
        assert not torch.equal(rows.seen[8], rows.seen[8, firsts])

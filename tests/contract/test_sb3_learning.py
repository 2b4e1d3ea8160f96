"""Wrappers, learners and evaluators of Stable-Baselines3 on our customers."""

from __future__ import annotations

import csv
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from nba_gym.envs.journey import JourneyEnv
from nba_gym.envs.registration import scenario_of
from nba_gym.scenario.load import load_scenario

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.evaluation import evaluate_policy as evaluate_masked
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3 import A2C, DQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecCheckNan,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)

from tests.contract.sb3 import IDS, JOURNEYS, acts, make, short

SMALL = {"policy_kwargs": {"net_arch": [8]}, "device": "cpu", "seed": 0}


# --- wrappers -------------------------------------------------------------------------------------


def test_a_monitor_counts_what_was_earned(tmp_path):
    path = str(tmp_path / "journeys")
    venv: Any = VecMonitor(short(4, horizon=7), filename=path)
    venv.seed(1)
    venv.reset()
    earned, episodes = np.zeros(4, dtype=np.float64), 0
    for period in range(21):
        _, rewards, dones, infos = venv.step(acts(venv, period))
        earned += rewards
        for i in np.flatnonzero(dones):
            assert infos[i]["episode"]["r"] == pytest.approx(earned[i], abs=1e-3)
            assert infos[i]["episode"]["l"] == 7
            assert "terminal_observation" in infos[i]
            earned[i], episodes = 0.0, episodes + 1
        assert all("episode" not in infos[i] for i in np.flatnonzero(~dones))
    venv.close()
    with (tmp_path / "journeys.monitor.csv").open() as file:
        assert len(list(csv.reader(file))) == episodes + 2


def test_a_normaliser_changes_what_it_returns_and_nothing_else(tmp_path):
    plain, inner = short(6), short(6)
    venv: Any = VecNormalize(inner, gamma=0.9)
    for each in (plain, venv):
        each.seed(1)
    raw = plain.reset()
    seen = venv.reset()
    ends = 0
    for period in range(14):
        assert np.array_equal(venv.get_original_obs(), raw)
        assert not np.array_equal(seen, raw)
        assert np.allclose(venv.unnormalize_obs(seen), raw, atol=1e-4)
        actions = acts(plain, period)
        raw, rewards, _, told = plain.step(actions)
        seen, _, dones, infos = venv.step(actions)
        assert np.array_equal(venv.get_original_reward(), rewards)
        for i in np.flatnonzero(dones):
            ends += 1
            last = told[i]["terminal_observation"]
            assert np.array_equal(infos[i]["terminal_observation"], venv.normalize_obs(last))
    assert ends == 12
    venv.save(str(tmp_path / "statistics"))
    again: Any = VecNormalize.load(str(tmp_path / "statistics"), short(6))
    assert np.array_equal(again.obs_rms.mean, venv.obs_rms.mean)
    assert np.array_equal(again.normalize_obs(raw), venv.normalize_obs(raw))


def test_stacked_frames_begin_anew_with_each_customer():
    plain = short(5)
    venv: Any = VecFrameStack(short(5), n_stack=3)
    for each in (plain, venv):
        each.seed(1)
    size = plain.observation_space.shape[0]
    frames = [np.zeros((5, size)), np.zeros((5, size)), plain.reset()]
    stacked = venv.reset()
    for period in range(12):
        assert np.array_equal(stacked, np.concatenate(frames, axis=1))
        actions = acts(plain, period)
        observations, _, dones, told = plain.step(actions)
        stacked, _, _, infos = venv.step(actions)
        for i in np.flatnonzero(dones):
            before = [frames[1][i], frames[2][i], told[i]["terminal_observation"]]
            assert np.array_equal(infos[i]["terminal_observation"], np.concatenate(before))
        frames = [np.where(dones[:, None], 0, frame) for frame in frames[1:]] + [observations]


@pytest.mark.parametrize("env_id", IDS)
def test_nothing_is_ever_not_a_number(env_id):
    venv: Any = VecCheckNan(make(env_id, 50), raise_exception=True)
    venv.reset()
    for period in range(120):
        venv.step(acts(venv, period))


def test_masks_are_found_through_every_wrapper():
    venv: Any = VecNormalize(VecMonitor(VecCheckNan(short(4))))
    assert is_masking_supported(venv)
    venv.reset()
    masks = get_action_masks(venv)
    assert masks.shape == (4, venv.action_space.n)
    assert masks.dtype == np.bool_
    assert masks[:, 0].all()
    assert not masks.all()


@pytest.mark.parametrize("env_id", JOURNEYS)
def test_masks_are_those_of_each_customer_alone(env_id):
    venv, env = make(env_id, 8), JourneyEnv(scenario_of(env_id))
    venv.seed(6)
    venv.reset()
    alone = []
    for i in range(8):
        twin = deepcopy(env)
        twin.reset(seed=6, options={"customer": i})
        alone.append(twin)
    for period in range(9):
        masks = get_action_masks(venv)
        for mask, twin in zip(masks, alone, strict=True):
            assert np.array_equal(mask, get_action_masks(twin))
        actions = acts(venv, period)
        dones = venv.step(actions)[2]
        for i, twin in enumerate(alone):
            twin.step(actions[i])
            if dones[i]:
                twin.reset(options={"customer": i + 8})


# --- learning and evaluating ----------------------------------------------------------------------


class Watch(BaseCallback):
    """Counts actions that the mask forbade."""

    def __init__(self) -> None:
        super().__init__()
        self.forbidden = self.steps = 0

    def _on_step(self) -> bool:
        forbidden = self.training_env.get_attr("population")[0].out.forbidden
        self.forbidden += int(forbidden.sum())
        self.steps += len(forbidden)
        return True


def weights(model: Any) -> list[np.ndarray]:
    return [part.numpy().copy() for part in model.policy.state_dict().values()]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("env_id", IDS)
def test_a_masked_learner_never_tries_what_is_forbidden(env_id):
    venv, watch = VecMonitor(make(env_id, 8, overrides=["horizon=12"])), Watch()
    model = MaskablePPO("MlpPolicy", venv, n_steps=16, batch_size=64, n_epochs=2, **SMALL)
    model.learn(256, callback=watch)
    assert watch.steps == 256
    assert watch.forbidden == 0


LEARNERS = {
    "MaskablePPO": (MaskablePPO, {"n_steps": 8, "batch_size": 16, "n_epochs": 2}),
    "A2C": (A2C, {"n_steps": 4}),
    "DQN": (DQN, {"learning_starts": 16, "train_freq": 2, "batch_size": 8, "buffer_size": 400}),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_learns_reproducibly_saves_and_loads(name, tmp_path):
    learner, settings = LEARNERS[name]

    def trained(steps: int) -> Any:
        model = learner("MlpPolicy", VecMonitor(short(4)), **settings, **SMALL)
        return model.learn(steps) if steps else model

    model = trained(120)
    assert not same(weights(model), weights(trained(0)))
    assert same(weights(model), weights(trained(120)))
    model.save(tmp_path / "model")
    loaded = learner.load(tmp_path / "model", env=short(4), device="cpu")
    assert same(weights(loaded), weights(model))
    venv = short(4)
    venv.seed(0)
    observations = venv.reset()
    a, b = (m.predict(observations, deterministic=True)[0] for m in (model, loaded))
    assert np.array_equal(a, b)
    loaded.learn(16)  # goes on in another environment


def test_a_replay_buffer_keeps_the_true_last_observation_and_the_time_limit():
    venv = short(4)
    model = DQN("MlpPolicy", venv, learning_starts=1_000, buffer_size=80, **SMALL)
    model.learn(40)
    buffer: Any = model.replay_buffer
    over = buffer.dones[:10] > 0
    assert over.sum() == 8
    assert np.array_equal(over, buffer.timeouts[:10] > 0)
    tenure = venv.env.features.names.index("tenure")
    reached = buffer.next_observations[:10, :, tenure]
    assert reached[over] == pytest.approx(5 / 31)  # 5 periods, and not the 0 of the next customer


class Waiting:
    """A model that always waits."""

    def predict(self, observation: Any, *_: Any, **__: Any) -> tuple[np.ndarray, None]:
        return np.zeros(len(observation), dtype=int), None


def test_evaluators_see_whole_journeys():
    venv, env = VecMonitor(short(4, horizon=30)), JourneyEnv("retail", overrides=["horizon=30"])
    venv.seed(3)
    result: Any = evaluate_policy(Waiting(), venv, n_eval_episodes=8, return_episode_rewards=True)
    rewards, lengths = result
    assert lengths == [30] * 8
    expected = []
    for customer in range(8):
        env.reset(seed=3, options={"customer": customer})
        expected.append(sum(env.step(0)[1] for _ in range(30)))
    assert sorted(rewards) == pytest.approx(sorted(expected), abs=1e-3)
    model = MaskablePPO("MlpPolicy", venv, n_steps=8, **SMALL)
    mean, _ = evaluate_masked(model, venv, n_eval_episodes=4)
    assert np.isfinite(mean)


def test_one_customer_is_also_at_home_in_a_dummy_batch():
    scenario = load_scenario("retail", ["horizon=6"])
    venv = DummyVecEnv([lambda: Monitor(JourneyEnv(scenario)) for _ in range(2)])
    assert is_masking_supported(venv)
    MaskablePPO("MlpPolicy", venv, n_steps=8, **SMALL).learn(32)
    assert get_action_masks(venv).shape == (2, scenario.n_actions)

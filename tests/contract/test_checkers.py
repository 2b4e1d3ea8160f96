"""What Gymnasium's and Stable-Baselines3's checkers ask, for every id."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.utils.env_match import check_environments_match
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers import vector as vector_wrappers

from nba_gym.envs.journey import JourneyEnv
from nba_gym.envs.registration import scenario_of
from nba_gym.envs.vector import JourneyVectorEnv
from nba_gym.scenario.load import load_scenario
from tests.contract.environments import IDS, MODES, one, pick
from tests.journeys import choose

# --- the checkers of Gymnasium and Stable-Baselines3 ----------------------------------------------


@pytest.mark.parametrize("observe", ["records", "everything"])
@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_finds_no_fault(env_id, observe):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if observe == "everything":  # raw hidden quantities have no bounds, and Gymnasium says so
            warnings.filterwarnings("ignore", message=".*observation space m(ax|in)imum value.*")
        check_env(one(env_id, observe=observe))


@pytest.mark.parametrize("env_id", IDS)
def test_stable_baselines_finds_no_fault(env_id):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checker.check_env(one(env_id), warn=True)
        checker.check_env(one(env_id, render_mode="rgb_array"), warn=True, skip_render_check=False)


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_watches_whole_journeys_and_finds_no_fault(env_id):
    env = gymnasium.make(env_id)  # with its passive checker and order enforcer around
    for customer in range(3):
        _, info = env.reset(seed=1, options={"customer": customer})
        over, period = False, 0
        while not over:
            _, _, terminated, truncated, info = env.step(pick(info, period, customer))
            over, period = terminated or truncated, period + 1
    env.close()
    env.close()


@pytest.mark.parametrize("env_id", IDS)
def test_two_environments_of_one_seed_match(env_id):
    check_environments_match(gymnasium.make(env_id), gymnasium.make(env_id), 150, seed=4)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("env_id", IDS)
def test_a_native_batch_has_the_attributes_of_a_vector_environment(env_id, mode):
    envs = gymnasium.make_vec(env_id, num_envs=5, autoreset_mode=mode)
    assert isinstance(envs.unwrapped, JourneyVectorEnv)
    assert envs.num_envs == 5
    assert envs.metadata["autoreset_mode"] is mode
    assert envs.spec is not None
    assert envs.spec.id == env_id
    assert envs.single_observation_space == one(env_id).observation_space
    assert envs.single_action_space == one(env_id).action_space
    assert envs.observation_space == batch_space(envs.single_observation_space, 5)
    assert envs.action_space == batch_space(envs.single_action_space, 5)
    envs.close()
    envs.close()


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("env_id", IDS)
def test_a_native_batch_of_one_tells_what_gymnasiums_own_batch_tells(env_id, mode):
    scenario = load_scenario(scenario_of(env_id), ["horizon=12"])
    native = JourneyVectorEnv(1, scenario, autoreset_mode=mode)
    loop = SyncVectorEnv([lambda: JourneyEnv(scenario)], autoreset_mode=mode)
    (seen_a, a), (seen_b, b) = native.reset(seed=6), loop.reset(seed=6)
    ends = 0
    for period in range(100):
        assert np.array_equal(seen_a, seen_b)
        assert np.array_equal(a["action_mask"], b["action_mask"])
        actions = np.array([pick({"action_mask": a["action_mask"][0]}, period)])
        seen_a, *rest_a, a = native.step(actions)
        seen_b, *rest_b, b = loop.step(actions)
        assert all(data_equivalence(x, y, exact=True) for x, y in zip(rest_a, rest_b, strict=True))
        if rest_a[1][0] or rest_a[2][0]:
            ends += 1
            if mode == AutoresetMode.SAME_STEP:
                assert np.array_equal(a["_final_obs"], b["_final_obs"])
                assert np.array_equal(a["final_obs"][0], b["final_obs"][0])
                assert np.array_equal(a["_final_info"], b["_final_info"])
                assert sorted(a["final_info"]) == sorted(b["final_info"])
                for key in ("action_mask", "_action_mask", "forbidden", "_forbidden", "_ledger"):
                    assert np.array_equal(a["final_info"][key], b["final_info"][key]), key
                assert a["final_info"]["ledger"].tolist() == [b["final_info"]["ledger"][0].item()]
            if mode == AutoresetMode.DISABLED:
                seen_a, a = native.reset(options={"reset_mask": np.array([True])})
                seen_b, b = loop.reset(options={"reset_mask": np.array([True])})
    assert ends >= 5


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_gymnasiums_wrappers_fit_around_a_native_batch(mode):
    env = JourneyVectorEnv(9, load_scenario("retail", ["horizon=7"]), autoreset_mode=mode)
    wrapped = vector_wrappers.RecordEpisodeStatistics(env)
    _, info = wrapped.reset(seed=2)
    rewards: list[Any] = []
    while "episode" not in info:
        actions = choose(info["action_mask"], np.arange(9, dtype=np.uint64), np.full(9, 1))
        _, reward, _, _, info = wrapped.step(actions)
        rewards.append(reward)
    assert info["episode"]["l"].tolist() == [7] * 9
    assert info["episode"]["r"] == pytest.approx(np.sum(rewards, axis=0), rel=1e-6)
    listed = vector_wrappers.DictInfoToList(env)
    _, infos = listed.reset(seed=2)
    assert len(infos) == 9
    assert infos[3]["action_mask"].shape == (env.scenario.n_actions,)

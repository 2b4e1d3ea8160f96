"""Shapes, types and spaces of what every environment shows."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from nba_gym.records.ledger import LINES
from tests.contract.environments import IDS, crowd, journey, many, one

# --- shapes, types and spaces ---------------------------------------------------------------------


@pytest.mark.parametrize("env_id", IDS)
def test_one_customers_observations_stay_within_their_space(env_id):
    env = one(env_id)
    observation, info = env.reset(seed=5)
    assert env.observation_space.contains(observation)
    for customer in range(6):
        for observation, reward, terminated, truncated, info in journey(
            env, options={"customer": customer}
        ):
            assert env.observation_space.contains(observation)
            assert observation.dtype == np.float32
            assert [type(x) for x in (reward, terminated, truncated)] == [float, bool, bool]
            assert set(info) == {"action_mask", "ledger", "forbidden"}
            assert info["action_mask"].dtype == np.int8
            assert info["action_mask"].shape == (env.scenario.n_actions,)
            assert info["ledger"].dtype.names == LINES
            assert type(info["forbidden"]) is bool


@pytest.mark.parametrize("env_id", IDS)
def test_a_reset_tells_as_much_as_a_step(env_id):
    env, envs = one(env_id), many(env_id, 4)
    _, begun = env.reset(seed=0)
    stepped = env.step(0)[4]
    assert {key: type(x) for key, x in begun.items()} == {k: type(x) for k, x in stepped.items()}
    assert begun["ledger"].item() == (0.0,) * len(LINES)
    assert begun["forbidden"] is False
    _, begun = envs.reset(seed=0)
    stepped = envs.step(np.zeros(4, dtype=int))[4]
    assert begun.keys() == stepped.keys()
    for key, told in begun.items():
        assert (told.shape, told.dtype) == (stepped[key].shape, stepped[key].dtype)
    assert not any(begun["ledger"][line].any() for line in LINES)
    assert not begun["forbidden"].any()


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("env_id", IDS)
def test_the_observations_of_a_batch_stay_within_their_space(env_id, mode):
    envs = many(env_id, autoreset_mode=mode)
    n, scenario = envs.num_envs, envs.scenario
    for _, (observations, rewards, terminated, truncated, info) in crowd(envs, 130):
        assert envs.observation_space.contains(observations)
        assert info["action_mask"].shape == (n, scenario.n_actions)
        assert info["action_mask"].dtype == np.int8
        assert set(np.unique(info["action_mask"])) <= {0, 1}
        assert (info["action_mask"][:, 0] == 1).all()  # waiting is always allowed
        assert info["ledger"].shape == info["forbidden"].shape == (n,)
        assert info["ledger"].dtype.names == LINES
        assert info["forbidden"].dtype == np.bool_
        if rewards is not None:
            assert rewards.shape == terminated.shape == truncated.shape == (n,)
            assert (rewards.dtype, terminated.dtype, truncated.dtype) == (float, bool, bool)
        for last in info.get("final_obs", ()):
            assert last is None or envs.single_observation_space.contains(last)
        if "final_info" in info:
            assert (info["final_info"]["action_mask"][info["_final_info"], 0] == 1).all()


@pytest.mark.parametrize("env_id", IDS)
def test_features_name_every_column_within_its_range(env_id):
    env = one(env_id)
    assert len(env.features) == env.observation_space.shape[0]
    assert len(set(env.features.names)) == len(env.features)
    assert [f.low for f in env.features] == env.observation_space.low.tolist()
    assert [f.high for f in env.features] == env.observation_space.high.tolist()
    table = repr(env.features)
    assert all(name in table for name in env.features.names)
    assert len(table.splitlines()) == len(env.features) + 1


@pytest.mark.parametrize("env_id", IDS)
def test_showing_everything_adds_hidden_columns_and_changes_nothing_else(env_id):
    records, everything = one(env_id), one(env_id, observe="everything")
    n = len(records.features)
    assert everything.features.names[:n] == records.features.names
    assert all(name.startswith("hidden.") for name in everything.features.names[n:])
    # when a customer leaves is luck, and luck is shown to nobody
    assert not any("patience" in name or "luck" in name for name in everything.features.names)
    assert not any("hidden" in name for name in records.features.names)
    for plain, full in zip(journey(records, seed=8), journey(everything, seed=8), strict=True):
        assert np.array_equal(plain[0], full[0][:n])
        assert plain[1:4] == full[1:4]
        assert everything.observation_space.contains(full[0])

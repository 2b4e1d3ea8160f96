"""What stays as it is: returned arrays, global random numbers, copies, imports."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode

from nba_gym.customer import kernel
from nba_gym.envs.registration import scenario_of
from nba_gym.envs.vector import JourneyVectorEnv
from nba_gym.records.ledger import LINES
from tests.contract.environments import IDS, JOURNEYS, MODES, crowd, journey, many, one


def leaves(data: Any) -> list[Any]:
    """All arrays within what an environment returned."""
    if isinstance(data, dict):
        return [leaf for part in data.values() for leaf in leaves(part)]
    if isinstance(data, (tuple, list)):
        return [leaf for part in data for leaf in leaves(part)]
    if isinstance(data, np.ndarray) and data.dtype == object:
        return [leaf for part in data for leaf in leaves(part)]
    return [data] if isinstance(data, (np.ndarray, np.void)) else []


def kernel_versions() -> int:
    """How many variants of the kernel Numba has compiled or loaded in this process."""
    return sum(len(getattr(part, "signatures", ())) for part in vars(kernel).values())


# --- side effects ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("env_id", IDS)
def test_what_a_batch_returned_is_never_changed_by_later_steps(env_id, mode):
    env = JourneyVectorEnv(
        40, scenario_of(env_id), overrides=["horizon=5"], autoreset_mode=mode, threads=1
    )
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    shared = 0
    for _ in range(3):
        for _, step in crowd(env, 5 if mode == AutoresetMode.DISABLED else 13, seed=None):
            now = leaves(step)
            shared += sum(np.shares_memory(a, b) for a, _ in kept[-40:] for b in now)
            kept += [(leaf, leaf.copy()) for leaf in now]
            if mode == AutoresetMode.DISABLED and (step[2] is not None):
                gone = step[2] | step[3]
                if gone.any() and not gone.all():
                    break
    assert all(np.array_equal(leaf, copy) for leaf, copy in kept)
    assert shared == 0


@pytest.mark.parametrize("env_id", IDS)
def test_what_one_customer_returned_is_never_changed_by_later_steps(env_id):
    env = one(env_id)
    kept = [(leaf, leaf.copy()) for s in range(3) for leaf in leaves(list(journey(env, seed=s)))]
    assert all(np.array_equal(leaf, copy) for leaf, copy in kept)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("env_id", JOURNEYS)
def test_what_a_caller_writes_into_returned_arrays_changes_nothing(env_id, mode):
    def spoil(data: Any) -> None:
        for leaf in leaves(data):
            if isinstance(leaf, np.void):
                for line in LINES:
                    leaf[line] = 1.0
            else:
                leaf[...] = np.ones((), dtype=leaf.dtype)

    nobody_leaves = {"leaving.period_scale": 0.0, "horizon": 13}
    settings: dict[str, Any] = {"autoreset_mode": mode, "overrides": nobody_leaves}
    envs, twins = many(env_id, 8, **settings), many(env_id, 8, **settings)
    env, twin = (one(env_id, overrides=nobody_leaves) for _ in range(2))
    spoil([envs.reset(seed=0), env.reset(seed=0)])
    twins.reset(seed=0)
    twin.reset(seed=0)
    generator = np.random.default_rng(0)
    for _ in range(13 if mode == AutoresetMode.DISABLED else 30):
        actions = generator.integers(envs.scenario.n_actions, size=8)
        spoiled, expected = envs.step(actions), twins.step(actions)
        alone, expected_alone = env.step(actions[0]), twin.step(actions[0])
        assert data_equivalence(spoiled, expected, exact=True)
        assert data_equivalence(alone[:4], expected_alone[:4], exact=True)
        over = alone[2] or alone[3]
        spoil([spoiled, alone])
        if over:
            spoil(env.reset())
            twin.reset()


def test_actions_may_be_read_only_or_strided_and_nothing_is_compiled_for_them():
    envs, twins = many(JOURNEYS[0], 6), many(JOURNEYS[0], 6)
    envs.reset(seed=0)
    twins.reset(seed=0)
    actions = np.array([0, 1, 2, 1, 0, 2])
    expected = [twins.step(actions) for _ in range(3)]
    read_only, compiled = actions.copy(), kernel_versions()
    read_only.flags.writeable = False
    strided, swapped = np.stack([actions, actions], axis=1)[:, 0], actions.astype(">i8")
    for given, step in zip((read_only, strided, swapped), expected, strict=True):
        assert data_equivalence(envs.step(given), step, exact=True)
    assert kernel_versions() == compiled


@pytest.mark.parametrize("env_id", IDS)
def test_the_global_random_numbers_are_left_alone(env_id):
    before = np.random.get_state(legacy=False)  # noqa: NPY002
    for env in (one(env_id), one(env_id, render_mode="ansi")):
        env.reset()
        journey(env)
    for mode in MODES:
        envs = many(env_id, 5, autoreset_mode=mode)
        envs.reset()
        # without autoreset the second step may meet a customer who cancelled in the first
        list(crowd(envs, 1 if mode == AutoresetMode.DISABLED else 4, seed=None))
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    assert data_equivalence(before, after, exact=True)


@pytest.mark.parametrize("render_mode", [None, "ansi"])
@pytest.mark.parametrize("env_id", JOURNEYS)
def test_a_copy_goes_its_own_way_from_the_same_place(env_id, render_mode):
    env, twin = one(env_id, render_mode=render_mode), one(env_id, render_mode=render_mode)
    for each in (env, twin):
        each.reset(seed=3)
        each.step(1)
    copy = deepcopy(env)
    for action in (2, 1, 0):
        copy.step(action)
    assert np.array_equal(env.step(1)[0], twin.step(1)[0])
    again = deepcopy(env)
    steps = [(env.step(action), again.step(action)) for action in (0, 1, 2)]
    assert all(data_equivalence(a[:4], b[:4], exact=True) for a, b in steps)
    assert env.render() == again.render()
    assert np.array_equal(env.reset()[0], again.reset()[0])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("env_id", JOURNEYS)
def test_a_copied_batch_goes_its_own_way_from_the_same_place(env_id, threads):
    n = 100
    envs, twins = many(env_id, n, threads=threads), many(env_id, n, threads=threads)
    for each in (envs, twins):
        each.reset(seed=3)
        each.step(np.ones(n, dtype=int))
    copies = deepcopy(envs)
    astray = deepcopy(envs)
    del envs  # a copy must not live on the memory of its original
    for action in (0, 1, 2):
        astray.step(np.full(n, 1))
        expected = twins.step(np.full(n, action))
        assert data_equivalence(copies.step(np.full(n, action)), expected, exact=True)


@pytest.mark.parametrize("env_id", JOURNEYS)
def test_a_partial_reset_shows_the_others_what_they_saw_last(env_id):
    nobody_leaves = {"leaving.period_scale": 0.0}
    envs = many(env_id, 50, autoreset_mode="Disabled", overrides=nobody_leaves)
    *_, (_, (observations, _, _, _, info)) = crowd(envs, 4)
    begun = np.arange(50) % 3 == 0
    again, told = envs.reset(options={"reset_mask": begun})
    assert np.array_equal(again[~begun], observations[~begun])
    assert np.array_equal(told["action_mask"][~begun], info["action_mask"][~begun])
    assert not np.array_equal(again[begun], observations[begun])


# --- imports --------------------------------------------------------------------------------------


def test_importing_and_running_loads_nothing_heavy():
    heavy = ("torch", "stable_baselines3", "sb3_contrib", "matplotlib", "sklearn", "onnxruntime")
    code = f"""
import sys
import nba_gym
def loaded():
    return [name for name in {heavy!r} if name in sys.modules]
assert not loaded(), loaded()
import gymnasium
env = gymnasium.make({JOURNEYS[0]!r}, render_mode="ansi")
env.reset(seed=0)
env.step(0)
env.render()
envs = gymnasium.make_vec({JOURNEYS[0]!r}, num_envs=3)
envs.reset(seed=0)
assert not loaded(), loaded()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

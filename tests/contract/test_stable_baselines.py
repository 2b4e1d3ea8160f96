"""The adapter for Stable-Baselines3: what its algorithms rely on."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from nba_gym.envs.journey import JourneyEnv
from nba_gym.envs.registration import scenario_of
from nba_gym.envs.vector import JourneyVectorEnv
from nba_gym.errors import ActionError, EpisodeError
from nba_gym.scenario.load import load_scenario

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")
from sb3_contrib.common.maskable.utils import get_action_masks
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    SubprocVecEnv,
    VecEnv,
    VecMonitor,
)

from nba_gym.envs.stable_baselines import JourneyVecEnv
from tests.contract.sb3 import IDS, JOURNEYS, acts, make, short

# --- the interface --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 6, 70])
@pytest.mark.parametrize("env_id", IDS)
def test_everything_returned_has_the_shape_and_type_that_algorithms_expect(env_id, n):
    venv = make(env_id, n)
    assert issubclass(type(venv), VecEnv)
    assert venv.num_envs == n
    observations = venv.reset()
    assert len(venv.reset_infos) == n
    for period in range(130):
        assert observations.shape == (n, *venv.observation_space.shape)
        assert observations.dtype == np.float32
        assert all(venv.observation_space.contains(row) for row in observations)
        observations, rewards, dones, infos = venv.step(acts(venv, period))
        assert rewards.shape == dones.shape == (n,)
        assert (rewards.dtype, dones.dtype) == (np.float32, np.bool_)
        assert isinstance(infos, list)
        assert len(infos) == n
    venv.close()
    venv.close()


def test_the_spaces_are_those_of_one_customer():
    venv, env = make(), JourneyEnv(scenario_of(JOURNEYS[0]))
    assert venv.observation_space == env.observation_space
    assert venv.action_space == env.action_space


def test_a_step_may_be_taken_in_two_halves():
    whole, halves = short(), short()
    for venv in (whole, halves):
        venv.seed(0)
        venv.reset()
    for period in range(12):
        actions = acts(whole, period)
        lived = halves.population.read("tenure")
        halves.step_async(actions)
        assert np.array_equal(halves.population.read("tenure"), lived)  # the first only takes note
        actions, noted = actions.copy(), actions
        noted[:] = 0
        for a, b in zip(whole.step(actions)[:3], halves.step_wait()[:3], strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("env_id", IDS)
def test_the_adapter_lives_what_the_native_batch_lives(env_id):
    venv, native = (
        make(env_id, 40),
        JourneyVectorEnv(40, scenario_of(env_id), autoreset_mode="SameStep"),
    )
    venv.seed(9)
    seen, info = native.reset(seed=9)
    assert np.array_equal(venv.reset(), seen)
    for period in range(150):
        masks = get_action_masks(venv)
        assert np.array_equal(masks, info["action_mask"] > 0)
        actions = acts(venv, period)
        observations, rewards, dones, infos = venv.step(actions)
        seen, money, terminated, truncated, info = native.step(actions)
        assert np.array_equal(observations, seen)
        assert np.array_equal(rewards, money.astype(np.float32))
        assert np.array_equal(dones, terminated | truncated)
        for i in np.flatnonzero(dones):
            assert infos[i]["TimeLimit.truncated"] == truncated[i]
            assert infos[i]["ledger"] == info["ledger"][i]


# --- seeds and options ----------------------------------------------------------------------------


def test_a_seed_makes_the_next_reset_and_what_follows_reproducible():
    a, b = short(), short()
    for venv in (a, b):
        assert len(venv.seed(3)) == 6
    first = a.reset()
    assert np.array_equal(first, b.reset())
    for period in range(12):
        actions = acts(a, period)
        for x, y in zip(a.step(actions)[:3], b.step(actions)[:3], strict=True):
            assert np.array_equal(x, y)
    assert np.array_equal(a.reset(), b.reset())
    a.seed(3)
    assert np.array_equal(a.reset(), first)
    a.seed(4)
    assert not np.array_equal(a.reset(), first)


def test_a_seed_is_for_one_reset_only():
    venv, env = short(), JourneyEnv("retail")
    venv.seed(3)
    venv.reset()
    venv.reset()
    seen = venv.step(np.ones(6, dtype=int))[0]
    for i in range(6):  # the world goes on to its next customers
        env.reset(seed=3, options={"customer": i + 6})
        assert np.array_equal(seen[i], env.step(1)[0])


def test_without_a_seed_every_environment_has_a_world_of_its_own():
    worlds = set()
    for _ in range(2):
        venv = short()
        venv.reset()
        worlds.add(int(venv.population.who()[0][0]))
    assert len(worlds) == 2


def test_options_choose_the_customers_of_one_reset_only():
    venv, env = short(3), JourneyEnv("retail")
    venv.seed(3)
    venv.set_options({"customers": np.array([70, 4, 70])})
    venv.reset()
    seen = venv.step(np.ones(3, dtype=int))[0]
    for i, customer in enumerate((70, 4, 70)):
        env.reset(seed=3, options={"customer": customer})
        assert np.array_equal(seen[i], env.step(1)[0])
    venv.reset()
    assert venv.population.who()[1].tolist() == [73, 7, 73]


def test_options_that_differ_between_places_are_refused():
    venv = short(2)
    venv.set_options([{"customers": [1, 2]}, {"customers": [3, 4]}])
    with pytest.raises(ActionError, match="options"):
        venv.reset()


# --- the end of a journey -------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", IDS)
def test_the_terminal_observation_is_the_last_one_of_the_customer_alone(env_id):
    scenario = load_scenario(scenario_of(env_id), ["horizon=11"])
    n, env = 25, JourneyEnv(scenario)
    venv: Any = JourneyVecEnv(n, scenario)
    venv.seed(2)
    venv.reset()
    alone = []  # one environment for each place
    for i in range(n):
        twin = deepcopy(env)
        twin.reset(seed=2, options={"customer": i})
        alone.append(twin)
    customers, ends = np.arange(n), 0
    for period in range(40):
        actions = acts(venv, period)
        observations, rewards, dones, infos = venv.step(actions)
        for i, twin in enumerate(alone):
            last, reward, terminated, truncated, info = twin.step(actions[i])
            assert rewards[i] == np.float32(reward)
            assert dones[i] == (terminated or truncated)
            if not dones[i]:
                assert np.array_equal(observations[i], last)
                continue
            ends += 1
            assert np.array_equal(infos[i]["terminal_observation"], last)
            assert infos[i]["TimeLimit.truncated"] is truncated
            assert infos[i]["ledger"] == info["ledger"]
            customers[i] += n
            assert np.array_equal(
                observations[i], twin.reset(options={"customer": customers[i]})[0]
            )
    assert ends >= 2 * n


@pytest.mark.parametrize("env_id", JOURNEYS)
def test_only_a_time_limit_is_called_a_time_limit(env_id):
    venv = make(env_id, 300, overrides=["horizon=16"])
    age, told = np.zeros(300, dtype=int), {True: 0, False: 0}
    venv.reset()
    for period in range(60):
        _, _, dones, infos = venv.step(acts(venv, period))
        age += 1
        for i in np.flatnonzero(dones):
            limit = infos[i]["TimeLimit.truncated"]
            assert type(limit) is bool
            assert age[i] == 16 or not limit
            told[limit] += 1
        assert dones[age == 16].all()
        age[dones] = 0
    assert told[True] > 300
    assert (told[False] > 0) == venv.env.scenario.contract.enabled


def test_customers_whose_journey_goes_on_share_one_empty_info():
    venv = make("nba_gym/Telecom-v0", 400)
    venv.reset()
    seen, ended = [], 0
    for period in range(30):
        _, _, dones, infos = venv.step(acts(venv, period))
        going_on = [info for info, done in zip(infos, dones, strict=True) if not done]
        assert all(info is going_on[0] for info in going_on)
        assert going_on[0] == {}
        own = [info for info, done in zip(infos, dones, strict=True) if done]
        assert all(set(i) == {"terminal_observation", "TimeLimit.truncated", "ledger"} for i in own)
        assert len({id(info) for info in own}) == len(own)
        assert all(going_on[0] is not info for info in seen)  # another one in every step
        seen.append(going_on[0])
        ended += len(own)
    assert ended > 20


def test_nothing_returned_is_changed_by_later_steps():
    venv, kept = short(30), []
    kept.append((first := venv.reset(), first.copy()))
    for period in range(13):
        observations, rewards, dones, infos = venv.step(acts(venv, period))
        arrays = [observations, rewards, dones, venv.action_masks()]
        arrays += [infos[i]["terminal_observation"] for i in np.flatnonzero(dones)]
        arrays += [infos[i]["ledger"] for i in np.flatnonzero(dones)]
        kept += [(array, array.copy()) for array in arrays]
    assert all(np.array_equal(array, copy) for array, copy in kept)


def test_what_a_learner_writes_into_returned_arrays_changes_nothing():
    spoiled, twin = short(8), short(8)
    for venv in (spoiled, twin):
        venv.seed(0)
        venv.reset()
    for period in range(12):
        actions = acts(twin, period)
        masks = spoiled.action_masks()
        assert np.array_equal(masks, twin.action_masks())
        masks[:] = True
        assert np.array_equal(spoiled.action_masks(), twin.action_masks())
        for a, b in zip(spoiled.step(actions)[:3], twin.step(actions)[:3], strict=True):
            assert np.array_equal(a, b)
            a[...] = 1


# --- attributes, methods, mistakes ----------------------------------------------------------------


def test_attributes_are_told_once_for_each_index():
    venv = short(5)
    assert venv.get_attr("num_envs") == [5] * 5
    assert venv.get_attr("scenario", indices=[1, 3]) == [venv.env.scenario] * 2
    assert len(venv.get_attr("features", indices=2)) == 1
    assert venv.get_attr("render_mode") == [None] * 5
    assert venv.has_attr("scenario")
    assert not venv.has_attr("no_such_thing")
    with pytest.raises(AttributeError):
        venv.get_attr("no_such_thing")


def test_attributes_can_be_set_for_all_customers_only():
    venv = short(3)
    venv.set_attr("note", "hello")
    assert venv.get_attr("note") == ["hello"] * 3
    venv.set_attr("note", "again", indices=[0, 1, 2])
    assert venv.env.note == "again"
    with pytest.raises(ValueError, match="indices"):
        venv.set_attr("note", "no", indices=[0])
    assert venv.get_attr("note") == ["again"] * 3


def test_methods_answer_for_the_indices_they_are_asked_for():
    venv = short(4)
    venv.reset()
    masks = venv.action_masks()
    for indices, rows in ((None, [0, 1, 2, 3]), ([2, 0], [2, 0]), (3, [3]), ([-1], [3])):
        told = venv.env_method("action_masks", indices=indices)
        assert len(told) == len(rows)
        assert all(np.array_equal(mask, masks[row]) for mask, row in zip(told, rows, strict=True))
    texts = venv.env_method("explain_mask", indices=[1, 2])
    assert texts == [venv.env.explain_mask(1), venv.env.explain_mask(2)]


def test_no_customer_is_wrapped_on_their_own():
    venv = short(3)
    assert venv.env_is_wrapped(Monitor) == [False] * 3
    assert venv.env_is_wrapped(Monitor, indices=[0]) == [False]
    assert VecMonitor(venv).env_is_wrapped(Monitor) == [False] * 3


@pytest.mark.parametrize(
    "actions", [[0, 0], [0.0] * 3, [True] * 3, [0, 0, 10**6], [-1, 0, 0], None], ids=str
)
def test_what_are_not_actions_are_refused(actions):
    venv = short(3)
    venv.reset()
    with pytest.raises(ActionError):
        venv.step(actions)
    venv.step(np.zeros(3, dtype=int))


def test_nothing_can_be_done_before_the_first_reset():
    with pytest.raises(EpisodeError):
        short(3).step(np.zeros(3, dtype=int))
    with pytest.raises(EpisodeError):
        short(3).action_masks()


def test_journeys_can_be_drawn_side_by_side():
    pytest.importorskip("matplotlib")
    venv = short(3, render_mode="rgb_array")
    assert venv.render_mode == "rgb_array"
    venv.seed(1)
    venv.reset()
    venv.step(np.array([0, 1, 2]))
    images = venv.get_images()
    env = JourneyEnv("retail", overrides=["horizon=5"], render_mode="rgb_array")
    for i, image in enumerate(images):
        env.reset(seed=1, options={"customer": i})
        env.step(i)
        assert np.array_equal(image, env.render())
    tiled = venv.render()
    height, width, _ = images[0].shape
    assert tiled.shape == (2 * height, 2 * width, 3)
    assert np.array_equal(tiled[:height, :width], images[0])


@pytest.mark.slow
def test_processes_of_their_own_find_the_environment_by_its_module():
    # a fresh process has imported nothing: "module:id" tells Gymnasium what to import there
    venv: Any = make_vec_env(f"nba_gym:{JOURNEYS[0]}", 2, seed=3, vec_env_cls=SubprocVecEnv)
    try:
        seen = venv.reset()
        masks = get_action_masks(venv)
        later = venv.step([1, 1])[0]
    finally:
        venv.close()
    for i in range(2):  # SB3 gives place i the seed + i
        env = JourneyEnv(scenario_of(JOURNEYS[0]))
        observation, info = env.reset(seed=3 + i)
        assert np.array_equal(seen[i], observation)
        assert np.array_equal(masks[i], info["action_mask"] > 0)
        assert np.array_equal(later[i], env.step(1)[0])


# --- staggered starts -----------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", JOURNEYS)
def test_staggered_customers_stand_where_waiting_would_have_led_them(env_id):
    n, scenario = 13, load_scenario(scenario_of(env_id), ["horizon=26"])
    venv, env = JourneyVecEnv(n, scenario, stagger=True), JourneyEnv(scenario)
    venv.seed(5)
    seen = venv.reset()
    assert np.array_equal(seen, venv.population.out.observations)
    _, customers = venv.population.who()
    tenure = venv.population.read("tenure")[:, 0]
    if not scenario.contract.enabled:  # there, some may have left on the way
        assert tenure.tolist() == [2 * i for i in range(n)]
    masks = venv.action_masks()
    for i in range(n):
        now, info = env.reset(seed=5, options={"customer": customers[i]})
        for _ in range(int(tenure[i])):
            now, _, _, _, info = env.step(0)
        assert np.allclose(seen[i], now, rtol=0, atol=1e-6)
        assert np.array_equal(masks[i], info["action_mask"] > 0)
    dones = np.stack([venv.step(np.zeros(n, dtype=int))[2] for _ in range(26)])
    assert dones.any(axis=1).sum() > 10  # journeys no longer end all at once

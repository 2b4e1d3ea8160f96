"""The adapter for Stable-Baselines3: what its algorithms, wrappers and evaluators rely on.

The installed stable-baselines3 ships no tests of its own, so its ``VecEnv`` contract is written
down here anew, with our environment in the place of its toys.
"""

from __future__ import annotations

import csv
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

import nba_gym
from nba_gym.envs.journey import JourneyEnv
from nba_gym.envs.registration import scenario_of
from nba_gym.envs.vector import JourneyVectorEnv
from nba_gym.errors import ActionError, EpisodeError
from nba_gym.scenario.load import load_scenario
from tests.journeys import choose, journey_ids

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.evaluation import evaluate_policy as evaluate_masked
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3 import A2C, DQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecCheckNan,
    VecEnv,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)

from nba_gym.envs.stable_baselines import JourneyVecEnv

IDS = nba_gym.environment_ids()
JOURNEYS = journey_ids()
SMALL = {"policy_kwargs": {"net_arch": [8]}, "device": "cpu", "seed": 0}


def make(env_id: str = JOURNEYS[0], n: int = 6, **settings: Any) -> Any:
    return nba_gym.make_sb3(env_id, num_envs=n, **settings)


def short(n: int = 6, horizon: int = 5, **settings: Any) -> Any:
    return make("nba_gym/Retail-v0", n, overrides=[f"horizon={horizon}"], **settings)


def acts(venv: VecEnv, period: int) -> np.ndarray:
    """Actions that depend on the mask, the place and the period only."""
    places = np.arange(venv.num_envs, dtype=np.uint64)
    return choose(get_action_masks(venv), places, np.full(venv.num_envs, period))


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

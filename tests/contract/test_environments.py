"""What everybody may rely on, for every id: Gymnasium's interface, and our own promises."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.utils.env_match import check_environments_match
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers import vector as vector_wrappers

import nba_gym
from nba_gym.customer import kernel
from nba_gym.envs.journey import JourneyEnv
from nba_gym.envs.registration import scenario_of
from nba_gym.envs.vector import JourneyVectorEnv
from nba_gym.errors import ActionError, EpisodeError, NbaGymError, PolicyError
from nba_gym.records.ledger import LINES
from nba_gym.scenario.load import load_scenario
from tests.journeys import choose, journey_ids

IDS = nba_gym.environment_ids()
JOURNEYS = journey_ids()
MODES = list(AutoresetMode)
QUANTUM = 1 / 65536


def one(env_id: str, **settings: Any) -> Any:
    return gymnasium.make(env_id, **settings).unwrapped


def many(env_id: str, n: int = 33, **settings: Any) -> Any:
    return gymnasium.make_vec(env_id, num_envs=n, **settings).unwrapped


def pick(info: dict[str, Any], period: int, customer: int = 0) -> int:
    """The action of one customer, as ``choose`` has it for many."""
    numbers = np.array([customer], dtype=np.uint64)
    return int(choose(info["action_mask"][None], numbers, np.array([period]))[0])


def journey(env: JourneyEnv, **reset: Any) -> list[tuple[Any, ...]]:
    """Every step of a whole journey."""
    _, info = env.reset(**reset)
    steps: list[tuple[Any, ...]] = []
    while not steps or not (steps[-1][2] or steps[-1][3]):
        steps.append(env.step(pick(info, len(steps), len(steps))))
        info = steps[-1][4]
    return steps


def crowd(
    env: JourneyVectorEnv, periods: int, seed: int | None = 3
) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Steps of a batch, each with the mask that stood before it."""
    observations, info = env.reset(seed=seed)
    places = np.arange(env.num_envs, dtype=np.uint64)
    yield info["action_mask"], (observations, None, None, None, info)
    for period in range(periods):
        mask = info["action_mask"]
        step = env.step(choose(mask, places, np.full(env.num_envs, period)))
        info = step[4]
        yield mask, step


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


# --- money ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("env_id", IDS)
def test_rewards_are_exactly_the_sums_of_their_ledger_lines(env_id, mode):
    envs = many(env_id, 65, autoreset_mode=mode)
    _, *steps = crowd(envs, 150)
    rewards = np.array([step[1] for _, step in steps])
    ledger = np.array([[step[4]["ledger"][line] for line in LINES] for _, step in steps])
    assert (ledger.sum(axis=1) == rewards).all()
    assert (ledger[:, ::-1].sum(axis=1) == rewards).all()  # whatever the order
    assert (np.rint(ledger / QUANTUM) * QUANTUM == ledger).all()  # for no line has a remainder
    assert rewards.any()


@pytest.mark.parametrize("env_id", IDS)
def test_the_reward_of_a_journey_is_exactly_the_sum_of_its_ledgers(env_id):
    env = one(env_id)
    for customer in range(10):
        steps = journey(env, seed=2, options={"customer": customer})
        lines = {line: sum(step[4]["ledger"][line] for step in steps) for line in LINES}
        assert sum(step[1] for step in steps) == sum(lines.values())
        assert sum(step[1] for step in reversed(steps)) == sum(lines.values())


@pytest.mark.parametrize("env_id", IDS)
def test_income_is_never_negative_and_costs_never_positive(env_id):
    ledgers = [step[4]["ledger"] for _, step in crowd(many(env_id, 100), 60)]
    for line in ("margin", "recurring", "referrals"):
        assert all((ledger[line] >= 0).all() for ledger in ledgers), line
    for line in ("discounts", "contact_cost", "service_cost"):
        assert all((ledger[line] <= 0).all() for ledger in ledgers), line


# --- the end of a journey -------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", JOURNEYS)
def test_a_journey_is_truncated_exactly_at_the_horizon(env_id):
    for env in (one(env_id), one(env_id, overrides={"leaving.period_scale": 0.0})):
        horizon, may_end = env.scenario.horizon, env.scenario.leaving.period_scale > 0
        for customer in range(8):
            steps = journey(env, seed=3, options={"customer": customer})
            *before, (_, _, terminated, truncated, _) = steps
            assert not any(step[2] or step[3] for step in before)
            assert terminated != truncated
            assert truncated == (len(steps) == horizon and not terminated)
            assert not terminated or (may_end and env.scenario.contract.enabled)


@pytest.mark.parametrize("env_id", JOURNEYS)
def test_termination_and_truncation_never_come_together(env_id):
    envs = many(env_id, 400, overrides=["horizon=9"], autoreset_mode="SameStep")
    age = np.zeros(400, dtype=int)
    ends = np.zeros(2, dtype=int)
    for _, (_, _, terminated, truncated, _) in list(crowd(envs, 60))[1:]:
        age += 1
        assert not (terminated & truncated).any()
        assert (truncated == ((age == 9) & ~terminated)).all()
        assert (age <= 9).all()
        age[terminated | truncated] = 0
        ends += terminated.sum(), truncated.sum()
    assert ends[1] > 400
    assert (ends[0] > 0) == envs.scenario.contract.enabled


@pytest.mark.parametrize("env_id", JOURNEYS)
def test_only_a_cancelled_contract_terminates_a_journey(env_id):
    scenario = load_scenario(scenario_of(env_id))
    leave_at_once = {"leaving.period_scale": 1.0, "leaving.period_base": 20.0}
    tree = leave_at_once | {"contract.commitment": 1, "horizon": 6}
    env = JourneyVectorEnv(50, scenario, overrides=tree, autoreset_mode=AutoresetMode.SAME_STEP)
    ended = np.stack([step[2] for _, step in list(crowd(env, 5))[1:]])
    if scenario.contract.enabled:
        assert ended.all()  # everybody cancels in the first period, and the firm is told
    else:
        assert not ended.any()  # everybody has left, and nobody says so
        assert not env.population.read("alive").any()
        _, _, terminated, truncated, _ = env.step(np.zeros(50, dtype=int))
        assert truncated.all()  # until the horizon
        assert not terminated.any()


# --- forbidden actions ----------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", IDS)
def test_a_forbidden_action_becomes_waiting_and_says_so(env_id):
    env = one(env_id, render_mode="ansi")
    _, info = env.reset(seed=1)
    tried, period, over = 0, 0, False
    while not over:
        mask = info["action_mask"]
        for action in np.flatnonzero(mask == 0)[:: 4 if period % 8 == 0 else 100]:
            waits, does = deepcopy(env), deepcopy(env)
            waited, done = waits.step(0), does.step(int(action))
            assert done[4]["forbidden"] is True
            assert waited[4]["forbidden"] is False
            assert np.array_equal(waited[0], done[0])
            assert waited[1:4] == done[1:4]
            assert np.array_equal(waited[4]["action_mask"], done[4]["action_mask"])
            assert waited[4]["ledger"].item() == done[4]["ledger"].item()
            assert does.render().splitlines()[-1].split()[2] == env.scenario.actions[0].name
            tried += 1
        _, _, terminated, truncated, info = env.step(pick({"action_mask": mask}, period))
        over, period = terminated or truncated, period + 1
    rules = [a.eligibility + a.applicability + a.suitability for a in env.scenario.actions]
    assert tried or not any(rules)  # only in a world without rules is nothing forbidden


@pytest.mark.parametrize("env_id", IDS)
def test_an_action_is_forbidden_exactly_where_the_mask_says_so(env_id):
    envs = many(env_id, 64, autoreset_mode="SameStep")
    generator = np.random.default_rng(0)
    _, info = envs.reset(seed=9)
    for _ in range(150):
        mask, actions = info["action_mask"], generator.integers(envs.scenario.n_actions, size=64)
        info = envs.step(actions)[4]
        assert np.array_equal(info["forbidden"], mask[np.arange(64), actions] == 0)


@pytest.mark.parametrize("env_id", IDS)
def test_the_explanation_of_the_mask_agrees_with_the_mask(env_id):
    envs = many(env_id, 20)
    for _, (_, _, _, _, info) in crowd(envs, 10):
        for i in (0, 7, 19):
            lines = envs.explain_mask(i).splitlines()
            assert [line.endswith("allowed") for line in lines] == (
                info["action_mask"][i] == 1
            ).tolist()
            for line, action in zip(lines, envs.scenario.actions, strict=True):
                assert action.name in line


# --- mistakes -------------------------------------------------------------------------------------

NOT_ONE_ACTION = {
    "a float": 1.0,
    "not a number": float("nan"),
    "a boolean": True,
    "a NumPy boolean": np.bool_(True),
    "nothing": None,
    "a text": "1",
    "two": [1, 2],
    "none at all": [],
    "an array of floats": np.array([1.0]),
    "too large": 10**6,
    "larger than 64 bits": 2**70,
    "negative": -1,
}
NOT_ACTIONS = {
    "floats": [0.0, 0.0, 0.0],
    "not a number": [float("nan")] * 3,
    "booleans": [True, False, True],
    "nothing": None,
    "nothings": [None] * 3,
    "texts": ["0", "0", "0"],
    "too few": [0, 0],
    "too many": [0, 0, 0, 0],
    "a column": [[0], [0], [0]],
    "a single number": 0,
    "ragged": [0, [1], 2],
    "one too large": [0, 0, 10**6],
    "larger than 64 bits": [0, 0, 2**70],
    "one negative": [0, -1, 0],
}
NOT_A_SEED = {
    "negative": -1,
    "too large": 2**64,
    "a float": 1.5,
    "a boolean": True,
    "a text": "seven",
}


def one_line(error: Any) -> str:
    """The message of an error that was raised on purpose, checked to be one readable line."""
    assert isinstance(error.value, NbaGymError)
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert "must" in message
    assert "got" in message
    return message


@pytest.mark.parametrize("action", NOT_ONE_ACTION.values(), ids=NOT_ONE_ACTION)
def test_what_is_not_an_action_is_refused_and_changes_nothing(action):
    env, twin = one("nba_gym/Retail-v0"), one("nba_gym/Retail-v0")
    env.reset(seed=0)
    twin.reset(seed=0)
    with pytest.raises(ActionError) as error:
        env.step(action)
    one_line(error)
    assert np.array_equal(env.step(1)[0], twin.step(1)[0])


@pytest.mark.parametrize("action", [np.int32(1), np.uint8(1), np.array(1), np.array([1])], ids=repr)
def test_every_kind_of_integer_is_an_action(action):
    env, twin = one("nba_gym/Retail-v0"), one("nba_gym/Retail-v0")
    env.reset(seed=0)
    twin.reset(seed=0)
    assert np.array_equal(env.step(action)[0], twin.step(1)[0])


@pytest.mark.parametrize("actions", NOT_ACTIONS.values(), ids=NOT_ACTIONS)
def test_what_are_not_actions_are_refused_and_change_nothing(actions):
    envs, twins = many("nba_gym/Retail-v0", 3), many("nba_gym/Retail-v0", 3)
    envs.reset(seed=0)
    twins.reset(seed=0)
    with pytest.raises(ActionError) as error:
        envs.step(actions)
    one_line(error)
    assert np.array_equal(envs.step([1, 2, 3])[0], twins.step([1, 2, 3])[0])


def test_an_error_about_an_action_names_the_place_the_rule_and_the_value():
    envs = many("nba_gym/Retail-v0", 3)
    envs.reset(seed=0)
    n = envs.scenario.n_actions
    with pytest.raises(ActionError, match=rf"actions\[1\] must be in \[0, {n}\), got 777"):
        envs.step([0, 777, 0])


def test_a_step_before_the_first_reset_is_refused():
    for env, action in ((one(JOURNEYS[0]), 0), (many(JOURNEYS[0], 2), [0, 0])):
        with pytest.raises(EpisodeError, match="before the first reset") as error:
            env.step(action)
        one_line(error)


def test_before_the_first_reset_there_is_no_mask_to_look_at():
    with pytest.raises(EpisodeError):
        one(JOURNEYS[0]).action_masks()
    with pytest.raises(EpisodeError):
        one(JOURNEYS[0]).explain_mask()
    with pytest.raises(EpisodeError):
        many(JOURNEYS[0], 2).explain_mask(0)


@pytest.mark.parametrize("index", [-1, 3, 31, 1.5])
def test_the_mask_of_a_customer_who_is_not_there_cannot_be_explained(index):
    envs = many(JOURNEYS[0], 3)
    envs.reset(seed=0)
    with pytest.raises(ActionError, match="index"):
        envs.explain_mask(index)


@pytest.mark.parametrize("env_id", IDS)
def test_a_step_after_the_end_of_a_journey_is_refused(env_id):
    env = one(env_id)
    journey(env, seed=0)
    for _ in range(2):
        with pytest.raises(EpisodeError) as error:
            env.step(0)
        one_line(error)
    env.reset()
    env.step(0)


@pytest.mark.parametrize("env_id", JOURNEYS)
def test_a_step_of_a_batch_in_which_a_journey_is_over_is_refused(env_id):
    env = JourneyVectorEnv(
        4, scenario_of(env_id), overrides=["horizon=2"], autoreset_mode=AutoresetMode.DISABLED
    )
    waiting = np.zeros(4, dtype=int)
    env.reset(seed=0)
    env.step(waiting)
    env.step(waiting)
    before = env.population.read("tenure").copy()
    with pytest.raises(EpisodeError, match="journey 0 ended") as error:
        env.step(waiting)
    one_line(error)
    assert np.array_equal(env.population.read("tenure"), before)
    env.reset(options={"reset_mask": np.array([True, False, True, True])})
    with pytest.raises(EpisodeError, match="journey 1 ended"):
        env.step(waiting)


@pytest.mark.parametrize("seed", NOT_A_SEED.values(), ids=NOT_A_SEED)
def test_what_is_not_a_seed_is_refused(seed):
    for env in (one(JOURNEYS[0]), many(JOURNEYS[0], 2)):
        with pytest.raises(ActionError, match="seed") as error:
            env.reset(seed=seed)
        one_line(error)
    with pytest.raises(ActionError, match=r"seed\[1\]") as error:
        many(JOURNEYS[0], 2).reset(seed=[1, seed])
    one_line(error)


def test_seeds_may_be_as_large_as_64_bits():
    seen = [env.reset(seed=2**64 - 1)[0] for env in (one(JOURNEYS[0]), many(JOURNEYS[0], 2))]
    assert np.array_equal(seen[0], seen[1][0])
    assert not np.array_equal(seen[0], one(JOURNEYS[0]).reset(seed=2**64 - 2)[0])


def test_a_list_of_seeds_must_have_one_for_each_place():
    with pytest.raises(ActionError, match="seed must be a number or 3 numbers, got 2"):
        many(JOURNEYS[0], 3).reset(seed=[1, 2])


@pytest.mark.parametrize(
    "options",
    [
        {"customer": -1},
        {"customer": 2**64},
        {"customer": 1.5},
        {"customer": True},
        {"customer": "seven"},
        {"customers": 1},  # the name a batch has for it
        {"customer_number": 1},
        "customer",
    ],
    ids=str,
)
def test_what_is_not_a_customer_is_refused_and_changes_nothing(options):
    env, twin = one(JOURNEYS[0]), one(JOURNEYS[0])
    env.reset(seed=0)
    twin.reset(seed=0)
    with pytest.raises(ActionError) as error:
        env.reset(options=options)
    one_line(error)
    assert np.array_equal(env.reset()[0], twin.reset()[0])


@pytest.mark.parametrize(
    "options",
    [
        {"customers": [1, 2]},
        {"customers": [1, 2, -3]},
        {"customers": [1.0, 2.0, 3.0]},
        {"customers": [True, False, True]},
        {"customers": [[1], [2, 3], 4]},
        {"customers": [1, 2, 2**64]},
        {"customers": 5},
        {"customer": 5},  # the name a single environment has for it
        {"reset_mask": [1, 0, 1]},
        {"reset_mask": [True, False]},
        {"reset_mask": [False, False, False]},
        {"reset_mask": [[True], [True], [False]]},
        {"reset_mask": "all"},
        ["customers"],
    ],
    ids=str,
)
def test_what_are_not_customers_or_a_reset_mask_are_refused_and_change_nothing(options):
    envs, twins = many(JOURNEYS[0], 3), many(JOURNEYS[0], 3)
    envs.reset(seed=0)
    twins.reset(seed=0)
    with pytest.raises(ActionError) as error:
        envs.reset(options=options)
    one_line(error)
    assert np.array_equal(envs.step([0, 0, 0])[0], twins.step([0, 0, 0])[0])
    assert np.array_equal(envs.reset()[0], twins.reset()[0])


def test_the_first_reset_begins_everybody():
    envs = many(JOURNEYS[0], 3, autoreset_mode="SameStep")
    with pytest.raises(EpisodeError) as error:
        envs.reset(seed=0, options={"reset_mask": np.array([True, False, True])})
    one_line(error)


@pytest.mark.parametrize("count", [0, -1, 2.5, True, None, "3"], ids=repr)
def test_a_number_of_customers_below_one_is_refused(count):
    with pytest.raises(ActionError, match="num_envs") as error:
        JourneyVectorEnv(count)
    one_line(error)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True], ids=repr)
def test_a_number_of_threads_below_one_is_refused(threads):
    with pytest.raises(ActionError, match="threads") as error:
        JourneyVectorEnv(2, threads=threads)
    one_line(error)


@pytest.mark.parametrize("observe", ["hidden", "Records", "", None, 3], ids=repr)
def test_nothing_else_can_be_observed(observe):
    for make in (JourneyEnv, JourneyVectorEnv):
        with pytest.raises(PolicyError, match="observe") as error:
            make(observe=observe)
        one_line(error)


@pytest.mark.parametrize("mode", ["human", "ANSI", "", 3], ids=repr)
def test_an_unknown_way_to_render_is_refused_at_once(mode):
    for make in (JourneyEnv, JourneyVectorEnv):
        with pytest.raises(PolicyError, match="render_mode") as error:
            make(render_mode=mode)
        one_line(error)


def test_an_unknown_way_to_begin_anew_is_refused_with_the_choices():
    with pytest.raises(ActionError, match=r"must be one of 'NextStep'.*got 'Never'"):
        JourneyVectorEnv(2, autoreset_mode="Never")


# --- customers and seeds --------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", IDS)
def test_a_seed_begins_with_customer_0_and_each_reset_goes_on(env_id):
    env, other = one(env_id), one(env_id)
    for customer in range(4):
        met, _ = env.reset(seed=5) if customer == 0 else env.reset()
        named, _ = other.reset(seed=5, options={"customer": customer})
        assert np.array_equal(met, named)
        assert np.array_equal(env.step(0)[0], other.step(0)[0])


@pytest.mark.parametrize("env_id", IDS)
def test_place_i_meets_customer_i_and_then_goes_on_by_the_number_of_places(env_id):
    envs, single = many(env_id, 5), one(env_id)
    for visit in range(3):
        seen, _ = envs.reset(seed=5) if visit == 0 else envs.reset()
        first = envs.step(np.zeros(5, dtype=int))[0]
        for i in range(5):
            alone, _ = single.reset(seed=5, options={"customer": i + 5 * visit})
            assert np.array_equal(seen[i], alone)
            assert np.array_equal(first[i], single.step(0)[0])


def test_a_list_of_seeds_gives_each_place_a_world_of_its_own():
    envs, single = many(JOURNEYS[0], 3), one(JOURNEYS[0])
    envs.reset(seed=[4, 2**64 - 1, 4])
    seen = envs.step([0, 0, 0])[0]
    for i, seed in enumerate([4, 2**64 - 1, 4]):
        single.reset(seed=seed)
        assert np.array_equal(seen[i], single.step(0)[0])


def test_without_a_seed_every_environment_has_a_world_of_its_own():
    worlds = {
        env.population.who()[0][0] for env in (one(JOURNEYS[0]), one(JOURNEYS[0])) if env.reset()
    }
    assert len(worlds) == 2
    assert 0 not in worlds


@pytest.mark.parametrize("env_id", JOURNEYS)
def test_nothing_of_the_last_customer_is_left_after_a_reset(env_id):
    env, fresh = one(env_id, observe="everything"), one(env_id, observe="everything")
    for customer in range(5):
        journey(env, seed=1, options={"customer": customer})
        begun, _ = env.reset(seed=1, options={"customer": 77})
        expected, _ = fresh.reset(seed=1, options={"customer": 77})
        assert np.array_equal(begun, expected)
        for action in (0, 1, 2, 1, 0):
            assert np.array_equal(env.step(action)[0], fresh.step(action)[0])


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


# --- rendering ------------------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", JOURNEYS)
def test_a_journey_reads_as_lines_with_its_actions(env_id):
    env = one(env_id, render_mode="ansi")
    _, info = env.reset(seed=1, options={"customer": 12})
    assert env.render() == f"customer 12 of {env.scenario.name}"
    done, total = [], 0.0
    for period in range(9):
        action = pick(info, period)
        _, reward, _, _, info = env.step(action)
        done.append(env.scenario.actions[0 if info["forbidden"] else action].name)
        total += reward
    lines = env.render().splitlines()[1:]
    assert [line.split()[2] for line in lines] == done
    assert [int(line.split()[1]) for line in lines] == list(range(9))
    assert all(line.startswith(env.scenario.period) for line in lines)
    assert float(lines[-1].split()[-1]) == pytest.approx(total, abs=0.006)
    env.reset()
    assert env.render() == f"customer 13 of {env.scenario.name}"


@pytest.mark.parametrize("env_id", JOURNEYS)
def test_a_journey_can_be_drawn(env_id):
    pytest.importorskip("matplotlib")
    env = one(env_id, render_mode="rgb_array")
    pictures = []
    steps = len(journey(env, seed=1, options={"customer": 3}))
    for periods in (0, steps // 2, steps):
        _, info = env.reset(options={"customer": 3})
        for period in range(periods):
            info = env.step(pick(info, period, period))[4]
        pictures.append(env.render())
    for picture in pictures:
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert picture.shape == pictures[0].shape
        assert picture.shape[2] == 3
        assert picture.flags.writeable
        assert 0.5 < (picture == 255).mean() < 1.0  # ink on paper
    assert len({picture.tobytes() for picture in pictures}) == 3


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_every_customer_of_a_batch_has_a_journey_to_read(mode):
    env = JourneyVectorEnv(
        3, "retail", overrides=["horizon=4"], render_mode="ansi", autoreset_mode=mode
    )
    env.reset(seed=1)
    lengths, texts = [], ("", "", "")
    for _ in range(7):
        env.step([0, 1, 2])
        texts = env.render()
        assert texts is not None
        assert len(texts) == 3
        lengths.append([len(text.splitlines()) - 1 for text in texts])
    anew = [0, 1, 2] if mode == AutoresetMode.NEXT_STEP else [1, 2, 3]
    last = 4 if mode == AutoresetMode.NEXT_STEP else 0  # one begun at once has no line yet
    assert [length[0] for length in lengths] == [1, 2, 3, last, *anew]
    assert texts[2].startswith("customer 5 of retail")


def test_nothing_is_rendered_unless_asked_for():
    env, envs = one(JOURNEYS[0]), many(JOURNEYS[0], 2)
    env.reset(seed=0)
    envs.reset(seed=0)
    assert env.render() is None
    assert envs.render() is None


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

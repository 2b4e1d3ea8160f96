"""What an environment refuses, and in which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from nba_gym.envs.journey import JourneyEnv
from nba_gym.envs.registration import scenario_of
from nba_gym.envs.vector import JourneyVectorEnv
from nba_gym.errors import ActionError, EpisodeError, NbaGymError, PolicyError
from tests.contract.environments import IDS, JOURNEYS, journey, many, one

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

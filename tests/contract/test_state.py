"""The state of a batch: whoever takes it up goes on to the bit."""

from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode

import nba_gym
from nba_gym.envs.registration import scenario_of
from nba_gym.envs.vector import JourneyVectorEnv
from nba_gym.errors import DataError, EpisodeError
from tests.journeys import choose

IDS = nba_gym.environment_ids()
N = 70


def batch(world: str, n: int = N, mode: Any = AutoresetMode.SAME_STEP, **settings: Any) -> Any:
    return JourneyVectorEnv(n, scenario_of(world), autoreset_mode=mode, threads=1, **settings)


def live(envs: Any, info: dict[str, Any], periods: range) -> list[Any]:
    """Steps that depend on the masks and the period only."""
    steps, places = [], np.arange(envs.num_envs, dtype=np.uint64)
    for period in periods:
        numbers = np.full(envs.num_envs, period)
        steps.append(envs.step(choose(info["action_mask"], places, numbers)))
        info = steps[-1][4]
    return steps


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
@pytest.mark.parametrize("env_id", IDS)
def test_a_batch_goes_on_from_its_state_as_if_nothing_had_been(env_id, mode):
    envs = batch(env_id, mode=mode)
    _, info = envs.reset(seed=5)
    last = live(envs, info, range(60))[-1]
    state = envs.state()
    expected = live(envs, last[4], range(60, 130))
    other = batch(env_id, mode=mode)
    observations, info = other.restore(state)
    assert np.array_equal(observations, last[0])
    assert np.array_equal(info["action_mask"], last[4]["action_mask"])
    assert data_equivalence(live(other, info, range(60, 130)), expected, exact=True)


def test_a_state_is_a_copy_of_arrays_that_needs_no_code_to_be_read():
    envs = batch("retail")
    _, info = envs.reset(seed=5)
    state = envs.state()
    kept = {name: array.copy() for name, array in state.items()}
    live(envs, info, range(3))
    assert all(np.array_equal(state[name], kept[name]) for name in kept)
    assert all(type(array) is np.ndarray and not array.dtype.hasobject for array in kept.values())


def test_a_state_of_something_else_is_refused_by_name():
    envs = batch("retail")
    with pytest.raises(EpisodeError, match="state must come after reset"):
        envs.state()
    envs.reset(seed=5)
    state = envs.state()
    with pytest.raises(DataError, match="scenario 'control'"):
        batch("control").restore(state)
    with pytest.raises(DataError, match="scenario 'retail' as it is here"):
        batch("retail", overrides=["leaving.by_loyalty=2.0"]).restore(state)
    with pytest.raises(DataError, match="of 71 customers, got 70"):
        batch("retail", N + 1).restore(state)
    with pytest.raises(DataError, match=r"state\['bits'\] must be uint32 .*, got none"):
        batch("retail").restore({k: v for k, v in state.items() if k != "bits"})
    with pytest.raises(DataError, match=r"state\['ended'\] must be uint8"):
        batch("retail").restore(state | {"ended": state["ended"].astype(np.int64)})


def test_a_refused_state_changes_nothing():
    envs = batch("retail")
    _, info = envs.reset(seed=5)
    with pytest.raises(DataError):
        envs.restore(batch_state("control"))
    twin = batch("retail")
    twin.reset(seed=5)
    assert data_equivalence(live(envs, info, range(5)), live(twin, info, range(5)), exact=True)


def batch_state(world: str) -> Any:
    envs = batch(world)
    envs.reset(seed=5)
    return envs.state()


def test_the_adapter_goes_on_too_and_forgets_a_seed_that_waits():
    first = nba_gym.make_sb3("retail", num_envs=N, stagger=True)
    first.seed(3)
    first.reset()
    state = first.state()
    other = nba_gym.make_sb3("retail", num_envs=N, stagger=True)
    other.seed(99)
    assert np.array_equal(other.restore(state), first.population.out.observations)
    for _ in range(60):
        actions = first.action_masks().argmax(axis=1)
        ours, theirs = first.step(actions), other.step(actions)
        assert data_equivalence(ours[:3], theirs[:3], exact=True)
    assert np.array_equal(first.reset(), other.reset())

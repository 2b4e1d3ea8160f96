"""Which customers a seed begins with."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.environments import IDS, JOURNEYS, journey, many, one

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

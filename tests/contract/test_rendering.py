"""Journeys to read and to look at."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from nba_gym.envs.vector import JourneyVectorEnv
from tests.contract.environments import JOURNEYS, journey, many, one, pick

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

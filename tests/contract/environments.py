"""Environments of every id, and what the tests of their contract share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

import nba_gym
from nba_gym.envs.journey import JourneyEnv
from nba_gym.envs.vector import JourneyVectorEnv
from tests.journeys import choose, journey_ids

IDS = nba_gym.environment_ids()
JOURNEYS = journey_ids()
MODES = list(AutoresetMode)


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

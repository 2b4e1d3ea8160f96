"""Small batches for Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nba_gym
from tests.journeys import choose, journey_ids

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")
from sb3_contrib.common.maskable.utils import get_action_masks
from stable_baselines3.common.vec_env import (
    VecEnv,
)

IDS = nba_gym.environment_ids()
JOURNEYS = journey_ids()


def make(env_id: str = JOURNEYS[0], n: int = 6, **settings: Any) -> Any:
    return nba_gym.make_sb3(env_id, num_envs=n, **settings)


def short(n: int = 6, horizon: int = 5, **settings: Any) -> Any:
    return make("nba_gym/Retail-v0", n, overrides=[f"horizon={horizon}"], **settings)


def acts(venv: VecEnv, period: int) -> np.ndarray:
    """Actions that depend on the mask, the place and the period only."""
    places = np.arange(venv.num_envs, dtype=np.uint64)
    return choose(get_action_masks(venv), places, np.full(venv.num_envs, period))

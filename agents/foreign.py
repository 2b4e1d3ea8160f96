"""Models that were trained elsewhere with Stable-Baselines3: loaded only if they are trusted."""

from __future__ import annotations

import zipfile
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251  what a damaged file raises, nothing else
from typing import Any

import sb3_contrib
import stable_baselines3
from stable_baselines3.common.vec_env import VecNormalize

from agents.policy import AgentPolicy, policy_of
from nba_gym.envs.stable_baselines import JourneyVecEnv
from nba_gym.errors import BundleError, PolicyError, nearest
from nba_gym.scenario.schema import Scenario

KINDS: dict[str, Any] = {
    "A2C": stable_baselines3.A2C,
    "DQN": stable_baselines3.DQN,
    "MaskablePPO": sb3_contrib.MaskablePPO,
    "PPO": stable_baselines3.PPO,
    "QRDQN": sb3_contrib.QRDQN,
}
"""Algorithms whose files can be loaded."""
_UNREADABLE = (
    *(KeyError, ValueError, TypeError, AttributeError, RuntimeError, AssertionError, OSError),
    *(EOFError, ImportError, IndexError, UnpicklingError, zipfile.BadZipFile),
)
"""What reading a file raises that is something else, or damaged."""


def load_sb3(
    path: Path,
    scenario: Scenario,
    *,
    algorithm: str = "MaskablePPO",
    normaliser: Path | None = None,
    trust: bool = False,
) -> AgentPolicy:
    """The policy of a model that Stable-Baselines3 or sb3-contrib saved.

    Both of its files are pickles in disguise: who loads one runs whatever its writer put into it.

    Args:
        path: The zip file that ``model.save`` wrote.
        scenario: The world it was trained in, on records.
        algorithm: What it was trained by.
        normaliser: The file that ``VecNormalize.save`` wrote, if there was one.
        trust: Say that you trust whoever wrote the files.

    Raises:
        PolicyError: If you do not say so, or the algorithm is none of those that can be loaded.
        BundleError: If a file is missing or something else, or does not fit the scenario.
    """
    if not trust:
        raise PolicyError(
            f"trust must be given to load {path.name}, got none: a file of Stable-Baselines3 runs "
            "code when it is loaded; give it (--trust) if you know who wrote the file"
        )
    if algorithm not in KINDS:
        hint = nearest(algorithm, KINDS)
        raise PolicyError(f"algorithm must be one that can be loaded, got {algorithm!r}{hint}")
    for file in (path, normaliser):
        if file is not None and not file.is_file():
            raise BundleError(f"model must be an existing file, got {str(file)!r}")
    if not zipfile.is_zipfile(path):
        raise BundleError(f"model must be a zip file of Stable-Baselines3, got {path.name}")
    try:
        model = KINDS[algorithm].load(path, device="cpu")
    except _UNREADABLE as error:
        raise BundleError(
            f"model must be one of {algorithm}, got {path.name}, which is not: {error}"
        ) from None
    world = JourneyVecEnv(1, scenario)
    had, wanted = model.observation_space.shape, world.observation_space.shape
    if had != wanted or model.action_space != world.action_space:
        raise BundleError(
            f"model must be for {wanted} features and {world.action_space} as in {scenario.name}, "
            f"got {had} and {model.action_space}"
        )
    return policy_of(model, normaliser=None if normaliser is None else _around(normaliser, world))


def _around(file: Path, world: JourneyVecEnv) -> VecNormalize:
    """The normaliser in a file; that it fits the observations of the world is checked by SB3."""
    try:
        return VecNormalize.load(str(file), world)
    except _UNREADABLE as error:
        raise BundleError(
            f"normaliser must be a file of VecNormalize.save for {world.observation_space.shape} "
            f"features, got {file.name}: {error}"
        ) from None

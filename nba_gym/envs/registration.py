"""Registered ids: one ``nba_gym/<Scenario>-v0`` for every preset."""

from __future__ import annotations

from typing import Any, cast

import gymnasium

from nba_gym.errors import ScenarioError, nearest
from nba_gym.scenario.load import preset_names

_VERSION = 0


def environment_ids() -> list[str]:
    """Ids of all scenarios that ship, e.g. ``"nba_gym/Retail-v0"``."""
    return [_id_of(name) for name in preset_names()]


def scenario_of(env_id: str) -> str:
    """Scenario behind an id; anything that is not an id is taken for a scenario name or file.

    Raises:
        ScenarioError: If it looks like one of our ids and is none.
    """
    known = {_id_of(name): name for name in preset_names()}
    if str(env_id).startswith("nba_gym/") and env_id not in known:
        raise ScenarioError(f"id must be a known one, got {env_id!r}{nearest(env_id, known)}")
    return known.get(env_id, env_id)


def register_scenarios() -> None:
    """Register every preset with Gymnasium, single and native vector entry points."""
    for name in preset_names():
        if _id_of(name) not in gymnasium.registry:
            cast(Any, gymnasium).register(
                id=_id_of(name),
                entry_point="nba_gym.envs.journey:JourneyEnv",
                vector_entry_point="nba_gym.envs.vector:JourneyVectorEnv",
                kwargs={"scenario": name},
            )


def _id_of(name: str) -> str:
    title = "".join(word.capitalize() for word in name.split("_"))
    return f"nba_gym/{title}-v{_VERSION}"

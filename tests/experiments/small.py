"""Recipes that learn in a moment, and trainings in this process instead of one of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tyro

from agents import train
from agents.recipe import load_recipe
from nba_gym.effort import Effort

EFFORT = Effort(campaign=300, tuning=40, trials=2)


def small_recipe(folder: Path, name: str, **changes: Any) -> str:
    """A recipe of ours with few customers and steps, as a file in a folder."""
    recipe = load_recipe("control", name)
    changes = {"steps": 4_096, "customers": 64, "watch_every": 1, "averaging": 0.5} | changes
    if hasattr(recipe, "batch_size"):
        changes = {"batch_size": 512} | changes
    values = recipe.with_changes(**changes).as_dict()
    path = folder / f"{name}.toml"
    path.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items()))
    return str(path)


def run_here(told: list[list[str]], stop_at: int = -1) -> Callable[..., float]:
    """What ``Processes.run`` does, in this process; keeps the commands and says 12.5 seconds."""

    def run(_: Any, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> float:
        if len(told) == stop_at:
            raise KeyboardInterrupt
        told.append(list(command))
        assert list(command[1:3]) == ["-m", "agents.train"]
        log.write_text("")
        train.main(tyro.cli(train.Arguments, args=list(command[3:])))
        return 12.5

    return run

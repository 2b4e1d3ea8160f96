"""What a study leaves: its record, and the tuned values in the file of the recipe."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import tomlkit
from optuna.trial import FrozenTrial, TrialState

from agents.checkpoint import Tree
from agents.keeper import versions
from agents.recipe import FOLDER, Recipe, load_recipe
from agents.tuning.search import Search
from agents.tuning.space import to_settings
from nba_gym.errors import PolicyError
from nba_gym.files import whole_file
from nba_gym.statistics import mean_interval

STATES = {
    TrialState.COMPLETE: "done",
    TrialState.PRUNED: "given up",
    TrialState.FAIL: "failed",
}


def all_versions() -> dict[str, str]:
    """Versions that the values of a study depend on."""
    return versions() | {"optuna": metadata.version("optuna")}


def today() -> str:
    """The date, as in 2026-11-22."""
    return datetime.now(UTC).date().isoformat()


def machine() -> dict[str, Any]:
    """Where seconds were counted."""
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        "processors": os.cpu_count(),
    }


def rows(search: Search) -> list[dict[str, Any]]:
    """All trials in their order; what a trial is better than the first is paired by customer."""
    first = search.first
    level = None if first is None else search.values(first)
    found: list[dict[str, Any]] = []
    for trial in search.trials:
        if len(trial.params) < len(search.space):
            continue  # its process was killed before it was asked for
        row = {"trial": trial.number, "state": _state(trial)} | _told(trial)
        row["settings"] = to_settings(search.space, trial.params, search.recipe)
        if trial.state == TrialState.COMPLETE:
            values = search.values(trial)
            row["value"] = mean_interval(values)._asdict()
            if level is not None:
                row["gain"] = mean_interval(values - level)._asdict()
        row["looks"] = {str(k): value for k, value in trial.intermediate_values.items()}
        found.append(row)
    return found


def _state(trial: FrozenTrial) -> str:
    known = trial.user_attrs
    if "said" not in known and trial.state == TrialState.FAIL:
        return "stopped" if "stopped" in known else "lost"
    return STATES.get(trial.state, "under way")


def _told(trial: FrozenTrial) -> dict[str, Any]:
    names = ("first", "again_of", "said", "seconds", "transitions", "customers")
    return {name: trial.user_attrs[name] for name in names if name in trial.user_attrs}


def write_json(path: Path, tree: Tree) -> None:
    """Write a record, as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        draft.write_text(json.dumps(tree, indent=1) + "\n")


def recipe_file(name: str) -> Path:
    """The file of a recipe."""
    return Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"


def beside(name: str, scenario: str) -> Path:
    """Where the record of a study is kept beside the recipes; policies have theirs there, too."""
    file = recipe_file(name)
    return file.parent / "studies" / f"{file.stem}-{scenario}.json"


def write_recipe(path: Path, scenario: str, wanted: Recipe, note: str) -> list[str]:
    """Write settings into the table of a scenario; the rest of the file stays as it is.

    Args:
        path: The recipe's file.
        scenario: Name of the table.
        wanted: The recipe as it is to be in this scenario.
        note: What stands beside the name of the table.

    Returns:
        Settings that changed.

    Raises:
        PolicyError: If the file, once written, would say something else.
    """
    document = tomlkit.parse(path.read_text())
    had = load_recipe(scenario, str(path)).as_dict()
    changed = [name for name, value in wanted.as_dict().items() if had[name] != value]
    if scenario not in document:
        document.add(tomlkit.nl())
        document.add(scenario, tomlkit.table())
    table: Any = document[scenario]
    for name in changed:
        value = wanted.as_dict()[name]
        table[name] = list(value) if isinstance(value, tuple) else value
    table.comment(note)
    with whole_file(path) as draft:
        draft.write_text(tomlkit.dumps(document))
        if load_recipe(scenario, str(draft)) != wanted:
            raise PolicyError(f"{path.name}: table [{scenario}] could not be written as tuned")
    return changed


def differing(settings: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Settings that are not those of the recipe."""
    now = recipe.as_dict()
    return {name: value for name, value in settings.items() if now[name] != value}

"""Study files: found, read, changed and checked before anything is run."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from experiments.engine.schema import Study
from nba_gym.errors import DataError, nearest
from nba_gym.scenario.load import assign, parse_override
from nba_gym.scenario.mistakes import one_line

FOLDER = Path(__file__).parents[1] / "studies"
SMOKE: dict[str, Any] = {
    "seeds": 2,
    "customers": 200,
    "effort": {"campaign": 300, "bandit": 64, "tuning": 40, "trials": 2, "watching": 40},
}
"""A study end to end in a moment: nothing that it says is to be believed."""
SMALL_RECIPE: dict[str, Any] = {
    "steps": 4_096,
    "customers": 64,
    "siblings": 1,
    "batch_size": 512,
    "warm_up": 512,
    "replay": 4_096,
    "watch_every": 1_000,
}
"""The same for recipes: settings that a recipe has are set to these."""


def study_names() -> list[str]:
    """Names of the studies that ship."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def find_study(name: str) -> Path:
    """The file of a study, by its name or path.

    Raises:
        DataError: If there is none.
    """
    path = Path(name)
    places = [path, FOLDER / path.name] if path.suffix == ".toml" else [FOLDER / f"{name}.toml"]
    for place in places:
        if place.is_file():
            return place
    hint = nearest(path.stem, study_names())
    raise DataError(f"study must be a name or a TOML file that exists, got {name!r}{hint}")


def load_study(name: str, changes: Iterable[str] = (), *, smoke: bool = False) -> Study:
    """Read a study.

    Args:
        name: Its name or file.
        changes: Such as ``"seeds=2"`` or ``"agents.ppo.changes.steps=4096"``.
        smoke: Make it as small as can be; ``changes`` come after.

    Raises:
        DataError: One line a mistake, each with field, rule and value.
    """
    path = find_study(name)
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"study must be valid TOML, got: {error} ({path.name})") from None
    if smoke:
        tree |= SMOKE
    for text in changes:
        field, value = parse_override(text)
        assign(tree, field, value, path.name)
    try:
        study = Study.model_validate(tree)
    except ValidationError as error:
        lines = [one_line(item, tree, path.name, Study) for item in error.errors()]
        raise DataError("\n".join(lines)) from None
    return study

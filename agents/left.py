"""What a run left on disk, as far as an export needs it: weights, world, settings, comparison."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

import nba_gym
from nba_gym.errors import BundleError, PolicyError, ScenarioError
from nba_gym.export import evaluation_of
from nba_gym.files import whole_file
from nba_gym.scenario import Scenario

TRAINING = "training.json"
WEIGHTS = "weights.safetensors"
_STAGE = "stage.json"
AGENT = "trained agent"
"""What comparisons of ``experiments`` call the agent."""


@dataclass(frozen=True)
class Left:
    """What a run left.

    Attributes:
        weights: File with the weights.
        scenario: The world, where the run says it.
        recipe: Settings of training; empty where the run does not say them.
        seed: Seed of training; none where the run does not say it.
        evaluation: Outcome of its comparison, for the card; none if there was none.
    """

    weights: Path
    scenario: Scenario | None = None
    recipe: dict[str, Any] = field(default_factory=dict[str, Any])
    seed: int | None = None
    evaluation: dict[str, Any] | None = None


def save_training(
    folder: Path, scenario: Scenario, recipe: dict[str, Any], seed: int, **others: Any
) -> None:
    """Write beside the weights what they were trained in, with, and by (threads, device)."""
    about = {"scenario": scenario.model_dump(mode="json"), "recipe": recipe, "seed": seed, **others}
    with whole_file(folder / TRAINING) as draft:
        draft.write_text(json.dumps(about, indent=2) + "\n")


def find_left(run: Path) -> Left:
    """What lies in the folder of a run: of ``agents.train``, or of ``make run``.

    Args:
        run: The folder, or a file with weights.

    Raises:
        BundleError: If there are no weights.
        ScenarioError: If the world it names cannot be read.
    """
    if run.is_file():
        known = run.name == WEIGHTS and (run.parent / TRAINING).is_file()
        return find_left(run.parent) if known else Left(run)
    stage = run / "training"
    if (stage / WEIGHTS).is_file():
        depends = _read(stage / _STAGE).get("depends", {})
        world = run / "scenario.toml"
        return Left(
            weights=stage / WEIGHTS,
            scenario=nba_gym.load_scenario(world) if world.is_file() else None,
            recipe=depends.get("recipe", {}),
            seed=depends.get("seed"),
            evaluation=_evaluation(run / "comparison" / "comparison.json"),
        )
    if not (run / WEIGHTS).is_file():
        raise BundleError(f"run must be a folder with {WEIGHTS}, got none in {str(run)!r}")
    about = _read(run / TRAINING)
    tree = about.get("scenario")
    return Left(
        weights=run / WEIGHTS,
        scenario=None if tree is None else _world(tree),
        recipe=about.get("recipe", {}),
        seed=about.get("seed"),
    )


def _world(tree: dict[str, Any]) -> Scenario:
    try:
        return Scenario.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ScenarioError(
            f"{TRAINING} must hold a scenario of this version, got {field}: {first['msg']}"
        ) from None


def _read(path: Path) -> dict[str, Any]:
    """A JSON object; an empty one where there is no file."""
    if not path.is_file():
        return {}
    try:
        return cast(dict[str, Any], json.loads(path.read_text()))
    except ValueError as error:
        raise BundleError(f"{path.name} must be valid JSON, got {error}") from None


def _evaluation(path: Path) -> dict[str, Any] | None:
    """The agent beside the others, where they were compared."""
    summary = _read(path)
    if not summary:
        return None
    try:
        return evaluation_of(summary, AGENT)
    except PolicyError:
        return None

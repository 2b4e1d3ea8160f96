"""What a scenario was matched to: one TOML file a scenario, in ``nba_gym/scenario/targets``."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from nba_gym.errors import ScenarioError, nearest
from nba_gym.scenario.fields import Number, Part
from nba_gym.scenario.load import preset_names
from nba_gym.scenario.mistakes import one_line


class Target(Part):
    """One published or intended number, and how to measure it here.

    The fields after ``why_not`` choose what the quantity is measured on; a quantity says which of
    them it needs, and what it does without the others.
    """

    label: str = Field(description="what it is, for people")
    quantity: str = Field(
        description="name of the quantity, see nba_gym.evaluation.card.quantities"
    )
    low: Number | None = Field(default=None, description="lower end of the range; none if open")
    high: Number | None = Field(default=None, description="upper end of the range; none if open")
    source: str = Field(description="who says so")
    note: str = Field(default="", description="what the reader must know of how it is compared")
    why_not: str = Field(default="", description="why the world is outside, where it is")
    policy: str = Field(default="", description="who acts; empty for the quantity's own choice")
    channel: str = Field(default="", description="channel that is looked at")
    action: str = Field(default="", description="action that is looked at")
    period: int = Field(default=0, ge=0, description="period of a contact [periods]")
    window: int | None = Field(default=None, ge=1, description="what is followed for how long")
    states: str = Field(default="", description="states of a tabular world, * for any text")
    actions: tuple[str, ...] = Field(default=(), description="an action for each tabular state")

    @model_validator(mode="after")
    def _has_a_range(self) -> Target:
        low, high = self.low, self.high
        if low is None and high is None:
            raise ValueError("low or high must be given")
        if low is not None and high is not None and low > high:
            raise ValueError(f"low must not be above high, got {low:g} and {high:g}")
        return self


class Targets(Part):
    """A file of targets."""

    targets: tuple[Target, ...] = Field(default=(), description="in the order of the table")
    limits: tuple[str, ...] = Field(default=(), description="known limits, a sentence or more each")


def load_targets(scenario: str, file: str | Path | None = None) -> Targets:
    """The targets of a scenario; none where nobody has set any.

    Args:
        scenario: Name of the scenario.
        file: A file of one's own, instead of that of the preset.

    Raises:
        ScenarioError: One line a mistake, each with file, field, rule and value.
    """
    shipped = resources.files("nba_gym.scenario") / "targets" / f"{scenario}.toml"
    source = shipped if file is None else Path(file)
    if not source.is_file():
        if file is None:
            return Targets()
        raise ScenarioError(f"targets must be a file that exists, got {str(file)!r}")
    try:
        tree = tomllib.loads(source.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"targets must be valid TOML, got: {error} ({source.name})") from None
    try:
        return Targets.model_validate(tree)
    except ValidationError as error:
        label = f"targets/{source.name}"
        lines = [one_line(item, tree, label, Targets) for item in error.errors()]
        raise ScenarioError("\n".join(lines)) from None


def target_names() -> list[str]:
    """Presets that have targets."""
    folder = resources.files("nba_gym.scenario") / "targets"
    files = [file.name.removesuffix(".toml") for file in folder.iterdir()]
    return [name for name in preset_names() if name in files]


def check_known(field: str, name: str, known: list[str]) -> None:
    """Refuse a name in a target that the world does not have.

    Raises:
        ScenarioError: Naming the field, the value and what was probably meant.
    """
    if name not in known:
        raise ScenarioError(f"{field} must be one of the world, got {name!r}{nearest(name, known)}")

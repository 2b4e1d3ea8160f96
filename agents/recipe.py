"""Recipes: the settings of a learner, as TOML beside the code."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from nba_gym.errors import PolicyError, check_least, nearest

FOLDER = Path(__file__).parent / "recipes"


def _in(least: float, most: float = math.inf, *, below: float = math.inf) -> Any:
    """A setting that must be given, and its range; ``below`` is an end that is not part of it."""
    return field(metadata={"least": least, "most": most, "below": below})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What every learner needs to be told; see the recipe files for what the settings mean.

    The settings of one algorithm alone are those of a class below. An algorithm that does not know
    a setting of another one has here what it does instead.
    """

    algorithm: ClassVar[str] = ""
    imitate: ClassVar[float] = 0.0
    doubt: ClassVar[float] = 0.0
    critic_alone: ClassVar[float] = 0.0
    privileged_critic: ClassVar[bool] = False
    history: ClassVar[int] = 1

    steps: int = _in(1)
    customers: int = _in(1)
    learning_rate: float = _in(0)
    max_grad_norm: float = _in(0)
    network: tuple[int, ...] = _in(1)
    averaging: float = _in(0, below=1)
    watch_every: int = _in(1)

    def __post_init__(self) -> None:
        for setting in fields(self):
            _check(setting.name, getattr(self, setting.name), str(setting.type), setting.metadata)

    def with_changes(self, **changes: Any) -> Self:
        """The recipe with some settings changed; ``None`` leaves one as it is.

        Raises:
            PolicyError: If the algorithm has no such setting, or not with such a value.
        """
        given = {key: value for key, value in changes.items() if value is not None}
        _check_known(given, type(self), self.algorithm)
        return replace(self, **given)

    def as_dict(self) -> dict[str, Any]:
        """The algorithm and its settings as plain values."""
        return {"algorithm": self.algorithm, **asdict(self)}

    @property
    def of_update(self) -> int:
        """Transitions between two updates."""
        plain = self.as_dict()
        return self.customers * plain.get("rollout_periods", plain.get("train_periods", 1))


@dataclass(frozen=True, kw_only=True)
class FromRollouts:
    """What learners are told that learn from what their policy just did, and then forget it."""

    rollout_periods: int = _in(1)
    gae_lambda: float = _in(0, 1)
    entropy: float = _in(0)
    value_weight: float = _in(0)
    critic: tuple[int, ...] = _in(1)


@dataclass(frozen=True, kw_only=True)
class Clipped(FromRollouts):
    """What learners are told besides that clip how far an update changes the policy."""

    batch_size: int = _in(1)
    epochs: int = _in(1)
    clip_range: float = _in(0)


@dataclass(frozen=True, kw_only=True)
class Lean(FromRollouts):
    """What learners of the lean loop are told besides."""

    privileged_critic: bool = _in(0)
    siblings: int = _in(1)


@dataclass(frozen=True, kw_only=True)
class FromReplay:
    """What learners are told that keep what they tried, at times at random, to learn from it."""

    replay: int = _in(1)
    warm_up: int = _in(0)
    train_periods: int = _in(1)
    gradient_steps: int = _in(1)
    batch_size: int = _in(1)
    target_every: int = _in(1)
    explore_first: float = _in(0, 1)
    explore_last: float = _in(0, 1)
    explore_share: float = _in(0, 1)


@dataclass(frozen=True, kw_only=True)
class MaskablePPORecipe(Clipped, Lean, Recipe):
    """Settings of MaskablePPO on the native batch."""

    algorithm = "maskable_ppo"
    imitate: float = _in(0)  # pyright: ignore[reportIncompatibleVariableOverride]
    doubt: float = _in(0, below=1)  # pyright: ignore[reportIncompatibleVariableOverride]
    critic_alone: float = _in(0)  # pyright: ignore[reportIncompatibleVariableOverride]
    history: int = _in(1)  # pyright: ignore[reportIncompatibleVariableOverride]


@dataclass(frozen=True, kw_only=True)
class A2CRecipe(Lean, Recipe):
    """Settings of A2C with masks: one step on the whole rollout, nothing clipped."""

    algorithm = "a2c"


@dataclass(frozen=True, kw_only=True)
class PPORecipe(Clipped, Recipe):
    """Settings of the PPO of Stable-Baselines3, as it is, with masks."""

    algorithm = "ppo"


@dataclass(frozen=True, kw_only=True)
class RecurrentPPORecipe(Clipped, Recipe):
    """Settings of RecurrentPPO with masks."""

    algorithm = "recurrent_ppo"
    memory: int = _in(1)


@dataclass(frozen=True, kw_only=True)
class DQNRecipe(FromReplay, Recipe):
    """Settings of DQN with masks."""

    algorithm = "dqn"
    double: bool = _in(0)
    dueling: bool = _in(0)


@dataclass(frozen=True, kw_only=True)
class QRDQNRecipe(FromReplay, Recipe):
    """Settings of QR-DQN with masks: the distribution of what an action leads to, by quantiles."""

    algorithm = "qrdqn"
    quantiles: int = _in(1)


RECIPES: dict[str, type[Recipe]] = {
    kind.algorithm: kind
    for kind in (
        MaskablePPORecipe,
        PPORecipe,
        A2CRecipe,
        RecurrentPPORecipe,
        DQNRecipe,
        QRDQNRecipe,
    )
}
"""What each algorithm is told."""


def recipe_names() -> list[str]:
    """Names of the recipes that ship."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def load_recipe(scenario: str, name: str = "maskable_ppo") -> Recipe:
    """A recipe, with what its file says for this scenario.

    Args:
        scenario: Name of the scenario.
        name: A file in ``agents/recipes``, or the path of another TOML file.

    Raises:
        PolicyError: If there is no such recipe, or the file has an unknown, missing or impossible
            setting.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise PolicyError(f"recipe must exist, got {name!r}{nearest(name, recipe_names())}")
    try:
        table = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path.name} must be valid TOML, got {error}") from None
    own = table.get(scenario)
    own = own if isinstance(own, dict) else {}
    values = {key: value for key, value in table.items() if not isinstance(value, dict)} | own
    return recipe_of(values, path.name)


def recipe_of(values: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """A recipe from what ``Recipe.as_dict`` told, or a file says.

    Args:
        values: The algorithm and all its settings.
        where: What errors name.

    Raises:
        PolicyError: If there is no such algorithm, or a setting is unknown, missing or impossible.
    """
    values = dict(values)
    algorithm = str(values.pop("algorithm", ""))
    if algorithm not in RECIPES:
        hint = nearest(algorithm, RECIPES)
        raise PolicyError(f"{where}: algorithm must be a known one, got {algorithm!r}{hint}")
    kind = RECIPES[algorithm]
    _check_known(values, kind, where)
    missing = {setting.name for setting in fields(kind)} - set(values)
    if missing:
        raise PolicyError(f"{where}: {min(missing)} must be given")
    try:
        return kind(**{key: _tupled(value) for key, value in values.items()})
    except PolicyError as error:
        raise PolicyError(f"{where}: {error}") from None


def _tupled(value: Any) -> Any:
    return tuple(cast(list[Any], value)) if isinstance(value, list) else value


def _check_known(values: dict[str, Any], kind: type[Recipe], where: str) -> None:
    names = {setting.name for setting in fields(kind)}
    for key in values:
        if key not in names:
            raise PolicyError(
                f"{where}: {key} is not a known setting of {kind.algorithm}{nearest(key, names)}"
            )


def _check(name: str, value: Any, kind: str, rule: Any) -> None:
    """Refuse a setting of the wrong type, or out of its range."""
    if kind == "bool":
        if not isinstance(value, bool):
            raise PolicyError(f"{name} must be true or false, got {value!r}")
        return
    several = kind.startswith("tuple")
    if several and (not isinstance(value, tuple) or not value):
        raise PolicyError(f"{name} must be a list of at least one whole number, got {value!r}")
    numbers: tuple[Any, ...] = value if several else (value,)
    for number in numbers:
        whole = isinstance(number, int) and not isinstance(number, bool)
        if not whole and (kind != "float" or not isinstance(number, float)):
            what = "a number" if kind == "float" else "a whole number"
            raise PolicyError(f"{name} must be {what}, got {number!r}")
        if not math.isfinite(number):
            raise PolicyError(f"{name} must be finite, got {number!r}")
        check_least(rule["least"], **{name: number})
        if number > rule["most"]:
            raise PolicyError(f"{name} must be at most {rule['most']:g}, got {number:g}")
        if number >= rule["below"]:
            raise PolicyError(f"{name} must be below {rule['below']:g}, got {number:g}")

"""Recipes: the settings of a learner, as TOML beside the code."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from nba_gym.errors import PolicyError, check_least, nearest

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Recipe:
    """Settings of MaskablePPO on the native batch; see the recipe file for their meaning."""

    steps: int
    customers: int
    rollout_periods: int
    batch_size: int
    epochs: int
    learning_rate: float
    gae_lambda: float
    clip_range: float
    entropy: float
    value_weight: float
    max_grad_norm: float
    network: tuple[int, ...]
    critic: tuple[int, ...]
    privileged_critic: bool
    averaging: float
    imitate: float
    doubt: float
    critic_alone: float

    def __post_init__(self) -> None:
        check_least(
            1,
            steps=self.steps,
            customers=self.customers,
            rollout_periods=self.rollout_periods,
            batch_size=self.batch_size,
            epochs=self.epochs,
        )
        check_least(0, imitate=self.imitate, doubt=self.doubt, critic_alone=self.critic_alone)

    def with_changes(self, **changes: Any) -> Recipe:
        """The recipe with some settings changed; ``None`` leaves one as it is."""
        return replace(self, **{key: value for key, value in changes.items() if value is not None})

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values."""
        return asdict(self)


def load_recipe(scenario: str, algorithm: str = "maskable_ppo") -> Recipe:
    """The recipe of an algorithm, with what its file says for this scenario.

    Raises:
        PolicyError: If there is no such recipe, or the file has an unknown or missing key.
    """
    path = FOLDER / f"{algorithm}.toml"
    if not path.is_file():
        known = [file.stem for file in FOLDER.glob("*.toml")]
        raise PolicyError(f"recipe must exist, got {algorithm!r}{nearest(algorithm, known)}")
    table = tomllib.loads(path.read_text())
    own = table.get(scenario)
    own = own if isinstance(own, dict) else {}
    values = {key: value for key, value in table.items() if not isinstance(value, dict)} | own
    names = {field.name for field in fields(Recipe)}
    for key in values:
        if key not in names:
            raise PolicyError(f"{path.name}: {key} is not a known setting{nearest(key, names)}")
    missing = names - set(values)
    if missing:
        raise PolicyError(f"{path.name}: {min(missing)} must be given")
    for name in ("network", "critic"):
        values[name] = tuple(values[name])
    return Recipe(**values)

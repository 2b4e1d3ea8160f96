"""What may be tuned about each algorithm, and within which bounds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from agents.recipe import Recipe
from nba_gym.errors import PolicyError, nearest

DIGITS = 3
"""Digits of a number that is suggested; more would claim what no study can tell."""


@dataclass(frozen=True)
class Span:
    """Numbers from the least to the most.

    Attributes:
        least: Lower end.
        most: Upper end.
        even: Whether equal steps matter alike, instead of equal factors.
        whole: Whether they are whole.
    """

    least: float
    most: float
    even: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Choice:
    """One of several values; lists are layers of a network."""

    values: tuple[Any, ...]


Space = Mapping[str, Span | Choice]

_NETWORKS = Choice(((32, 32), (64,), (64, 64), (128,), (128, 128)))
_CRITICS = Choice(((64, 64), (128, 128), (256, 256)))
_AVERAGING = Choice((0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99))
_SIBLINGS = Choice((1, 2, 4, 8))
_ENTROPY = Choice((0.0, 0.0003, 0.001, 0.003, 0.01, 0.02, 0.04))
_ON_POLICY: Space = {
    "learning_rate": Span(2e-4, 1e-2),
    "customers": Choice((512, 1024, 2048, 4096, 8192)),
    "rollout_periods": Choice((8, 13, 26, 52)),
    "gae_lambda": Span(0.8, 1.0, even=True),
    "entropy": _ENTROPY,
    "value_weight": Span(0.1, 2.0),
    "max_grad_norm": Span(0.1, 5.0),
    "network": _NETWORKS,
    "critic": _CRITICS,
    "averaging": _AVERAGING,
}
_PPO: Space = {
    "batch_size": Choice((512, 1024, 2048, 4096, 8192, 16384)),
    "epochs": Span(1, 6, whole=True),
    "clip_range": Span(0.05, 0.4, even=True),
}
_OF_VALUES: Space = {
    "learning_rate": Span(1e-4, 5e-3),
    "customers": Choice((128, 256, 512, 1024, 2048)),
    "replay": Choice((50_000, 100_000, 200_000, 400_000)),
    "warm_up": Choice((10_000, 20_000, 50_000, 100_000)),
    "train_periods": Choice((1, 2, 4)),
    "gradient_steps": Choice((1, 2, 4, 8)),
    "batch_size": Choice((256, 512, 1024, 2048, 4096)),
    "target_every": Span(2_000, 100_000, whole=True),
    "explore_last": Span(0.01, 0.2),
    "explore_share": Span(0.1, 0.8, even=True),
    "max_grad_norm": Span(0.5, 20.0),
    "network": _NETWORKS,
    "averaging": _AVERAGING,
}
SPACES: Mapping[str, Space] = {
    "maskable_ppo": {
        **_ON_POLICY,
        **_PPO,
        "imitate": Span(0.05, 1.0),
        "doubt": Span(0.1, 0.8, even=True),
        "critic_alone": Span(0.02, 0.5),
        "siblings": _SIBLINGS,
        "history": Choice((2, 3, 4, 6, 8)),
    },
    "ppo": {**_ON_POLICY, **_PPO},
    "a2c": {**_ON_POLICY, "rollout_periods": Choice((4, 8, 13, 26)), "siblings": _SIBLINGS},
    "recurrent_ppo": {
        **_ON_POLICY,
        **_PPO,
        "network": Choice(((32,), (64,), (128,))),
        "critic": Choice(((32,), (64,), (128,))),
        "memory": Choice((16, 32, 64, 128)),
    },
    "dqn": {**_OF_VALUES, "double": Choice((True, False)), "dueling": Choice((True, False))},
    "qrdqn": {**_OF_VALUES, "quantiles": Choice((8, 16, 32, 64))},
}
"""What is tuned about each algorithm if nothing else is said."""
_MEANS_NOTHING_WITHOUT = {
    "imitate": "imitate",
    "doubt": "imitate",
    "critic_alone": "imitate",
    "history": "history",
}
"""Settings that belong to a kind of recipe, and what that kind is told by: being above 0, or 1."""


def space_of(recipe: Recipe, only: Iterable[str] = (), *, steps: bool = False) -> dict[str, Any]:
    """What is tuned about a recipe; its own values are always among what may be tried.

    Args:
        recipe: The recipe.
        only: Settings to tune, instead of all that can be.
        steps: Whether the number of steps is tuned as well: where time is what is fixed.

    Raises:
        PolicyError: If a setting is not one that can be tuned about this recipe.
    """
    now = recipe.as_dict()
    space: dict[str, Span | Choice] = {
        name: kind for name, kind in SPACES[recipe.algorithm].items() if _matters(name, now)
    }
    if steps:
        space["steps"] = Span(max(1, now["steps"] // 8), now["steps"] * 4, whole=True)
    for name in only:
        if name not in space:
            raise PolicyError(
                f"only must hold settings that can be tuned about this recipe, "
                f"got {name!r}{nearest(name, space)}"
            )
    chosen = list(dict.fromkeys(only)) or list(space)
    return {name: _with(space[name], now[name]) for name in space if name in chosen}


def _matters(name: str, now: Mapping[str, Any]) -> bool:
    kind = _MEANS_NOTHING_WITHOUT.get(name)
    return kind is None or now[kind] > (1 if kind == "history" else 0)


def _with(kind: Span | Choice, value: Any) -> Span | Choice:
    """Bounds that hold a value as well."""
    if isinstance(kind, Choice):
        return kind if value in kind.values else Choice((*kind.values, value))
    if not kind.even and value <= 0:  # factors lead to nothing that is not above 0
        return Span(0.0, kind.most, even=True, whole=kind.whole)
    return Span(min(kind.least, value), max(kind.most, value), kind.even, kind.whole)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The space as Optuna understands it; a list is its JSON."""
    found: dict[str, BaseDistribution] = {}
    for name, kind in space.items():
        if isinstance(kind, Choice):
            found[name] = CategoricalDistribution([_plain(value) for value in kind.values])
        elif kind.whole:
            found[name] = IntDistribution(int(kind.least), int(kind.most), log=not kind.even)
        else:
            found[name] = FloatDistribution(kind.least, kind.most, log=not kind.even)
    return found


def to_params(space: Space, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a recipe that are tuned, as Optuna understands them."""
    return {name: _plain(settings[name]) for name in space}


def to_settings(space: Space, params: Mapping[str, Any], present: Recipe) -> dict[str, Any]:
    """What Optuna suggests as settings: few digits, but where it is what the recipe says."""
    now, found = present.as_dict(), dict[str, Any]()
    for name, kind in space.items():
        value = params[name]
        if isinstance(kind, Choice):
            found[name] = tuple(json.loads(value)) if isinstance(value, str) else value
        elif value == now[name]:
            found[name] = now[name]
        else:
            rounded = float(f"{value:.{DIGITS}g}")
            rounded = min(max(rounded, kind.least), kind.most)
            found[name] = int(rounded) if kind.whole else rounded
    return found


def as_plain(space: Space) -> dict[str, Any]:
    """The space as plain values, for a record."""
    return {
        name: {kind_field.name: getattr(kind, kind_field.name) for kind_field in fields(kind)}
        for name, kind in space.items()
    }


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, tuple) else value

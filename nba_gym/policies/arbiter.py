"""What policies share that arbitrate: levers by kind of action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nba_gym.errors import PolicyError
from nba_gym.policies.attributes import Array


def all_levers(
    kinds: Sequence[str], given: Mapping[str, float] | None, **others: float
) -> dict[str, float]:
    """Levers by kind of action, 1 where not given.

    Args:
        kinds: Kind of each action, waiting first.
        given: Levers, by kind.
        **others: Further settings that must not be negative, by name.

    Raises:
        PolicyError: If a lever or another setting is negative.
    """
    levers = dict.fromkeys(sorted({*kinds[1:]}), 1.0) | dict(given or {})
    numbers = others | {f"levers.{kind}": lever for kind, lever in levers.items()}
    for name, number in numbers.items():
        if number < 0:
            raise PolicyError(f"{name} must be at least 0, got {number}")
    return levers


def lever_of_each(kinds: Sequence[str], levers: Mapping[str, float]) -> Array:
    """The lever of every action, ``(n_actions,)``; that of waiting is 1."""
    return np.array([levers.get(kind, 1.0) for kind in kinds], dtype=np.float32)

"""What policies share that arbitrate: levers by kind of action, and what wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import PolicyError
from nba_gym.policies.attributes import Array, Flags


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


def arbitrate(worth: NDArray[Any], closed: Flags, threshold: float) -> NDArray[np.int64]:
    """The action that is worth most, if it beats waiting by a threshold, ``(n,)``.

    Args:
        worth: What actions are worth more than waiting, ``(n, n_actions)``; changed in place.
        closed: Where an action may not be taken, ``(n, n_actions)``.
        threshold: By how much an action must beat waiting.
    """
    worth[closed] = -np.inf
    worth[:, 0] = threshold  # waiting wins ties: action 0 comes first
    return np.argmax(worth, axis=1)

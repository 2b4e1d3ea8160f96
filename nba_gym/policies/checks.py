"""Checks of what an evaluation is asked for, and of what policies answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import PolicyError
from nba_gym.policies.protocol import Policy
from nba_gym.policies.rows import first_odd_row


def check_chances(name: str, chances: Any, shape: tuple[int, int]) -> None:
    """Check what a stochastic policy answers.

    Raises:
        PolicyError: If it is no distribution over the actions for every customer, ``shape``.
    """
    given = np.asarray(chances)
    if given.shape != shape or given.dtype.kind != "f":
        got = f"{given.dtype} {given.shape}"
        raise PolicyError(f"{name} must answer with probabilities of shape {shape}, got {got}")
    row = first_odd_row(given)
    if row >= 0:
        got = np.array2string(given[row], precision=3, threshold=6)
        raise PolicyError(
            f"{name} must answer with probabilities >= 0 that sum to 1, got {got} (row {row})"
        )


def check_customers(customers: Any, least: int = 1) -> NDArray[np.uint64]:
    """Numbers of customers, ``(n,)``, from numbers or from how many.

    Raises:
        PolicyError: If they are no whole numbers >= 0, fewer than ``least``, or not all different.
    """
    given: NDArray[Any] = np.asarray(customers)
    if given.dtype.kind not in "iu" or given.ndim > 1:
        raise PolicyError(f"customers must be a whole number or a list of them, got {customers!r}")
    if given.ndim == 0:
        given = np.arange(max(0, int(given)))
    if len(given) < least:
        raise PolicyError(f"customers must be at least {least}, got {len(given)}")
    if (given < 0).any():
        raise PolicyError(f"customers must be numbers >= 0, got {given.min()}")
    if len(np.unique(given)) < len(given):
        raise PolicyError(f"customers must be different, got {len(given)} with duplicates")
    return given.astype(np.uint64)


def check_world(seed: Any, threads: Any = None) -> None:
    """Check seed and threads of an evaluation.

    Raises:
        PolicyError: If the seed is not in [0, 2**64), or threads not in [1, 1024].
    """
    for name, given, low, high in (("seed", seed, 0, 2**64 - 1), ("threads", threads, 1, 1024)):
        if name == "threads" and given is None:
            continue
        whole = isinstance(given, (int, np.integer)) and not isinstance(given, bool)
        if not whole or not low <= int(cast(Any, given)) <= high:
            most = "2**64 - 1" if name == "seed" else high
            raise PolicyError(f"{name} must be a whole number in [{low}, {most}], got {given!r}")


def check_policies(policies: Any) -> None:
    """Check that there is a table of policies.

    Raises:
        PolicyError: If there is none, it is empty, or holds something else.
    """
    if not isinstance(policies, Mapping) or not policies:
        raise PolicyError(f"policies must be a table of policies by name, got {policies!r}")
    for name, policy in cast(Mapping[str, Any], policies).items():
        check_policy(f"policies[{name!r}]", policy)


def check_policy(field: str, policy: Any) -> None:
    """Check that something is a policy.

    Raises:
        PolicyError: If it is none; the message calls it ``field``.
    """
    if isinstance(policy, type) or not isinstance(policy, Policy):
        raise PolicyError(f"{field} must be a policy, with a name and act(), got {policy!r}")

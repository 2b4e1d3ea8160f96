"""Ask a policy what to do for many customers, and check what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import PolicyError
from nba_gym.policies.checks import check_chances
from nba_gym.policies.protocol import Policy, StochasticPolicy
from nba_gym.policies.rows import draw_actions
from nba_gym.randomness import policy_luck
from nba_gym.threads import one_blas_thread


def sees_everything(policy: Policy) -> bool:
    """Whether a policy is privileged: shown the hidden half among the observations."""
    return getattr(policy, "observe", "records") == "everything"


def show_simulator(policy: Policy, population: object) -> None:
    """Show the simulator to a policy that is privileged to see it: one with ``bind``."""
    bind = getattr(policy, "bind", None)
    if bind is not None:
        cast(Callable[[object], None], bind)(population)


def choose(
    policy: Policy,
    observations: NDArray[np.float32],
    masks: NDArray[Any],
    customers: NDArray[np.uint64],
    seed: int,
    period: int,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """What a policy chooses; a stochastic one is drawn with each customer's own luck.

    Args:
        policy: Who chooses.
        observations: What it is shown, ``(n, n_features)``.
        masks: 1 where an action is allowed, ``(n, n_actions)``.
        customers: Numbers of the customers, ``(n,)``.
        seed: Seed of the world.
        period: Period of the journeys.
        generator: Randomness for a policy that does not say probabilities.

    Returns:
        Chosen actions, ``(n,)``.

    Raises:
        PolicyError: If the answer is not one action, or no distribution of them, a customer.
    """
    n, n_actions = masks.shape
    if isinstance(policy, StochasticPolicy):
        with one_blas_thread():
            chances = policy.probabilities(observations, masks)
        check_chances(policy.name, chances, (n, n_actions))
        return draw_actions(chances, policy_luck(seed, customers, period))
    with one_blas_thread():
        actions = np.asarray(policy.act(observations, masks, generator))
    if actions.shape != (n,) or actions.dtype.kind not in "iu":
        raise PolicyError(
            f"{policy.name} must answer with {n} integers, got {actions.dtype} {actions.shape}"
        )
    if len(actions) and not 0 <= int(actions.min()) <= int(actions.max()) < n_actions:
        raise PolicyError(
            f"{policy.name} must answer in [0, {n_actions}), got {actions.min()} to {actions.max()}"
        )
    return actions.astype(np.int64)  # a copy: Numba compiles anew for a read-only or strided array

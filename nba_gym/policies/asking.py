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
    if isinstance(policy, StochasticPolicy):
        chances = _said(policy, observations, masks)
        return draw_actions(chances, policy_luck(seed, customers, period))
    return _choices(policy, observations, masks, generator)


def choose_by_lot(
    policy: StochasticPolicy,
    observations: NDArray[np.float32],
    masks: NDArray[Any],
    luck: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """What :func:`choose` draws, and how likely that was: what a log needs to judge others by.

    Args:
        policy: Who chooses.
        observations: What it is shown, ``(n, n_features)``.
        masks: 1 where an action is allowed, ``(n, n_actions)``.
        luck: What each customer is drawn with, in (0, 1), ``(n,)``.

    Returns:
        Chosen actions, and the propensity of what is then done, ``(n,)`` each; something forbidden
        is waiting.
    """
    chances = _said(policy, observations, masks)
    actions = draw_actions(chances, luck)
    rows = np.arange(len(actions))
    done = np.where(masks[rows, actions] > 0, actions, 0)
    return actions, _as_done(chances, masks)[rows, done]


def chances_of(
    policy: Policy, observations: NDArray[np.float32], masks: NDArray[Any]
) -> NDArray[np.float64]:
    """How likely a policy is to do each thing, forbidden ones counted as waiting.

    Returns:
        ``(n, n_actions)``, rows sum to 1; 0 and 1 of a policy that always chooses the same.

    Raises:
        PolicyError: If it draws without saying probabilities, is shown more than the records, or
            the answer is none.
    """
    if sees_everything(policy) or hasattr(policy, "bind"):
        raise PolicyError(f"policy must go by the records alone, got {policy.name!r}")
    if isinstance(policy, StochasticPolicy):
        return _as_done(_said(policy, observations, masks), masks)
    first, second = (
        _choices(policy, observations, masks, np.random.default_rng(seed)) for seed in (0, 1)
    )
    if (first != second).any():
        raise PolicyError(f"policy must say probabilities or never draw, got {policy.name!r}")
    rows = np.arange(len(masks))
    chances = np.zeros(masks.shape)
    chances[rows, first] = 1.0
    return _as_done(chances, masks)


def _as_done(chances: NDArray[np.float64], masks: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities of what is done: forbidden actions are waiting, ``(n, n_actions)``."""
    done = np.where(masks > 0, chances, 0.0)
    done[:, 0] += np.where(masks > 0, 0.0, chances).sum(axis=1)
    return done


def _said(
    policy: StochasticPolicy, observations: NDArray[np.float32], masks: NDArray[Any]
) -> NDArray[np.float64]:
    """The probabilities that a policy answers, checked, ``(n, n_actions)``."""
    with one_blas_thread():
        chances = policy.probabilities(observations, masks)
    check_chances(policy.name, chances, masks.shape)
    return chances


def _choices(
    policy: Policy,
    observations: NDArray[np.float32],
    masks: NDArray[Any],
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """What a policy answers, checked, ``(n,)``."""
    n, n_actions = masks.shape
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

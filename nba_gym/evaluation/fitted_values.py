"""Fitted Q evaluation: what is to come under a policy, from the journeys of another.

Backwards from the last period (Le, Voloshin & Yue 2019, for a known horizon): the profit of a
period and the fitted value of the next are regressed on the records, for all actions together and
then, of what that leaves, for each action by itself with a ridge that pulls it to none, since few
customers got each. The value of records under a policy is the mean over its actions. Customers are
cut into folds, and the values of each fold are fitted to the others, so that nobody's luck is in
their own value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nba_gym.threads import one_blas_thread

Floats = NDArray[np.float64]
SHARED_RIDGE = 1.0
"""Penalty of what all actions share, in customers."""
OWN_RIDGE = 100.0
"""Penalty of what is an action's own, in customers."""


def fit_values(
    observations: NDArray[np.float32],
    actions: NDArray[np.int64],
    rewards: Floats,
    running: NDArray[np.bool_],
    chances: Floats,
    *,
    discount: float,
    folds: int,
) -> tuple[Floats, Floats]:
    """Values under a policy, fitted to journeys.

    Args:
        observations: ``(periods, n, n_features)``.
        actions: What was done, ``(periods, n)``.
        rewards: Profit of each period, ``(periods, n)``.
        running: Whether the journey had not ended before, ``(periods, n)``.
        chances: Probability of each action under the policy, ``(periods, n, n_actions)``.
        discount: Discount factor of a period.
        folds: Parts of the customers, >= 2.

    Returns:
        Of each period to the end: the value of what was done and going on with the policy, and of
        the policy from there on, ``(periods, n)`` each; 0 where the journey has ended.
    """
    periods, n = actions.shape
    fold: NDArray[np.int64] = np.arange(n, dtype=np.int64) % folds
    of_action, of_policy = np.zeros((periods, n)), np.zeros((periods, n))
    later = np.zeros((folds, n))
    with one_blas_thread():
        for t in range(periods - 1, -1, -1):
            design = _design(observations[t])
            for k in range(folds):
                rows = np.flatnonzero(running[t] & (fold != k))
                target = rewards[t] + discount * later[k]
                weights = _regress(design[rows], actions[t, rows], target[rows], chances.shape[2])
                fitted = design @ weights
                worth: Floats = np.where(running[t], (chances[t] * fitted).sum(axis=1), 0.0)
                later[k] = worth
                own: NDArray[np.bool_] = fold == k
                of_policy[t, own] = worth[own]
                done = fitted[np.arange(n), actions[t]]
                of_action[t, own] = np.where(running[t], done, 0.0)[own]
    return of_action, of_policy


def _design(observations: NDArray[np.float32]) -> Floats:
    """Records on one scale, and a column of ones, ``(n, n_features + 1)``."""
    plain = observations.astype(np.float64)
    spread = plain.std(axis=0)
    scaled = (plain - plain.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    return np.column_stack([scaled, np.ones(len(plain))])


def _regress(design: Floats, actions: NDArray[np.int64], target: Floats, n_actions: int) -> Floats:
    """Coefficients of every action, ``(n_features + 1, n_actions)``."""
    width = design.shape[1]
    shared = _ridge(design, target, SHARED_RIDGE)
    left = target - design @ shared
    weights = np.repeat(shared[:, None], n_actions, axis=1)
    for action in range(n_actions):
        rows = actions == action
        if rows.any():
            weights[:, action] += _ridge(design[rows], left[rows], OWN_RIDGE)
    return weights.reshape(width, n_actions)


def _ridge(design: Floats, target: Floats, penalty: float) -> Floats:
    square = design.T @ design + penalty * np.eye(design.shape[1])
    return np.linalg.solve(square, design.T @ target).astype(np.float64)

"""Exact optima of problems given as tables: values, policies, regret and Whittle indices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba_gym.errors import PolicyError
from nba_gym.tabular.problem import Floats, TabularProblem

Criterion = Literal["discounted", "average"]


@dataclass(frozen=True, eq=False)
class Solution:
    """The optimum of a problem.

    Attributes:
        values: V*, the value of each state under the best policy, ``(S,)``.
        action_values: Q*, the value of each action followed by the best policy, ``(S, A)``; minus
            infinity where it is not allowed.
        policy: The best action of each state, ``(S,)``; of several the first.
        value: V* over the distribution of the start.
        error: No state's value is further than this from the true one.
    """

    values: Floats
    action_values: Floats
    policy: NDArray[np.int64]
    value: float
    error: float


def solve(problem: TabularProblem, *, horizon: int | None = None) -> Solution:
    """Find the best policy and what it is worth.

    Args:
        problem: The tables.
        horizon: Periods until the end; ``None`` for a problem without end.

    Returns:
        V*, Q* and the best policy; with a horizon, those of the first period.

    Raises:
        PolicyError: If the problem is no tables, or the horizon is below 1.

    Source: Bellman (1957), backward induction, with a horizon; without, policy iteration, Howard
    (1960): the value of each policy is solved for, so nothing but rounding stands between the
    result and the optimum. ``error`` follows from the residual of Bellman's equation, Puterman
    (1994), theorem 6.3.1.
    """
    _check_problem(problem)
    if horizon is not None:
        return _solve_backwards(problem, horizon)
    policy = _best(_action_values(problem, np.zeros(problem.n_states)))
    here, better = np.arange(problem.n_states), np.ones(problem.n_states, dtype=np.bool_)
    values = q = np.zeros((problem.n_states, 1))
    while better.any():  # every round finds a better policy, and there are only so many
        values = evaluate(problem, policy)
        q = _action_values(problem, values)
        # an action that is better by rounding only must not be changed to: that goes in circles
        slack = 1e-12 * max(1.0, float(np.abs(values).max()))
        better = q.max(axis=1) > q[here, policy] + slack
        policy = np.where(better, _best(q), policy)
    error = float(np.abs(q.max(axis=1) - values).max()) / (1.0 - problem.discount)
    return _solution(problem, q, error)


def evaluate(problem: TabularProblem, policy: ArrayLike, *, horizon: int | None = None) -> Floats:
    """What a policy is worth, exactly.

    Args:
        problem: The tables.
        policy: An action for each state, ``(S,)``, or the probability of each action, ``(S, A)``.
        horizon: Periods until the end; ``None`` for a problem without end.

    Returns:
        The value of each state, ``(S,)``.

    Raises:
        PolicyError: If the policy is none of this problem, or takes an action that is not allowed.
    """
    _check_problem(problem)
    chances = _chances(problem, policy)
    moves = np.einsum("sa,sat->st", chances, problem.transitions)
    rewards = (chances * problem.rewards).sum(axis=1)
    if horizon is None:
        system = np.eye(problem.n_states) - problem.discount * moves
        return _solve_linear(system, rewards)
    values = np.zeros(problem.n_states)
    for _ in range(_check_horizon(horizon)):
        values = rewards + problem.discount * moves @ values
    return values


@dataclass(frozen=True)
class Regret:
    """What a policy leaves on the table.

    Attributes:
        value: Of the policy, over the distribution of the start.
        optimum: Of the best policy.
        regret: The difference, >= 0 but for rounding.
        share: ``value / optimum``, 1 for an optimal policy; NaN unless the optimum is positive.
    """

    value: float
    optimum: float
    regret: float
    share: float


def regret(problem: TabularProblem, policy: ArrayLike, *, horizon: int | None = None) -> Regret:
    """Compare a policy with the optimum; arguments and errors as for :func:`evaluate`."""
    values = evaluate(problem, policy, horizon=horizon)
    value = float(problem.start @ values)
    optimum = solve(problem, horizon=horizon).value
    share = value / optimum if optimum > 0.0 else float("nan")
    return Regret(value, optimum, optimum - value, share)


def whittle_indices(problem: TabularProblem, *, criterion: Criterion = "discounted") -> Floats:
    """The subsidy for action 0 at which both actions are equally good, state by state.

    A firm that can contact only so many customers a period does well to contact those with the
    highest index.

    Args:
        problem: Two actions, 0 passive and 1 active, both allowed everywhere.
        criterion: Discounted value, or the average of a period in the long run (every policy must
            then lead to one set of states).

    Returns:
        ``(S,)``, in currency a period.

    Raises:
        PolicyError: If the problem does not have two actions, or has no index: growing the subsidy
            would make some state active again.

    Source: Whittle (1988), "Restless bandits: activity allocation in a changing world", Journal of
    Applied Probability 25A, 287-298. The set of passive states grows with the subsidy, as in
    Akbarzadeh and Mahajan (2022), "Conditions for indexability of restless bandits and an O(K^3)
    algorithm to compute Whittle index", and at each step nobody may want to be active again.
    """
    if criterion not in ("discounted", "average"):
        raise PolicyError(f"criterion must be 'discounted' or 'average', got {criterion!r}")
    _check_problem(problem)
    if problem.n_actions != 2 or not problem.allowed.all():
        raise PolicyError(
            f"problem must have two actions, allowed everywhere, got {problem.n_actions} actions, "
            f"{int(problem.allowed.sum())} of {problem.allowed.size} allowed"
        )
    indices = np.full(problem.n_states, -np.inf)
    policy = np.ones(problem.n_states, dtype=np.int64)
    subsidy = -np.inf
    while (policy == 1).any():
        at_zero = _advantage(problem, policy, criterion, subsidy=0.0)
        fall = at_zero - _advantage(problem, policy, criterion, subsidy=1.0)
        subsidy, changed = _next_indifference(problem, policy == 1, subsidy, at_zero, fall)
        policy[changed], indices[changed] = 0, subsidy
    return indices


def _next_indifference(
    problem: TabularProblem,
    active: NDArray[np.bool_],
    subsidy: float,
    at_zero: Floats,
    fall: Floats,
) -> tuple[float, NDArray[np.bool_]]:
    """The next higher subsidy at which an active state becomes indifferent, and which do there.

    Under a fixed policy the advantage of being active is a line in the subsidy, ``at_zero - fall *
    subsidy``.
    """
    scale = max(1.0, float(np.abs(at_zero).max()))
    meets = active & (fall > 1e-12)
    crossing = np.where(meets, at_zero / np.where(meets, fall, 1.0), np.inf)
    lowest = float(crossing.min())
    wants_back = ~active & (at_zero - fall * lowest > 1e-9 * scale)
    if not np.isfinite(lowest) or lowest < subsidy - 1e-9 * scale or wants_back.any():
        raise PolicyError(f"problem must be indexable, got {problem.name!r}, which is not")
    return max(lowest, subsidy), crossing <= lowest + 1e-9 * scale


def _advantage(
    problem: TabularProblem, policy: NDArray[np.int64], criterion: Criterion, subsidy: float
) -> Floats:
    """What being active now is worth over being passive, if the policy is followed after."""
    rewards = problem.rewards.copy()
    rewards[:, 0] += subsidy
    here = np.arange(problem.n_states)
    moves, earned = problem.transitions[here, policy], rewards[here, policy]
    discount = problem.discount if criterion == "discounted" else 1.0
    system = np.eye(problem.n_states) - discount * moves
    if criterion == "average":  # the relative value of the first state is 0; its place: the average
        system[:, 0] = 1.0
    try:
        values = _solve_linear(system, earned)
    except np.linalg.LinAlgError:
        raise PolicyError(
            "criterion must be 'discounted' where a policy leads to separate sets of states, "
            f"got {criterion!r}"
        ) from None
    if criterion == "average":
        values[0] = 0.0
    q = rewards + discount * problem.transitions @ values
    return q[:, 1] - q[:, 0]


@dataclass(frozen=True, eq=False)
class Schedule:
    """The optimum of a problem with an end, period by period.

    Attributes:
        values: What is still to come at the beginning of each period, and 0 after the last,
            ``(horizon + 1, S)``.
        policy: The best action of each period and state, ``(horizon, S)``; of several the first.
        value: V* over the distribution of the start.
    """

    values: Floats
    policy: NDArray[np.int64]
    value: float


def schedule(problem: TabularProblem, horizon: int) -> Schedule:
    """Find the best action of every period and state, by backward induction.

    Args:
        problem: The tables.
        horizon: Periods until the end.

    Raises:
        PolicyError: If the horizon is below 1.

    Source: Bellman (1957).
    """
    _check_problem(problem)
    values = np.zeros((_check_horizon(horizon) + 1, problem.n_states))
    policy = np.zeros((horizon, problem.n_states), dtype=np.int64)
    for t in reversed(range(horizon)):
        q = _action_values(problem, values[t + 1])
        values[t], policy[t] = q.max(axis=1), _best(q)
    return Schedule(values, policy, float(problem.start @ values[0]))


def _solve_backwards(problem: TabularProblem, horizon: int) -> Solution:
    values = schedule(problem, horizon).values
    q = _action_values(problem, values[1])
    values = values[0]
    rounding = 4.0 * np.finfo(np.float64).eps * horizon * max(1.0, float(np.abs(values).max()))
    return _solution(problem, q, rounding)


def _solution(problem: TabularProblem, q: Floats, error: float) -> Solution:
    values = q.max(axis=1)
    return Solution(values, q, _best(q), float(problem.start @ values), error)


def _action_values(problem: TabularProblem, values: Floats) -> Floats:
    q = problem.rewards + problem.discount * problem.transitions @ values
    return np.where(problem.allowed, q, -np.inf)


def _best(q: Floats) -> NDArray[np.int64]:
    """The best action; one that is better by rounding only does not count as better."""
    top = q.max(axis=1, keepdims=True)
    return np.argmax(q >= top - 1e-12 * np.maximum(1.0, np.abs(top)), axis=1)


def _solve_linear(system: Floats, right: Floats) -> Floats:
    return np.asarray(cast(Any, np.linalg).solve(system, right))


def _check_problem(problem: object) -> None:
    """Tables only: what is easily given in their place is a scenario or an environment."""
    if not isinstance(problem, TabularProblem):
        raise PolicyError(
            "problem must be tables (nba_gym.tabular.TabularProblem), "
            f"got {type(problem).__name__}; "
            "nba_gym.scenario.tables.problem_of(scenario) are those of a scenario given as tables, "
            "nba_gym.truth.enumerate_world(scenario).problem those of an enumerable one"
        )


def _check_horizon(horizon: int) -> int:
    if horizon < 1:
        raise PolicyError(f"horizon must be at least 1, got {horizon}")
    return horizon


def _chances(problem: TabularProblem, policy: ArrayLike) -> Floats:
    shape = (problem.n_states, problem.n_actions)
    given: NDArray[Any] = np.asarray(policy)
    if given.shape == shape[:1] and given.dtype.kind in "iu":
        if not ((given >= 0) & (given < shape[1])).all():
            wrong = int(np.flatnonzero((given < 0) | (given >= shape[1]))[0])
            raise PolicyError(f"policy[{wrong}] must be in [0, {shape[1]}), got {given[wrong]}")
        given = np.eye(shape[1])[given]
    if given.shape != shape or given.dtype.kind != "f":
        raise PolicyError(
            f"policy must be {shape[0]} actions or probabilities of shape {shape}, "
            f"got {given.dtype} {given.shape}"
        )
    if not (given >= 0.0).all() or not (np.abs(given.sum(axis=1) - 1.0) < 1e-6).all():
        raise PolicyError("policy must be probabilities that sum to 1 in every state, got others")
    if (given[~problem.allowed] > 0.0).any():
        state, action = np.argwhere((given > 0.0) & ~problem.allowed)[0].tolist()
        raise PolicyError(
            f"policy[{state}] must be an allowed action of {problem.states[state]!r}, "
            f"got {problem.actions[action]!r}"
        )
    return given

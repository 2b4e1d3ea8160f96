"""What is known exactly of worlds given as tables."""

from __future__ import annotations

from fnmatch import fnmatchcase

import numpy as np

from nba_gym.errors import ScenarioError
from nba_gym.evaluation.card.bench import Bench
from nba_gym.evaluation.card.targets import Target, check_known
from nba_gym.scenario.tables import problem_of
from nba_gym.statistics import Interval
from nba_gym.truth.optimal import exact
from nba_gym.truth.solve import evaluate, solve


def measure_optimum(bench: Bench, target: Target) -> Interval:
    """Value of the best policy over the horizon, at the start; nothing is simulated."""
    return _exactly(exact(bench.scenario).schedule.value)


def measure_value_of(bench: Bench, target: Target) -> Interval:
    """Value of an action for each state, likewise.

    Raises:
        ScenarioError: If there is not one known action a state.
    """
    problem = problem_of(bench.scenario)
    if len(target.actions) != problem.n_states:
        raise ScenarioError(
            f"actions must be one for each of {problem.n_states} states, got {len(target.actions)}"
        )
    for action in target.actions:
        check_known("actions", action, list(problem.actions))
    policy = np.array([problem.actions.index(action) for action in target.actions])
    values = evaluate(problem, policy, horizon=bench.scenario.horizon)
    return _exactly(float(problem.start @ values))


def measure_best_share(bench: Bench, target: Target) -> Interval:
    """Share of some states in which an action is best.

    Raises:
        ScenarioError: If no state has such a name, or there is no such action.
    """
    problem = problem_of(bench.scenario)
    check_known("action", target.action, list(problem.actions))
    named = np.array([fnmatchcase(state, target.states) for state in problem.states])
    if not named.any():
        raise ScenarioError(f"states must name some of the world, got {target.states!r}")
    best = solve(problem).policy[named] == problem.actions.index(target.action)
    return _exactly(float(best.mean()))


def _exactly(x: float) -> Interval:
    return Interval(x, x, x)

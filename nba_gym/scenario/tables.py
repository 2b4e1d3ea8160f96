"""A world given as tables instead of mechanisms: the customer is in one of a few states."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import Field

from nba_gym.errors import ScenarioError, nearest
from nba_gym.scenario.fields import Number, Part
from nba_gym.tabular import PROBLEMS, TabularProblem, tabular_problem

if TYPE_CHECKING:
    from nba_gym.scenario.schema import Scenario

_TABLES = ("states", "transitions", "rewards", "costs", "start", "allowed", "bought")


def _rows(meaning: str, unit: str) -> Any:
    return Field(default=(), description=f"{meaning} [{unit}]", json_schema_extra={"unit": unit})


class Tabular(Part):
    """Either a problem of the literature by name, or tables of one's own."""

    problem: str = Field(default="", description="problem of the literature; empty for own tables")
    parameters: dict[str, Number | tuple[Number, ...]] = Field(
        default_factory=dict[str, Number | tuple[Number, ...]],
        description="numbers of the problem of the literature that differ from its own [as there]",
        json_schema_extra={"unit": "as there"},
    )
    states: tuple[str, ...] = Field(default=(), description="names of the states")
    transitions: tuple[tuple[tuple[Number, ...], ...], ...] = _rows(
        "next state by state, action and next state", "probability"
    )
    rewards: tuple[tuple[Number, ...], ...] = _rows("reward by state and action", "currency")
    costs: tuple[tuple[Number, ...], ...] = _rows(
        "costs of contact by state and action, not in the rewards yet; none if empty", "currency"
    )
    start: tuple[Number, ...] = _rows("state at the start; the first if empty", "probability")
    allowed: tuple[tuple[bool, ...], ...] = Field(
        default=(), description="whether an action may be taken, by state; all if empty"
    )
    bought: tuple[str, ...] = Field(
        default=(), description="states that tell of a purchase when they are reached"
    )


def problem_of(scenario: Scenario) -> TabularProblem:
    """The tables of a scenario.

    Raises:
        ScenarioError: If it has none, or they are not valid.
    """
    given = scenario.tabular
    if given is None:
        raise ScenarioError(
            f"tabular must be given for exact solutions, got none in {scenario.name!r}"
        )
    names = [action.name for action in scenario.actions]
    try:
        problem = _literature(given, scenario) if given.problem else _own(given, scenario, names)
    except ScenarioError as error:
        raise ScenarioError(f"tabular.{error}") from None
    if problem.n_actions != len(names):
        raise ScenarioError(
            f"actions must be the {problem.n_actions} of {problem.name}, got {len(names)}"
        )
    return problem


def _literature(given: Tabular, scenario: Scenario) -> TabularProblem:
    if given.problem not in PROBLEMS:
        raise ScenarioError(
            f"problem must be one of {', '.join(PROBLEMS)}, got {given.problem!r}"
            f"{nearest(given.problem, PROBLEMS)}"
        )
    for name in _TABLES:
        if getattr(given, name):
            raise ScenarioError(f"{name} must not be given beside tabular.problem, got some")
    make: Callable[..., TabularProblem] = PROBLEMS[given.problem]
    known = [name for name in inspect.signature(make).parameters if name != "discount"]
    for name in given.parameters:
        if name not in known:
            raise ScenarioError(
                f"parameters must be of {', '.join(known)}, got {name!r}{nearest(name, known)}"
            )
    return make(**given.parameters, discount=scenario.discount)


def _own(given: Tabular, scenario: Scenario, actions: list[str]) -> TabularProblem:
    if given.parameters:
        raise ScenarioError("parameters must not be given without tabular.problem, got some")
    unknown = [name for name in given.bought if name not in given.states]
    if unknown:
        hint = nearest(unknown[0], given.states)
        raise ScenarioError(f"bought must name states, got {unknown[0]!r}{hint}")
    return tabular_problem(
        given.transitions,
        given.rewards,
        scenario.discount,
        name=scenario.name,
        states=given.states or None,
        actions=actions if len(given.transitions[:1]) == 1 else None,
        costs=given.costs or None,
        start=given.start or None,
        allowed=given.allowed or None,
        bought=[state in given.bought for state in given.states] or None,
    )

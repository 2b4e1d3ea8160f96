"""From a variation to two worlds: where everybody learns, and where all are judged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from experiments.engine.schema import AS_IT_IS, Changes, Effort, Study, Variation
from nba_gym.errors import DataError, ScenarioError, nearest
from nba_gym.evaluation.card.mechanisms import MECHANISMS, Mechanism, find, is_on, scale
from nba_gym.evaluation.drift import check_drift
from nba_gym.scenario import Scenario, load_scenario
from nba_gym.scenario.load import preset_names

_BY_NAME = {each.name: each for each in MECHANISMS}


class NotHere(Exception):  # noqa: N818  it is no error: the plan leaves something out
    """A variation means nothing in a world; the text says why."""


@dataclass(frozen=True)
class Asked:
    """One variation in one world.

    Attributes:
        scenario: Name of the world before anything is changed.
        variation: What is asked.
        learning: Where policies learn, are tuned and trained.
        acting: Where all are judged.
        effort: What they are given to learn from.
    """

    scenario: str
    variation: Variation
    learning: Scenario
    acting: Scenario
    effort: Effort


def variations_of(study: Study, scenario: Scenario) -> Iterator[Variation]:
    """The variations that are asked in a world, ``each_off`` replaced by one for each mechanism."""
    for variation in study.variations:
        if variation.scenarios and scenario.name not in variation.scenarios:
            continue
        if not variation.each_off:
            yield variation
            continue
        for mechanism in MECHANISMS:
            if is_on(mechanism, scenario):
                yield _without(variation, mechanism)


def _without(variation: Variation, mechanism: Mechanism) -> Variation:
    slug = re.sub(r"[^a-z0-9]+", "_", mechanism.name.lower()).strip("_")
    world = variation.world.model_copy(update={"off": (*variation.world.off, mechanism.name)})
    said = f"without: {mechanism.name}"
    changes = {"name": f"{variation.name}_{slug}", "say": said, "world": world, "each_off": False}
    return variation.model_copy(update=changes)


def ask(study: Study, scenario: Scenario, variation: Variation) -> Asked:
    """Apply a variation to a world.

    Raises:
        NotHere: If it changes a mechanism that is off in this world, or moves traits of a world
            that has none.
        DataError: If it names something that nobody knows, or learners would see other features
            than those who act.
    """
    try:
        common = apply(scenario, variation.world)
        learning, acting = apply(common, variation.learning), apply(common, variation.acting)
    except ScenarioError as error:
        raise DataError(f"variation {variation.name!r} in {scenario.name}: {error}") from None
    if variation.learning.drift or variation.world.drift:
        raise DataError(f"drift must stand under acting, got it elsewhere in {variation.name!r}")
    if variation.acting.drift:
        if scenario.tabular is not None:
            raise NotHere("customers of a world given as tables have no traits")
        check_drift(variation.acting.drift)
    given = {k: x for k, x in variation.effort.model_dump().items() if x is not None}
    effort = study.effort.model_copy(update=given)
    return Asked(scenario.name, variation, learning, acting, effort)


def apply(scenario: Scenario, changes: Changes) -> Scenario:
    """A world with changes.

    Raises:
        NotHere: If a mechanism is off in this world.
        DataError: If a mechanism or an action is unknown, or a factor leads out of a range.
        ScenarioError: If a field is unknown or its value impossible.
    """
    world = _less_actions(scenario, changes.without)
    world = load_scenario(world, changes.set) if changes.set else world
    for name, factor in changes.scale.items():
        changed = scale(_mechanism(name, world), world, factor)
        if changed.factor != factor or changed.stopped:
            raise DataError(
                f"scale.{name} must stay within the ranges of {world.name}, got {factor:g}; "
                f"possible: {changed.factor:g}, at their ends: {', '.join(changed.stopped)}"
            )
        world = changed.scenario
    for name in changes.off:
        world = switch_off(_mechanism(name, world), world)
    return world


def switch_off(mechanism: Mechanism, scenario: Scenario) -> Scenario:
    """A world without a mechanism: its switches at 0 and, if that alone is not valid, all of it."""
    tree = scenario.model_dump(mode="json")
    switches = _zeros(tree, mechanism.switches)
    try:
        return load_scenario(scenario, switches)
    except ScenarioError:
        return load_scenario(scenario, switches | _zeros(tree, mechanism.beside))


def _zeros(tree: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {path: _zero(value) for field in fields for path, value in find(tree, field)}


def _zero(value: Any) -> Any:
    if isinstance(value, dict):
        return {"family": "constant", "value": 0.0}
    return type(value)(0)


def _mechanism(name: str, scenario: Scenario) -> Mechanism:
    if name not in _BY_NAME:
        hint = nearest(name, _BY_NAME)
        raise DataError(f"mechanism must be a known one, got {name!r}{hint}")
    if not is_on(_BY_NAME[name], scenario):
        raise NotHere(f"{name!r} is off in {scenario.name}")
    return _BY_NAME[name]


def _less_actions(scenario: Scenario, patterns: tuple[str, ...]) -> Scenario:
    names = [action.name for action in scenario.actions[1:]]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise NotHere(f"{scenario.name} has no action like {pattern!r}")
    if not patterns:
        return scenario
    kept = [
        action
        for action in scenario.model_dump(mode="json")["actions"]
        if not any(fnmatchcase(action["name"], pattern) for pattern in patterns)
    ]
    return load_scenario(scenario, {"actions": kept})


def load_worlds(study: Study) -> dict[str, Scenario]:
    """The worlds of a study by name.

    Raises:
        DataError: If two have the same name, so that their cells would lie in one place.
        ScenarioError: If there is no such scenario.
    """
    worlds: dict[str, Scenario] = {}
    for name in study.scenarios:
        scenario = load_scenario(name)
        if scenario.name in worlds:
            raise DataError(f"scenarios must differ in name, got {scenario.name!r} twice")
        worlds[scenario.name] = scenario
    named = {f"variations.{each.name or AS_IT_IS}": each.scenarios for each in study.variations}
    named |= {f"agents.{name}": agent.scenarios for name, agent in study.agents.items()}
    for field, scenarios in named.items():
        for name in scenarios:
            # an agent may name a preset that --set scenarios=... has left out
            elsewhere = field.startswith("agents.") and name in preset_names()
            if name not in worlds and not elsewhere:
                raise DataError(
                    f"{field}.scenarios must be among those of the study, got "
                    f"{name!r}{nearest(name, worlds)}"
                )
    return worlds

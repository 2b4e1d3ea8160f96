"""From a study to tasks: searches, trainings and cells, each with all that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from agents.recipe import Recipe, load_recipe
from experiments.engine.load import SMALL_RECIPE
from experiments.engine.schema import Agent, Study
from experiments.engine.worlds import Asked, NotHere, ask, load_worlds, variations_of
from nba_gym.errors import DataError, PolicyError, nearest
from nba_gym.evaluation.contenders import CONTENDERS, Contender, contender
from nba_gym.evaluation.results import cell_id
from nba_gym.evaluation.split import SPLIT
from nba_gym.records.features import feature_table
from nba_gym.scenario import Scenario, scenario_hash
from nba_gym.truth.optimal import has_exact

Kind = Literal["search", "training", "cell"]
PRACTICE = "practice"
_ON_PRACTICE = ("lookahead", "rollouts")
"""Policies that are made from tuned practice."""


@dataclass(frozen=True)
class Task:
    """Something to do once.

    Attributes:
        name: Name of its folder.
        kind: What is done.
        arguments: What whoever does it is told, plain values.
        depends: Everything that its outcome depends on, plain values.
        needs: Names of the tasks whose folders it reads.
    """

    name: str
    kind: Kind
    arguments: dict[str, Any]
    depends: dict[str, Any]
    needs: tuple[str, ...] = ()


@dataclass
class Plan:
    """What a study comes to.

    Attributes:
        tasks: By name, in an order in which they may be done.
        cells: Ids of the cells, in the order of the study.
        worlds: What is told of each world that is acted in, by its hash.
        variations: What is told of each variation, by name.
        contenders: What is told of each contender, by name.
        left_out: What the study names and a world has no place for, and why.
    """

    tasks: dict[str, Task] = field(default_factory=dict[str, Task])
    cells: list[str] = field(default_factory=list[str])
    worlds: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    variations: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    contenders: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    left_out: list[dict[str, str]] = field(default_factory=list[dict[str, str]])


def plan(study: Study, sources: Mapping[str, Any], *, small: bool = False) -> Plan:
    """All tasks of a study.

    Args:
        study: The study.
        sources: What runs; every task depends on it.
        small: Whether recipes are made as small as can be (``--smoke``).

    Raises:
        DataError, PolicyError, ScenarioError: If something does not exist or does not fit.
    """
    _check(study)
    planner = _Planner(study, dict(sources) | {"split": asdict(SPLIT)}, small=small)
    for scenario in load_worlds(study).values():
        for variation in variations_of(study, scenario):
            try:
                asked = ask(study, scenario, variation)
            except NotHere as why:
                planner.leave_out(scenario.name, variation.name, "everybody", str(why))
                continue
            planner.add(asked)
    planner.check_settings()
    if not planner.plan.cells:
        raise DataError("study must have at least one cell, got none that fits its scenarios")
    return planner.plan


def _check(study: Study) -> None:
    names = [*study.policies, *study.agents]
    if not names:
        raise DataError("policies and agents must name at least one contender, got none")
    for name in study.policies:
        contender(name)
    for name in study.agents:
        if name in CONTENDERS:
            raise DataError(f"agents must not be named as policies are, got {name!r}")
    titles = [variation.name for variation in study.variations]
    if not titles:
        raise DataError("variations must hold at least one way to ask, got none")
    lists = {"contenders": names, "variations": titles, "scenarios": list(study.scenarios)}
    for what, several in lists.items():
        twice = [name for name in several if several.count(name) > 1]
        if twice:
            raise DataError(f"{what} must differ in name, got {twice[0]!r} twice")
    _check_contenders(study, names)


def _check_contenders(study: Study, names: list[str]) -> None:
    wanted = [*study.baseline, *(name for each in study.variations for name in each.contenders)]
    for name in wanted:
        if name not in names:
            hint = nearest(name, names)
            raise DataError(f"contender must be one of the study, got {name!r}{hint}")
    for each in study.variations:
        if each.contenders and not set(each.contenders) & set(study.baseline):
            raise DataError(
                f"variations.{each.name}.contenders must hold a baseline to compare with "
                f"({', '.join(study.baseline)}), got none"
            )


class _Planner:
    def __init__(self, study: Study, sources: dict[str, Any], *, small: bool) -> None:
        self.study, self.sources, self.small = study, sources, small
        self.plan = Plan()
        self.settings: set[str] = set()

    def check_settings(self) -> None:
        """Whether what variations set in recipes is a setting of any.

        Raises:
            DataError: If nobody knows one.
        """
        for variation in self.study.variations:
            for name in variation.recipe:
                if name not in self.settings:
                    hint = nearest(name, sorted(self.settings))
                    raise DataError(
                        f"variations.{variation.name}.recipe must hold settings of a recipe of "
                        f"the study, got {name!r}{hint}"
                    )

    def leave_out(self, scenario: str, variation: str, who: str, why: str) -> None:
        told = {"scenario": scenario, "variation": variation, "contender": who, "why": why}
        self.plan.left_out.append(told)

    def add(self, asked: Asked) -> None:
        """The cells of a variation in a world."""
        if len(feature_table(asked.learning)) != len(feature_table(asked.acting)):
            raise DataError(
                f"variation {asked.variation.name!r} must leave needs and channels as they are, "
                f"got other features where is learned than where is judged ({asked.scenario})"
            )
        only, name = asked.variation.contenders, asked.variation.name
        self.plan.variations.setdefault(name, {"say": asked.variation.say, "scenarios": []})
        self.plan.variations[name]["scenarios"].append(asked.scenario)
        self.plan.worlds.setdefault(scenario_hash(asked.acting), about_world(asked.acting))
        for policy in self.study.policies:
            if not only or policy in only:
                self._add_policy(asked, contender(policy))
        for agent, about in self.study.agents.items():
            here = not about.scenarios or asked.scenario in about.scenarios
            if here and (not only or agent in only):
                self._add_agent(asked, agent, about)

    def _add_policy(self, asked: Asked, policy: Contender) -> None:
        learns = policy.needs in ("campaign", "interaction")
        why = ""
        if asked.acting.tabular is not None and (learns or policy.name == "rollouts"):
            why = "it learns from records, and a world given as tables keeps none"
        elif policy.name == "rollouts" and names_of(asked.learning) != names_of(asked.acting):
            why = "the policy that it rolls out has learned another catalogue"
        elif policy.name == "optimal" and not has_exact(asked.acting):
            why = "the best policy of all is not known here"
        if why:
            self.leave_out(asked.scenario, asked.variation.name, policy.name, why)
            return
        needs: tuple[str, ...] = ()
        if learns or policy.name in _ON_PRACTICE:
            needs = self._searches(asked, policy)
        about = {"kind": "policy", "privileged": policy.needs == "simulator", "line": policy.line}
        self.plan.contenders.setdefault(policy.name, about)
        self._add_cell(asked, policy.name, 0, about, needs)

    def _searches(self, asked: Asked, policy: Contender) -> tuple[str, ...]:
        names = [PRACTICE] if policy.name in _ON_PRACTICE else []
        names += [policy.name] if policy.needs in ("campaign", "interaction") else []
        return tuple(self._search(asked, name) for name in names)

    def _search(self, asked: Asked, policy: str) -> str:
        """Tuning a policy where is learned; the name of the task."""
        before = policy in _ON_PRACTICE
        needs = (self._search(asked, PRACTICE),) if before else ()
        effort = asked.effort.model_dump(exclude={"watching"})
        told = {"policy": policy, "effort": effort, "learning": scenario_hash(asked.learning)}
        arguments = {"policy": policy, "effort": effort, "learning": _tree(asked.learning)}
        return self._add("search", f"{asked.scenario}--{policy}", arguments, told, needs)

    def _add_agent(self, asked: Asked, name: str, agent: Agent) -> None:
        recipe = self._recipe(asked, agent)
        why = ""
        if recipe.imitate > 0.0 and asked.learning.tabular is not None:
            why = "it imitates practice, which a world given as tables has none of"
        if agent.reward is not None and asked.learning.tabular is not None:
            why = "it is rewarded for events that a world given as tables has none of"
        if why:
            self.leave_out(asked.scenario, asked.variation.name, name, why)
            return
        if recipe.imitate > 0.0 and agent.everything:
            raise PolicyError(
                f"agents.{name}.recipe must be one without imitation for a privileged agent, "
                f"got {agent.recipe!r}; take maskable_ppo_from_scratch"
            )
        reward = None if agent.reward is None else agent.reward.model_dump()
        about = {"kind": "agent", "privileged": agent.everything, "recipe": agent.recipe}
        self.plan.contenders.setdefault(name, about | {"reward": reward})
        needs = (self._search(asked, PRACTICE),) if recipe.imitate > 0.0 else ()
        own = {"recipe": recipe.as_dict(), "everything": agent.everything, "reward": reward}
        own |= {"watching": asked.effort.watching}
        own |= {"effort": asked.effort.model_dump(exclude={"watching"})} if needs else {}
        for seed in range(self.study.seeds):
            told = own | {"seed": seed, "learning": scenario_hash(asked.learning)}
            arguments = own | {"seed": seed, "learning": _tree(asked.learning)}
            label = f"{asked.scenario}--{name}--{seed}"
            training = self._add("training", label, arguments, told, needs)
            self._add_cell(asked, name, seed, about, (training,), recipe)

    def _recipe(self, asked: Asked, agent: Agent) -> Recipe:
        recipe = load_recipe(asked.learning.name, agent.recipe)
        known = recipe.as_dict()
        recipe = recipe.with_changes(**{k: _tupled(x) for k, x in agent.changes.items()})
        self.settings |= set(known)
        some = {k: _tupled(x) for k, x in asked.variation.recipe.items() if k in known}
        recipe = recipe.with_changes(**some)
        if self.small:
            recipe = recipe.with_changes(**{k: x for k, x in SMALL_RECIPE.items() if k in known})
        return recipe

    def _add_cell(
        self,
        asked: Asked,
        name: str,
        seed: int,
        about: Mapping[str, Any],
        needs: tuple[str, ...],
        recipe: Recipe | None = None,
    ) -> None:
        cell = cell_id(asked.scenario, asked.variation.name, name, seed)
        keys = {"scenario": asked.scenario, "variation": asked.variation.name, "contender": name}
        row = keys | {"seed": seed, "kind": about["kind"], "privileged": about["privileged"]}
        row |= {"customers": self.study.customers, "learning": scenario_hash(asked.learning)}
        row |= {"world": scenario_hash(asked.acting)}
        row |= {"steps": None if recipe is None else recipe.steps}
        drift = dict(asked.variation.acting.drift)
        told = {"about": row, "drift": drift, "needs": [self.plan.tasks[x].depends for x in needs]}
        arguments = {
            "about": row,
            "drift": drift,
            "learning": _tree(asked.learning),
            "acting": _tree(asked.acting),
            "effort": asked.effort.model_dump(exclude={"watching"}),
        }
        self.plan.tasks[cell] = Task(cell, "cell", arguments, self.sources | told, needs)
        self.plan.cells.append(cell)

    def _add(
        self,
        kind: Kind,
        label: str,
        arguments: dict[str, Any],
        told: dict[str, Any],
        needs: tuple[str, ...],
    ) -> str:
        """A task whose folder tells what it depends on, so that variations may share it."""
        depends = self.sources | told | {"needs": [self.plan.tasks[x].depends for x in needs]}
        text = json.dumps(depends, sort_keys=True)
        name = f"{kind}--{label}--{hashlib.sha256(text.encode()).hexdigest()[:10]}"
        self.plan.tasks.setdefault(name, Task(name, kind, arguments, depends, needs))
        return name


def names_of(scenario: Scenario) -> list[str]:
    """Names of the actions, waiting first."""
    return [action.name for action in scenario.actions]


def about_world(scenario: Scenario) -> dict[str, Any]:
    """What readers of results need to know of a world."""
    return {
        "name": scenario.name,
        "version": scenario.version,
        "title": scenario.title,
        "period": scenario.period,
        "cycle": scenario.cycle,
        "horizon": scenario.horizon,
        "discount": scenario.discount,
        "currency": scenario.currency,
        "personas": [persona.name for persona in scenario.personas],
        "channels": [channel.name for channel in scenario.channels],
        "outbound": [channel.direction == "outbound" for channel in scenario.channels],
        "actions": names_of(scenario),
        "kinds": [action.kind for action in scenario.actions],
        "action_channels": [action.channel for action in scenario.actions],
        "tabular": scenario.tabular is not None,
    }


def _tree(scenario: Scenario) -> dict[str, Any]:
    return scenario.model_dump(mode="json")


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

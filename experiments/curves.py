"""Learning curves of every recipe in every scenario, with intervals over seeds: ``make curves``.

For each scenario greedy practice is tuned once; each recipe is trained with several seeds, every
training in a process of its own; and each trained agent is compared with practice on held-out
customers. Worlds given as tables have no practice: there agents are compared with what earns most
at once, and recipes that imitate practice are left out. Everything is kept once finished, so Ctrl-C
and the same command go on where it was.
The pages under ``docs/`` are written from the numbers beside the figures, and from nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import tyro

from agents.recipe import load_recipe, recipe_names
from agents.train import run_main
from experiments.console import say, timed
from experiments.curves_page import beside, check_alike, read_record, write_pages
from experiments.ground import Ground, load_worlds
from experiments.pages import short
from experiments.processes import Processes, side_by_side
from experiments.stages import Stages, what_runs
from experiments.steps import OPTIMAL, ORACLE, PRACTICE, run_folder
from experiments.trainings import Training, Values, judge, rival_values, train
from nba_gym.effort import Effort
from nba_gym.errors import PolicyError, check_least
from nba_gym.evaluation import rollout
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import NoContact, Policy
from nba_gym.scenario import Scenario, scenario_hash
from nba_gym.scenario.load import preset_names
from nba_gym.statistics import mean_interval
from nba_gym.truth import MyopicOracle, OptimalPolicy

LOOKS = 20
"""Points of a curve, about; a recipe alone looks as seldom as its choice of a policy allows."""
WATCHED = 4_000
"""Customers behind the curves: as many as ``agents.train`` watches."""


@dataclass(frozen=True)
class Arguments:
    """Train every recipe in every scenario with several seeds, and write the curves to docs/."""

    name: str = "curves"
    """what is under way or finished is kept in runs/<name>/"""
    worlds: tuple[str, ...] = tuple(preset_names())
    """scenarios: preset names or TOML files"""
    recipes: tuple[str, ...] = tuple(recipe_names())
    """recipes: files in agents/recipes, or TOML files"""
    seeds: int = 5
    """training seeds of each recipe in each scenario"""
    steps: int | None = None
    """transitions to learn from, instead of each recipe's"""
    customers: int = 50_000
    """held-out customers on which the trained agents are compared with practice"""
    workers: int = max(1, os.cpu_count() or 1)
    """trainings side by side, one torch thread each"""
    practice: Annotated[Effort, tyro.conf.OmitArgPrefixes] = Effort()
    """what practice is given to learn from and to be tuned with"""
    docs: Path = Path("docs")
    """folder of learning_curves.md, and of curves/ with numbers and figures"""
    add: bool = False
    """keep the curves of other recipes that are there already, if they were made alike"""
    fresh: bool = False
    """begin anew: use nothing that an earlier run has finished"""


def main(arguments: Arguments) -> None:
    """Train, compare and write, scenario by scenario."""
    check_least(1, seeds=arguments.seeds, workers=arguments.workers)
    check_least(2, customers=arguments.customers)
    out, sources = run_folder(arguments.name), what_runs()
    worlds = load_worlds(arguments.worlds, tables=True)
    plans = {world: plan(arguments, world, scenario) for world, scenario in worlds.items()}
    try:
        for world, scenario in worlds.items():
            say(f"-- {world}")
            stages = Stages(out / scenario.name, fresh=arguments.fresh, say=say)
            ground = Ground(scenario, stages, sources, arguments.practice)
            record = curves(arguments, ground, plans[world])
            for path in write_pages(record, arguments.docs):
                say(f"wrote {path}")
    except KeyboardInterrupt:
        say(f"interrupted; what is finished is kept in {out}/, and the same command goes on")
        raise SystemExit(130) from None


def plan(arguments: Arguments, world: str, scenario: Scenario) -> list[Training]:
    """The trainings in one scenario, one seed of each recipe after the other.

    Raises:
        PolicyError: If there is no such recipe, or none at all, or one twice.
    """
    tables = scenario.tabular is not None
    found = [
        Training(world, recipe, seed, arguments.steps, looks=LOOKS)
        for seed in range(arguments.seeds)
        for recipe in arguments.recipes
        if not (tables and load_recipe(scenario.name, recipe).imitate > 0.0)
    ]
    for training in found:
        training.load(scenario)
    if not found or len({training.name for training in found}) < len(found):
        raise PolicyError(f"recipes must be some, and differ, got {arguments.recipes}")
    return found


def curves(arguments: Arguments, ground: Ground, trainings: Sequence[Training]) -> dict[str, Any]:
    """All numbers of one scenario, as they are kept beside its figure."""
    about = _about(arguments, ground)  # practice is tuned now, which trainings may imitate
    before = read_record(arguments.docs, about["scenario"]) if arguments.add else None
    if before is not None:
        check_alike(before, about)
    processes = Processes()
    tasks = [partial(train, one, ground, processes, timed=False) for one in trainings]
    with timed(f"{len(tasks)} trainings"):
        folders = side_by_side(tasks, arguments.workers, processes)
    rival = rival_values(ground, arguments.customers)
    found: dict[str, Any] = {}
    for training, folder in zip(trainings, folders, strict=True):
        recipe = training.load(ground.scenario).as_dict()
        kind = found.setdefault(training.kind, {"recipe": recipe, "trainings": []})
        kind["trainings"].append(_outcome(training, folder, ground, rival))
    record = about | {"levels": _levels(ground, arguments.customers), "recipes": found}
    return record if before is None else beside(record, before)


def _outcome(training: Training, folder: Path, ground: Ground, rival: Values) -> dict[str, Any]:
    """One finished training: its curve, and what it came to."""
    points = json.loads((folder / "learning_curve.json").read_text())
    verdict = judge(training, folder, ground, rival)
    return {
        "seed": training.seed,
        "steps": [point["steps"] for point in points],
        "seconds": [short(point["seconds"]) for point in points],
        "value": [short(point["value"]) for point in points],
        "low": [short(point["low"]) for point in points],
        "high": [short(point["high"]) for point in points],
        "held_out": [short(x) for x in verdict.value],
        "gain": [short(x) for x in verdict.gain],
        "won": verdict.won,
    }


def _levels(ground: Ground, customers: int) -> dict[str, Any]:
    """What others earn of the watched and of the held-out customers, with 95 % intervals, kept."""

    def make(folder: Path) -> None:
        policies: dict[str, Policy] = {ORACLE: MyopicOracle(), "no contact": NoContact()}
        own = {OPTIMAL: OptimalPolicy()} if ground.is_tables else {PRACTICE: ground.practice()}
        policies = {**own, **policies}
        groups = {"watched": SPLIT.watching(WATCHED), "held_out": SPLIT.reporting(customers)}
        found = {
            name: {
                group: mean_interval(rollout(policy, ground.scenario, numbers, SPLIT.seed).value)
                for group, numbers in groups.items()
            }
            for name, policy in policies.items()
        }
        (folder / "levels.json").write_text(json.dumps(found, indent=2) + "\n")

    needs = ground.needs | {"customers": customers, "watched": WATCHED}
    with timed("levels"):
        path = ground.stages.keep("levels", needs, make) / "levels.json"
    return {
        name: {group: [short(x) for x in interval] for group, interval in groups.items()}
        for name, groups in json.loads(path.read_text()).items()
    }


def _about(arguments: Arguments, ground: Ground) -> dict[str, Any]:
    """What was run, where, and with which budget."""
    scenario = ground.scenario
    known = None if ground.is_tables else ground.settings
    practice = known and vars(ground.effort) | {"settings": known}
    versions = ground.needs["versions"] | {"matplotlib": metadata.version("matplotlib")}
    return {
        "scenario": scenario.name,
        "scenario_version": scenario.version,
        "scenario_hash": scenario_hash(scenario),
        "currency": scenario.currency,
        "period": scenario.period,
        "horizon": scenario.horizon,
        "seeds": arguments.seeds,
        "steps": arguments.steps,
        "workers": arguments.workers,
        "threads": 1,
        "cores": os.cpu_count(),
        "watched": WATCHED,
        "customers": arguments.customers,
        "split": ground.needs["split"],
        "practice": practice,
        "versions": versions,
        "source": ground.needs["source"],
    }


if __name__ == "__main__":
    run_main(main, Arguments)

"""How surely and how soon a trained agent beats tuned practice: ``python -m experiments.wins``.

For each scenario practice is tuned beforehand. Then, for each seed, a fresh process of
``python -m agents.train`` is timed from before its start until it is gone, and what it kept is
compared with tuned practice on customers that nothing else looks at. A seed is won if the 95 %
interval of the paired difference lies above 0. Everything is kept once finished, so Ctrl-C and the
same command go on where it was; a training that was interrupted is timed anew from its start.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from agents.train import run_main
from experiments.console import say, timed
from experiments.ground import Ground, load_worlds
from experiments.pages import as_json, short, write_text
from experiments.processes import Processes
from experiments.stages import Stages, what_runs
from experiments.steps import run_folder
from experiments.trainings import Training, judge, rival_values, train
from experiments.wins_page import PAGE, page, summary
from nba_gym.effort import Effort
from nba_gym.errors import check_least
from nba_gym.scenario import Scenario, scenario_hash

NUMBERS = "wins.json"


@dataclass(frozen=True)
class Arguments:
    """Time trainings from a cold start of their process, and count the seeds that beat practice."""

    name: str = "wins"
    """what is under way or finished is kept in runs/<name>/"""
    worlds: tuple[str, ...] = ("retail", "telecom", "dealership", "day_spa", "hotel", "nonprofit")
    """scenarios: preset names or TOML files"""
    recipe: str = "maskable_ppo"
    """a file in agents/recipes, or a TOML file"""
    seeds: int = 20
    """training seeds in each scenario"""
    steps: int | None = None
    """transitions to learn from, instead of the recipe's"""
    threads: int = 1
    """threads of torch"""
    cores: int = 2
    """cores that everything may run on, where the system can tell a process so"""
    seconds: float = 90.0
    """a win counts if its process took at most so long"""
    customers: int = 100_000
    """held-out customers on which agents are compared with practice"""
    practice: Annotated[Effort, tyro.conf.OmitArgPrefixes] = Effort()
    """what practice is given to learn from and to be tuned with"""
    write: bool = False
    """write docs/wins.json and docs/wins.md as well"""
    docs: Path = Path("docs")
    """folder of these"""
    note: str = ""
    """what a reader of the page must know about how this was measured"""
    fresh: bool = False
    """begin anew: use nothing that an earlier run has finished"""


def main(arguments: Arguments) -> None:
    """Tune, train, time and compare, world by world."""
    check_least(1, seeds=arguments.seeds, threads=arguments.threads, cores=arguments.cores)
    check_least(2, customers=arguments.customers)
    out, sources = run_folder(arguments.name), what_runs()
    worlds = load_worlds(arguments.worlds)
    for world, scenario in worlds.items():
        Training(world, arguments.recipe, 0, arguments.steps).load(scenario)
    found: list[dict[str, Any]] = []
    try:
        with on_cores(arguments.cores) as cores:
            for world, scenario in worlds.items():
                say(f"-- {world}")
                stages = Stages(out / scenario.name, fresh=arguments.fresh, say=say)
                ground = Ground(scenario, stages, sources, arguments.practice)
                found.append(_world(arguments, world, scenario, ground))
                say(summary(found[-1], arguments.seconds))
    except KeyboardInterrupt:
        say(f"interrupted; what is finished is kept in {out}/, and the same command goes on")
        raise SystemExit(130) from None
    about = {"recipe": arguments.recipe, "threads": arguments.threads, "cores": cores}
    about |= {"steps": arguments.steps, "seconds": arguments.seconds} | sources
    about |= {
        "customers": arguments.customers,
        "practice": vars(arguments.practice),
        "note": arguments.note,
        "worlds": found,
    }
    _write(about, [out / NUMBERS, *([arguments.docs / NUMBERS] if arguments.write else [])])
    if arguments.write:
        write_text(arguments.docs / PAGE, page(about))
        say(f"wrote {arguments.docs / PAGE}")


def _write(about: dict[str, Any], paths: list[Path]) -> None:
    for path in paths:
        write_text(path, as_json(about))
        say(f"wrote {path}")


def _world(arguments: Arguments, world: str, scenario: Scenario, ground: Ground) -> dict[str, Any]:
    """One world: practice tuned and compiled code in the cache beforehand, then seed by seed."""
    _ = ground.settings  # tuned before anything is trained
    practice = rival_values(ground, arguments.customers)
    _warm_up(Training(world, arguments.recipe, 0, 1, threads=arguments.threads), ground)
    rows: list[dict[str, Any]] = []
    for seed in range(arguments.seeds):
        training = Training(
            world, arguments.recipe, seed, arguments.steps, threads=arguments.threads
        )
        with timed(training.name):
            folder = train(training, ground, Processes(), timed=True)
        verdict = judge(training, folder, ground, practice)
        last = json.loads((folder / "learning_curve.json").read_text())[-1]
        rows.append(
            {
                "seed": seed,
                "seconds": short(json.loads((folder / "process.json").read_text())["seconds"]),
                "training_seconds": short(last["seconds"]),
                "transitions": last["steps"],
                "value": [short(x) for x in verdict.value],
                "gain": [short(x) for x in verdict.gain],
                "won": verdict.won,
            }
        )
    recipe = Training(world, arguments.recipe, 0, arguments.steps).load(scenario).as_dict()
    return {
        "scenario": scenario.name,
        "scenario_hash": scenario_hash(scenario),
        "currency": scenario.currency,
        "practice": {"settings": ground.settings, "value": short(float(practice.mean()))},
        "recipe": recipe,
        "seeds": rows,
    }


def _warm_up(training: Training, ground: Ground) -> None:
    """A training of one rollout, so that no timed process compiles anything."""

    def make(folder: Path) -> None:
        command = training.command(folder / "out", ground, resume=False)
        Processes().run(command, folder / "said.txt", {})
        shutil.rmtree(folder / "out")

    ground.stages.keep("warm-up", training.needs(ground), make)


@contextmanager
def on_cores(n: int) -> Iterator[int]:
    """Keep this process, and those it starts, to so many cores; tells on how many it runs."""
    if not hasattr(os, "sched_setaffinity"):
        yield os.cpu_count() or 1
        return
    before = os.sched_getaffinity(0)
    chosen = set(sorted(before)[:n])
    os.sched_setaffinity(0, chosen)
    try:
        yield len(chosen)
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    run_main(main, Arguments)

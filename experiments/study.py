"""Whether agents beat tuned practice, world by world and over training seeds: ``make study``.

For each world greedy practice is learned and tuned, agents are trained with several seeds, from
practice on and from scratch, and all of them are compared on the same held-out customers. Every
stage is kept once finished, so Ctrl-C and the same command go on where it was.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.box import SIMPLE
from rich.table import Table

from agents.files import whole_file
from agents.recipe import load_recipe
from agents.train import run_main
from experiments.console import CONSOLE, say
from experiments.ground import Ground
from experiments.stages import Stages, what_runs
from experiments.steps import ORACLE, PRACTICE, compare_all, fit_retail, run_folder, train_agent
from nba_gym.effort import Effort
from nba_gym.errors import check_least
from nba_gym.policies import NoContact, Policy
from nba_gym.scenario import Scenario, load_scenario
from nba_gym.truth import MyopicOracle

RECIPES = {"from practice": "maskable_ppo", "from scratch": "maskable_ppo_from_scratch"}


@dataclass(frozen=True)
class Arguments:
    """Compare agents with tuned practice in every shipped world, over training seeds."""

    name: str = "study"
    """everything is written to runs/<name>/"""
    worlds: tuple[str, ...] = ("retail", "telecom", "control")
    """scenarios; retail is fitted to CDNOW first"""
    seeds: int = 3
    """training seeds of agents that begin where practice is"""
    scratch_seeds: int = 1
    """training seeds of agents that begin from scratch"""
    customers: int = 100_000
    """held-out customers"""
    steps: int | None = None
    """transitions to learn from, instead of the recipe's"""
    practice: Annotated[Effort, tyro.conf.OmitArgPrefixes] = Effort()
    """what practice is given to learn from and to be tuned with"""
    fresh: bool = False
    """begin anew: use nothing that an earlier run has finished"""


def main(arguments: Arguments) -> None:
    """Run the study world by world, and write what came of it."""
    check_least(0, seeds=arguments.seeds, scratch_seeds=arguments.scratch_seeds)
    check_least(2, customers=arguments.customers)
    out, sources = run_folder(arguments.name), what_runs()
    worlds = {world: load_scenario(world) for world in arguments.worlds}
    rows: list[dict[str, Any]] = []
    try:
        for world, scenario in worlds.items():
            rows += study(arguments, world, scenario, out / scenario.name, sources)
    except KeyboardInterrupt:
        say(f"interrupted; what is finished is kept in {out}/, and the same command goes on")
        raise SystemExit(130) from None
    with whole_file(out / "study.json") as draft:
        draft.write_text(json.dumps(rows, indent=2) + "\n")
    _print(rows)
    say(f"wrote {out / 'study.json'}, and every comparison beside it")


def study(
    arguments: Arguments, world: str, scenario: Scenario, out: Path, sources: dict[str, Any]
) -> list[dict[str, Any]]:
    """One world; returns one row for each contender."""
    say(f"-- {world}")
    stages = Stages(out, fresh=arguments.fresh, say=say)
    if world == "retail":
        scenario = fit_retail(out)[1]
    ground = Ground(scenario, stages, sources, arguments.practice)
    practice = ground.practice()
    contenders: dict[str, Policy] = {
        PRACTICE: practice,
        "no contact": NoContact(),
        ORACLE: MyopicOracle(),
    }
    seeds = {"from practice": arguments.seeds, "from scratch": arguments.scratch_seeds}
    recipes: dict[str, Any] = {}
    for start, recipe_name in RECIPES.items():
        recipe = load_recipe(scenario.name, recipe_name).with_changes(steps=arguments.steps)
        recipes[start] = recipe.as_dict()
        for seed in range(seeds[start]):
            name = f"agent {start}, seed {seed}"
            say(name)
            agent = train_agent(
                scenario,
                recipe,
                lambda: practice,
                stages,
                ground.needs,
                seed=seed,
                name=name.replace(",", "").replace(" ", "-"),
            )
            agent.policy.name = name
            contenders[name] = agent.policy
    needs = ground.needs | {"recipes": recipes, "seeds": seeds}
    comparison = compare_all(
        scenario, lambda: contenders, stages, needs, customers=arguments.customers
    )
    return [{"world": world, **row} for row in comparison.table.to_dicts()]


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(title="per customer, 95 % intervals over customers", box=SIMPLE)
    for column in ("world", "policy", "value", "to practice", "contacts"):
        right = column not in ("world", "policy")
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    for row in rows:
        low, high = row["difference_low"], row["difference_high"]
        gap = f"{row['difference']:+.2f} [{low:+.2f}, {high:+.2f}]"
        table.add_row(
            row["world"],
            row["policy"],
            f"{row['value']:.2f}",
            "" if row["policy"] == PRACTICE else gap,
            f"{row['contacts']:.1f}",
        )
    CONSOLE.print(table)
    for world in dict.fromkeys(row["world"] for row in rows):
        for start in RECIPES:
            named = [
                row["difference"]
                for row in rows
                if row["world"] == world and row["policy"].startswith(f"agent {start}")
            ]
            if len(named) > 1:
                say(
                    f"{world}, agents {start}: {np.mean(named):+.2f} on average over "
                    f"{len(named)} seeds, standard deviation {np.std(named, ddof=1):.2f}"
                )


if __name__ == "__main__":
    run_main(main, Arguments)

"""What hidden information costs: ``python -m experiments.hidden_information``.

In each scenario three kinds of agents learn with the same recipe and budget, over the same seeds:
one that sees the records, one that is shown the records of several periods at once, and a
privileged twin that sees the hidden half. All are judged on the same held-out customers. What the
agent lacks of its twin is the price of hidden information, for this learner with this budget, and
history may close part of it. Kept and resumed as the learning curves are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.box import SIMPLE
from rich.table import Table

from agents.recipe import load_recipe
from agents.train import run_main
from experiments.console import CONSOLE, say, timed
from experiments.curves import Arguments as Curves
from experiments.ground import Ground, load_worlds
from experiments.pages import as_json, short, write_text
from experiments.processes import Processes, side_by_side
from experiments.stages import Stages, what_runs
from experiments.steps import run_folder
from experiments.trainings import Training, judge, practice_values, train
from nba_gym.effort import Effort
from nba_gym.errors import PolicyError, check_least
from nba_gym.evaluation.card.page import table
from nba_gym.evaluation.report.figure import readable
from nba_gym.scenario import Scenario, scenario_hash
from nba_gym.statistics import Interval, seed_interval

KINDS = ("records", "history", "everything")
NUMBERS, PAGE = "hidden_information.json", "hidden_information.md"
_INTRODUCTION = """\
What hidden information costs a learner. In each scenario the same learner is trained with the same
budget and over the same seeds on the records, on the records of several periods side by side, and
on everything, the hidden half included (its privileged twin). Values are per customer, on held-out
customers that nothing else looks at, the same for all; intervals are Student's 95 % over seeds.

*Of its twin* is the value of the agent as a share of that of its twin, seed by seed; what it lacks
is the price of hidden information, for this learner with this budget: a better one that sees the
records may exist, and so may a better twin. *History adds* is what several periods of records earn
more than one, seed by seed; *closed* is its share of the price, if the price is more than luck."""
_HEADS = ("scenario", "seeds", "agent", "history", "twin", "of its twin (%)", "price")
_MORE = ("history adds", "closed (%)")


@dataclass(frozen=True)
class Arguments:
    """Compare agents with their privileged twins, and with agents that are shown history."""

    name: str = "hidden-information"
    """what is under way or finished is kept in runs/<name>/"""
    worlds: tuple[str, ...] = Curves.worlds
    """scenarios: preset names or TOML files"""
    recipe: str = "maskable_ppo_from_scratch"
    """recipe of agent and twin: one without imitation, for a twin has no teacher"""
    history: str = "maskable_ppo_history"
    """recipe of the agent that is shown several periods"""
    seeds: int = 5
    """training seeds of each kind, at least 2"""
    steps: int | None = None
    """transitions to learn from; else those of the recipe, for all three"""
    customers: int = 50_000
    """held-out customers"""
    workers: int = Curves.workers
    """trainings side by side, one torch thread each"""
    practice: Annotated[Effort, tyro.conf.OmitArgPrefixes] = Effort()
    """what practice is given to learn from and to be tuned with"""
    write: bool = False
    """write docs/hidden_information.json and .md as well"""
    docs: Path = Path("docs")
    """folder of these"""
    fresh: bool = False
    """begin anew: use nothing that an earlier run has finished"""


def main(arguments: Arguments) -> None:
    """Train all three kinds world by world, and say what came of it."""
    check_least(1, workers=arguments.workers)
    check_least(2, seeds=arguments.seeds, customers=arguments.customers)
    out, sources = run_folder(arguments.name), what_runs()
    worlds = load_worlds(arguments.worlds)
    plans = {world: plan(arguments, world, scenario) for world, scenario in worlds.items()}
    found: list[dict[str, Any]] = []
    try:
        for world, scenario in worlds.items():
            say(f"-- {world}")
            stages = Stages(out / scenario.name, fresh=arguments.fresh, say=say)
            ground = Ground(scenario, stages, sources, arguments.practice)
            found.append(_world(arguments, ground, plans[world]))
    except KeyboardInterrupt:
        say(f"interrupted; what is finished is kept in {out}/, and the same command goes on")
        raise SystemExit(130) from None
    about = {"recipe": arguments.recipe, "history": arguments.history, "worlds": found}
    about |= {"customers": arguments.customers, "practice": vars(arguments.practice)} | sources
    _print(found)
    for folder in (out, *([arguments.docs] if arguments.write else [])):
        write_text(folder / NUMBERS, as_json(about))
        say(f"wrote {folder / NUMBERS}")
    if arguments.write:
        write_text(arguments.docs / PAGE, page(about))
        say(f"wrote {arguments.docs / PAGE}")


def plan(arguments: Arguments, world: str, scenario: Scenario) -> dict[str, list[Training]]:
    """The trainings of each kind, all with the same budget.

    Raises:
        PolicyError: If the history recipe shows one period only, the recipe shows more, or the
            twin would imitate.
    """
    recipe, history = (
        load_recipe(scenario.name, name) for name in (arguments.recipe, arguments.history)
    )
    if history.history <= recipe.history:
        raise PolicyError(
            f"history must show more periods than recipe, got {history.history} and "
            f"{recipe.history} ({arguments.history}, {arguments.recipe})"
        )
    steps = recipe.steps if arguments.steps is None else arguments.steps
    names = dict(zip(KINDS, (arguments.recipe, arguments.history, arguments.recipe), strict=True))
    found = {
        kind: [
            Training(world, name, seed, steps, everything=kind == "everything")
            for seed in range(arguments.seeds)
        ]
        for kind, name in names.items()
    }
    found["everything"][0].load(scenario)
    return found


def _world(
    arguments: Arguments, ground: Ground, trainings: dict[str, list[Training]]
) -> dict[str, Any]:
    """All numbers of one world."""
    _ = ground.settings  # tuned before anything is trained
    practice, processes = practice_values(ground, arguments.customers), Processes()
    every = [one for seed in zip(*trainings.values(), strict=True) for one in seed]
    tasks = [partial(train, one, ground, processes, timed=False) for one in every]
    with timed(f"{len(tasks)} trainings"):
        folders = dict(zip(every, side_by_side(tasks, arguments.workers, processes), strict=True))
    values = {
        kind: [short(judge(one, folders[one], ground, practice).value.mean) for one in several]
        for kind, several in trainings.items()
    }
    return {
        "scenario": ground.scenario.name,
        "scenario_hash": scenario_hash(ground.scenario),
        "currency": ground.scenario.currency,
        "steps": every[0].steps,
        "practice": short(float(practice.mean())),
        "values": values,
    }


@dataclass(frozen=True)
class Price:
    """What hidden information costs in one world.

    Attributes:
        share: Value of the agent as a share of that of its twin, over seeds.
        price: Value of the twin less that of the agent, over seeds.
        history: Value of the agent that is shown history less that of the agent, over seeds.
        closed: Share of the mean price that history closes on average; none if the interval of the
            price reaches to 0.
    """

    share: Interval
    price: Interval
    history: Interval
    closed: float | None

    @classmethod
    def of(cls, values: dict[str, Sequence[float]]) -> Price:
        """From the values of each kind, seeds in the same order."""
        agent, history, twin = (np.array(values[kind]) for kind in KINDS)
        price, adds = seed_interval(twin - agent), seed_interval(history - agent)
        closed = adds.mean / price.mean if price.low > 0.0 else None
        return cls(seed_interval(agent / twin), price, adds, closed)


def page(about: dict[str, Any]) -> str:
    """The text of the page."""
    practice = about["practice"]
    lines = [
        "# The price of hidden information",
        "",
        "*Written by `python -m experiments.hidden_information --write`; do not edit. Every number "
        f"is also in [{NUMBERS}]({NUMBERS}), seed by seed.*",
        "",
        _INTRODUCTION,
        "",
        f"Agent and twin: recipe `{about['recipe']}`; history: `{about['history']}`. "
        f"{about['customers']:,} held-out customers. Practice, for orientation, learned from a "
        f"campaign of {practice['campaign']:,} customers and was tuned in at most "
        f"{practice['trials']} trials on {practice['tuning']:,}.",
        "",
        *table([*_HEADS, *_MORE, "practice", "transitions"], [row(one) for one in about["worlds"]]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def row(world: dict[str, Any]) -> list[str]:
    """One scenario in the table."""
    values, price = world["values"], Price.of(world["values"])
    level = [f"{np.mean(values[kind]):.2f}" for kind in KINDS]
    closed = "not told from luck" if price.closed is None else f"{100.0 * price.closed:.0f}"
    title = f"{readable(world['scenario'])} ({world['currency']})"
    return [
        *(title, str(len(values["records"])), *level),
        *(_within(price.share, 100.0), _within(price.price), _within(price.history), closed),
        *(f"{world['practice']:.2f}", f"{world['steps']:,}"),
    ]


def _within(interval: Interval, factor: float = 1.0) -> str:
    mean, low, high = (factor * x for x in interval)
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def _print(found: list[dict[str, Any]]) -> None:
    shown = Table(title="value per customer, 95 % intervals over seeds", box=SIMPLE)
    for column in (*_HEADS, *_MORE):
        shown.add_column(column, justify="left" if column == "scenario" else "right")
    for world in found:
        shown.add_row(*row(world)[: len(_HEADS) + len(_MORE)])
    CONSOLE.print(shown)


if __name__ == "__main__":
    run_main(main, Arguments)

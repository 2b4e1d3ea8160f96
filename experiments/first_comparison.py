"""The main job, on real input: ``make run``.

Reads the real CDNOW purchase records, fits the purchase and dropout heterogeneity of ``retail`` to
them, learns and tunes greedy practice, trains an agent, compares all of them on held-out customers,
exports the agent, and writes a report.

Ctrl-C stops it, and the same command goes on: tuning, training and comparison are each kept once
finished, and used again while all that they depend on is unchanged. A training that was interrupted
goes on from its last checkpoint, to the very same bits.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.box import SIMPLE
from rich.table import Table

from agents.export import Parity, export
from agents.left import AGENT
from agents.recipe import load_recipe
from agents.train import run_main
from experiments.console import CONSOLE, say, timed
from experiments.ground import Ground
from experiments.stages import Stages, what_runs
from experiments.steps import (
    ORACLE,
    PRACTICE,
    Learned,
    compare_all,
    fit_retail,
    run_folder,
    train_agent,
)
from nba_gym.calibration import BgNbdFit
from nba_gym.effort import Effort
from nba_gym.errors import check_least
from nba_gym.evaluation import Comparison
from nba_gym.evaluation.report import write_report
from nba_gym.export import evaluation_of
from nba_gym.files import whole_file
from nba_gym.policies import (
    NoContact,
    Policy,
    RoundRobin,
    UniformRandom,
)
from nba_gym.truth import MyopicOracle


@dataclass(frozen=True)
class Arguments:
    """Fit retail to CDNOW, train, compare with practice, export and report."""

    name: str = "first-comparison"
    """everything is written to runs/<name>/"""
    customers: int = 20_000
    """held-out customers in the comparison"""
    steps: int | None = None
    """transitions to learn from, instead of the recipe's"""
    practice: Annotated[Effort, tyro.conf.OmitArgPrefixes] = Effort(tuning=6_000, trials=80)
    """what practice is given to learn from and to be tuned with"""
    seed: int = 0
    """seed of training"""
    fresh: bool = False
    """begin anew: use nothing that an earlier run has finished"""


def main(arguments: Arguments) -> None:
    """Run everything and say where it is."""
    check_least(0, seed=arguments.seed)
    check_least(2, customers=arguments.customers)
    out = run_folder(arguments.name)
    stages = Stages(out, fresh=arguments.fresh, say=say)
    try:
        run(arguments, out, stages)
    except KeyboardInterrupt:
        kept = ", ".join(stages.finished) or "nothing yet"
        say(f"interrupted; finished and kept in {out}/: {kept}")
        say("the same command goes on, training at its last checkpoint (--fresh begins anew)")
        raise SystemExit(130) from None


def run(arguments: Arguments, out: Path, stages: Stages) -> None:
    """All stages, one after the other."""
    begun = time.perf_counter()
    fit, scenario = fit_retail(out)
    recipe = load_recipe("retail").with_changes(steps=arguments.steps)
    ground = Ground(scenario, stages, what_runs(), arguments.practice)
    training_needs = ground.needs | {"recipe": recipe.as_dict(), "seed": arguments.seed}

    _ = ground.settings  # tuned before the agent is trained
    learned = train_agent(
        scenario, recipe, ground.practice, stages, ground.needs, seed=arguments.seed
    )

    def contenders() -> dict[str, Policy]:
        return {
            AGENT: learned.policy,
            PRACTICE: ground.practice(),
            "no contact": NoContact(),
            "uniform random": UniformRandom(),
            "round robin": RoundRobin(),
            ORACLE: MyopicOracle(),
        }

    comparison = compare_all(
        scenario, contenders, stages, training_needs, customers=arguments.customers
    )
    summary = json.loads((out / "comparison" / "comparison.json").read_text())
    with timed("export and parity"):
        parity = export(
            learned.policy,
            scenario,
            out / "policy",
            recipe=recipe.as_dict(),
            seed=arguments.seed,
            evaluation=evaluation_of(summary, AGENT),
        )
    names = ("comparison/comparison.json", "comparison/customers.parquet", "scenario.toml")
    paths = [out / name for name in (*names, "policy")]
    with timed("report"), whole_file(out / "report.html") as draft:
        _report(comparison, learned, fit, parity, draft, paths)
    _print_summary(comparison, [out / "report.html", *paths], time.perf_counter() - begun)


def _report(
    comparison: Comparison,
    learned: Learned,
    fit: BgNbdFit,
    parity: Parity,
    target: Path,
    paths: list[Path],
) -> None:
    last = learned.curve[-1]
    notes = (
        f"Purchase and dropout heterogeneity fitted to {fit.n_customers:,} CDNOW customers by "
        f"BG/NBD: r {fit.r:.3f}, alpha {fit.alpha:.3f}, a {fit.a:.3f}, b {fit.b:.3f}, "
        f"log-likelihood {fit.log_likelihood:.1f}.",
        f"Trained in {last.seconds:.0f} s on {last.steps:,} transitions. The agent began by "
        "imitating greedy practice, which was tuned before, and saw records only; its critic, "
        "which is not needed to act, saw the hidden half while it learned.",
        f"The exported policy agrees with the trained network on {parity.rows:,} observations: "
        f"largest difference in probability {parity.largest_difference:.1e}, "
        f"{parity.other_actions} other choices ({parity.ties} of them ties).",
        "Intervals are over customers, for this one training run; the spread over training seeds "
        "is another matter.",
    )
    write_report(
        comparison,
        target,
        curve=learned.curve,
        curve_levels=learned.levels,
        curve_band="the 95 % interval of what changed since the first point, customer by customer",
        title="Looking ahead or taking what is best now? Retail, fitted to CDNOW",
        notes=notes,
        artefacts=paths,
        agent=AGENT,
        privileged={ORACLE},
    )


def _print_summary(comparison: Comparison, paths: list[Path], seconds: float) -> None:
    unit = comparison.scenario.currency
    title = f"{unit} per customer over {comparison.scenario.horizon} weeks, with 95 % intervals"
    table = Table(title=title, box=SIMPLE)
    for name in ("policy", "value", "to practice", "contacts"):
        table.add_column(name, justify="left" if name == "policy" else "right", no_wrap=True)
    for row in comparison.table.to_dicts():
        low, high = row["difference_low"], row["difference_high"]
        gap = f"{row['difference']:+.2f} [{low:+.2f}, {high:+.2f}]"
        table.add_row(
            row["policy"],
            f"{row['value']:.2f} [{row['value_low']:.2f}, {row['value_high']:.2f}]",
            "" if row["policy"] == comparison.baseline else gap,
            f"{row['contacts']:.1f}",
        )
    CONSOLE.print(table)
    for path in paths:
        say(f"wrote {path}")
    say(f"{seconds:.0f} s in all")


if __name__ == "__main__":
    run_main(main, Arguments)

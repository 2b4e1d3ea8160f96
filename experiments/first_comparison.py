"""The main job, on real input: ``make run``.

Reads the real CDNOW purchase records, fits the purchase and dropout heterogeneity of ``retail`` to
them, learns and tunes greedy practice, trains an agent, compares all of them on held-out customers,
exports the agent, and writes a report.

Ctrl-C stops it, and the same command goes on: tuning, training and comparison are each kept once
finished, and used again while all that they depend on is unchanged. A training that was interrupted
begins again at its beginning: resumed halfway, it would not be the same to the bit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

import nba_gym
from agents.export import Parity, export
from agents.policy import AgentPolicy
from agents.recipe import Recipe, load_recipe
from agents.train import CurvePoint, run_main, train
from agents.weights import load_policy, save_policy
from experiments.console import CONSOLE, bar, say, timed
from experiments.rollouts import load_comparison, save_comparison
from experiments.stages import Stages, what_runs, whole_file
from nba_gym.calibration import BgNbdFit, fit_bg_nbd, read_cdnow, summarise
from nba_gym.evaluation import Comparison, compare, log_campaign, tune_practice
from nba_gym.evaluation.report import write_report
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import (
    GreedyPractice,
    NoContact,
    PracticeModel,
    RoundRobin,
    UniformRandom,
    fit_practice,
)
from nba_gym.scenario import Scenario, scenario_hash
from nba_gym.truth import MyopicOracle

AGENT, PRACTICE = "trained agent", "greedy practice"
ORACLE = "myopic oracle (privileged)"


@dataclass(frozen=True)
class Arguments:
    """Fit retail to CDNOW, train, compare with practice, export and report."""

    name: str = "first-comparison"
    """everything is written to runs/<name>/"""
    customers: int = 20_000
    """held-out customers in the comparison"""
    steps: int | None = None
    """transitions to learn from, instead of the recipe's"""
    campaign: int = 32_000
    """customers in the random campaign that practice learns from"""
    tuning: int = 6_000
    """customers on which practice is tuned"""
    trials: int = 30
    """settings of practice that are tried"""
    seed: int = 0
    """seed of training"""
    fresh: bool = False
    """begin anew: use nothing that an earlier run has finished"""


@dataclass(frozen=True)
class Learned:
    """The agent, as it was kept.

    Attributes:
        policy: The greedy policy.
        curve: The learning curve; its last point tells how long training took.
    """

    policy: AgentPolicy
    curve: list[CurvePoint]


def main(arguments: Arguments) -> None:
    """Run everything and say where it is."""
    out = Path("runs") / arguments.name
    stages = Stages(out, fresh=arguments.fresh, say=say)
    try:
        run(arguments, out, stages)
    except KeyboardInterrupt:
        kept = ", ".join(stages.finished) or "nothing yet"
        say(f"interrupted; finished and kept in {out}/: {kept}")
        say("the same command goes on; what was interrupted begins anew (all of it with --fresh)")
        raise SystemExit(130) from None


def run(arguments: Arguments, out: Path, stages: Stages) -> None:
    """All stages, one after the other."""
    begun = time.perf_counter()
    fit, scenario = fit_retail(out)
    recipe = load_recipe("retail").with_changes(steps=arguments.steps)
    common = what_runs() | {"scenario": scenario_hash(scenario), "split": asdict(SPLIT)}
    practice_needs = common | {
        "campaign": arguments.campaign,
        "tuning": arguments.tuning,
        "trials": arguments.trials,
    }
    training_needs = practice_needs | {"recipe": recipe.as_dict(), "seed": arguments.seed}

    @cache  # tuning and comparison both need it, and it takes less time than reading it safely
    def model() -> PracticeModel:
        return learn_propensities(arguments, scenario)

    settings = tune(arguments, scenario, model, stages, practice_needs)

    def practice() -> GreedyPractice:
        return GreedyPractice(model(), **settings)

    learned = train_agent(arguments, scenario, recipe, practice, stages, training_needs)
    comparison = compare_all(
        arguments,
        scenario,
        lambda: {AGENT: learned.policy, PRACTICE: practice()},
        stages,
        training_needs | {"customers": arguments.customers},
    )
    with timed("export and parity"):
        parity = export(
            learned.policy, scenario, out / "policy", recipe=recipe.as_dict(), seed=arguments.seed
        )
    names = ("comparison/comparison.json", "comparison/customers.parquet", "scenario.toml")
    paths = [out / name for name in (*names, "policy")]
    with timed("report"), whole_file(out / "report.html") as draft:
        _report(comparison, learned, fit, parity, draft, paths)
    _print_summary(comparison, [out / "report.html", *paths], time.perf_counter() - begun)


def fit_retail(out: Path) -> tuple[BgNbdFit, Scenario]:
    """Fit BG/NBD to the CDNOW records; returns the fit and ``retail`` with its heterogeneity."""
    with timed("CDNOW records"):
        summary = summarise(read_cdnow())
        fit = fit_bg_nbd(summary.frequency, summary.recency, summary.age)
    say(
        f"  {fit.n_customers:,} customers: r {fit.r:.3f}, alpha {fit.alpha:.3f}, a {fit.a:.3f}, "
        f"b {fit.b:.3f}, log-likelihood {fit.log_likelihood:.1f}"
    )
    say("  published:       r 0.243, alpha 4.414, a 0.793, b 2.426, log-likelihood -9582.4")
    text = (
        "# retail with the purchase and dropout heterogeneity of the CDNOW customers (BG/NBD)\n"
        'extends = "retail"\n\n[traits]\n'
        f'purchase = {{ family = "gamma", shape = {fit.r:.6f}, rate = {fit.alpha:.6f} }}\n'
        f'leaving = {{ family = "beta", a = {fit.a:.6f}, b = {fit.b:.6f} }}\n'
    )
    path = out / "scenario.toml"
    with whole_file(path) as draft:
        draft.write_text(text)
    return fit, nba_gym.load_scenario(path)


def learn_propensities(arguments: Arguments, scenario: Scenario) -> PracticeModel:
    """Learn what practice knows from a logged random campaign."""
    with timed("random campaign"):
        log = log_campaign(scenario, SPLIT.logging(arguments.campaign), SPLIT.seed)
    with timed("propensity models"):
        return fit_practice(log, scenario, log.feature_names)


def tune(
    arguments: Arguments,
    scenario: Scenario,
    model: Callable[[], PracticeModel],
    stages: Stages,
    depends: dict[str, Any],
) -> dict[str, Any]:
    """Tune the arbitration of practice; returns the settings chosen."""

    def make(folder: Path) -> None:
        learned = model()
        customers = SPLIT.tuning(arguments.tuning)
        with bar("tuning practice") as progress:
            practice, trials = tune_practice(
                learned,
                scenario,
                customers,
                SPLIT.seed,
                trials=arguments.trials,
                progress=progress,
            )
        record = [{**trial.settings, "value": trial.value} for trial in trials]
        text = json.dumps({"chosen": practice.settings, "trials": record}, indent=2)
        (folder / "practice.json").write_text(text + "\n")

    folder = stages.keep("practice", depends, make)
    return json.loads((folder / "practice.json").read_text())["chosen"]


def train_agent(
    arguments: Arguments,
    scenario: Scenario,
    recipe: Recipe,
    teacher: Callable[[], GreedyPractice],
    stages: Stages,
    depends: dict[str, Any],
) -> Learned:
    """Train MaskablePPO, from practice on."""

    def make(folder: Path) -> None:
        logs = stages.folder / "tensorboard"  # not in the draft: TensorBoard follows it meanwhile
        trained = train(scenario, recipe, teacher=teacher(), seed=arguments.seed, tensorboard=logs)
        save_policy(trained.policy, folder / "weights.safetensors")
        curve = [asdict(point) for point in trained.curve]
        (folder / "learning_curve.json").write_text(json.dumps(curve, indent=2) + "\n")

    folder = stages.keep("training", depends, make)
    curve = json.loads((folder / "learning_curve.json").read_text())
    policy = load_policy(folder / "weights.safetensors")
    return Learned(policy, [CurvePoint(**point) for point in curve])


def compare_all(
    arguments: Arguments,
    scenario: Scenario,
    contenders: Callable[[], dict[str, Any]],
    stages: Stages,
    depends: dict[str, Any],
) -> Comparison:
    """Compare on customers that nothing else has looked at."""

    def make(folder: Path) -> None:
        policies = contenders() | {
            "no contact": NoContact(),
            "uniform random": UniformRandom(),
            "round robin": RoundRobin(),
            ORACLE: MyopicOracle(),
        }
        customers = SPLIT.reporting(arguments.customers)
        with bar("comparison") as progress:
            comparison = compare(
                policies, scenario, customers, SPLIT.seed, baseline=PRACTICE, progress=progress
            )
        save_comparison(comparison, folder)

    return load_comparison(stages.keep("comparison", depends, make), scenario)


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
        f"Trained in {last.seconds:.0f} s on {last.steps:,} transitions.",
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

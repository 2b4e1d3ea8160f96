"""The main job, on real input: ``make run``.

Reads the real CDNOW purchase records, fits the purchase and dropout heterogeneity of ``retail`` to
them, learns and tunes greedy practice, trains an agent, compares all of them on held-out customers,
exports the agent, and writes a report.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import nba_gym
from agents.export import Parity, export
from agents.recipe import load_recipe
from agents.train import Trained, run_main, train
from agents.weights import save_policy
from nba_gym.calibration import BgNbdFit, fit_bg_nbd, read_cdnow, summarise
from nba_gym.evaluation import Comparison, compare, log_campaign, tune_practice
from nba_gym.evaluation.report import write_report
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import GreedyPractice, NoContact, RoundRobin, UniformRandom, fit_practice
from nba_gym.scenario import Scenario
from nba_gym.truth import MyopicOracle

AGENT, PRACTICE = "trained agent", "greedy practice"
ORACLE = "myopic oracle (privileged)"
CONSOLE = Console(width=max(100, Console().width))


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


def main(arguments: Arguments) -> None:
    """Run everything and say where it is."""
    begun = time.perf_counter()
    out = Path("runs") / arguments.name
    out.mkdir(parents=True, exist_ok=True)
    fit, scenario = fit_retail(out)
    practice = learn_practice(arguments, scenario, out)
    trained = train_agent(arguments, scenario, out)
    comparison = compare_all(arguments, scenario, practice, trained)
    with _stage("export and parity"):
        recipe = load_recipe("retail").with_changes(steps=arguments.steps).as_dict()
        save_policy(trained.policy, out / "weights.safetensors")
        parity = export(
            trained.policy, scenario, out / "policy", recipe=recipe, seed=arguments.seed
        )
    with _stage("report"):
        paths = [*comparison.save(out), out / "scenario.toml", out / "policy"]
        report = _report(comparison, trained, fit, parity, out, paths)
    _print_summary(comparison, [report, *paths], time.perf_counter() - begun)


def fit_retail(out: Path) -> tuple[BgNbdFit, Scenario]:
    """Fit BG/NBD to the CDNOW records; returns the fit and ``retail`` with its heterogeneity."""
    with _stage("CDNOW records"):
        summary = summarise(read_cdnow())
        fit = fit_bg_nbd(summary.frequency, summary.recency, summary.age)
    CONSOLE.print(
        f"  {fit.n_customers:,} customers: r {fit.r:.3f}, alpha {fit.alpha:.3f}, a {fit.a:.3f}, "
        f"b {fit.b:.3f}, log-likelihood {fit.log_likelihood:.1f} "
        "(published: .243, 4.414, .793, 2.426, -9582.4)"
    )
    text = (
        "# retail with the purchase and dropout heterogeneity of the CDNOW customers (BG/NBD)\n"
        'extends = "retail"\n\n[traits]\n'
        f'purchase = {{ family = "gamma", shape = {fit.r:.6f}, rate = {fit.alpha:.6f} }}\n'
        f'leaving = {{ family = "beta", a = {fit.a:.6f}, b = {fit.b:.6f} }}\n'
    )
    path = out / "scenario.toml"
    path.write_text(text)
    return fit, nba_gym.load_scenario(path)


def learn_practice(arguments: Arguments, scenario: Scenario, out: Path) -> GreedyPractice:
    """Learn propensities from a logged random campaign, and tune the arbitration."""
    with _stage("random campaign"):
        log = log_campaign(scenario, SPLIT.logging(arguments.campaign), SPLIT.seed)
    with _stage("propensity models"):
        model = fit_practice(log, scenario, log.feature_names)
    with _bar("tuning practice") as progress:
        practice, trials = tune_practice(
            model,
            scenario,
            SPLIT.tuning(arguments.tuning),
            SPLIT.seed,
            trials=arguments.trials,
            progress=progress,
        )
    record = [{**trial.settings, "value": trial.value} for trial in trials]
    (out / "practice.json").write_text(
        json.dumps({"chosen": practice.settings, "trials": record}, indent=2) + "\n"
    )
    return practice


def train_agent(arguments: Arguments, scenario: Scenario, out: Path) -> Trained:
    """Train MaskablePPO."""
    recipe = load_recipe("retail").with_changes(steps=arguments.steps)
    trained = train(scenario, recipe, seed=arguments.seed, tensorboard=out / "tensorboard")
    curve = [vars(point) for point in trained.curve]
    (out / "learning_curve.json").write_text(json.dumps(curve, indent=2) + "\n")
    return trained


def compare_all(
    arguments: Arguments, scenario: Scenario, practice: GreedyPractice, trained: Trained
) -> Comparison:
    """Compare on customers that nothing else has looked at."""
    policies = {
        AGENT: trained.policy,
        PRACTICE: practice,
        "no contact": NoContact(),
        "uniform random": UniformRandom(),
        "round robin": RoundRobin(),
        ORACLE: MyopicOracle(),
    }
    with _bar("comparison") as progress:
        return compare(
            policies,
            scenario,
            SPLIT.reporting(arguments.customers),
            SPLIT.seed,
            baseline=PRACTICE,
            progress=progress,
        )


def _report(
    comparison: Comparison,
    trained: Trained,
    fit: BgNbdFit,
    parity: Parity,
    out: Path,
    paths: list[Path],
) -> Path:
    notes = (
        f"Purchase and dropout heterogeneity fitted to {fit.n_customers:,} CDNOW customers by "
        f"BG/NBD: r {fit.r:.3f}, alpha {fit.alpha:.3f}, a {fit.a:.3f}, b {fit.b:.3f}, "
        f"log-likelihood {fit.log_likelihood:.1f}.",
        f"Trained in {trained.seconds:.0f} s on {trained.model.num_timesteps:,} transitions.",
        f"The exported policy agrees with the trained network on {parity.rows:,} observations: "
        f"largest difference in probability {parity.largest_difference:.1e}, "
        f"{parity.other_actions} other choices ({parity.ties} of them ties).",
        "Intervals are over customers, for this one training run; the spread over training seeds "
        "is another matter.",
    )
    return write_report(
        comparison,
        out / "report.html",
        curve=trained.curve,
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
        CONSOLE.print(f"wrote {path}", highlight=False)
    CONSOLE.print(f"{seconds:.0f} s in all")


@contextmanager
def _stage(name: str) -> Iterator[None]:
    begun = time.perf_counter()
    with CONSOLE.status(f"{name} ..."):
        yield
    CONSOLE.print(f"{name}: {time.perf_counter() - begun:.1f} s")


@contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int], None]]:
    begun = time.perf_counter()
    columns: list[Any] = [
        TextColumn(name),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("left"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=CONSOLE, transient=True) as progress:
        task = progress.add_task(name, total=1)
        yield lambda done, total: progress.update(task, completed=done, total=total)
    CONSOLE.print(f"{name}: {time.perf_counter() - begun:.1f} s")


if __name__ == "__main__":
    run_main(main, Arguments)

"""The steps that experiments share, each kept on disk once it is finished (``Stages``)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from agents.keeper import Keep
from agents.policy import AgentPolicy
from agents.recipe import Recipe
from agents.train import train
from agents.watch import CurvePoint
from agents.weights import load_policy, save_policy
from experiments.console import bar, say, timed
from experiments.rollouts import load_comparison, save_comparison
from experiments.stages import Stages
from nba_gym.calibration import BgNbdFit, calibrate, read_cdnow
from nba_gym.errors import PolicyError
from nba_gym.evaluation import Comparison, compare, log_campaign, rollout, tune_practice
from nba_gym.evaluation.split import SPLIT
from nba_gym.files import whole_file
from nba_gym.policies import GreedyPractice, NoContact, PracticeModel, fit_practice
from nba_gym.policies.kept_models import save_model
from nba_gym.records.features import feature_table
from nba_gym.scenario import Scenario, load_scenario, scenario_hash

PRACTICE = "greedy practice"
ORACLE = "myopic oracle (privileged)"
OPTIMAL = "optimal policy (privileged)"

Depends = dict[str, Any]
"""Everything that the outcome of a step depends on, as plain values."""


@dataclass(frozen=True)
class Learned:
    """The agent, as it was kept.

    Attributes:
        policy: The greedy policy.
        curve: The learning curve; its last point tells how long training took.
        levels: Mean value of other policies on the watched customers of the curve, by policy.
    """

    policy: AgentPolicy
    curve: list[CurvePoint]
    levels: dict[str, float]


def run_folder(name: str) -> Path:
    """The folder of a run, ``runs/<name>``.

    Raises:
        PolicyError: If the name is not that of a folder inside of ``runs``.
    """
    if name == ".." or not name or Path(name).name != name:
        raise PolicyError(f"name must be one folder inside of runs, got {name!r}")
    return Path("runs") / name


def practice_depends(
    scenario: Scenario, sources: Depends, *, campaign: int, tuning: int, trials: int
) -> Depends:
    """What tuned practice depends on; ``sources`` is what runs, read before anything is done."""
    numbers = {"campaign": campaign, "tuning": tuning, "trials": trials}
    return sources | numbers | {"scenario": scenario_hash(scenario), "split": asdict(SPLIT)}


def fit_retail(out: Path) -> tuple[BgNbdFit, Scenario]:
    """Fit ``retail`` to the CDNOW records; returns the fit of BG/NBD and the fitted world.

    BG/NBD is where the fit begins; its numbers are then moved until customers who are left alone
    buy as those of the records did (``nba_gym.calibration.calibrate``).
    """
    with timed("CDNOW records"):
        fitted = calibrate(read_cdnow(), "retail", weeks=39, name="retail")
    fit = cast(BgNbdFit, fitted.purchases)
    say(
        f"  {fit.n_customers:,} customers: r {fit.r:.3f}, alpha {fit.alpha:.3f}, a {fit.a:.3f}, "
        f"b {fit.b:.3f}, log-likelihood {fit.log_likelihood:.1f}"
    )
    say("  published:       r 0.243, alpha 4.414, a 0.793, b 2.426, log-likelihood -9582.4")
    buying, leaving = (
        getattr(fitted.scenario.traits, name).model_dump() for name in ("purchase", "leaving")
    )
    say(
        f"  in this world:   r {buying['shape']:.3f}, alpha {buying['rate']:.3f}, "
        f"a {leaving['a']:.3f}, b {leaving['b']:.3f}"
    )
    for name in ("actual", "simulated"):
        counts = ", ".join(f"{getattr(bar, name):,.0f}" for bar in fitted.validation.bars)
        say(f"  {name + ' customers:':<21} {counts} (by repeat purchases, from none on)")
    path = out / "scenario.toml"
    with whole_file(path) as draft:
        draft.write_text(fitted.text)
    return fit, load_scenario(path)


def learn_propensities(scenario: Scenario, campaign: int) -> PracticeModel:
    """Learn what practice knows from a logged random campaign."""
    with timed("random campaign"):
        log = log_campaign(scenario, SPLIT.logging(campaign), SPLIT.seed)
    with timed("propensity models"):
        return fit_practice(log, scenario, log.feature_names)


def tune(
    scenario: Scenario,
    model: Callable[[], PracticeModel],
    stages: Stages,
    depends: Depends,
    *,
    tuning: int,
    trials: int,
) -> dict[str, Any]:
    """Tune the arbitration of practice; returns the settings chosen."""

    def make(folder: Path) -> None:
        learned = model()
        with bar("tuning practice") as progress:
            practice, tried = tune_practice(
                learned,
                scenario,
                SPLIT.tuning(tuning),
                SPLIT.seed,
                trials=trials,
                progress=progress,
            )
        record = [{**trial.settings, "value": trial.value} for trial in tried]
        kept = {"campaign": depends["campaign"], "chosen": practice.settings, "trials": record}
        text = json.dumps(kept, indent=2)
        (folder / "practice.json").write_text(text + "\n")
        names = [feature.name for feature, _ in feature_table(scenario)]
        save_model(learned, folder / "practice.npz", scenario, names, depends["campaign"])

    folder = stages.keep("practice", depends, make)
    return json.loads((folder / "practice.json").read_text())["chosen"]


def train_agent(
    scenario: Scenario,
    recipe: Recipe,
    teacher: Callable[[], GreedyPractice],
    stages: Stages,
    depends: Depends,
    *,
    seed: int,
    name: str = "training",
) -> Learned:
    """Train an agent as a recipe says; ``name`` is the name of the stage.

    A training that was stopped goes on from its last checkpoint, to the very same weights.
    """
    needs = depends | {"recipe": recipe.as_dict(), "seed": seed}
    checkpoint = stages.checkpoint(name, needs)

    def make(folder: Path) -> None:
        logs = stages.folder / "tensorboard"  # not in the draft: TensorBoard follows it meanwhile
        practice = teacher()
        keep = Keep(checkpoint, resume=True)
        trained = train(scenario, recipe, teacher=practice, seed=seed, tensorboard=logs, keep=keep)
        save_policy(trained.policy, folder / "weights.safetensors")
        levels = {
            name: float(rollout(policy, scenario, trained.watched, SPLIT.seed).value.mean())
            for name, policy in ((PRACTICE, practice), ("no contact", NoContact()))
        }
        record = {"points": [asdict(point) for point in trained.curve], "levels": levels}
        (folder / "learning_curve.json").write_text(json.dumps(record, indent=2) + "\n")

    folder = stages.keep(name, needs, make)
    checkpoint.unlink(missing_ok=True)
    record = json.loads((folder / "learning_curve.json").read_text())
    policy = load_policy(folder / "weights.safetensors")
    return Learned(policy, [CurvePoint(**point) for point in record["points"]], record["levels"])


def compare_all(
    scenario: Scenario,
    contenders: Callable[[], dict[str, Any]],
    stages: Stages,
    depends: Depends,
    *,
    customers: int,
) -> Comparison:
    """Compare with practice on customers that nothing else has looked at."""

    def make(folder: Path) -> None:
        with bar("comparison") as progress:
            comparison = compare(
                contenders(),
                scenario,
                SPLIT.reporting(customers),
                SPLIT.seed,
                baseline=PRACTICE,
                progress=progress,
            )
        save_comparison(comparison, folder)

    folder = stages.keep("comparison", depends | {"customers": customers}, make)
    return load_comparison(folder, scenario)

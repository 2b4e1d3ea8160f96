"""Tune a recipe, or a baseline, with the same budget: ``python -m agents.tune retail``.

The same command goes on with a study that was stopped, however it was stopped.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import nba_gym
from agents.files import only_one
from agents.train import run_main
from agents.tuning.confirm import APART
from agents.tuning.feedback import Feedback
from agents.tuning.of_policies import study_policy
from agents.tuning.of_recipes import study_recipe
from agents.tuning.options import Arguments
from nba_gym.errors import PolicyError, ScenarioError, check_least
from nba_gym.scenario.load import scenario_hash
from nba_gym.scenario.schema import Scenario

OWN = ("journal.jsonl", "about.json", "study.json", "teacher.json")
OWN_FOLDERS = ("values", "confirmed", "trials", "teacher")
"""What a study keeps in its folder; nothing else is ever removed from there."""


def main(arguments: Arguments) -> None:
    """Tune, and say what came of it and where it is."""
    scenario = nba_gym.load_scenario(arguments.scenario, arguments.set)
    _check(arguments, scenario)
    name = arguments.policy or Path(arguments.recipe).stem
    out = arguments.out or Path("runs") / f"tune-{scenario.name}-{name}"
    study = study_recipe if arguments.policy is None else study_policy
    try:
        with only_one(out, "study"):
            if arguments.fresh:
                _forget(out)
            with Feedback(f"tuning {name}", scenario.currency) as feedback:
                study(arguments, scenario, out, feedback)
    except OSError as error:
        raise PolicyError(f"out must be a folder to write to, got {out}: {error}") from None
    except KeyboardInterrupt:
        rest = shlex.join(word for word in sys.argv[1:] if word != "--fresh")
        print(f"stopped; {out}/ holds what is finished. To go on:", file=sys.stderr)
        print(f"  python -m agents.tune {rest}", file=sys.stderr)
        raise


def _check(arguments: Arguments, scenario: Scenario) -> None:
    check_least(0, seed=arguments.seed, confirm=arguments.confirm)
    if arguments.seed + arguments.seeds > APART:
        raise PolicyError(
            f"seed must be at most {APART - arguments.seeds}, for those from {APART} on are for "
            f"confirming, got {arguments.seed}"
        )
    check_least(1, workers=arguments.workers, seeds=arguments.seeds, campaign=arguments.campaign)
    check_least(1, bandit=arguments.bandit, tuning=arguments.tuning)
    check_least(1, teacher_trials=arguments.teacher_trials)
    check_least(2, customers=arguments.customers, watched=arguments.watched)
    for name in ("seconds", "trials", "steps", "train_seconds"):
        if getattr(arguments, name) is not None:
            check_least(1, **{name: getattr(arguments, name)})
    if arguments.steps is not None and arguments.train_seconds is not None:
        raise PolicyError("train_seconds must not be given beside steps, got both")
    if arguments.engine == "ray" and (arguments.policy is not None or arguments.workers > 1):
        given = "policy" if arguments.policy is not None else "workers"
        raise PolicyError(
            f"{given} must not be given with --engine ray, got {getattr(arguments, given)!r}: a "
            "cluster has as many workers as processors, and the search of a policy is one worker's"
        )
    if arguments.policy is not None and arguments.workers > 1:
        raise PolicyError(
            "workers must be 1 for a policy, whose search takes one step after another, "
            f"got {arguments.workers}"
        )
    if arguments.write and not _is_shipped(scenario):
        raise PolicyError(
            "write must not be asked for in a world that is not as its name says: recipes are "
            f"chosen by the name of the scenario, got a changed {scenario.name!r}"
        )


def _is_shipped(scenario: Scenario) -> bool:
    """Whether a scenario is what its name loads."""
    try:
        return scenario_hash(nba_gym.load_scenario(scenario.name)) == scenario_hash(scenario)
    except ScenarioError:
        return True  # one's own: the table is for whoever has the file


def _forget(out: Path) -> None:
    for name in OWN:
        (out / name).unlink(missing_ok=True)
    for name in OWN_FOLDERS:
        shutil.rmtree(out / name, ignore_errors=True)


if __name__ == "__main__":
    run_main(main, Arguments)

"""Train an agent on the native batch: ``python -m agents.train retail --recipe dqn``.

Customers are kept apart by number: training, watching the learning curve, tuning baselines and
reporting never share one (see ``SPLIT``).
"""

from __future__ import annotations

import hashlib
import json
import math
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

import nba_gym
from agents.algorithms import build
from agents.checkpoint import Tree
from agents.devices import find_device
from agents.diary import diary
from agents.files import only_one
from agents.keeper import Keep, versions
from agents.policy import AgentPolicy
from agents.recipe import Recipe, load_recipe
from agents.rewards import Reward
from agents.session import Session, Teacher
from agents.teacher import read_settings, tune_now, tuned_before
from agents.watch import CurvePoint, Watch
from nba_gym.errors import NbaGymError, PolicyError, check_least
from nba_gym.evaluation.split import SPLIT
from nba_gym.files import whole_file
from nba_gym.scenario.load import scenario_hash
from nba_gym.scenario.schema import Scenario


@dataclass(frozen=True)
class Trained:
    """What training leaves.

    Attributes:
        model: The Stable-Baselines3 model.
        policy: The greedy policy of the averaged weights, at the newest look that was not clearly
            worse than the best one.
        curve: The learning curve, of the averaged weights.
        seconds: Wall time of training, watching not counted.
        watched: Numbers of the customers behind the curve, ``(watch_customers,)``.
    """

    model: Any
    policy: AgentPolicy
    curve: list[CurvePoint]
    seconds: float
    watched: NDArray[np.uint64]


def train(
    scenario: Scenario,
    recipe: Recipe,
    *,
    teacher: Teacher | None = None,
    seed: int = 0,
    torch_threads: int = 1,
    tensorboard: Path | None = None,
    watch_every: int | None = None,
    watch_customers: int = 4_000,
    observe: str = "records",
    quiet: bool = False,
    patience: int = 0,
    seconds: float = math.inf,
    keep: Keep | None = None,
    taught_by: Tree | None = None,
    tell: Callable[[int, dict[str, float]], None] | None = None,
    reward: Reward | None = None,
    device: str = "cpu",
) -> Trained:
    """Train an agent.

    Args:
        scenario: The world.
        recipe: Settings, of any algorithm.
        teacher: Whom to imitate first, where the recipe says so; greedy practice, for example. Or
            what makes one, which is asked only if there is something left to imitate.
        seed: Seed of initialisation, exploration and minibatches, and of the training world.
        torch_threads: Threads of torch; results are the same to the bit only for the same number.
        tensorboard: Folder for TensorBoard.
        watch_every: Updates between two points of the learning curve, instead of the recipe's.
        watch_customers: Held-out customers behind each point and the choice of what is kept.
        observe: ``"everything"`` trains a privileged agent.
        quiet: No progress bar.
        patience: Points of the curve in a row that are no better than the best, after which
            training stops early; 0 never stops it.
        seconds: Processor time to train in, watching not counted; imitation is not cut short.
        keep: Where checkpoints are kept, and whether to go on from one. Whoever goes on ends with
            the same weights, to the bit, as who was never interrupted.
        taught_by: The settings of the teacher as plain values: nobody goes on from the checkpoint
            of an agent with another teacher.
        tell: Called after each look at the held-out customers with transitions and numbers by name.
        reward: What a period is worth to the agent, and a customer in the learning curve; profit if
            not given.
        device: Where the network learns; see ``agents.devices.find_device``. Results are the same
            to the bit on the processor only.

    Raises:
        PolicyError: If the recipe imitates and there is no teacher, or a privileged agent is to
            imitate one that sees the records, or a number is too small.
        CheckpointError: If a checkpoint cannot be written, or the one to go on from is another's.
        KeyboardInterrupt: If Ctrl-C asked to stop; a checkpoint is kept by then.
    """
    if recipe.imitate > 0.0 and (teacher is None or observe != "records"):
        raise PolicyError(
            "recipe must be one without imitation if there is no teacher or the agent is "
            f"privileged, got imitate = {recipe.imitate:g}; take maskable_ppo_from_scratch"
        )
    check_least(0, seed=seed, patience=patience, seconds=seconds)
    every = recipe.watch_every if watch_every is None else watch_every
    check_least(1, threads=torch_threads, watch_every=every)
    check_least(2, watch_customers=watch_customers)
    torch.set_num_threads(torch_threads)
    place = str(find_device(device))
    where = {"observe": observe, "tensorboard": tensorboard, "reward": reward, "device": place}
    learner = build(scenario, recipe, seed=seed, **where)
    looks = {"every": every, "customers": watch_customers, "patience": patience}
    watch = Watch(
        scenario,
        before=int(recipe.imitate * recipe.steps),
        alone=int(recipe.critic_alone * recipe.steps),
        steps=recipe.steps,
        averaging=recipe.averaging,
        quiet=quiet,
        observe=observe,
        seconds=seconds,
        tell=tell,
        reward=reward,
        **looks,
    )
    about: Tree = {
        "recipe": recipe.as_dict(),
        "scenario": {"name": scenario.name, "hash": scenario_hash(scenario)},
        "seed": seed,
        "torch_threads": torch_threads,
        "device": place,
        "observe": observe,
        "watch": looks,
        "taught_by": taught_by,
        "reward": None if reward is None else vars(reward),
        "versions": versions(),
    }
    session = Session(learner, recipe, watch, seed, keep, about)
    session.run(teacher, quiet=quiet)
    took = watch.elapsed - watch.watching
    best = cast(AgentPolicy, watch.best)
    return Trained(learner.model, best, watch.curve, took, SPLIT.watching(watch_customers))


@dataclass(frozen=True)
class Arguments:
    """Train an agent on a scenario and write the policy folder."""

    scenario: Annotated[str, tyro.conf.Positional] = "retail"
    """preset name or TOML file"""
    seed: int = 0
    """seed of the run"""
    steps: int | None = None
    """transitions to learn from, instead of the recipe's"""
    recipe: str = "maskable_ppo"
    """settings: a file in agents/recipes, e.g. maskable_ppo_from_scratch, ppo, a2c, dqn, qrdqn,
    recurrent_ppo, maskable_ppo_history (none of these needs a teacher), or a TOML file"""
    set: tuple[str, ...] = ()
    """changes to the scenario, e.g. leaving.by_loyalty=2.0"""
    out: Path | None = None
    """folder for everything; by default runs/train-<scenario>-<seed>, and what is not as usual"""
    threads: int = 1
    """threads of torch"""
    device: str = "cpu"
    """where the network learns, as torch calls it: cpu, cuda, cuda:1; or auto: a GPU if any"""
    everything: bool = False
    """show the hidden half: a privileged agent, for comparison only (from scratch)"""
    resume: bool = False
    """go on from the checkpoint of a run that was stopped, to the very same weights"""
    checkpoint_seconds: float = 30.0
    """least time between two checkpoints"""
    fresh: bool = False
    """begin anew, where the folder holds the checkpoint of a training that was stopped"""
    watch_every: int | None = None
    """updates between two points of the learning curve, instead of the recipe's"""
    patience: int = 0
    """stop early after so many points of the curve that are no better than the best; 0 never"""
    practice: Path | None = None
    """settings of greedy practice that were tuned before (practice.json of a run of experiments),
    to imitate; without it practice is tuned now"""
    export: bool = True
    """write the policy folder as well"""
    mlflow: bool = False
    """write settings and curve to runs/mlflow.db as well; needs the package mlflow"""


def main(arguments: Arguments) -> None:
    """Train, export, and say where everything is."""
    scenario = nba_gym.load_scenario(arguments.scenario, arguments.set)
    recipe = load_recipe(scenario.name, arguments.recipe).with_changes(steps=arguments.steps)
    check_teacher(scenario, recipe, arguments.recipe, everything=arguments.everything)
    check_least(0, seed=arguments.seed)
    recipe = recipe.with_changes(watch_every=arguments.watch_every)
    check_least(1, threads=arguments.threads)
    find_device(arguments.device)
    taught_by: Tree | None = None
    if arguments.practice is not None:
        campaign, chosen = read_settings(arguments.practice)  # a mistake is told at once
        taught_by = {"campaign": campaign, "chosen": chosen} if recipe.imitate > 0.0 else None
    out = _folder(arguments.out or Path("runs") / _folder_name(arguments, scenario))
    keep = Keep(out / "checkpoint.safetensors", arguments.checkpoint_seconds, arguments.resume)
    try:
        with only_one(out, "training"):
            _train(arguments, scenario, recipe, taught_by, keep, out)
    except OSError as error:
        stays = f"; {keep.path} is kept, and --resume goes on" if keep.path.exists() else ""
        raise PolicyError(
            f"out must be a folder to write to, got {out}: {error.strerror or error}{stays}"
        ) from None


def _train(
    arguments: Arguments,
    scenario: Scenario,
    recipe: Recipe,
    taught_by: Tree | None,
    keep: Keep,
    out: Path,
) -> None:
    if arguments.resume and not keep.path.exists():
        print(f"no checkpoint in {out}/: beginning anew", file=sys.stderr)
    if keep.path.exists() and not (arguments.resume or arguments.fresh):
        raise PolicyError(
            f"out must hold no training that was stopped, got {keep.path}: go on with it "
            "(--resume), or begin anew (--fresh)"
        )
    resumed = arguments.resume and keep.path.exists()
    try:
        with diary(out, recipe.as_dict(), wanted=arguments.mlflow, resume=resumed) as tell:
            done = train(
                scenario,
                recipe,
                teacher=_teacher(scenario, arguments.practice) if recipe.imitate > 0.0 else None,
                seed=arguments.seed,
                torch_threads=arguments.threads,
                device=arguments.device,
                tensorboard=out / "tensorboard",
                observe="everything" if arguments.everything else "records",
                patience=arguments.patience,
                keep=keep,
                taught_by=taught_by,
                tell=tell,
            )
    except KeyboardInterrupt:
        if keep.path.exists():
            rest = shlex.join(x for x in sys.argv[1:] if x != "--resume")
            print(f"stopped; {keep.path} is kept. To go on:", file=sys.stderr)
            print(f"  python -m agents.train {rest} --resume", file=sys.stderr)
        raise
    written = _write(done, scenario, recipe, arguments, out)
    keep.path.unlink(missing_ok=True)
    print(f"{done.curve[-1].steps:,} transitions in {done.seconds:.0f} s", end=", ")
    last = done.curve[-1].value
    print(f"value {last:.2f} {scenario.currency} per watched customer at the last look")
    print(f"wrote {out}/: {', '.join(written)}")


def check_teacher(
    scenario: Scenario, recipe: Recipe, name: str, *, everything: bool = False
) -> None:
    """Refuse to imitate where there is nobody to imitate.

    Raises:
        PolicyError: If the recipe of that name imitates, and the world is a table or the agent is
            privileged.
    """
    where = f"{scenario.name}, a tabular world" if scenario.tabular is not None else ""
    where = "a privileged agent" if everything else where
    if where and recipe.imitate > 0.0:
        raise PolicyError(
            f"recipe must be one without a teacher for {where}, "
            f"got {name!r}; take --recipe maskable_ppo_from_scratch"
        )


def _write(
    done: Trained, scenario: Scenario, recipe: Recipe, arguments: Arguments, out: Path
) -> list[str]:
    """Write the curve, the weights and, if it can be served, the policy folder; says what."""
    from agents.left import save_training
    from agents.weights import save_policy

    curve = [vars(point) for point in done.curve]
    with whole_file(out / "learning_curve.json") as draft:
        draft.write_text(json.dumps(curve, indent=2) + "\n")
    save_policy(done.policy, out / "weights.safetensors")
    by = {"torch_threads": arguments.threads, "device": str(done.model.device)}
    save_training(out, scenario, recipe.as_dict(), arguments.seed, **by)
    written = ["learning_curve.json", "weights.safetensors", "training.json", "tensorboard/"]
    if arguments.everything or done.policy.remembers or not arguments.export:
        shutil.rmtree(out / "policy", ignore_errors=True)  # it is not that of these weights
        if done.policy.remembers:
            print("no policy folder: a policy that remembers is not served (yet)")
        return written
    from agents.export import export

    export(done.policy, scenario, out / "policy", recipe=recipe.as_dict(), seed=arguments.seed)
    return [*written, "policy/"]


def _teacher(scenario: Scenario, practice: Path | None) -> Teacher:
    """Greedy practice, made when it is asked for."""
    if practice is None:
        return lambda: tune_now(scenario)
    return lambda: tuned_before(scenario, practice)


def _folder(out: Path) -> Path:
    """The folder to write to, made if need be."""
    if out.exists() and not out.is_dir():
        raise PolicyError(f"out must be a folder, got the file {str(out)!r}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PolicyError(
            f"out must be a folder that can be made, got {str(out)!r}: {error.strerror}"
        ) from None
    return out


def _folder_name(arguments: Arguments, scenario: Scenario) -> str:
    """``train-<scenario>-<seed>``, and what else is not as usual."""
    name = f"train-{scenario.name}-{arguments.seed}"
    if arguments.recipe != Arguments.recipe:
        name += f"-{Path(arguments.recipe).stem.removeprefix(Arguments.recipe + '_')}"
    name += "-everything" if arguments.everything else ""
    usual = Arguments()
    others = {
        key: str(value)
        for key in ("scenario", "set", "steps", "watch_every", "practice")
        if (value := getattr(arguments, key)) != getattr(usual, key)
        and (key != "scenario" or value != scenario.name)
    }
    if not others:
        return name
    digest = hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()
    return f"{name}-{digest[:6]}"


def run_main(function: Any, arguments: type[Any]) -> None:
    """Parse the command line and run; a user's mistake is one line, not a traceback."""
    try:
        function(tyro.cli(arguments))
    except NbaGymError as error:
        raise SystemExit(f"error: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    run_main(main, Arguments)

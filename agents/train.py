"""Train MaskablePPO on the native batch: ``python -m agents.train retail``.

Customers are kept apart by number: training, watching the learning curve, tuning baselines and
reporting never share one (see ``SPLIT``).
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sb3_contrib import MaskablePPO
from stable_baselines3.common.vec_env import VecNormalize

import nba_gym
from agents.imitation import imitate
from agents.networks import TwoSidedPolicy
from agents.policy import AgentPolicy
from agents.recipe import Recipe, load_recipe
from agents.watch import CurvePoint, Watch
from nba_gym.customer.populate import populate
from nba_gym.envs.stable_baselines import JourneyVecEnv
from nba_gym.errors import NbaGymError, PolicyError, check_least
from nba_gym.evaluation import learn_practice
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import Policy
from nba_gym.scenario.schema import Scenario


@dataclass(frozen=True)
class Trained:
    """What training leaves.

    Attributes:
        model: The Stable-Baselines3 model.
        policy: The greedy policy: of the averaged weights, at the look that saw it do best.
        curve: The learning curve, of the averaged weights.
        seconds: Wall time of training, watching not counted.
        watched: Numbers of the customers behind the curve, ``(watch_customers,)``.
    """

    model: MaskablePPO
    policy: AgentPolicy
    curve: list[CurvePoint]
    seconds: float
    watched: NDArray[np.uint64]


Step = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]


class FiniteJourneys(JourneyVecEnv):
    """Journeys that are over at the horizon, to a learner that is judged on what comes before it.

    The comparison counts nothing after the horizon and the tenure is among the features, so values
    beyond it are not to be bootstrapped (time-aware learning, Pardo et al. 2018). The environment
    itself never confuses the two.
    """

    def step_wait(self) -> Step:
        """Live one period with every customer."""
        observations, rewards, dones, infos = super().step_wait()
        for i in np.flatnonzero(dones):
            infos[i]["TimeLimit.truncated"] = False
        return observations, rewards, dones, infos


def train(
    scenario: Scenario,
    recipe: Recipe,
    *,
    teacher: Policy | None = None,
    seed: int = 0,
    torch_threads: int = 1,
    tensorboard: Path | None = None,
    watch_every: int = 8,
    watch_customers: int = 4_000,
    observe: str = "records",
    quiet: bool = False,
) -> Trained:
    """Train an agent.

    Args:
        scenario: The world.
        recipe: Settings.
        teacher: Whom to imitate first, where the recipe says so; greedy practice, for example.
        seed: Seed of initialisation, exploration and minibatches, and of the training world.
        torch_threads: Threads of torch; results are the same to the bit only for the same number.
        tensorboard: Folder for TensorBoard.
        watch_every: Updates between two points of the learning curve.
        watch_customers: Held-out customers behind each point, and behind the choice of the best.
        observe: ``"everything"`` trains a privileged agent.
        quiet: No progress bar.

    Raises:
        PolicyError: If the recipe imitates and there is no teacher, or a privileged agent is to
            imitate one that sees the records, or a number is too small.
    """
    if recipe.imitate > 0.0 and (teacher is None or observe != "records"):
        raise PolicyError(
            "recipe must be one without imitation if there is no teacher or the agent is "
            f"privileged, got imitate = {recipe.imitate:g}; take maskable_ppo_from_scratch"
        )
    check_least(0, seed=seed)
    check_least(1, threads=torch_threads)
    check_least(2, watch_customers=watch_customers)
    torch.set_num_threads(torch_threads)
    n_seen = len(populate(scenario, 1).features)
    shown = "everything" if recipe.privileged_critic else observe
    raw = FiniteJourneys(recipe.customers, scenario, observe=shown, threads=1, stagger=True)
    if observe != "records":
        n_seen = len(raw.env.features.names)
    envs = VecNormalize(raw, gamma=scenario.discount, clip_obs=10.0)
    envs.seed(SPLIT.training_seed(seed))
    model = MaskablePPO(
        TwoSidedPolicy,
        envs,
        learning_rate=lambda left: recipe.learning_rate * (0.1 + 0.9 * left),
        n_steps=recipe.rollout_periods,
        batch_size=recipe.batch_size,
        n_epochs=recipe.epochs,
        gamma=scenario.discount,
        gae_lambda=recipe.gae_lambda,
        clip_range=recipe.clip_range,
        ent_coef=recipe.entropy,
        vf_coef=recipe.value_weight,
        max_grad_norm=recipe.max_grad_norm,
        policy_kwargs={"seen": n_seen, "actor": recipe.network, "critic": recipe.critic},
        tensorboard_log=str(tensorboard) if tensorboard else None,
        seed=seed,
        device="cpu",
    )
    decisions, alone = (
        int(share * recipe.steps) for share in (recipe.imitate, recipe.critic_alone)
    )
    watch = Watch(
        scenario,
        before=decisions,
        alone=alone,
        steps=recipe.steps,
        averaging=recipe.averaging,
        every=watch_every,
        customers=watch_customers,
        quiet=quiet,
        observe=observe,
    )
    begun = time.perf_counter()
    try:
        watch.begin()
        if teacher is not None and decisions > 0:
            imitate(model, raw, teacher, decisions, doubt=recipe.doubt, seed=seed, done=watch.show)
        model.learn(alone + recipe.steps, callback=watch, tb_log_name="maskable_ppo")
    finally:
        watch.close()
    seconds = time.perf_counter() - begun - watch.watching
    best = cast(AgentPolicy, watch.best)
    return Trained(model, best, watch.curve, seconds, SPLIT.watching(watch_customers))


@dataclass(frozen=True)
class Arguments:
    """Train MaskablePPO on a scenario and write the policy folder."""

    scenario: Annotated[str, tyro.conf.Positional] = "retail"
    """preset name or TOML file"""
    seed: int = 0
    """seed of the run"""
    steps: int | None = None
    """transitions to learn from, instead of the recipe's"""
    recipe: str = "maskable_ppo"
    """settings: a file in agents/recipes; maskable_ppo_from_scratch needs no teacher"""
    set: tuple[str, ...] = ()
    """changes to the scenario, e.g. leaving.by_loyalty=2.0"""
    out: Path | None = None
    """folder for everything; by default runs/train-<scenario>-<seed>, and what is not as usual"""
    threads: int = 1
    """threads of torch"""
    everything: bool = False
    """show the hidden half: a privileged agent, for comparison only (from scratch)"""


def main(arguments: Arguments) -> None:
    """Train, export, and say where everything is."""
    from agents.export import export
    from agents.weights import save_policy

    scenario = nba_gym.load_scenario(arguments.scenario, arguments.set)
    recipe = load_recipe(scenario.name, arguments.recipe).with_changes(steps=arguments.steps)
    if scenario.tabular is not None and recipe.imitate > 0.0:
        raise PolicyError(
            f"recipe must be one without a teacher in {scenario.name}, a tabular world, "
            f"got {arguments.recipe!r}; take --recipe maskable_ppo_from_scratch"
        )
    if arguments.everything and recipe.imitate > 0.0:
        raise PolicyError(
            "recipe must be one without a teacher for a privileged agent, "
            f"got {arguments.recipe!r}; take --recipe maskable_ppo_from_scratch"
        )
    check_least(0, seed=arguments.seed)
    check_least(1, threads=arguments.threads)
    out = arguments.out or Path("runs") / _folder_name(arguments, scenario)
    if out.exists() and not out.is_dir():
        raise PolicyError(f"out must be a folder, got the file {str(out)!r}")
    out.mkdir(parents=True, exist_ok=True)
    done = train(
        scenario,
        recipe,
        teacher=_practice(scenario) if recipe.imitate > 0.0 else None,
        seed=arguments.seed,
        torch_threads=arguments.threads,
        tensorboard=out / "tensorboard",
        observe="everything" if arguments.everything else "records",
    )
    curve = [vars(point) for point in done.curve]
    (out / "learning_curve.json").write_text(json.dumps(curve, indent=2) + "\n")
    save_policy(done.policy, out / "weights.safetensors")
    written = ["learning_curve.json", "weights.safetensors", "tensorboard/"]
    if not arguments.everything:
        export(done.policy, scenario, out / "policy", recipe=recipe.as_dict(), seed=arguments.seed)
        written.append("policy/")
    else:
        shutil.rmtree(out / "policy", ignore_errors=True)  # it is not that of these weights
    best = max(point.value for point in done.curve)
    print(f"{done.curve[-1].steps:,} transitions in {done.seconds:.0f} s", end=", ")
    print(f"value {best:.2f} {scenario.currency} per watched customer (the best look, kept)")
    print(f"wrote {out}/: {', '.join(written)}")


def _folder_name(arguments: Arguments, scenario: Scenario) -> str:
    """``train-<scenario>-<seed>``, and what else is not as usual."""
    name = f"train-{scenario.name}-{arguments.seed}"
    if arguments.recipe != Arguments.recipe:
        name += f"-{arguments.recipe.removeprefix(Arguments.recipe + '_')}"
    return name + ("-everything" if arguments.everything else "")


def _practice(scenario: Scenario) -> Policy:
    """Greedy practice, tuned: where the agent begins."""
    columns = (TextColumn("greedy practice"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("greedy practice", total=None)
        practice, _ = learn_practice(
            scenario, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    return practice


def run_main(function: Any, arguments: type[Any]) -> None:
    """Parse the command line and run; a user's mistake is one line, not a traceback."""
    try:
        function(tyro.cli(arguments))
    except NbaGymError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    run_main(main, Arguments)

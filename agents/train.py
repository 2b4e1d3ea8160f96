"""Train MaskablePPO on the native batch: ``python -m agents.train retail``.

Customers are kept apart by number: training, watching the learning curve, tuning baselines and
reporting never share one (see ``SPLIT``).
"""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from sb3_contrib import MaskablePPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecNormalize
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import nba_gym
from agents.imitation import imitate
from agents.networks import TwoSidedPolicy
from agents.policy import AgentPolicy, policy_of
from agents.recipe import Recipe, load_recipe
from nba_gym.envs.stable_baselines import JourneyVecEnv
from nba_gym.errors import NbaGymError, PolicyError
from nba_gym.evaluation import learn_practice, rollout
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import Policy
from nba_gym.records.features import feature_table
from nba_gym.scenario.schema import Scenario


@dataclass(frozen=True)
class CurvePoint:
    """The learning curve at one moment.

    Attributes:
        steps: Transitions learned from so far, those of imitation and of the critic alone included.
        seconds: Wall time since training began, watching not counted.
        value: Mean value of the watched customers under the greedy policy.
        low: Lower end of the 95 % interval of what was gained since the first point, paired
            customer by customer (they are the same throughout), and drawn around ``value``.
        high: Upper end.
    """

    steps: int
    seconds: float
    value: float
    low: float
    high: float


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


class Watch(BaseCallback):
    """Decides when the actor learns, averages the weights, and keeps the best policy.

    Customers differ so much that every update is noisy; the exponential moving average of the
    weights (Polyak averaging) is steadier than the weights themselves. Which moment is best is
    judged on customers of their own, as the settings of greedy practice are.

    Args:
        scenario: The world.
        before: Decisions that were imitated before.
        alone: Transitions from which only the critic learns, at first.
        steps: Transitions after these.
        averaging: Share of the average that an update leaves, in [0, 1).
        every: Updates between two looks at the held-out customers.
        customers: How many of them.
        quiet: No progress bar.
        observe: What the actor sees.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        before: int,
        alone: int,
        steps: int,
        averaging: float,
        every: int,
        customers: int,
        quiet: bool,
        observe: str = "records",
    ) -> None:
        super().__init__()
        self.scenario = scenario
        self._observe = observe
        self.best: AgentPolicy | None = None
        self._averaging = averaging
        self._average: AveragedModel | None = None
        self._best_value = -np.inf
        self._first_values: NDArray[np.float64] | None = None
        self.curve: list[CurvePoint] = []
        self.watching = 0.0
        self._every, self._updates = every, 0
        self._customers = SPLIT.watching(customers)
        self._before, self._alone = before, alone
        self._total = before + alone + steps
        self._actor_learns = True
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  value {task.fields[value]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            disable=quiet,
        )
        self._task = self._bar.add_task("training", total=self._total, value="-")
        self._started = 0.0

    def begin(self) -> None:
        """Start the clock and the progress bar."""
        self._started = time.perf_counter()
        self._bar.start()

    def show(self, transitions: int) -> None:
        """Show how far training is."""
        self._bar.update(self._task, completed=min(transitions, self._total))

    def _on_training_start(self) -> None:
        self._average = AveragedModel(
            self.model.policy, multi_avg_fn=get_ema_multi_avg_fn(self._averaging)
        )
        self._let_actor_learn(self._alone <= 0)
        self._look()

    def _on_step(self) -> bool:
        self.show(self._before + self.num_timesteps)
        return True

    def _on_rollout_start(self) -> None:
        if not self._actor_learns:
            self._let_actor_learn(self.num_timesteps >= self._alone)
            return
        if self._updates:
            self._renew_average()
        if self._updates and self._updates % self._every == 0:
            self._look()
        self._updates += 1

    def _on_training_end(self) -> None:
        self._renew_average()
        self._look()
        self.show(self._total)

    def close(self) -> None:
        """Give the terminal back, also from a training that was interrupted."""
        self._bar.stop()

    def _let_actor_learn(self, learns: bool) -> None:
        self._actor_learns = learns
        for weights in cast(TwoSidedPolicy, self.model.policy).actor_parameters():
            weights.requires_grad_(learns)

    def _renew_average(self) -> None:
        cast(AveragedModel, self._average).update_parameters(self.model.policy)

    def _look(self) -> None:
        """Value of the watched customers under the present greedy policy."""
        begun = time.perf_counter()
        policy = policy_of(self.model, cast(AveragedModel, self._average).module, self._observe)
        run = rollout(policy, self.scenario, self._customers, SPLIT.seed)
        first = run.value if self._first_values is None else self._first_values
        self._first_values = first
        error = 1.96 * float((run.value - first).std(ddof=1)) / np.sqrt(len(first))
        value = float(run.value.mean())
        if value > self._best_value:
            self._best_value, self.best = value, copy.deepcopy(policy)
        seconds = begun - self._started - self.watching
        self.curve.append(
            CurvePoint(
                self._before + self.num_timesteps, seconds, value, value - error, value + error
            )
        )
        self.logger.record("customers/value", value)
        self.logger.record("customers/contacts", float(run.contacts.mean()))
        self.logger.record("customers/opt_outs", float(run.opt_outs.mean()))
        self.logger.record("customers/lifetime", float(run.lifetime.mean()))
        self._bar.update(self._task, value=f"{value:.2f} {self.scenario.currency}")
        self.watching += time.perf_counter() - begun


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
            imitate one that sees the records.
    """
    if recipe.imitate > 0.0 and (teacher is None or observe != "records"):
        raise PolicyError(
            "recipe must be one without imitation if there is no teacher or the agent is "
            f"privileged, got imitate = {recipe.imitate:g}; take maskable_ppo_from_scratch"
        )
    torch.set_num_threads(torch_threads)
    n_seen = len(feature_table(scenario))
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
    """folder for everything; runs/train-<scenario>-<seed> by default"""
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
    if arguments.everything and recipe.imitate > 0.0:
        raise PolicyError(
            "recipe must be one without a teacher for a privileged agent, "
            f"got {arguments.recipe!r}; take --recipe maskable_ppo_from_scratch"
        )
    out = arguments.out or Path("runs") / f"train-{scenario.name}-{arguments.seed}"
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
    if not arguments.everything:
        export(done.policy, scenario, out / "policy", recipe=recipe.as_dict(), seed=arguments.seed)
    last = done.curve[-1]
    print(f"{recipe.steps:,} transitions in {done.seconds:.0f} s", end=", ")
    print(f"value {last.value:.2f} {scenario.currency} per held-out customer")
    print(f"wrote {out}/: learning_curve.json, weights.safetensors, policy/, tensorboard/")


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

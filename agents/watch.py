"""Watch an agent learn: progress bar, learning curve, averaged weights, the best policy so far."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from stable_baselines3.common.callbacks import BaseCallback
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from agents.networks import TwoSidedPolicy
from agents.policy import AgentPolicy, policy_of
from nba_gym.evaluation import rollout
from nba_gym.evaluation.split import SPLIT
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
        error = 1.96 * float((run.value - first).std(ddof=1) / np.sqrt(len(first)))
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

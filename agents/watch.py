"""Watch an agent learn: progress bar, learning curve, averaged weights, the policy to keep."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from stable_baselines3.common.callbacks import BaseCallback
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from agents.checkpoint import Tree
from agents.moment import read_module, write_module
from agents.networks import TwoSidedPolicy
from agents.policy import AgentPolicy, policy_of
from agents.rewards import Earnings, Reward
from nba_gym.evaluation import Rollout, rollout
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
    """Decides when the actor learns, averages the weights, and which policy is kept.

    Customers differ so much that every update is noisy; the exponential moving average of the
    weights (Polyak averaging) is steadier than the weights themselves. What is kept is
    the newest policy that is not clearly worse (95 %, paired by customer) than the best look: the
    highest of several looks that differ by chance alone is no better than the others, and whoever
    has learned longer is. That is judged on customers of their own, as practice is tuned.

    Args:
        scenario: The world.
        before: Decisions that are imitated before.
        alone: Transitions from which only the critic learns, at first.
        steps: Transitions after these.
        averaging: Share of the average that an update leaves, in [0, 1).
        every: Updates between two looks at the held-out customers.
        customers: How many of them.
        quiet: No progress bar.
        observe: What the actor sees.
        patience: Looks in a row that are not better than the best one, beyond chance (95 %), after
            which training stops early; 0 never stops it.
        seconds: Processor time to train in, watching not counted.
        tell: Called after each look with the transitions so far and what was seen, by name.
        reward: What customers are worth to the agent; profit if not given.
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
        patience: int = 0,
        seconds: float = math.inf,
        tell: Callable[[int, dict[str, float]], None] | None = None,
        reward: Reward | None = None,
    ) -> None:
        super().__init__()
        self.scenario = scenario
        self._observe, self._reward = observe, reward
        self._patience, self._seconds, self._tell = patience, seconds, tell
        self._flat = 0
        self._waiting: Tree | None = None
        self.best: AgentPolicy | None = None
        self._averaging = averaging
        self._average: AveragedModel | None = None
        self._top: NDArray[np.float64] | None = None
        self._first_values: NDArray[np.float64] | None = None
        self._level: NDArray[np.float64] | None = None
        self.curve: list[CurvePoint] = []
        self.watching = 0.0
        self._worked = 0.0
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

    @property
    def elapsed(self) -> float:
        """Wall time since training began, interruptions not counted, in seconds."""
        return time.perf_counter() - self._started

    @property
    def is_flat(self) -> bool:
        """Whether the curve has not risen for as long as one is patient."""
        return 0 < self._patience <= self._flat

    @property
    def is_late(self) -> bool:
        """Whether the time to learn in is over; what else the machine does is no part of it."""
        return time.process_time() - self._worked >= self._seconds

    def begin(self) -> None:
        """Start the clock and the progress bar."""
        self._started, self._worked = time.perf_counter(), time.process_time()
        self._bar.start()

    def memory(self) -> Tree:
        """All that the rest of watching depends on."""
        tree: Tree = {
            "elapsed": self.elapsed,
            "watching": self.watching,
            "worked": time.process_time() - self._worked,
            "updates": self._updates,
            "actor_learns": self._actor_learns,
            "flat": self._flat,
            "curve": [vars(point) for point in self.curve],
        }
        if self._average is not None and self.best is not None:
            tree |= {
                "average": read_module(self._average),
                "best": read_module(self.best.scores),
                "top": self._top,
                "first_values": self._first_values,
                "level": self._level,
            }
        return tree

    def recall(self, tree: Tree) -> None:
        """Go on from what :meth:`memory` told; the networks follow when training starts."""
        self._started = time.perf_counter() - tree["elapsed"]
        self._worked = time.process_time() - tree["worked"]
        self.watching = tree["watching"]
        self.curve = [CurvePoint(**point) for point in tree["curve"]]
        self._updates, self._flat = tree["updates"], tree["flat"]
        self._waiting = tree if "average" in tree else None

    def show(self, transitions: int) -> None:
        """Show how far training is."""
        self._bar.update(self._task, completed=min(transitions, self._total))

    def _on_training_start(self) -> None:
        self._average = AveragedModel(
            self.model.policy, multi_avg_fn=get_ema_multi_avg_fn(self._averaging)
        )
        if self._waiting is None:
            self._let_actor_learn(self._alone <= 0)
            self._look()
            return
        tree, self._waiting = self._waiting, None
        write_module(self._average, tree["average"])
        self.best = copy.deepcopy(self._policy())
        write_module(self.best.scores, tree["best"])
        self._top = tree["top"]
        self._first_values, self._level = tree["first_values"], tree["level"]
        self._let_actor_learn(tree["actor_learns"])

    def _on_step(self) -> bool:
        self.show(self._before + self.num_timesteps)
        return not (self.is_flat or self.is_late)

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
        if self._alone <= 0:
            return
        for weights in cast(TwoSidedPolicy, self.model.policy).actor_parameters():
            weights.requires_grad_(learns)

    def _renew_average(self) -> None:
        cast(AveragedModel, self._average).update_parameters(self.model.policy)

    def _policy(self) -> AgentPolicy:
        """The greedy policy of the averaged weights."""
        return policy_of(self.model, cast(AveragedModel, self._average).module, self._observe)

    def _look(self) -> None:
        """Value of the watched customers under the present greedy policy."""
        begun, worked = time.perf_counter(), time.process_time()
        policy = self._policy()
        run, values = self._judge(policy)
        first = values if self._first_values is None else self._first_values
        self._first_values = first
        error = _error(values - first)
        value = float(values.mean())
        if self._top is None or value > self._top.mean():
            self._top = values
        if (values - self._top).mean() >= -_error(values - self._top):
            self.best = copy.deepcopy(policy)
        self._count_flat(values)
        seconds = begun - self._started - self.watching
        steps = self._before + self.num_timesteps
        self.curve.append(CurvePoint(steps, seconds, value, value - error, value + error))
        seen = what_was_seen(run)
        for name, number in seen.items():
            self.logger.record(f"customers/{name}", number)
        self.logger.dump(self.num_timesteps)  # else what is seen later would take its place
        if self._tell is not None:
            self._tell(steps, seen)
        self._bar.update(self._task, value=f"{value:.2f} {self.scenario.currency}")
        self.watching += time.perf_counter() - begun
        self._worked += time.process_time() - worked

    def _judge(self, policy: AgentPolicy) -> tuple[Rollout, NDArray[np.float64]]:
        """What the watched customers came to, and what each of them is worth to the agent."""
        if self._reward is None:
            run = rollout(policy, self.scenario, self._customers, SPLIT.seed)
            return run, run.value
        earned = Earnings(self._reward, self.scenario.discount)
        run = rollout(policy, self.scenario, self._customers, SPLIT.seed, watch=earned)
        return run, earned.values

    def _count_flat(self, values: NDArray[np.float64]) -> None:
        """Count looks since the last one that was better than all before, beyond chance."""
        if self._level is None or (values - self._level).mean() > _error(values - self._level):
            self._level, self._flat = values, 0
        else:
            self._flat += 1


def what_was_seen(run: Rollout) -> dict[str, float]:
    """What a look at the held-out customers tells, by name; means over customers.

    The contact rate is by period of the horizon, for who is gone is contacted as well: the firm
    cannot know.
    """
    return {
        "value": float(run.value.mean()),
        "contacts": float(run.contacts.mean()),
        "contact_rate": float(run.contacts.mean() / len(run.alive)),
        "opt_outs": float(run.opt_outs.mean()),
        "lifetime": float(run.lifetime.mean()),
        "churn": float(1.0 - run.alive[-1]),
    }


def _error(gains: NDArray[np.float64]) -> float:
    """Half the width of the 95 % interval of a mean."""
    return 1.96 * float(gains.std(ddof=1) / np.sqrt(len(gains)))

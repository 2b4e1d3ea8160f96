"""Trainings in processes of their own, and what came of them on held-out customers."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.recipe import Recipe, load_recipe
from agents.weights import load_policy
from experiments.ground import Ground
from experiments.processes import Processes
from nba_gym.evaluation import rollout
from nba_gym.evaluation.split import SPLIT
from nba_gym.scenario import Scenario
from nba_gym.statistics import Interval, mean_interval

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Training:
    """One training in a world.

    Attributes:
        world: Name or file of the scenario.
        recipe: Name or file of the recipe.
        seed: Seed of training.
        steps: Transitions to learn from, instead of the recipe's.
        threads: Threads of torch.
        looks: Points of the learning curve, about; by default as the recipe says.
    """

    world: str
    recipe: str
    seed: int
    steps: int | None = None
    threads: int = 1
    looks: int | None = None

    @property
    def kind(self) -> str:
        """What is trained, whatever the seed."""
        return Path(self.recipe).stem

    @property
    def name(self) -> str:
        """Name of its stage."""
        return f"{self.kind}-seed-{self.seed}"

    def load(self, scenario: Scenario) -> Recipe:
        """The recipe in its world.

        Raises:
            PolicyError: If there is none.
        """
        recipe = load_recipe(scenario.name, self.recipe).with_changes(steps=self.steps)
        if self.looks is None:
            return recipe
        every = recipe.steps // recipe.of_update // self.looks
        return recipe.with_changes(watch_every=max(1, every))

    def needs(self, ground: Ground) -> dict[str, Any]:
        """Everything that its outcome depends on; practice only if it is imitated."""
        recipe = self.load(ground.scenario)
        own = {"recipe": recipe.as_dict(), "seed": self.seed, "torch_threads": self.threads}
        if recipe.imitate > 0.0:
            return ground.needs | own
        return {key: ground.needs[key] for key in _ALWAYS} | own

    def command(self, out: Path, ground: Ground, *, resume: bool) -> list[str]:
        """The command that trains."""
        command = [sys.executable, "-m", "agents.train", self.world, "--recipe", self.recipe]
        command += ["--seed", str(self.seed), "--threads", str(self.threads), "--out", str(out)]
        command += [] if ground.is_tables else ["--practice", str(ground.file)]
        command += ["--no-export"]
        command += [] if self.steps is None else ["--steps", str(self.steps)]
        if self.looks is not None:
            command += ["--watch-every", str(self.load(ground.scenario).watch_every)]
        return [*command, "--resume" if resume else "--fresh"]


_ALWAYS = ("versions", "source", "scenario", "split")
_KEPT = ("learning_curve.json", "weights.safetensors")


def train(training: Training, ground: Ground, processes: Processes, *, timed: bool) -> Path:
    """Train in a process of its own; the folder with curve, weights and ``process.json``.

    Args:
        training: What to train.
        ground: The world, practice tuned; its stages keep the training once finished.
        processes: Starts it.
        timed: One that was interrupted begins anew, so that its time is that of one process from
            its start to its end. Otherwise it goes on from its last checkpoint.
    """
    needs = training.needs(ground) | {"timed": timed}
    place = ground.stages.checkpoint(training.name, needs)

    def make(folder: Path) -> None:
        if timed:
            shutil.rmtree(place, ignore_errors=True)
        place.mkdir(exist_ok=True)
        # one OpenMP thread for each of torch's, however many cores others are busy on
        threads = {"OMP_NUM_THREADS": str(training.threads)}
        command = training.command(place, ground, resume=not timed)
        seconds = processes.run(command, place / "said.txt", threads)
        for name in _KEPT:
            shutil.copy(place / name, folder / name)
        record = {"command": command, "seconds": seconds}
        (folder / "process.json").write_text(json.dumps(record, indent=2) + "\n")

    folder = ground.stages.keep(training.name, needs, make)
    shutil.rmtree(place, ignore_errors=True)
    return folder


def rival_values(ground: Ground, customers: int) -> Values:
    """Value of the held-out customers under the rival of agents, kept, ``(customers,)``."""

    def make(folder: Path) -> None:
        run = rollout(ground.rival(), ground.scenario, SPLIT.reporting(customers), SPLIT.seed)
        np.save(folder / "values.npy", run.value)

    needs = ground.needs | {"customers": customers}
    return np.load(ground.stages.keep("rival-values", needs, make) / "values.npy")


@dataclass(frozen=True)
class Verdict:
    """What a trained agent came to on held-out customers.

    Attributes:
        value: Mean value of a customer, with its 95 % interval over customers.
        gain: Mean paired difference to their rival, with its 95 % interval over customers.
    """

    value: Interval
    gain: Interval

    @property
    def won(self) -> bool:
        """Whether the agent is better than its rival beyond the luck of customers."""
        return self.gain.low > 0.0


def judge(training: Training, trained: Path, ground: Ground, rival: Values) -> Verdict:
    """Compare a trained agent with its rival on customers that nothing else looks at, kept.

    Args:
        training: What was trained.
        trained: The folder that ``train`` left.
        ground: The world.
        rival: What ``Ground.rival`` earns of these customers (``rival_values``).
    """
    customers = len(rival)

    def make(folder: Path) -> None:
        policy = load_policy(trained / "weights.safetensors")
        held_out = SPLIT.reporting(customers)
        values = rollout(policy, ground.scenario, held_out, SPLIT.seed).value
        gain = mean_interval(values - rival)
        record = {"value": mean_interval(values), "gain": gain}
        (folder / "verdict.json").write_text(json.dumps(record, indent=2) + "\n")

    needs = ground.needs | training.needs(ground) | {"customers": customers}
    folder = ground.stages.keep(f"{training.name}-verdict", needs, make)
    record = json.loads((folder / "verdict.json").read_text())
    return Verdict(Interval(*record["value"]), Interval(*record["gain"]))

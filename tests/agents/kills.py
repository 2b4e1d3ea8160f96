"""Kill trainings at random moments (``kill -9``), go on, and compare the weights bit by bit.

``make kills`` is the long form; the tests run a short one. Each training runs in a process of its
own, forked from one that has imported all there is to import, so that a kill costs a second.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from agents.checkpoint import read_checkpoint, write_checkpoint
from agents.keeper import Keep
from agents.recipe import RECIPES, Recipe, load_recipe
from agents.train import train
from nba_gym.envs.vector import JourneyVectorEnv
from nba_gym.errors import CheckpointError
from nba_gym.policies import RoundRobin
from nba_gym.scenario.load import load_scenario

WORLD = "retail"
SMALL = {
    "steps": 12_000,
    "customers": 64,
    "batch_size": 512,
    "warm_up": 1_000,
    "replay": 3_000,
    "target_every": 500,
    "imitate": 0.2,
    "critic_alone": 0.4,
}
LONGER = {"maskable_ppo": 10, "a2c": 10, "maskable_ppo_history": 20, "recurrent_ppo": 4}
"""How much longer those are trained that learn faster, so that they are killed at work as well."""
NAMES = ("maskable_ppo", "dqn", "recurrent_ppo", "a2c", "qrdqn", "maskable_ppo_history", "ppo")


def small(name: str) -> Recipe:
    """A recipe that takes a second or two in all its phases, the same whatever is tuned."""
    recipe = load_recipe("any world without a table of its own", name)
    kept = ("imitate", "critic_alone") if recipe.imitate == 0.0 else ()
    known = {key: SMALL[key] for key in recipe.as_dict() if key in SMALL and key not in kept}
    return recipe.with_changes(**known | {"steps": SMALL["steps"] * LONGER.get(name, 1)})


def tiny(name: str) -> Recipe:
    """A recipe that takes less than that."""
    recipe = small(name)
    steps, every = (4_000, 15) if name.endswith("dqn") else (10_000, 1)
    return recipe.with_changes(steps=min(recipe.steps, steps), watch_every=every)


def digest(arrays: Any) -> str:
    """Of some arrays or tensors by name, to the last bit."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(name.encode())
        found.update(np.asarray(arrays[name]).tobytes())
    return found.hexdigest()


def train_to_the_end(name: str, seed: int, folder: Path) -> None:
    """Train or go on; leave a file with digests of all that matters when done."""
    torch.set_num_threads(1)
    done = train(
        load_scenario(WORLD),
        small(name),
        teacher=RoundRobin(),
        seed=seed,
        watch_every=25,
        watch_customers=50,
        quiet=True,
        keep=Keep(folder / "checkpoint.safetensors", seconds=0.03, resume=True),
    )
    weights = {f"model.{key}": x for key, x in done.model.policy.state_dict().items()}
    weights |= {f"best.{key}": x for key, x in done.policy.scores.state_dict().items()}
    weights["values"] = np.array([point.value for point in done.curve])
    weights["steps"] = np.array([point.steps for point in done.curve])
    (folder / "draft").write_text(digest(weights))
    (folder / "draft").replace(folder / "done")


def in_a_process(work: Callable[[], None]) -> int:
    """Fork a process that does some work; returns its number."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)
    raise AssertionError


def killed(process: int, after: float) -> bool:
    """Kill a process after some seconds; whether it was still at work."""
    until = time.monotonic() + after
    while time.monotonic() < until:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            assert status == 0, f"a training ended with status {status}"
            return False
        time.sleep(0.001)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return os.WIFSIGNALED(status)


@dataclass
class Tally:
    """What the kills of one algorithm came to.

    Attributes:
        kills: Processes killed while they were training.
        saving: Of these, in the middle of saving.
        trainings: Trainings that were killed again and again, and ended.
        same: Of these, those with the bits of the one that nobody killed.
        phases: Checkpoints that a kill left, by the phase they were of.
    """

    kills: int
    saving: int
    trainings: int
    same: int
    phases: dict[str, int]


def phase_of(path: Path, recipe: Recipe) -> str:
    """Where the training that left a checkpoint was."""
    if not path.exists():
        return "nothing kept yet"
    moment = read_checkpoint(path)["moment"]
    if "imitation" in moment:
        return "imitation"
    steps = moment["learner"]["counters"]["num_timesteps"]
    return "critic alone" if steps < recipe.critic_alone * recipe.steps else "learning"


def kill_trainings(name: str, kills: int, luck: np.random.Generator) -> Tally:
    """Kill trainings of one recipe until there were enough kills and the last one has ended."""
    tally, recipe, seed = Tally(0, 0, 0, 0, {}), small(name), 0
    while tally.kills < kills:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            begun = time.monotonic()
            alone = in_a_process(lambda: train_to_the_end(name, seed, Path(one)))  # noqa: B023
            assert os.waitpid(alone, 0)[1] == 0
            whole = time.monotonic() - begun
            folder = Path(other)
            while not (folder / "done").exists():
                process = in_a_process(lambda: train_to_the_end(name, seed, folder))  # noqa: B023
                enough = tally.kills >= kills
                if killed(process, 600.0 if enough else luck.uniform(0.0, 0.8) * whole):
                    tally.kills += 1
                    tally.saving += any(folder.glob(".draft-*"))
                    phase = phase_of(folder / "checkpoint.safetensors", recipe)
                    tally.phases[phase] = tally.phases.get(phase, 0) + 1
            tally.trainings += 1
            tally.same += (Path(one) / "done").read_text() == (folder / "done").read_text()
            seed += 1
    return tally


def save_for_ever(path: Path) -> None:
    """Write one checkpoint after the other, each full of its own number."""
    number = int(read_checkpoint(path)["number"]) if path.exists() else 0
    while True:
        number += 1
        part = {str(i): np.full(250_000, number + i) for i in range(3)}
        write_checkpoint(path, {"number": number, "part": part})


def kill_saves(kills: int, luck: np.random.Generator) -> tuple[int, int]:
    """Kill processes that do nothing but save; how often in the middle, and what was unreadable."""
    middle = unreadable = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.safetensors"
        for _ in range(10 * kills):
            killed(in_a_process(lambda: save_for_ever(path)), luck.uniform(0.01, 0.08))
            middle += any(Path(folder).glob(".draft-*"))
            try:
                tree = read_checkpoint(path) if path.exists() else {"number": 0, "part": {}}
                whole = (set(x - int(i)) == {tree["number"]} for i, x in tree["part"].items())
                unreadable += not all(whole)
            except CheckpointError:
                unreadable += 1
            if middle >= kills:
                break
    return middle, unreadable


@dataclass(frozen=True)
class Arguments:
    """Kill trainings and saves, and say what it came to."""

    kills: int = 20
    """kills of each recipe"""
    saves: int = 100
    """kills in the middle of saving"""
    recipes: tuple[str, ...] = NAMES
    """recipes to kill"""
    seed: int = 0
    """seed of the moments"""


def main(arguments: Arguments) -> None:
    """Everything, one line each; exits with 1 if a bit differs or a checkpoint is unreadable."""
    luck = np.random.default_rng(arguments.seed)
    JourneyVectorEnv(64, WORLD, threads=1).reset(seed=0)  # compiled code, once for all processes
    fine = True
    if arguments.saves:
        middle, unreadable = kill_saves(arguments.saves, luck)
        print(f"saving: {middle} kills in the middle, {unreadable} unreadable checkpoints")
        fine = unreadable == 0 and middle >= arguments.saves
    for name in arguments.recipes:
        tally = kill_trainings(name, arguments.kills, luck)
        phases = ", ".join(f"{count} {phase}" for phase, count in sorted(tally.phases.items()))
        print(
            f"{name}: {tally.kills} kills ({phases}; {tally.saving} while saving), "
            f"{tally.same} of {tally.trainings} trainings the same to the bit",
            flush=True,
        )
        fine = fine and tally.same == tally.trainings
    assert set(RECIPES) >= {load_recipe(WORLD, name).algorithm for name in arguments.recipes}
    raise SystemExit(0 if fine else 1)


if __name__ == "__main__":
    main(tyro.cli(Arguments))

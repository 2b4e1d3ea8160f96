"""What is done for a task: a search, a training, or a cell. It may run on any machine.

A task reads its arguments and the folders of the tasks before it, and writes into a folder of its
own; it knows nothing else, so what it leaves is the same wherever it ran.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agents.recipe import Recipe, recipe_of
from agents.rewards import Reward
from agents.train import train
from agents.tuning.trials_on_disk import TrialsOnDisk
from agents.weights import load_policy, save_policy
from experiments.engine.catalogue import in_catalogue_of
from nba_gym.evaluation.contenders import contender
from nba_gym.evaluation.drift import Drift
from nba_gym.evaluation.kit import Kit
from nba_gym.evaluation.observed import observe_rollout
from nba_gym.evaluation.provenance import machine
from nba_gym.evaluation.results import write_cell
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import Policy
from nba_gym.scenario import Scenario, scenario_hash

Inputs = Mapping[str, Path]
"""Folders of the tasks before, by the name of what they made: a policy, or ``training``."""
WEIGHTS, CURVE = "weights.safetensors", "curve.json"
_kits: dict[str, tuple[Kit, dict[str, Path]]] = {}
"""The kit of the last world: what is learned from a campaign takes longer than to learn it anew
for every seed."""


def do(kind: str, arguments: Mapping[str, Any], inputs: Inputs, folder: Path) -> None:
    """Do a task.

    Args:
        kind: Which of ``WORK``.
        arguments: What it is told.
        inputs: Folders it reads.
        folder: An empty folder for what it leaves.
    """
    WORK[kind](arguments, inputs, folder)


def search(arguments: Mapping[str, Any], inputs: Inputs, folder: Path) -> None:
    """Tune a policy; leaves every trial, so that whoever makes the policy need not try again."""
    name = arguments["policy"]
    kit = _kit(_world(arguments["learning"]), arguments["effort"], {**inputs, name: folder})
    contender(name).make(kit)
    best = max(kit.trials_of[name], key=lambda trial: trial.value)
    told = {"policy": name, "chosen": best.settings, "trials": len(kit.trials_of[name])}
    (folder / "search.json").write_text(json.dumps(told, indent=2) + "\n")


def training(arguments: Mapping[str, Any], inputs: Inputs, folder: Path) -> None:
    """Train an agent; leaves its weights and its curve."""
    scenario, recipe = _world(arguments["learning"]), recipe_of(arguments["recipe"])
    begun = time.perf_counter()
    done = train(
        scenario,
        recipe,
        teacher=_teacher(scenario, recipe, arguments, inputs),
        seed=arguments["seed"],
        watch_customers=arguments["watching"],
        observe="everything" if arguments["everything"] else "records",
        quiet=True,
        reward=None if arguments["reward"] is None else Reward(**arguments["reward"]),
    )
    save_policy(done.policy, folder / WEIGHTS)
    curve = [asdict(point) for point in done.curve]
    (folder / CURVE).write_text(json.dumps(curve, indent=1) + "\n")
    told = {"seconds": time.perf_counter() - begun, "training_seconds": done.seconds}
    (folder / "training.json").write_text(json.dumps(told, indent=2) + "\n")


def _teacher(
    scenario: Scenario, recipe: Recipe, arguments: Mapping[str, Any], inputs: Inputs
) -> Callable[[], Policy] | None:
    if recipe.imitate <= 0.0:
        return None
    return lambda: _kit(scenario, arguments["effort"], inputs).practice


def cell(arguments: Mapping[str, Any], inputs: Inputs, folder: Path) -> None:
    """Let a contender act for the customers of the comparison, and write what came of it."""
    about, acting = arguments["about"], _world(arguments["acting"])
    learning, name = _world(arguments["learning"]), about["contender"]
    begun = time.perf_counter()
    trained = inputs.get("training")
    if trained is not None:
        policy: Policy = load_policy(trained / WEIGHTS)
        curve, world = json.loads((trained / CURVE).read_text()), acting
    else:
        found = contender(name)
        learning = learning if inputs else acting  # what needs nothing knows the world as it is
        policy = found.make(_kit(learning, arguments["effort"], inputs))
        curve, world = [], found.world(acting)
    policy = in_catalogue_of(policy, learning, world)
    made = time.perf_counter()
    drift = Drift(arguments["drift"]) if arguments["drift"] else None
    numbers = SPLIT.reporting(about["customers"])
    seen = observe_rollout(policy, world, numbers, SPLIT.seed, threads=1, also=drift)
    seconds = {"seconds_to_make": made - begun, "seconds_to_act": time.perf_counter() - made}
    told = _of_training(trained)
    write_cell(folder, {**about, **told, **seconds, "machine": machine()}, seen, curve)


def _of_training(trained: Path | None) -> dict[str, Any]:
    """Seconds of the training behind a cell, and which training it was."""
    if trained is None:
        return {"training": None, "training_seconds": None}
    told = json.loads((trained / "training.json").read_text())
    return {"training": trained.name, "training_seconds": told["training_seconds"]}


def _kit(scenario: Scenario, effort: Mapping[str, int], folders: Mapping[str, Path]) -> Kit:
    """What policies of a world are learned from; trials lie in the folders, by policy."""
    key = f"{scenario_hash(scenario)} {json.dumps(effort, sort_keys=True)}"
    if key not in _kits:
        _kits.clear()  # a campaign may take hundreds of megabytes
        places: dict[str, Path] = {}
        given: dict[str, Any] = dict(effort)
        kit = Kit(scenario, **given, threads=1, memory=lambda name: _memory(places, name))
        _kits[key] = kit, places
    kit, places = _kits[key]
    places.clear()
    places.update(folders)
    return kit


def _memory(places: Mapping[str, Path], name: str) -> TrialsOnDisk | None:
    return TrialsOnDisk(places[name] / "trials") if name in places else None


def _world(tree: Mapping[str, Any]) -> Scenario:
    return Scenario.model_validate(tree)


WORK: dict[str, Callable[[Mapping[str, Any], Inputs, Path], None]] = {
    "search": search,
    "training": training,
    "cell": cell,
}
"""What may be done, by kind."""

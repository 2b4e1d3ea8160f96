"""Write a trained policy as a folder that needs no torch: ``policy.onnx`` and ``card.json``.

Normalisation of the observation and the mask are inside the graph; the folder is the whole
interface between training and serving. Parity of the written file with the network in memory is
proven on many observations before the folder counts as written.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

import nba_gym
from agents.policy import AgentPolicy
from nba_gym.customer import kernel
from nba_gym.customer.populate import populate
from nba_gym.errors import BundleError
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import UniformRandom
from nba_gym.scenario import Scenario
from nba_gym.scenario.load import scenario_hash
from nba_gym.serving.bundle import FORMAT, OnnxPolicy, file_digest

PARITY_ROWS = 100_000
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Parity:
    """How the exported file compares with the network in memory.

    Attributes:
        rows: Observations compared.
        largest_difference: Largest absolute difference of a probability.
        other_actions: Rows whose chosen action differs.
        ties: Of these, rows in which the two actions are equally likely within the tolerance.
    """

    rows: int
    largest_difference: float
    other_actions: int
    ties: int


def export(
    policy: AgentPolicy,
    scenario: Scenario,
    folder: Path,
    *,
    recipe: dict[str, Any] | None = None,
    seed: int = 0,
    rows: int = PARITY_ROWS,
) -> Parity:
    """Write the policy folder and prove parity.

    Args:
        policy: A trained agent that sees records only.
        scenario: The world it was trained in.
        folder: Where to write; replaced as a whole, or left as it was.
        recipe: Settings of training, for the card.
        seed: Seed of training, for the card.
        rows: Observations on which parity is proven.

    Raises:
        BundleError: If the policy is privileged or remembers, or the exported file does not agree
            with it.
    """
    if policy.observe != "records":
        raise BundleError(
            f"a policy to be served must see the records only, got one that sees {policy.observe}"
        )
    if policy.remembers:
        raise BundleError(
            "a policy to be served must choose by the present observation alone, got one of "
            f"{policy.algorithm} that remembers (history {policy.history})"
        )
    observations, masks = sample_observations(scenario, rows)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write_graph(policy, draft / "policy.onnx", observations[:2], masks[:2])
        card = _card(policy, scenario, draft / "policy.onnx", recipe or {}, seed)
        (draft / "card.json").write_text(json.dumps(card, indent=2) + "\n")
        parity = check_parity(policy, OnnxPolicy(draft), observations, masks)
        card["parity"] = vars(parity)
        (draft / "card.json").write_text(json.dumps(card, indent=2) + "\n")
        if folder.exists():
            shutil.rmtree(folder)
        draft.chmod(0o755)  # mkdtemp keeps others out; a policy folder is there to be read
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return parity


def sample_observations(
    scenario: Scenario, rows: int
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Observations and masks from all stages of journeys under a random policy, ``rows`` each."""
    n = -(-rows // scenario.horizon)
    population = populate(scenario, n)
    seeds = np.full(n, SPLIT.seed, dtype=np.uint64)
    population.begin(np.ones(n, dtype=np.bool_), seeds, SPLIT.watching(n))
    generator = np.random.default_rng(SPLIT.seed)
    acting = UniformRandom()
    kept: list[tuple[NDArray[np.float32], NDArray[np.int8]]] = []
    for _ in range(scenario.horizon):
        out = population.out
        kept.append((out.observations.copy(), out.masks.copy()))
        population.step(acting.act(out.observations, out.masks, generator), kernel.DISABLED)
    observations = np.concatenate([x for x, _ in kept])[:rows]
    return observations, np.concatenate([mask for _, mask in kept])[:rows]


def check_parity(
    policy: AgentPolicy,
    exported: OnnxPolicy,
    observations: NDArray[np.float32],
    masks: NDArray[np.int8],
) -> Parity:
    """Compare probabilities and choices row by row.

    Raises:
        BundleError: If a probability differs by more than the tolerance, a forbidden action has a
            chance, or a choice differs that is not a tie.
    """
    ours = policy.probabilities_of(observations, masks)
    theirs = exported.scores(observations, masks)
    largest = float(np.max(np.abs(ours - theirs)))
    mine, other = ours.argmax(axis=1), theirs.argmax(axis=1)
    differ = np.flatnonzero(mine != other)
    ties = int(np.sum(np.abs(ours[differ, mine[differ]] - ours[differ, other[differ]]) < TOLERANCE))
    if largest > TOLERANCE:
        raise BundleError(f"probabilities must agree within {TOLERANCE:g}, got {largest:g}")
    if np.any(theirs[masks == 0] > 0.0):
        raise BundleError("forbidden actions must have probability 0, got more in policy.onnx")
    if len(differ) > ties:
        raise BundleError(f"choices must agree but for ties, got {len(differ) - ties} others")
    return Parity(len(observations), largest, len(differ), ties)


def _write_graph(
    policy: AgentPolicy, path: Path, observations: NDArray[np.float32], masks: NDArray[np.int8]
) -> None:
    rows = torch.export.Dim("rows", min=1)
    # the exporter says which operators of packages we do not have it leaves out; nobody asked
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        warnings.filterwarnings("ignore", message=".*axis name: rows will not be used.*")
        torch.onnx.export(
            policy.scores,
            (torch.from_numpy(observations), torch.from_numpy(masks)),
            str(path),
            input_names=["observations", "masks"],
            output_names=["probabilities"],
            dynamic_shapes={"observations": {0: rows}, "masks": {0: rows}},
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def _card(
    policy: AgentPolicy, scenario: Scenario, graph: Path, recipe: dict[str, Any], seed: int
) -> dict[str, Any]:
    population = populate(scenario, 1)
    return {
        "format": FORMAT,
        "scenario": scenario.name,
        "scenario_hash": scenario_hash(scenario),
        "scenario_version": scenario.version,
        "observe": "records",
        "features": [
            {"name": f.name, "low": f.low, "high": f.high, "unit": f.unit, "meaning": f.meaning}
            for f in population.features
        ],
        "actions": [
            {"name": a.name, "kind": a.kind, "channel": a.channel} for a in scenario.actions
        ],
        "graph": {
            "file": graph.name,
            "sha256": file_digest(graph),
            "inputs": {"observations": "float32 (rows, features)", "masks": "int8 (rows, actions)"},
            "outputs": {"probabilities": "float32 (rows, actions)"},
        },
        "training": {"algorithm": policy.algorithm, "seed": seed, "recipe": recipe},
        "versions": {p: metadata.version(p) for p in ("nba_gym", "torch", "onnx", "sb3-contrib")},
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@dataclass(frozen=True)
class Arguments:
    """Write the policy folder of saved weights, or of a model of Stable-Baselines3."""

    folder: Annotated[Path, tyro.conf.Positional]
    """policy folder to write"""
    scenario: str = "retail"
    """preset name or TOML file"""
    weights: Path | None = None
    """weights that agents.train left (weights.safetensors)"""
    sb3: Path | None = None
    """instead: the zip file that a model of Stable-Baselines3 saved; runs code when it is loaded"""
    algorithm: str = "MaskablePPO"
    """what the model in the zip file was trained by"""
    normaliser: Path | None = None
    """the file that VecNormalize.save wrote beside it; runs code when it is loaded"""
    trust: bool = False
    """you know who wrote the zip file and the normaliser"""


def _check_fits(policy: AgentPolicy, scenario: Scenario) -> None:
    """Refuse weights whose size is not that of a scenario."""
    head: Any = policy.scores.head
    sizes = (policy.n_features, head.out_features)
    wanted = (len(populate(scenario, 1).features), scenario.n_actions)
    if policy.observe == "records" and sizes != wanted:
        raise BundleError(
            f"weights must be for {wanted[0]} features and {wanted[1]} actions, as in "
            f"{scenario.name}, got {sizes[0]} and {sizes[1]}; name their scenario with --scenario"
        )


def main(arguments: Arguments) -> None:
    """Export saved weights."""
    from agents.foreign import load_sb3
    from agents.weights import load_policy

    scenario = nba_gym.load_scenario(arguments.scenario)
    if (arguments.weights is None) == (arguments.sb3 is None):
        raise BundleError(
            "weights must name the weights.safetensors of a training run, or sb3 a zip file of "
            "Stable-Baselines3, got both or none"
        )
    if arguments.weights is not None:
        policy = load_policy(arguments.weights)
    else:
        policy = load_sb3(
            cast(Path, arguments.sb3),
            scenario,
            algorithm=arguments.algorithm,
            normaliser=arguments.normaliser,
            trust=arguments.trust,
        )
    _check_fits(policy, scenario)
    parity = export(policy, scenario, arguments.folder)
    print(
        f"{parity.rows:,} observations: largest difference {parity.largest_difference:.1e}, "
        f"{parity.other_actions} other choices ({parity.ties} ties)"
    )
    print(f"wrote {arguments.folder}/: policy.onnx, card.json")


if __name__ == "__main__":
    from agents.train import run_main

    run_main(main, Arguments)

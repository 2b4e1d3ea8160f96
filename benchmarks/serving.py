"""How fast a policy decides in process, beside the bare network: ``python -m benchmarks.serving``.

Bare is onnxruntime with the scores alone: no check of the input, no mask, no ranking. The engine
checks, masks, ranks and says probabilities and value. All are measured in turn, so that a slow
spell hits each of them.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import tyro
from onnx import utils

from agents.export import export
from agents.policy import ActionScores, AgentPolicy
from benchmarks.figures import REPEATS, Figure, interleave, machine
from nba_gym.export import sample_observations
from nba_gym.records.features import feature_table
from nba_gym.scenario import Scenario, load_scenario
from nba_gym.serving import Decisions, Engine


@dataclass(frozen=True)
class Arguments:
    """Measure decisions in process."""

    policy: Path | None = None
    """policy folder; by default one of a network of the recipe's size, weights by lot, in retail"""
    rows: int = 262_144
    """customers of a batch"""
    single: int = 20_000
    """decisions one by one"""
    repeats: int = REPEATS
    """measurements of each, in turn"""
    out: Path | None = None
    """JSON file for the figures"""


def main(arguments: Arguments) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as room:
        folder = arguments.policy or _write(load_scenario("retail"), Path(room) / "policy")
        one, two = Engine(folder), Engine(folder, threads=2, trial=False)
        bare = _bare(folder / "policy.onnx", Path(room) / "bare.onnx")
        x, masks = sample_observations(one.folder.scenario, arguments.rows)
        rates = interleave(_runs(one, two, bare, x, masks, arguments.single), arguments.repeats)
    print(json.dumps(machine()))
    for figure in rates:
        _print(figure)
    if arguments.out is not None:
        record = {"machine": machine(), "rates": {each.name: each.rates for each in rates}}
        arguments.out.write_text(json.dumps(record, indent=2) + "\n")


def _print(figure: Figure) -> None:
    name, median, spread = figure.row()
    each = f"{1e6 / figure.median:8.2f} us each" if "one by one" in name else ""
    print(f"{name:<34} {median:>10}/s  ({spread}) {each}")


def _runs(
    one: Engine, two: Engine, bare: Any, x: Any, masks: Any, single: int
) -> dict[str, Callable[[], float]]:
    out = Decisions.room(len(x), len(one.actions))
    rows = [{"observations": x[i : i + 1]} for i in range(single)]

    def bare_singles() -> None:
        for row in rows:
            bare.run(None, row)

    def singles() -> None:
        for i in range(single):
            one.decide(x[i], masks[i])

    def bare_batch() -> None:
        for first in range(0, len(x), 512):
            bare.run(None, {"observations": x[first : first + 512]})

    return {
        "bare network, one by one": _rate(bare_singles, single),
        "engine, one by one": _rate(singles, single),
        "bare network, batch, 1 thread": _rate(bare_batch, len(x)),
        "engine, batch, 1 thread": _rate(lambda: one.decide_batch(x, masks, out), len(x)),
        "engine, batch, 2 threads": _rate(lambda: two.decide_batch(x, masks, out), len(x)),
    }


def _rate(run: Callable[[], Any], n: int) -> Callable[[], float]:
    def measure() -> float:
        begun = time.perf_counter()
        run()
        return n / (time.perf_counter() - begun)

    return measure


def _bare(graph: Path, path: Path) -> Any:
    """The network alone, up to its scores before the mask."""
    model = onnx.load_model(graph)
    masked = next(node for node in model.graph.node if "scores" in node.output)
    utils.extract_model(str(graph), str(path), ["observations"], [masked.input[1]])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _write(scenario: Scenario, folder: Path) -> Path:
    torch.manual_seed(0)
    n, wide = len(feature_table(scenario)), 64
    layers = torch.nn.Sequential(
        torch.nn.Linear(n, wide), torch.nn.Tanh(), torch.nn.Linear(wide, wide), torch.nn.Tanh()
    )
    head = torch.nn.Linear(wide, scenario.n_actions)
    policy = AgentPolicy(ActionScores(layers, head, np.full(n, 0.3), np.full(n, 0.4), 10.0))
    export(policy, scenario, folder, rows=2_000, customers=100)
    return folder


if __name__ == "__main__":
    main(tyro.cli(Arguments))

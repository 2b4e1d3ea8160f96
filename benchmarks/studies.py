"""How well a study of independent cells uses several cores: ``make bench-studies``.

The same study is run by one worker and by several, in turn, each time from nothing in a folder of
its own: starting the workers and keeping the cells are part of it. Efficiency is the time of one
worker over that of several times their number. Compiled code is in the cache before anything is
timed. It needs a machine that does nothing else.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from agents.train import run_main
from experiments.console import say
from experiments.engine.load import load_study
from experiments.engine.local import LocalEngine
from experiments.engine.plan import Plan, plan
from experiments.engine.schedule import Store, run_plan
from experiments.stages import what_counts
from nba_gym.errors import check_least
from nba_gym.evaluation.provenance import machine

STUDY = """
question = "How well are cores used?"
scenarios = ["retail"]
baseline = ["a2c"]
[agents.a2c]
recipe = "a2c"
"""


@dataclass(frozen=True)
class Arguments:
    """Time a study of independent cells with one worker and with several."""

    workers: int = 2
    """how many several are"""
    cells: int = 12
    """trainings, and as many cells"""
    steps: int = 1_000_000
    """transitions of each training"""
    customers: int = 4_000
    """customers of each cell"""
    repeats: int = 3
    """times each is run"""
    out: Path = Path("runs/bench/studies.json")
    """file of the record"""


def main(arguments: Arguments) -> None:
    """Run, say, and write the record."""
    check_least(1, cells=arguments.cells, steps=arguments.steps, repeats=arguments.repeats)
    check_least(2, workers=arguments.workers, customers=arguments.customers)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.toml"
        path.write_text(STUDY)
        timed(_plan(path, 1, 10_000, arguments.customers), 1, Path(folder) / "warm")
        made = _plan(path, arguments.cells, arguments.steps, arguments.customers)
        seconds: dict[int, list[float]] = {1: [], arguments.workers: []}
        for i in range(arguments.repeats):
            for workers, several in seconds.items():
                several.append(timed(made, workers, Path(folder) / f"{i}-{workers}"))
                say(f"{workers} at a time: {several[-1]:.1f} s")
    alone, together = (median(several) for several in seconds.values())
    efficiency = alone / (arguments.workers * together)
    say(f"efficiency of {arguments.workers} workers: {efficiency:.3f} (medians)")
    record = {"arguments": {k: str(v) for k, v in vars(arguments).items()}}
    record |= {"machine": machine(), "seconds": seconds, "efficiency": efficiency}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(record, indent=2) + "\n")
    say(f"wrote {arguments.out}")


def _plan(path: Path, cells: int, steps: int, customers: int) -> Plan:
    changes = [f"seeds={cells}", f"customers={customers}", f"agents.a2c.changes.steps={steps}"]
    return plan(load_study(str(path), changes), what_counts())


def timed(made: Plan, workers: int, folder: Path) -> float:
    """Seconds of a study from nothing, workers started and ended."""
    begun = time.perf_counter()
    engine = LocalEngine(workers)
    try:
        run_plan(made, Store(folder), engine, lambda *_: None)
    finally:
        engine.close()
    return time.perf_counter() - begun


if __name__ == "__main__":
    run_main(main, Arguments)

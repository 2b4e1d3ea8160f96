"""A study in a moment, and an engine that does its tasks in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.engine.engines import FailedError
from experiments.engine.load import load_study
from experiments.engine.plan import Plan, Task, plan
from experiments.engine.schedule import Store, run_plan
from experiments.engine.work import do

SOURCES: dict[str, Any] = {"versions": {}, "source": "as it is"}
STUDY = """
question = "Does it run?"
scenarios = ["control"]
policies = ["wait", "practice", "oracle"]
seeds = 2
customers = 60

[effort]
campaign = 200
tuning = 40
trials = 2
watching = 40

[agents.ppo]
recipe = "maskable_ppo"

[agents.twin]
recipe = "a2c"
everything = true
"""


class Here:
    """Does tasks in this process, one at a time; notes them, and stops at one of them if asked."""

    workers = 1

    def __init__(self, stop_at: int = -1) -> None:
        self.done: list[str] = []
        self.closed = False
        self._stop_at = stop_at

    def run(self, task: Task, inputs: Mapping[str, Path], folder: Path) -> None:
        if len(self.done) == self._stop_at:
            raise KeyboardInterrupt
        do(task.kind, task.arguments, inputs, folder)
        self.done.append(task.name)

    def close(self) -> None:
        self.closed = True


class Nobody(Here):
    """Does nothing: whoever asks has something left to do."""

    def run(self, task: Task, inputs: Mapping[str, Path], folder: Path) -> None:
        raise FailedError(f"{task.name} was to be finished")


def planned(folder: Path, text: str = STUDY, *changes: str) -> Plan:
    """The plan of a study that is written to a folder first."""
    path = folder / "tiny.toml"
    path.write_text(text)
    return plan(load_study(str(path), changes), SOURCES, small=True)


def run(plan: Plan, folder: Path, engine: Any = None) -> Store:
    """Run a plan in a folder."""
    store = Store(folder)
    run_plan(plan, store, engine or Here(), lambda *_: None)
    return store


def arrays(folder: Path) -> dict[str, Any]:
    """All arrays of all cells by path, as bytes: what must be the same to the bit."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("cells/*/*.npz")):
        with np.load(path) as file:
            place = f"{path.parent.name}/{path.stem}"
            found |= {f"{place}/{name}": file[name].tobytes() for name in file.files}
    return found

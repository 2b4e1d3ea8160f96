"""Run a study: ``python -m experiments.run greedy_vs_rl``, or the path of a study file.

What is finished is kept and never done again, so Ctrl-C, or a kill, and the same command go on.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from agents.files import only_one
from agents.train import run_main
from experiments.console import CONSOLE, bar, say
from experiments.engine.engines import Engine
from experiments.engine.load import find_study, load_study
from experiments.engine.plan import Plan, Task, plan
from experiments.engine.schedule import Progress, Store, run_plan, to_do
from experiments.engine.schema import Study
from experiments.engine.told import tell
from experiments.processes import ROOT
from experiments.stages import what_counts
from experiments.steps import run_folder
from nba_gym.errors import check_least
from nba_gym.evaluation.provenance import provenance
from nba_gym.evaluation.report.study import write_study_report
from nba_gym.evaluation.results import STUDY, load_results
from nba_gym.files import whole_file


@dataclass(frozen=True)
class Arguments:
    """Run a study, and keep every cell of it in runs/<name>/."""

    study: Annotated[str, tyro.conf.Positional]
    """name of a study in experiments/studies, or a TOML file"""
    set: tuple[str, ...] = ()
    """changes to the study, e.g. seeds=3 customers=2000 effort.trials=20"""
    smoke: bool = False
    """as small as can be, to see whether it runs; nothing it says is to be believed"""
    name: str | None = None
    """folder inside of runs; by default that of the study, with -smoke"""
    workers: int = max(1, os.cpu_count() or 1)
    """cells side by side, on a core each"""
    engine: Literal["local", "ray"] = "local"
    """processes of this machine, or a Ray cluster"""
    address: str = "auto"
    """of the Ray cluster"""
    fresh: bool = False
    """begin anew: use nothing that an earlier run has finished"""
    plan: bool = False
    """only say what would be run"""
    report: bool = True
    """write report.html as well, with its figures and tables"""


def main(arguments: Arguments) -> None:
    """Plan, run, and say where everything is."""
    check_least(1, workers=arguments.workers)
    study = load_study(arguments.study, arguments.set, smoke=arguments.smoke)
    planned = plan(study, what_counts(), small=arguments.smoke)
    out = run_folder(arguments.name or _folder_name(arguments))
    with only_one(out, "study"):  # drafts of a run are another's litter
        _in_folder(arguments, study, planned, out)


def _in_folder(arguments: Arguments, study: Study, planned: Plan, out: Path) -> None:
    """All that is done in the folder of the study."""
    store = Store(out)
    left = list(planned.tasks.values()) if arguments.fresh else to_do(planned, store)
    _announce(planned, left, out)
    if arguments.plan:
        return
    if arguments.fresh:
        store = Store(out, fresh=True)
    about = _about(arguments, study, planned)
    _write(out, about | {"finished": False, "stale": _stale(planned, store)})
    try:
        if left:
            _run(arguments, planned, store, len(left))
    except KeyboardInterrupt:
        say(f"interrupted; what is finished is kept in {out}/, and the same command goes on")
        raise SystemExit(130) from None
    finally:
        _write(out, about | {"finished": False, "stale": _stale(planned, store)})
    _write(out, about | {"finished": True})
    results = load_results(out)
    written = [out / STUDY, results.save_rows(), *tell(results)]
    if arguments.report:
        with bar("report") as progress:
            written.append(write_study_report(out, progress=progress))
    say(f"{len(planned.cells)} cells in {out}/; wrote {', '.join(path.name for path in written)}")


def _stale(planned: Plan, store: Store) -> list[str]:
    """Cells on disk that are of earlier settings, and still to be done anew."""
    cells = [planned.tasks[name] for name in planned.cells]
    return [cell.name for cell in cells if store.folder(cell).is_dir() and not store.has(cell)]


def _run(arguments: Arguments, planned: Plan, store: Store, n: int) -> None:
    begun, engine = time.perf_counter(), _engine(arguments)
    shown = len(str(n))

    def told(task: Task, seconds: float, progress: Progress) -> None:
        done = sum(progress.done.values())
        say(f"{done:>{shown}}/{n}  {task.name}: {seconds:.1f} s; left: {readable(progress.left)}")

    try:
        with CONSOLE.status(f"{n} tasks, {engine.workers} at a time"):
            run_plan(planned, store, engine, told)
    finally:
        engine.close()
    say(f"{n} tasks in {readable(time.perf_counter() - begun)}")


def _engine(arguments: Arguments) -> Engine:
    if arguments.engine == "ray":
        from experiments.engine.cluster import RayEngine

        return RayEngine(arguments.address)
    from experiments.engine.local import LocalEngine

    return LocalEngine(arguments.workers)


def _announce(planned: Plan, left: list[Task], out: Path) -> None:
    cells = sum(task.kind == "cell" for task in left)
    say(f"{len(planned.cells)} cells, {len(planned.cells) - cells} of them finished; {out}/")
    if left:
        kinds = [task.kind for task in left]
        parts = [f"{kinds.count(kind)} of kind {kind}" for kind in dict.fromkeys(kinds)]
        say(f"to do: {', '.join(parts)}")
    for told in _grouped(planned.left_out):
        say(f"left out: {told}")


def _grouped(left_out: list[dict[str, str]]) -> list[str]:
    """What is left out, one line for each contender and reason."""
    where: dict[tuple[str, str], dict[str, list[str]]] = {}
    for told in left_out:
        places = where.setdefault((told["contender"], told["why"]), {})
        places.setdefault(told["scenario"], []).append(told["variation"])
    return [
        f"{who} in {', '.join(_place(*place) for place in places.items())}: {why}"
        for (who, why), places in where.items()
    ]


def _place(scenario: str, variations: list[str]) -> str:
    several = f"{len(variations)} variations" if len(variations) > 1 else variations[0]
    return f"{scenario} ({several})"


def _about(arguments: Arguments, study: Study, planned: Plan) -> dict[str, Any]:
    return {
        "name": find_study(arguments.study).stem,
        "title": study.title,
        "question": study.question,
        "smoke": arguments.smoke,
        "study": study.model_dump(mode="json"),
        "baseline": list(study.baseline),
        "worlds": planned.worlds,
        "variations": planned.variations,
        "contenders": planned.contenders,
        "left_out": planned.left_out,
        "cells": planned.cells,
        "provenance": provenance(ROOT) | what_counts(),
    }


def _write(out: Path, about: dict[str, Any]) -> None:
    with whole_file(out / STUDY) as draft:
        draft.write_text(json.dumps(about, indent=2) + "\n")


def _folder_name(arguments: Arguments) -> str:
    return find_study(arguments.study).stem + ("-smoke" if arguments.smoke else "")


def readable(seconds: float) -> str:
    """A time for people."""
    minutes = seconds / 60.0
    if minutes < 2.0:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120.0 else f"{minutes / 60.0:.1f} h"


if __name__ == "__main__":
    run_main(main, Arguments)

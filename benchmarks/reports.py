"""How large a report is, how long it takes to write and to open: ``make bench-reports``.

A study of 10 policies in 6 scenarios is run with little effort, since what its cells say does not
matter here, and its report is written and opened several times in a Chromium without a window,
where there is one. A page is ready once its scripts have run; a tab is open once it is painted.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agents.train import run_main
from experiments import run
from experiments.console import say
from nba_gym.errors import check_least
from nba_gym.evaluation.provenance import machine
from nba_gym.evaluation.report.study import write_study_report

STUDY = """
question = "How large is a report?"
scenarios = ["retail", "telecom", "dealership", "day_spa", "hotel", "nonprofit"]
policies = [
    "wait", "random", "relevant", "robin", "eligibility", "propensity", "no-levers", "practice",
    "uplift-pooled", "oracle",
]
seeds = 1
customers = 2_000
[effort]
campaign = 2_000
tuning = 500
trials = 4
watching = 100
"""
_PAINTED = "new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r())))"
_READY = "body[data-ready=yes]"


@dataclass(frozen=True)
class Arguments:
    """Write and open the report of a study of 10 policies in 6 scenarios."""

    workers: int = 2
    """cells side by side"""
    repeats: int = 5
    """times the report is opened"""
    out: Path = Path("runs/bench/reports.json")
    """file of the record"""


def main(arguments: Arguments) -> None:
    """Run, say, and write the record."""
    check_least(1, workers=arguments.workers, repeats=arguments.repeats)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report_size.toml"
        path.write_text(STUDY)
        asked = run.Arguments(str(path), workers=arguments.workers, report=False)
        run.main(asked)
        begun = time.perf_counter()
        page = write_study_report(Path("runs") / path.stem, pictures="none")
        seconds, size = time.perf_counter() - begun, page.stat().st_size
        say(f"written in {seconds:.1f} s: {size / 1e6:.2f} MB")
        opened = _opened(page, arguments.repeats)
    record = {"machine": machine(), "bytes": size, "write_s": seconds, **opened}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(record, indent=2) + "\n")
    say(f"wrote {arguments.out}")


def _opened(page: Path, repeats: int) -> dict[str, list[float]]:
    """Seconds until the page is ready, and until another world is shown."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None or find_spec("playwright") is None:
        say("there is no chromium, or no playwright: not opened")
        return {}
    from playwright.sync_api import sync_playwright

    found: dict[str, list[float]] = {"ready_s": [], "tab_s": []}
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(repeats):
            window: Any = browser.new_page(viewport={"width": 1200, "height": 900})
            found["ready_s"].append(_timed(lambda w=window: _open(w, page)))
            found["tab_s"].append(_timed(lambda w=window: _turn(w)))
            window.close()
        browser.close()
    for name, each in found.items():
        say(f"{name}: {min(each):.2f} to {max(each):.2f} s")
    return found


def _open(window: Any, page: Path) -> None:
    window.goto(page.resolve().as_uri(), wait_until="commit")
    window.wait_for_selector(_READY)


def _turn(window: Any) -> None:
    window.click(".tabs button:nth-child(3)")
    window.evaluate(_PAINTED)


def _timed(do: Callable[[], None]) -> float:
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


if __name__ == "__main__":
    run_main(main, Arguments)

"""Plant faults one by one and show that the tests catch each: ``make mutants``.

Each fault of ``faults.toml`` is planted in a copy of the checkout, where the named tests must then
fail. A fault that survives, or whose text is no longer found in the code, is an error.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAULTS = Path(__file__).with_name("faults.toml")
COPIED = ("nba_gym", "agents", "experiments", "tests", "pyproject.toml", "benchmarks")


@dataclass(frozen=True)
class Fault:
    """One planted fault.

    Attributes:
        name: What is wrong, in words.
        file: The file it is planted in.
        before: Text that must occur exactly once in it.
        after: What replaces it.
        tests: Tests of which at least one must fail.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What became of a fault: caught, survived or not planted, by which test, in what time."""

    fault: Fault
    outcome: str
    by: str
    seconds: float


def load_faults() -> list[Fault]:
    """All faults of ``faults.toml``."""
    rows = tomllib.loads(FAULTS.read_text())["fault"]
    return [Fault(**(row | {"tests": tuple(row["tests"])})) for row in rows]


def try_fault(fault: Fault) -> Verdict:
    """Plant a fault in a copy and run its tests there."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            ignore = shutil.ignore_patterns("__pycache__")
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=ignore)
            else:
                shutil.copy(source, copy / name)
        target = copy / fault.file
        text = target.read_text()
        if text.count(fault.before) != 1:
            return Verdict(fault, "NOT PLANTED", f"{text.count(fault.before)} places", 0.0)
        target.write_text(text.replace(fault.before, fault.after))
        environment = os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, *fault.tests],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    outcome = "caught" if done.returncode == 1 else "SURVIVED"
    by = failed[0].split(" - ")[0] if failed else f"pytest ended with {done.returncode}"
    return Verdict(fault, outcome, by, time.perf_counter() - begun)


def main() -> None:
    """Run the faults whose names contain the words given, or all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("words", nargs="*", help="only faults whose name contains all of these")
    parser.add_argument("--jobs", type=int, default=2, help="faults tried side by side")
    arguments = parser.parse_args()
    faults = [f for f in load_faults() if all(word in f.name for word in arguments.words)]
    verdicts: list[Verdict] = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for verdict in pool.map(try_fault, faults):
            verdicts.append(verdict)
            done = f"{len(verdicts)}/{len(faults)}"
            print(
                f"{done:>7}  {verdict.outcome:<11} {verdict.fault.name:<58} "
                f"{verdict.seconds:5.0f} s  {verdict.by}",
                flush=True,
            )
    caught = sum(verdict.outcome == "caught" for verdict in verdicts)
    print(f"{caught} of {len(verdicts)} planted faults caught")
    if caught < len(verdicts):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

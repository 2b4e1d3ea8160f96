"""Plant faults one by one and show that the tests catch each: ``make mutants``.

First the tests that ``faults.toml`` names run once in an unplanted copy of the checkout; if one
fails there, nothing that follows would mean anything, and the run ends. Then each fault is planted
in a copy of that copy, where one of its tests must fail. A fault that survives, that is no longer
found in the code, or that merely breaks the code (it no longer compiles) is an error.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
FAULTS = Path(__file__).with_name("faults.toml")
RESULT = ROOT / "runs" / "mutants.json"
COPIED = (
    "nba_gym",
    "agents",
    "experiments",
    "tests",
    "pyproject.toml",
    "benchmarks",
    "docs",
    "notebooks",
)
LONGEST = 900.0
"""Seconds after which a planted copy is given up."""
NO_CATCH = (
    "SyntaxError",
    "NameError",
    "ImportError",
    "ModuleNotFoundError",
    "TypingError",
    "LoweringError",
    "UnsupportedError",
    "Failed: Timeout",
)
"""What a test says when the code under it does not run at all, or not to its end."""


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

    def plant(self, checkout: Path) -> None:
        """Put the fault into the code of a checkout."""
        target = checkout / self.file
        target.write_text(target.read_text().replace(self.before, self.after))


@dataclass(frozen=True)
class Verdict:
    """What became of a fault.

    Attributes:
        fault: Its name.
        outcome: ``caught``, ``SURVIVED``, or ``BROKEN`` if no test had its say.
        by: The test that failed.
        said: What it said first, or why no test failed.
        seconds: What it took, compilation included.
        commit: The commit it was tried on; ``+`` if something had been changed since.
    """

    fault: str
    outcome: str
    by: str
    said: str
    seconds: float
    commit: str


def load_faults() -> list[Fault]:
    """All faults of ``faults.toml``."""
    rows = tomllib.loads(FAULTS.read_text())["fault"]
    return [Fault(**(row | {"tests": tuple(row["tests"])})) for row in rows]


def copy_checkout(source: Path, target: Path) -> None:
    """Copy what the tests need, compiled kernels included; times of files stay as they are."""
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("*.pyc"))
        else:
            shutil.copy2(source / name, target / name)


def run_tests(checkout: Path, tests: list[str], *options: str) -> tuple[int, Path]:
    """Run tests within a checkout: pytest's exit code, and its report."""
    report = checkout / "report.xml"
    places = {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    environment = {key: os.environ[key] for key in os.environ if key != "NUMBA_CACHE_DIR"} | places
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*command, f"--junitxml={report}", *options, *tests],
            cwd=checkout,
            env=environment,
            capture_output=True,
            check=False,
            timeout=LONGEST,
        )
    except subprocess.TimeoutExpired:
        return -1, report
    (checkout / "output.txt").write_bytes(done.stdout + done.stderr)
    return done.returncode, report


def judge(code: int, report: Path) -> tuple[str, str, str]:
    """Outcome, failing test and what it said, from pytest's exit code and report.

    Only a test that ran and failed is a catch. An error before any test could run (a file that
    cannot be imported, a fixture) is none, nor is a kernel that does not compile.
    """
    if code == 0:
        return "SURVIVED", "", "all its tests pass"
    if code == 1 and report.is_file():
        for case in ElementTree.parse(report).iter("testcase"):
            for failure in case.findall("failure"):
                test = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
                message = failure.get("message", "")
                kind = message.split(":")[0].rpartition(".")[2]
                broken = kind in NO_CATCH or message.startswith(NO_CATCH)
                return "BROKEN" if broken else "caught", test, message.partition("\n")[0]
    return "BROKEN", "", f"pytest ended with {code}, and no test failed"


def try_fault(fault: Fault, unplanted: Path, commit: str) -> Verdict:
    """Plant a fault in a copy and run its tests there."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        copy_checkout(unplanted, copy)
        fault.plant(copy)
        verdict = judge(*run_tests(copy, list(fault.tests), "-x"))
    return Verdict(fault.name, *verdict, round(time.perf_counter() - begun, 1), commit)


def present_commit() -> str:
    """The commit of this checkout, with ``+`` if something has been changed since."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "none") + ("+" if git("status", "-s") else "")


def save(verdicts: list[Verdict], faults: list[Fault]) -> None:
    """Write what is known of every fault; verdicts of earlier runs stay for those not tried now."""
    earlier = json.loads(RESULT.read_text())["faults"] if RESULT.is_file() else []
    rows = {row["fault"]: row for row in earlier} | {v.fault: asdict(v) for v in verdicts}
    told = [rows[fault.name] for fault in faults if fault.name in rows]
    summary = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "planted": len(faults),
        "tried": len(told),
        "caught": sum(row["outcome"] == "caught" for row in told),
        "faults": told,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(summary, indent=2) + "\n")


def table(verdicts: list[Verdict]) -> str:
    """The verdicts as a table, in Markdown."""
    rows = [
        f"| {v.fault} | {f'`{v.by}`' if v.outcome == 'caught' else f'**{v.outcome}**: {v.said}'} |"
        for v in verdicts
    ]
    return "\n".join(["| fault | caught by |", "|---|---|", *rows])


def check_unplanted(checkout: Path, faults: list[Fault]) -> None:
    """Run all named tests without any fault; ends the program if one fails."""
    begun = time.perf_counter()
    tests = list(dict.fromkeys(test for fault in faults for test in fault.tests))
    print(f"{len(tests)} tests without any fault ...", flush=True)
    copy_checkout(ROOT, checkout)
    code, _ = run_tests(checkout, tests)
    if code != 0:
        print((checkout / "output.txt").read_text())
        raise SystemExit("the tests must pass before a fault is planted: nothing was tried")
    print(f"they pass, in {time.perf_counter() - begun:.0f} s", flush=True)


def main() -> None:
    """Try the faults whose names contain the words given, or all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("words", nargs="*", help="only faults whose name contains all of these")
    parser.add_argument("--jobs", type=int, default=1, help="faults tried side by side")
    arguments = parser.parse_args()
    every, commit = load_faults(), present_commit()
    faults = [f for f in every if all(word in f.name for word in arguments.words)]
    lost = [f.name for f in every if (ROOT / f.file).read_text().count(f.before) != 1]
    if lost:
        raise SystemExit(f"cannot be planted, bring {FAULTS.name} up to date: {lost}")
    if not faults:
        raise SystemExit(f"no fault has all of these words in its name: {arguments.words}")
    verdicts: list[Verdict] = []
    with (
        tempfile.TemporaryDirectory(prefix="unplanted-") as folder,
        ThreadPoolExecutor(arguments.jobs) as pool,
    ):
        unplanted = Path(folder)
        check_unplanted(unplanted, faults)
        begun = time.perf_counter()
        for verdict in pool.map(lambda fault: try_fault(fault, unplanted, commit), faults):
            verdicts.append(verdict)
            save(verdicts, every)
            left = (time.perf_counter() - begun) / len(verdicts) * (len(faults) - len(verdicts))
            print(
                f"{len(verdicts):3}/{len(faults)}  {verdict.outcome:<8} {verdict.seconds:4.0f} s  "
                f"{verdict.fault}  (about {left / 60:.0f} min left)",
                flush=True,
            )
    caught = sum(verdict.outcome == "caught" for verdict in verdicts)
    print(f"\n{table(verdicts)}\n\n{caught} of {len(verdicts)} planted faults caught")
    print(f"written to {RESULT.relative_to(ROOT)}")
    if caught < len(verdicts):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

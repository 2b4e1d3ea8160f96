"""Bulk simulation: customers a second, peak memory, whose time it is, and the disk's own speed.

Every case runs in a process of its own, so that its peak memory is its own, interleaved with the
others over several repetitions. The event log is measured beside the disk: the same number of bytes
written to the same place, one after the other and waited for. Results go to
``runs/bench/bulk.json``.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from benchmarks.figures import machine
from nba_gym.cli.common import find_policy
from nba_gym.customer import kernel
from nba_gym.customer.populate import populate
from nba_gym.effort import Effort
from nba_gym.evaluation.bulk import Bulk, simulate
from nba_gym.evaluation.bulk.run import SIDE_BY_SIDE
from nba_gym.evaluation.kit import Kit
from nba_gym.evaluation.rollout import decide
from nba_gym.records.sums import Counter, Sums
from nba_gym.scenario import load_scenario
from nba_gym.threads import one_blas_thread

BLOCK = 1 << 22
"""Bytes that the disk is given at once."""
LEARNING = Effort(campaign=8_000, tuning=500, trials=3)
"""Enough for a policy that costs what a well tuned one costs."""


@dataclass(frozen=True)
class Arguments:
    """Measure bulk simulation."""

    customers: int = 200_000
    """customers of a case with totals only"""
    logged: int = 50_000
    """customers of a case with an event log"""
    periods: int = 52
    """periods of each journey"""
    policies: tuple[str, ...] = ("wait", "random", "practice")
    """names, or folders of exported policies"""
    scenario: str = "retail"
    """the world"""
    repetitions: int = 3
    """how often each case is measured"""
    out: Path = Path("runs/bench")
    """where bulk.json goes, and for a while the event logs: the disk that is measured"""
    case: str = ""
    """used by the benchmark itself: one case, told as JSON"""


@dataclass(frozen=True)
class Case:
    """One measurement."""

    policy: str
    customers: int
    periods: int
    events: bool
    scenario: str
    out: str


def main(arguments: Arguments) -> None:
    """Measure and print."""
    if arguments.case:
        print(json.dumps(measure(Case(**json.loads(arguments.case)))))
        return
    console = Console()
    arguments.out.mkdir(parents=True, exist_ok=True)
    cases = [(policy, False, arguments.customers) for policy in arguments.policies]
    cases.append(("random", True, arguments.logged))
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(arguments.repetitions):
        for policy, events, customers in cases:
            name = f"{Path(policy).name}, {'event log' if events else 'totals'}"
            with (
                console.status(f"{name} ..."),
                tempfile.TemporaryDirectory(dir=arguments.out) as out,
            ):
                case = Case(policy, customers, arguments.periods, events, arguments.scenario, out)
                found.setdefault(name, []).append(_in_a_process(case))
    console.print(_table(found, arguments))
    for name, runs in found.items():
        if "disk_mb_s" in runs[0]:
            log, disk = (_median(runs, key) for key in ("log_mb_s", "disk_mb_s"))
            console.print(f"{name}: {log:.0f} MB/s written; the disk by itself {disk:.0f} MB/s")
    versions = {name: metadata.version(name) for name in ("nba_gym", "numba", "numpy", "polars")}
    record = {"machine": machine(), "versions": versions, "cases": found}
    path = arguments.out / "bulk.json"
    path.write_text(json.dumps(record, indent=2) + "\n")
    console.print(f"wrote {path}")


def _in_a_process(case: Case) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.bulk", "--case", json.dumps(asdict(case))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(case: Case) -> dict[str, Any]:
    """One case: seconds, peak memory, and nanoseconds of processor by what they are spent on."""
    scenario = load_scenario(case.scenario)
    policy = find_policy(case.policy, Kit(scenario, **vars(LEARNING))).policy
    shares = time_of_each(policy, scenario, case.periods)  # it also compiles what is needed
    small = Bulk(1_000, periods=min(3, case.periods), events=case.events)
    simulate(policy, scenario, small, Path(case.out) / "warm")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    target = Path(case.out) / "measured"
    begun, worked = time.perf_counter(), time.process_time()
    simulate(
        policy, scenario, Bulk(case.customers, periods=case.periods, events=case.events), target
    )
    seconds, processor = time.perf_counter() - begun, time.process_time() - worked
    record = {
        "customers": case.customers,
        "periods": case.periods,
        "seconds": seconds,
        "processor_seconds": processor,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "peak_before_mb": before / 1024,
        "ns": shares,
    }
    if case.events:
        size = sum(path.stat().st_size for path in target.rglob("*.parquet"))
        record |= {"log_mb_s": size / seconds / 1e6, "disk_mb_s": disk_speed(target, size)}
    return record


def time_of_each(policy: Any, scenario: Any, periods: int) -> dict[str, float]:
    """Nanoseconds of one thread a customer and period: the kernel, the policy, the counting."""
    n, clock = SIDE_BY_SIDE, time.thread_time
    customers = np.arange(n, dtype=np.uint64)
    population = populate(scenario, n, record=True, threads=1)
    generator = np.random.default_rng(0)
    sums = Sums.nobody(scenario, periods)
    spent: dict[str, float] = {}
    with one_blas_thread():
        for _ in range(2):  # the second time counts: all is compiled and fetched by then
            spent = {"kernel": 0.0, "policy": 0.0, "counting": 0.0}
            population.begin(np.ones(n, dtype=np.bool_), np.zeros(n, dtype=np.uint64), customers)
            bind = getattr(policy, "bind", None)
            if bind is not None:
                bind(population)
            groups = population.read("persona")[:, 0].astype(np.int64)
            counter, alive = Counter(sums, scenario, groups), np.ones((2, n))
            for t in range(periods):
                at = [clock()]
                actions = decide(policy, population, 0, t, generator)
                at.append(clock())
                out = population.step(actions, kernel.DISABLED)
                at.append(clock())
                alive[1] = population.read("alive")[:, 0]
                counter.add(t, out.events, out.ledger, out.rewards, alive)
                at.append(clock())
                for name, i in (("policy", 0), ("kernel", 1), ("counting", 2)):
                    spent[name] += at[i + 1] - at[i]
    return {name: seconds / n / periods * 1e9 for name, seconds in spent.items()}


def disk_speed(folder: Path, size: int) -> float:
    """Megabytes a second of as many bytes that say nothing, written in a row and waited for."""
    noise = np.random.default_rng(0).bytes(BLOCK)
    path = folder / "disk"
    begun = time.perf_counter()
    with path.open("wb") as file:
        for _ in range(max(1, size // BLOCK)):
            file.write(noise)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - begun
    written = path.stat().st_size
    path.unlink()
    return written / seconds / 1e6


def _median(runs: list[dict[str, Any]], key: str) -> float:
    return float(np.median([run[key] for run in runs]))


def _table(found: dict[str, list[dict[str, Any]]], arguments: Arguments) -> Table:
    title = f"million customer-periods a second, {arguments.periods} periods each, "
    table = Table(title=f"{title}median of {arguments.repetitions}")
    heads = ("M/s", "10 M customers", "memory", "kernel, policy, counting: ns")
    for head in ("case", *heads):
        table.add_column(head, justify="left" if head == "case" else "right")
    for name, runs in found.items():
        each = _median(runs, "seconds") / runs[0]["customers"]
        parts = {part: np.median([run["ns"][part] for run in runs]) for part in runs[0]["ns"]}
        total = sum(parts.values())
        shares = ", ".join(f"{ns:.0f} ({ns / total:.0%})" for ns in parts.values())
        rate = arguments.periods / each / 1e6
        peak = f"{_median(runs, 'peak_mb'):.0f} MB"
        table.add_row(name, f"{rate:.2f}", f"{each * 1e7:.0f} s", peak, shares)
    return table


if __name__ == "__main__":
    main(tyro.cli(Arguments))

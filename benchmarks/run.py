"""Throughput beside Gymnasium's own CartPole (and EnvPool's, where installed) in one run.

Every figure is the median of several repetitions, interleaved with the peer's, with the spread
beside it. Results go to ``runs/bench/throughput.json``; docs/performance.md quotes such a run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module, metadata, util
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from rich.console import Console
from rich.table import Table

import nba_gym
from benchmarks.figures import Figure, interleave, machine
from nba_gym.envs.vector import JourneyVectorEnv

ENV_ID = "nba_gym/Retail-v0"
SIZES = (1_024, 16_384, 131_072, 1_000_000)


def main() -> None:
    """Measure and print."""
    console = Console()
    figures: list[Figure] = []
    for group in (vector_figures, single_figures, adapter_figures, machine_figures):
        with console.status(f"{group.__name__.replace('_', ' ')} ..."):
            figures += group()
    table = Table(title="transitions (or numbers) a second (median of 7, interleaved; min to max)")
    for column in ("what", "median", "spread"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for figure in figures:
        table.add_row(*figure.row())
    console.print(table)
    with console.status("start-up ..."):
        startup = startup_seconds()
    ratios = ratios_of({figure.name: figure for figure in figures})
    for name, value in (ratios | startup).items():
        console.print(f"{name:<58} {value:8.2f}")
    out = Path("runs/bench")
    out.mkdir(parents=True, exist_ok=True)
    record = {
        "machine": machine(),
        "versions": {p: metadata.version(p) for p in ("nba_gym", "numpy", "numba", "gymnasium")},
        "figures": {figure.name: figure.rates for figure in figures},
        "ratios": ratios,
        "seconds": startup,
        "state_bytes": state_bytes(),
    }
    path = out / "throughput.json"
    path.write_text(json.dumps(record, indent=2) + "\n")
    console.print(f"state per customer: {state_bytes():.0f} bytes")
    console.print(f"wrote {path}")


def ratios_of(figures: dict[str, Figure]) -> dict[str, float]:
    """The ratios that the project promises, repetition by repetition, as medians."""

    def ratio(a: str, b: str) -> float:
        pairs = zip(figures[a].rates, figures[b].rates, strict=True)
        return float(np.median([x / y for x, y in pairs]))

    return {
        "retail 16,384, 1 thread / CartPole vector 16,384": ratio(
            "retail vector 16,384, 1 thread", "CartPole vector 16,384"
        ),
        "retail 16,384, 2 threads / 1 thread": ratio(
            "retail vector 16,384, 2 threads", "retail vector 16,384, 1 thread"
        ),
        "NumPy exp, 2 threads / 1 thread: what two cores give here": ratio(
            "NumPy exp, 2 threads", "NumPy exp, 1 thread"
        ),
        "retail 1,000,000 / 1,024 customers, 1 thread": ratio(
            "retail vector 1,000,000, 1 thread", "retail vector 1,024, 1 thread"
        ),
        "retail single / CartPole single": ratio("retail single", "CartPole single"),
    }


def vector_figures() -> list[Figure]:
    """The native vector environment, by size and threads, beside CartPole's."""
    runs: dict[str, Callable[[], float]] = {
        f"retail vector {n:,}, 1 thread": _vector(_retail(n, 1), n) for n in SIZES
    }
    runs["retail vector 16,384, 2 threads"] = _vector(_retail(16_384, 2), 16_384)
    cartpole = gymnasium.make_vec(
        "CartPole-v1", num_envs=16_384, vectorization_mode="vector_entry_point"
    )
    runs["CartPole vector 16,384"] = _vector(cartpole, 16_384)
    if util.find_spec("envpool"):
        runs["EnvPool CartPole 16,384, 1 thread"] = _envpool(16_384)
    return interleave(runs)


def single_figures() -> list[Figure]:
    """``gymnasium.make`` of one customer beside one CartPole."""
    runs = {
        "retail single": _single(gymnasium.make(ENV_ID)),
        "CartPole single": _single(gymnasium.make("CartPole-v1")),
    }
    return interleave(runs)


def adapter_figures() -> list[Figure]:
    """The Stable-Baselines3 adapter at 1,024 customers."""
    venv = nba_gym.make_sb3(ENV_ID, 1_024, threads=1)
    venv.seed(0)
    venv.reset()
    choices = venv.env.scenario.n_actions
    actions = [np.random.default_rng(i).integers(0, choices, 1_024) for i in range(8)]

    def once() -> float:
        begun = time.perf_counter()
        for i in range(300):
            venv.step(actions[i % 8])
        return 300 * 1_024 / (time.perf_counter() - begun)

    return interleave({"Stable-Baselines3 adapter 1,024": once})


def machine_figures() -> list[Figure]:
    """Pure arithmetic in the fast cache, on one thread and on two: numbers a second.

    What two threads can gain here. Two virtual cores may be two threads of one real core.
    """
    pool = ThreadPoolExecutor(2)
    arrays = [np.linspace(-1.0, 1.0, 4_096) for _ in range(2)]
    outs = [np.empty_like(array) for array in arrays]
    times = 20_000

    def work(i: int) -> None:
        for _ in range(times):
            np.exp(arrays[i], out=outs[i])

    def once(threads: int) -> float:
        begun = time.perf_counter()
        for done in [pool.submit(work, i) for i in range(threads)]:
            done.result()
        return threads * times * 4_096 / (time.perf_counter() - begun)

    return interleave(
        {"NumPy exp, 1 thread": lambda: once(1), "NumPy exp, 2 threads": lambda: once(2)}
    )


def _retail(n: int, threads: int) -> JourneyVectorEnv:
    return JourneyVectorEnv(n, "retail", threads=threads, autoreset_mode=AutoresetMode.NEXT_STEP)


def _vector(env: Any, n: int) -> Callable[[], float]:
    env.reset(seed=0)
    choices = env.single_action_space.n
    actions = [np.random.default_rng(i).integers(0, choices, n) for i in range(8)]
    steps = max(3, 2_000_000 // n)

    def once() -> float:
        begun = time.perf_counter()
        for i in range(steps):
            env.step(actions[i % 8])
        return steps * n / (time.perf_counter() - begun)

    return once


def _envpool(n: int) -> Callable[[], float]:
    env: Any = import_module("envpool").make(
        "CartPole-v1", env_type="gymnasium", num_envs=n, num_threads=1
    )
    with warnings.catch_warnings():
        # at its first reset EnvPool hands float64 bounds to a float32 Box, and Gymnasium says so of
        # low and of high; it is no concern of ours and changes no rate
        warnings.filterwarnings("ignore", message=".*Box (low|high)'s precision lowered by casting")
        env.reset()
    actions = [np.random.default_rng(i).integers(0, 2, n) for i in range(8)]

    def once() -> float:
        begun = time.perf_counter()
        for i in range(20):
            env.step(actions[i % 8])
        return 20 * n / (time.perf_counter() - begun)

    return once


def _single(env: Any) -> Callable[[], float]:
    env.reset(seed=0)
    choices = int(env.action_space.n)
    actions = np.random.default_rng(0).integers(0, choices, 4_096).tolist()

    def once() -> float:
        begun = time.perf_counter()
        for i in range(20_000):
            _, _, terminated, truncated, _ = env.step(actions[i % 4_096])
            if terminated or truncated:
                env.reset()
        return 20_000 / (time.perf_counter() - begun)

    return once


def startup_seconds() -> dict[str, float]:
    """Import, and the first step of a fresh process with a warm and with a cold compile cache."""
    imports = _fresh("import time; t = time.perf_counter(); import nba_gym")
    step = (
        "import time, gymnasium, nba_gym; t = time.perf_counter(); "
        f"e = gymnasium.make('{ENV_ID}'); e.reset(seed=0); e.step(0)"
    )
    with tempfile.TemporaryDirectory() as cache:
        cold = _fresh(step, NUMBA_CACHE_DIR=cache)
        warm = _fresh(step, NUMBA_CACHE_DIR=cache)
    return {
        "import nba_gym, s": imports,
        "first step after import, warm cache, s": warm,
        "first step after import, cold cache, s": cold,
    }


def _fresh(code: str, **environment: str) -> float:
    """Seconds that ``code`` reports between its ``t`` and its end, in a process of its own."""
    command = [sys.executable, "-c", f"{code}; print(time.perf_counter() - t)"]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def state_bytes() -> float:
    """Bytes kept for each customer between periods."""
    env = _retail(16_384, 1)
    return sum(array.nbytes for array in env.population.state) / 16_384


if __name__ == "__main__":
    main()

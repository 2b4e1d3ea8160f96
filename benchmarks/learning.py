"""How fast an agent learns, updates included, beside Stable-Baselines3's own loops.

Each repetition is some whole updates: customers live, the network chooses, the network learns. The
network is 64x64 for the actor and for the critic, both of which see the records. ``make
bench-learning`` writes ``runs/bench/learning.json``; docs/performance.md quotes such a run.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sb3_contrib import MaskablePPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from agents.algorithms import build
from agents.networks import TwoSidedPolicy
from agents.recipe import load_recipe
from agents.worlds import FiniteJourneys
from benchmarks.figures import interleave, machine
from nba_gym.scenario.load import load_scenario

WORLD = "retail"
PLAIN = {"network": (64, 64), "critic": (64, 64), "privileged_critic": False, "imitate": 0.0}
LEAN, LEAN2, CONTRIB = "nba_gym, 1 thread", "nba_gym, 2 threads", "sb3-contrib's loop, native batch"
DUMMY, SAME = "sb3-contrib, DummyVecEnv, its defaults", "sb3-contrib, DummyVecEnv, our settings"
REPEATS = 5


def main() -> None:
    """Measure and print."""
    console, share = Console(), Share()
    runs = {
        LEAN: lean(1, share),
        LEAN2: lean(2, Share()),
        CONTRIB: contrib(),
        DUMMY: dummy(8, {"n_steps": 256}),
        SAME: dummy(1_024, same()),
    }
    with console.status("learning ..."):
        figures = interleave(runs, REPEATS)
    title = f"transitions a second, updates included (median of {REPEATS}, interleaved; min to max)"
    table = Table(title=title)
    for column in ("what", "median", "spread"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for figure in figures:
        table.add_row(*figure.row())
    console.print(table)
    rates = {figure.name: np.array(figure.rates) for figure in figures}
    ratios = {
        f"{LEAN} / {other}": float(np.median(rates[LEAN] / rates[other]))
        for other in (CONTRIB, DUMMY, SAME)
    }
    for name, value in ratios.items():
        console.print(f"{name:<62} {value:8.1f}")
    console.print(f"the customers' share of the time of {LEAN}: {100 * share.of_all:.1f} %")
    packages = ("nba_gym", "torch", "stable_baselines3", "sb3_contrib", "numpy", "numba")
    record = {
        "machine": machine() | {"omp_num_threads": os.environ.get("OMP_NUM_THREADS")},
        "versions": {name: metadata.version(name) for name in packages},
        "recipe": load_recipe(WORLD).with_changes(**PLAIN).as_dict(),
        "figures": {figure.name: figure.rates for figure in figures},
        "ratios": ratios,
        "share_of_customers": share.of_all,
    }
    out = Path("runs/bench")
    out.mkdir(parents=True, exist_ok=True)
    path = out / "learning.json"
    path.write_text(json.dumps(record, indent=2) + "\n")
    console.print(f"wrote {path}")


class Share:
    """Counts the time that customers take, and all time."""

    def __init__(self) -> None:
        self.customers = self.all = 0.0

    @property
    def of_all(self) -> float:
        """Share of the customers, [0, 1]."""
        return self.customers / self.all if self.all else 0.0

    def counted(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same work, its time counted."""

        def counting(*args: Any) -> Any:
            begun = time.perf_counter()
            done = work(*args)
            self.customers += time.perf_counter() - begun
            return done

        return counting


def lean(threads: int, share: Share) -> Callable[[], float]:
    """Our recipe in our loop; the time of the customers is counted in ``share``."""
    recipe: Any = load_recipe(WORLD).with_changes(**PLAIN)
    learner = build(load_scenario(WORLD), recipe, seed=0)
    learner.raw.step_wait = share.counted(learner.raw.step_wait)
    per_update = recipe.customers * recipe.rollout_periods
    updates = max(1, 600_000 // per_update)
    return _learning(learner.model, updates * per_update, threads, share)


def contrib() -> Callable[[], float]:
    """The same customers and settings in the loop of sb3-contrib."""
    recipe: Any = load_recipe(WORLD).with_changes(**PLAIN)
    scenario = load_scenario(WORLD)
    customers = FiniteJourneys(recipe.customers, scenario, threads=1, stagger=True)
    envs = VecNormalize(customers, gamma=scenario.discount)
    sides = {
        "seen": cast(Any, customers.observation_space).shape[0],
        "actor": (64, 64),
        "critic": (64, 64),
    }
    settings = same() | {"n_steps": recipe.rollout_periods, "batch_size": recipe.batch_size}
    model = MaskablePPO(TwoSidedPolicy, envs, policy_kwargs=sides, device="cpu", **settings)
    return _learning(model, 3 * recipe.customers * recipe.rollout_periods, 1)


def dummy(n: int, settings: dict[str, Any]) -> Callable[[], float]:
    """Customers as so many environments, one step of Python each, as examples on the web do."""
    envs = VecNormalize(DummyVecEnv([lambda: gymnasium.make("nba_gym/Retail-v0")] * n))
    model = MaskablePPO("MlpPolicy", envs, device="cpu", **settings)
    return _learning(model, n * model.n_steps, 1)


def same() -> dict[str, Any]:
    """Settings of our recipe, as sb3-contrib calls them."""
    recipe: Any = load_recipe(WORLD)
    return {
        "n_steps": recipe.rollout_periods,
        "batch_size": recipe.batch_size,
        "n_epochs": recipe.epochs,
        "learning_rate": recipe.learning_rate,
        "gae_lambda": recipe.gae_lambda,
        "clip_range": recipe.clip_range,
        "max_grad_norm": recipe.max_grad_norm,
    }


def _learning(
    model: Any, transitions: int, threads: int, share: Share | None = None
) -> Callable[[], float]:
    model.set_logger(Logger(None, []))

    def once() -> float:
        torch.set_num_threads(threads)
        begun, before = time.perf_counter(), model.num_timesteps
        model.learn(transitions, reset_num_timesteps=before == 0)
        seconds = time.perf_counter() - begun
        if share is not None:
            share.all += seconds
        return (model.num_timesteps - before) / seconds

    return once


if __name__ == "__main__":
    main()

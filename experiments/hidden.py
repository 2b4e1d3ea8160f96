"""What the records tell of the hidden half, and what more of them would: ``make hidden``.

Customers are acted on at random, mostly left alone. From their records, shown for one period or for
several at once, each quantity of the hidden half is told by ridge regression, or by boosted trees;
how well, on other customers, says how much of it can be known by somebody who adds up what is seen,
or who looks for thresholds and combinations as well. It is a lower bound of what can be known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.table import Table

from agents.train import run_main
from agents.worlds import FiniteJourneys, ShowHistory
from experiments.console import CONSOLE, say
from nba_gym.customer.populate import populate
from nba_gym.errors import PolicyError, check_least
from nba_gym.files import whole_file
from nba_gym.policies import UniformRandom
from nba_gym.scenario import Scenario, load_scenario

RIDGE = 10.0
TREES = {"max_iter": 150, "learning_rate": 0.1, "max_leaf_nodes": 31, "early_stopping": False}
WAITING = 0.8
"""Share of waiting among the choices: a customer who is contacted all the time soon leaves."""
EVERY = 4
"""Periods between two looks; those in between say nearly the same."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Arguments:
    """Tell the hidden half from the records of one period, and of several."""

    worlds: tyro.conf.Positional[tuple[str, ...]] = ("retail", "telecom")
    """scenarios: preset names or TOML files"""
    periods: tuple[int, ...] = (1, 2, 4, 8)
    """periods of the records that are shown at once"""
    customers: int = 4_000
    """customers side by side; half of them are learned from, the others are told"""
    steps: int = 60
    """periods that they live; journeys begin at all of their periods, and follow each other"""
    by: Literal["ridge", "trees"] = "ridge"
    """regression that tells; trees take minutes a quantity"""
    only: tuple[str, ...] = ()
    """quantities to tell, by parts of their names; all if none are given"""
    seed: int = 0
    """seed of the world and of the choices"""
    out: Path = Path("runs/hidden.json")
    """file of the record"""


def main(arguments: Arguments) -> None:
    """Simulate, tell, and write the record."""
    check_least(1, steps=arguments.steps, periods=min(arguments.periods, default=0))
    check_least(4, customers=arguments.customers)
    check_least(0, seed=arguments.seed)
    worlds = {name: load_scenario(name) for name in arguments.worlds}
    for scenario in worlds.values():
        if scenario.tabular is not None:
            raise PolicyError(f"worlds must have a hidden half, got {scenario.name}, a table")
    found: dict[str, dict[str, list[float]]] = {}
    for name, scenario in worlds.items():
        found[name] = told(scenario, arguments)
        _show(name, found[name], arguments.periods)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(arguments.out) as draft:
        record = {"by": arguments.by, "periods": arguments.periods, "r_squared": found}
        draft.write_text(json.dumps(record, indent=2) + "\n")
    say(f"wrote {arguments.out}")


def told(scenario: Scenario, arguments: Arguments) -> dict[str, list[float]]:
    """Explained share of the variance of each hidden quantity, for each number of periods shown.

    Quantities that do not vary are left out.
    """
    seen, hidden, names, n_records = _journeys(scenario, arguments)
    wanted = [
        j
        for j, name in enumerate(names)
        if not arguments.only or any(part in name for part in arguments.only)
    ]
    if not wanted:
        raise PolicyError(f"only must be parts of {', '.join(names)}, got {arguments.only}")
    hidden, names = hidden[:, :, wanted], [names[j] for j in wanted]
    tell = _ridge if arguments.by == "ridge" else _trees
    half = seen.shape[1] // 2
    learned, others = (np.s_[:, :half], np.s_[:, half:])
    x, y = (part[learned].reshape(-1, part.shape[-1]) for part in (seen, hidden))
    x_other, y_other = (part[others].reshape(-1, part.shape[-1]) for part in (seen, hidden))
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    x, x_other = (np.clip((part - mean) / spread, -10.0, 10.0) for part in (x, x_other))
    varies = y_other.std(axis=0) > 1e-9
    shares: list[Floats] = []
    for periods in arguments.periods:
        columns = n_records * periods
        error = y_other - tell(x[:, :columns], y, x_other[:, :columns])
        spent = ((y_other - y_other.mean(axis=0)) ** 2).sum(axis=0)
        shares.append(1.0 - (error**2).sum(axis=0) / np.maximum(spent, 1e-12))
    return {
        name.removeprefix("hidden."): [float(share[j]) for share in shares]
        for j, name in enumerate(names)
        if varies[j]
    }


def _journeys(scenario: Scenario, arguments: Arguments) -> tuple[Floats, Floats, list[str], int]:
    """Records of several periods, and the hidden half, ``(looks, customers, columns)`` each."""
    n_records, most = len(populate(scenario, 1).features), max(arguments.periods)
    raw = FiniteJourneys(
        arguments.customers, scenario, threads=1, stagger=True, observe="everything"
    )
    raw.seed(arguments.seed)
    rows, policy = ShowHistory(raw, n_records, most), UniformRandom(wait=WAITING)
    generator = np.random.default_rng(arguments.seed)
    rows.reset()
    seen: list[Floats] = []
    hidden: list[Floats] = []
    for t in range(arguments.steps):
        masks = raw.action_masks()
        rows.step_async(policy.act(np.zeros((len(masks), 0), np.float32), masks, generator))
        shown = rows.step_wait()[0].astype(np.float64)
        if t >= most and t % EVERY == 0:
            seen.append(shown[:, : n_records * most])
            hidden.append(shown[:, n_records * most :])
    if not seen:
        raise PolicyError(f"steps must be more than the periods shown, got {arguments.steps}")
    names = list(raw.env.features.names)[n_records:]
    return np.stack(seen), np.stack(hidden), names, n_records


def _ridge(x: Floats, y: Floats, others: Floats) -> Floats:
    """What a ridge regression says of others."""
    ones = np.ones((len(x), 1)), np.ones((len(others), 1))
    x, others = (np.hstack(pair) for pair in ((x, ones[0]), (others, ones[1])))
    weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
    return others @ weights


def _trees(x: Floats, y: Floats, others: Floats) -> Floats:
    """What boosted trees say of others, one quantity after the other."""
    from sklearn.ensemble import (  # pyright: ignore[reportMissingTypeStubs]
        HistGradientBoostingRegressor,
    )

    told_of: list[Floats] = []
    for target in y.T:
        model: Any = HistGradientBoostingRegressor(random_state=0, **TREES)
        told_of.append(model.fit(x, target).predict(others))
    return np.stack(told_of, axis=1)


def _show(name: str, shares: Mapping[str, list[float]], periods: tuple[int, ...]) -> None:
    table = Table(title=f"{name}: explained share of the variance", box=SIMPLE)
    table.add_column("hidden")
    for k in periods:
        table.add_column("1 period" if k == 1 else f"{k} periods", justify="right")
    for hidden, each in shares.items():
        table.add_row(hidden, *(f"{share:.3f}" for share in each))
    CONSOLE.print(table)


if __name__ == "__main__":
    run_main(main, Arguments)

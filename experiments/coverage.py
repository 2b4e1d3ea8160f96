"""How often intervals of the typical seed cover it, by method: the table of docs/statistics.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from agents.train import run_main
from experiments.console import say
from nba_gym.errors import check_least
from nba_gym.evaluation.statistics import interquartile_mean, typical

Draw = Callable[[np.random.Generator, Any], NDArray[np.float64]]
Ends = tuple[NDArray[np.float64], NDArray[np.float64]]

SEEDS: dict[str, Draw] = {
    "normal": lambda luck, size: luck.standard_normal(size),
    "lognormal, sigma 0.5": lambda luck, size: np.exp(0.5 * luck.standard_normal(size)),
    "lognormal, sigma 1": lambda luck, size: np.exp(luck.standard_normal(size)),
    "exponential": lambda luck, size: luck.standard_exponential(size),
    "Student's t, 3": lambda luck, size: luck.standard_t(3, size),
    "one in ten fails": lambda luck, size: (
        luck.standard_normal(size) - 10.0 * (luck.random(size) < 0.1)
    ),
    "one in five fails": lambda luck, size: (
        luck.standard_normal(size) - 10.0 * (luck.random(size) < 0.2)
    ),
}
"""What training seeds may come to: standardised, for only the shape matters."""

METHODS = ("ours", "bootstrap", "mean")


@dataclass(frozen=True)
class Arguments:
    """Measure how often intervals over training seeds cover, and print the table."""

    experiments: int = 20_000
    """studies that are simulated in each place of the table"""
    resampled: int = 2_000
    """the same for the bootstrap, which is slower"""
    draws: int = 500
    """draws of the bootstrap in each"""
    seeds: tuple[int, ...] = (5, 10, 20)
    """numbers of training seeds"""


def ours(values: NDArray[np.float64]) -> Ends:
    """The interval that answers are given with."""
    found = typical([values])
    reach = special.stdtrit(found.freedom, 0.975) * found.error
    return found.value - reach, found.value + reach


def students(values: NDArray[np.float64]) -> Ends:
    """Student's interval of the mean."""
    n = values.shape[-1]
    reach = special.stdtrit(n - 1, 0.975) * values.std(axis=-1, ddof=1) / np.sqrt(n)
    return values.mean(axis=-1) - reach, values.mean(axis=-1) + reach


def bootstrap(values: NDArray[np.float64], draws: int, luck: np.random.Generator) -> Ends:
    """The percentile bootstrap of the interquartile mean."""
    n = values.shape[-1]
    chosen = luck.integers(0, n, (*values.shape[:-1], draws, n))
    again = np.take_along_axis(values[..., None, :], chosen, axis=-1)
    low, high = np.quantile(interquartile_mean(again), [0.025, 0.975], axis=-1)
    return low, high


def covered(ends: Ends, truth: float) -> str:
    """How often, in per cent."""
    low, high = ends
    return f"{100.0 * np.mean((low <= truth) & (truth <= high)):.1f}"


def main(arguments: Arguments) -> None:
    """Print the table in Markdown."""
    check_least(2, experiments=arguments.experiments, resampled=arguments.resampled)
    luck = np.random.default_rng(20_261_122)
    heads = [f"{name}, {n}" for name in METHODS for n in arguments.seeds]
    say("| seeds are | " + " | ".join(heads) + " |")
    say("|---|" + "---|" * len(heads))
    for name, draw in SEEDS.items():
        many = draw(luck, 4_000_000)
        middle, mean = float(interquartile_mean(many)), float(many.mean())
        cells: dict[str, list[str]] = {method: [] for method in METHODS}
        for n in arguments.seeds:
            values = draw(luck, (arguments.experiments, n))
            few = values[: arguments.resampled]
            cells["ours"].append(covered(ours(values), middle))
            cells["bootstrap"].append(covered(bootstrap(few, arguments.draws, luck), middle))
            cells["mean"].append(covered(students(values), mean))
        say(f"| {name} | " + " | ".join(x for several in cells.values() for x in several) + " |")


if __name__ == "__main__":
    run_main(main, Arguments)

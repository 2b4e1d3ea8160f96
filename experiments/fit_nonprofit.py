"""How ``traits.purchase`` and ``traits.leaving`` of ``nonprofit`` were found.

The donation records (Fader, Hardie & Shang 2010) say of 11,104 donors in how many of six years they
gave again, and in which they gave last. ``nonprofit`` lives by the month, and its donors differ in
more than two propensities. So four numbers, two Beta distributions by the month, are moved until
donors who are left alone give in as many years as the actual ones did: simulated moments, as in
``nba-gym calibrate``.

    python -m experiments.fit_nonprofit
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.table import Table

from agents.train import run_main
from experiments.console import CONSOLE, bar, say
from nba_gym.calibration import fit_bg_bb, read_donations
from nba_gym.calibration.left_alone import search
from nba_gym.customer import kernel
from nba_gym.customer.populate import populate
from nba_gym.scenario import Scenario, load_scenario

MONTHS, YEARS = 12, 6
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Arguments:
    """Fit giving and lapsing of nonprofit to the donation records."""

    donors: int = 24_000
    """simulated donors in each trial"""
    trials: int = 200
    """worlds tried at most"""
    seed: int = 0
    """seed of the simulated donors, the same in every trial"""


def years_given(scenario: Scenario, donors: int, seed: int) -> tuple[Floats, Floats]:
    """In how many years donors who are left alone give again, and in which they give last."""
    world = load_scenario(scenario, {"horizon": MONTHS * YEARS})
    people = populate(world, donors, threads=1)
    numbers = np.arange(donors, dtype=np.uint64)
    people.begin(np.ones(donors, bool), np.full(donors, seed, np.uint64), numbers)
    nobody, so_far = np.zeros(donors, dtype=np.int64), np.zeros(donors)
    count, last = np.zeros(donors), np.zeros(donors)
    for year in range(1, YEARS + 1):
        for _ in range(MONTHS):
            people.step(nobody, kernel.DISABLED)
        gifts = people.read("frequency")[:, 0].astype(np.float64)
        gave = gifts > so_far
        count, last, so_far = count + gave, np.where(gave, year, last), gifts
    return count, last


def moments(count: Floats, last: Floats, weights: Floats) -> Floats:
    """Shares of donors by number of years, and by the year of the last gift."""
    share = [np.average(count == x, weights=weights) for x in range(YEARS + 1)]
    return np.array([*share, *(np.average(last == t, weights=weights) for t in range(1, YEARS))])


def main(arguments: Arguments) -> None:
    """Fit, and print actual beside simulated donors and the lines for the preset."""
    data = read_donations()
    weights = np.asarray(data.counts, dtype=np.float64)
    count, last = np.asarray(data.frequency, np.float64), np.asarray(data.recency, np.float64)
    fit = fit_bg_bb(data.frequency, data.recency, data.opportunities, data.counts)
    target = moments(count, last, weights)
    spread = np.sqrt(np.maximum(target * (1.0 - target), 1e-4) / weights.sum())
    world, alike = load_scenario("nonprofit"), np.ones(arguments.donors)

    def with_numbers(numbers: Floats) -> Scenario:
        a, b, c, d = numbers.tolist()
        changes = {
            "traits.purchase": {"family": "beta", "a": a, "b": b},
            "traits.leaving": {"family": "beta", "a": c, "b": d},
        }
        return load_scenario(world, changes)

    def distance(numbers: Floats) -> float:
        found = moments(
            *years_given(with_numbers(numbers), arguments.donors, arguments.seed), alike
        )
        return float((((found - target) / spread) ** 2).sum())

    # by the month both happen about a twelfth as often
    start = np.array([fit.alpha, 12.0 * fit.beta + 11.0 * fit.alpha, fit.gamma, 12.0 * fit.delta])
    with bar("fitting nonprofit") as progress:
        best = search(
            distance, start, arguments.trials, lambda _, done, total: progress(done, total)
        )
    found = moments(
        *years_given(with_numbers(best), 4 * arguments.donors, 1), np.ones(4 * arguments.donors)
    )
    table = Table(title="donors left alone, per cent", box=SIMPLE)
    for column in ("", "actual", "simulated"):
        table.add_column(column, justify="right" if column else "left")
    names = [f"gave in {x} of 6 years" for x in range(7)] + [
        f"last in year {t}" for t in range(1, 6)
    ]
    for name, there, here in zip(names, target, found, strict=True):
        table.add_row(name, f"{100 * there:.1f}", f"{100 * here:.1f}")
    CONSOLE.print(table)
    a, b, c, d = best.tolist()
    say(f'purchase = {{ family = "beta", a = {a:.4f}, b = {b:.4f} }}')
    say(f'leaving = {{ family = "beta", a = {c:.4f}, b = {d:.4f} }}')
    say(f"chi-square distance {distance(best):.0f} on {len(target)} moments")


if __name__ == "__main__":
    run_main(main, Arguments)

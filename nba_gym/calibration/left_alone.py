"""Customers of a world who are left alone, and the world whose customers buy as actual ones did.

Customers of a rich world differ in more than rates: needs come and go, loyalty grows with
purchases. With the heterogeneity of BG/NBD on top of that, they would differ too much. So the four
numbers of purchase rate and dropout are first fitted as BG/NBD, in closed form, and then moved
until simulated customers who are left alone buy as the actual ones did: the method of simulated
moments (McFadden 1989), with the same luck in every trial.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

from nba_gym.calibration.bg_nbd import BgNbdFit
from nba_gym.calibration.histogram import frequency_histogram
from nba_gym.calibration.transactions import CustomerSummary
from nba_gym.customer import kernel
from nba_gym.customer.populate import populate
from nba_gym.scenario import Scenario, load_scenario

WEEKS = {"day": 1.0 / 7.0, "week": 1.0, "month": 365.25 / 12.0 / 7.0}
"""Weeks in a period."""
TOP = 7
"""Purchases at which the last bar of a histogram begins."""
MOST_LANES, FITTING_LANES = 100_000, 24_000
"""Simulated customers in the validation, and in each trial of the fit, at least one for each."""
TRIALS = 300
"""Worlds tried by the fit, at most."""


def traits_of(numbers: NDArray[np.float64], weeks: float) -> dict[str, Any]:
    """Purchase rates per period, and dropout after a purchase, from r, alpha, a and b."""
    shape, rate, a, b = numbers.tolist()
    return {
        "traits.purchase": {"family": "gamma", "shape": shape, "rate": rate / weeks},
        "traits.leaving": {"family": "beta", "a": a, "b": b},
    }


def fit_moments(
    world: Scenario, summary: CustomerSummary, fit: BgNbdFit, seed: int, trials: int
) -> NDArray[np.float64]:
    """r, alpha, a and b with which the world's customers buy as the actual ones did."""
    target, spread = _moments(summary.frequency, summary.recency, summary.age)
    start = np.array([fit.r, fit.alpha, fit.a, fit.b])

    def distance(steps: NDArray[np.float64]) -> float:
        numbers = start * np.exp(np.clip(steps, -4.0, 4.0))
        tried = load_scenario(world, traits_of(numbers, WEEKS[world.period]))
        people = LeftAlone(tried, summary, FITTING_LANES, seed, holdout=False)
        found, _ = _moments(people.within, people.recency, people.ages)
        return float((((found - target) / spread) ** 2).sum())

    search = cast(Any, optimize).minimize
    simplex = np.vstack([np.zeros(4), 0.4 * np.eye(4)])
    options = {"initial_simplex": simplex, "maxfev": trials, "xatol": 0.002, "fatol": 0.01}
    found = search(distance, np.zeros(4), method="Nelder-Mead", options=options)
    return start * np.exp(np.clip(np.asarray(found.x, dtype=np.float64), -4.0, 4.0))


def _moments(
    frequency: NDArray[Any], recency: NDArray[Any], age: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a world is fitted to, and the standard error of each in such a cohort.

    Shares of customers by number of repeat purchases, the mean number, and how far into their time
    repeat buyers bought last, which tells leaving from buying seldom.
    """
    n = len(frequency)
    share = frequency_histogram(frequency, top=TOP) / n
    again = frequency > 0
    reach = recency[again] / np.maximum(age[again], 1e-9)
    mean, far = float(np.mean(frequency)), float(np.mean(reach)) if again.any() else 0.0
    errors = np.sqrt(np.maximum(share, 1.0 / n) / n)
    error = (
        float(np.std(frequency)) / np.sqrt(n),
        float(np.std(reach)) / np.sqrt(max(1, again.sum())),
    )
    return np.array([*share, mean, far]), np.maximum([*errors, *error], 1e-6)


class LeftAlone:
    """Customers as old as the actual ones, several for each, who are left alone.

    Attributes:
        ages: Weeks each was observed in the calibration period.
        within: Purchases in it.
        recency: Weeks to the last of them.
        after: Purchases after it, if the holdout is simulated.
    """

    def __init__(
        self, scenario: Scenario, summary: CustomerSummary, lanes: int, seed: int, *, holdout: bool
    ) -> None:
        weeks = WEEKS[scenario.period]
        copies = max(1, lanes // summary.n_customers)
        self.ages = np.repeat(summary.age, copies)
        end = np.rint(self.ages / weeks).astype(int)
        last = np.rint((self.ages + holdout * summary.holdout_weeks) / weeks).astype(int)
        n = len(self.ages)
        people = populate(load_scenario(scenario, {"horizon": int(last.max()) + 1}), n)
        everybody = np.ones(n, bool), np.full(n, seed, np.uint64), np.arange(n, dtype=np.uint64)
        people.begin(*everybody)
        total, self.within, self.recency = np.zeros(n), np.zeros(n), np.zeros(n)
        nobody = np.zeros(n, dtype=np.int64)
        for period in range(1, int(last.max()) + 1):
            people.step(nobody, kernel.DISABLED)
            bought = people.read("frequency")[:, 0].astype(np.float64)
            running = end >= period
            self.recency[(bought > self.within) & running] = period * weeks
            self.within = np.where(running, bought, self.within)
            total = np.where(last >= period, bought, total)
        self.recency = np.minimum(self.recency, self.ages)
        self.after = total - self.within

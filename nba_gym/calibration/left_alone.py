"""Customers of a world who are left alone, and the world whose customers buy as actual ones did.

Customers of a rich world differ in more than rates: needs come and go, loyalty grows with
purchases. With the heterogeneity of a purchase model on top of that, they would differ too much. So
the four numbers of buying and leaving are first fitted in closed form, and then moved until
simulated customers who are left alone buy as the actual ones did: the method of simulated moments
(McFadden 1989), with the same luck in every trial.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

from nba_gym.calibration.cohort import Cohort
from nba_gym.calibration.histogram import frequency_histogram
from nba_gym.calibration.models import WEEKS
from nba_gym.calibration.special import FloatArray
from nba_gym.customer import kernel
from nba_gym.customer.populate import populate
from nba_gym.scenario import Scenario, load_scenario

TOP = 7
"""Purchases at which the last bar of a histogram begins."""
MOST_LANES, FITTING_LANES = 100_000, 24_000
"""Simulated customers in the validation, and in each trial of the fit; fewer than twice as many
customers are copied to at most so many, more are sampled."""
TRIALS = 300
"""Worlds tried by the fit, at most."""

Progress = Callable[[str, int, int], None]
"""Called with what is under way, how much of it is done, and how much there is at most."""


def quiet(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def period_length(world: Scenario, unit: str) -> float:
    """Units of a cohort in a period of a world."""
    return WEEKS[world.period] / WEEKS[unit]


def search(
    distance: Callable[[FloatArray], float],
    start: FloatArray,
    trials: int,
    progress: Progress,
) -> FloatArray:
    """Positive numbers at which a simulated distance is smallest (Nelder-Mead on their logarithms).

    Args:
        distance: To be made small; the same numbers must have the same distance.
        start: Where the search begins. Shape ``(n,)``.
        trials: Most distances to compute.
        progress: Told of every trial.
    """
    done = 0

    def at(steps: NDArray[np.float64]) -> float:
        nonlocal done
        done += 1
        progress("simulated moments", min(done, trials), trials)
        return distance(start * np.exp(np.clip(steps, -4.0, 4.0)))

    simplex = np.vstack([np.zeros(start.size), 0.4 * np.eye(start.size)])
    options = {"initial_simplex": simplex, "maxfev": trials, "xatol": 0.002, "fatol": 0.01}
    nothing = np.zeros(start.size)
    found = cast(Any, optimize).minimize(at, nothing, method="Nelder-Mead", options=options)
    progress("simulated moments", trials, trials)
    return start * np.exp(np.clip(np.asarray(found.x, dtype=np.float64), -4.0, 4.0))


def fit_moments(
    world: Scenario,
    cohort: Cohort,
    start: FloatArray,
    changes: Callable[[list[float]], dict[str, Any]],
    *,
    seed: int,
    trials: int,
    progress: Progress = quiet,
) -> FloatArray:
    """The four numbers with which the world's customers buy as the actual ones did.

    Args:
        world: What the numbers are put into.
        cohort: The actual customers.
        start: The numbers of a model fitted in closed form.
        changes: Settings of the world that say four numbers.
        seed: Seed of the customers, the same in every trial.
        trials: Worlds tried, at most.
        progress: Told of every trial.
    """
    target, spread = _moments(cohort.frequency, cohort.recency, cohort.age)

    def distance(numbers: FloatArray) -> float:
        tried = load_scenario(world, changes(numbers.tolist()))
        people = LeftAlone(tried, cohort, FITTING_LANES, seed, holdout=False)
        found, _ = _moments(people.within, people.recency, people.ages)
        return float((((found - target) / spread) ** 2).sum())

    return search(distance, start, trials, progress)


def _moments(
    frequency: NDArray[Any], recency: NDArray[Any], age: NDArray[Any]
) -> tuple[FloatArray, FloatArray]:
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
        (float(np.std(reach)) if again.any() else 0.0) / np.sqrt(max(1, again.sum())),
    )
    return np.array([*share, mean, far]), np.maximum([*errors, *error], 1e-6)


class Basket(NamedTuple):
    """What is bought in this world, per period with a purchase, if everybody spends 1.

    Attributes:
        price: Mean relative price.
        spread: Its variance over its squared mean.
    """

    price: float
    spread: float

    @classmethod
    def of(cls, prices: list[FloatArray]) -> Basket:
        """Of the prices paid, a list of them a period."""
        each = np.concatenate(prices) if prices else np.ones(0)
        if not each.size:
            return cls(1.0, 0.0)
        mean = float(each.mean())
        return cls(mean, float(each.var()) / mean**2)


class LeftAlone:
    """Customers as old as the actual ones who are left alone.

    If there are few actual customers, each has several copies; if there are many, a sample of them
    evenly spread over ages.

    Attributes:
        ages: Units each was observed in the calibration period.
        within: Purchases in it.
        recency: Units to the last of them.
        spent: Their list value.
        after: Purchases after it, if the holdout is simulated.
        by_unit: Purchases by customer and calendar unit if the holdout is simulated.
        basket: What was bought, if everybody spends 1.
    """

    def __init__(
        self, scenario: Scenario, cohort: Cohort, lanes: int, seed: int, *, holdout: bool
    ) -> None:
        length = period_length(scenario, cohort.unit)
        who = _chosen(cohort.age, lanes)
        self.ages, start = cohort.age[who], cohort.start[who]
        end = np.rint(self.ages / length).astype(int)
        last = np.rint((self.ages + holdout * cohort.holdout) / length).astype(int)
        n, units = len(who), len(cohort.repeats)
        horizon = int(last.max()) + cohort.lead + 1
        people = populate(load_scenario(scenario, {"horizon": horizon}), n)
        people.begin(np.ones(n, bool), np.full(n, seed, np.uint64), np.arange(n, dtype=np.uint64))
        total, self.within, self.recency = np.zeros(n), np.zeros(n), np.zeros(n)
        value, self.spent = np.zeros(n), np.zeros(n)
        self.by_unit = np.zeros((n, units if holdout else 0), dtype=np.uint8)
        nobody, rows = np.zeros(n, dtype=np.int64), np.arange(n)
        for _ in range(cohort.lead):
            people.step(nobody, kernel.DISABLED)
        earlier, paid_earlier = _so_far(people, "frequency"), _so_far(people, "spend")
        prices: list[FloatArray] = []
        for period in range(1, int(last.max()) + 1):
            people.step(nobody, kernel.DISABLED)
            bought = _so_far(people, "frequency") - earlier
            running = end >= period
            self.recency[(bought > self.within) & running] = period * length
            self.within = np.where(running, bought, self.within)
            if holdout:
                more = np.where(last >= period, bought - total, 0.0)
                at = np.floor(start + (period - 0.5) * length).astype(int)
                seen = (at < units) & (more > 0)
                self.by_unit[rows[seen], at[seen]] += more[seen].astype(np.uint8)
                worth = _so_far(people, "spend") - paid_earlier
                self.spent = np.where(running, worth, self.spent)
                paid = (more > 0) & running
                prices.append((worth - value)[paid] / more[paid])
                value = worth
            total = np.where(last >= period, bought, total)
        self.recency = np.minimum(self.recency, self.ages)
        self.after = total - self.within
        self.basket = Basket.of(prices)


def _so_far(people: Any, name: str) -> FloatArray:
    """A stored number of every customer."""
    return people.read(name)[:, 0].astype(np.float64)


def _chosen(age: FloatArray, lanes: int) -> NDArray[np.int64]:
    """Whose ages the simulated customers have: each several times, or an even sample by age."""
    n = len(age)
    if n <= lanes:
        return np.repeat(np.arange(n), lanes // n)
    order = np.argsort(age, kind="stable")
    return order[((np.arange(lanes) + 0.5) * n / lanes).astype(np.int64)]

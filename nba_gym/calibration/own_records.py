"""From the transactions on your own disk to a world: read, fit, write, and compare.

What customers buy when they are left alone is all that transactions can teach. What a contact does
to them cannot be learned from purchases alone: the effects of actions stay those of the world that
is extended, until randomised contacts say otherwise.

Customers of a rich world differ in more than rates: needs come and go, loyalty grows with
purchases. With the heterogeneity of BG/NBD on top of that, they would differ too much. So the four
numbers of purchase rate and dropout are first fitted as BG/NBD, in closed form, and then moved
until simulated customers who are left alone buy as the actual ones did: the method of simulated
moments (McFadden 1989), with the same luck in every trial.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

from nba_gym.calibration.bg_nbd import BgNbdFit, fit_bg_nbd
from nba_gym.calibration.gamma_gamma import GammaGammaFit, fit_gamma_gamma
from nba_gym.calibration.histogram import frequency_histogram
from nba_gym.calibration.transactions import (
    CustomerSummary,
    TransactionLog,
    summarise,
    transaction_log,
)
from nba_gym.customer import kernel
from nba_gym.customer.populate import populate
from nba_gym.errors import DataError, ScenarioError, check_least
from nba_gym.scenario import Scenario, load_scenario

WEEKS = {"day": 1.0 / 7.0, "week": 1.0, "month": 365.25 / 12.0 / 7.0}
"""Weeks in a period."""
TOP = 7
"""Purchases at which the last bar of a histogram begins."""
MOST_LANES, FITTING_LANES = 100_000, 24_000
"""Simulated customers in the validation, and in each trial of the fit, at least one for each."""
TRIALS = 300
"""Worlds tried by the fit, at most."""
_REACH = 1.96


def read_transactions(
    path: str | Path,
    *,
    customer: str = "customer",
    date: str = "date",
    amount: str = "amount",
    date_format: str = "%Y-%m-%d",
) -> TransactionLog:
    """Read a file of transactions, one a row.

    Args:
        path: A ``.csv`` or ``.parquet`` file.
        customer: Column that names the customer.
        date: Column of the date.
        amount: Column of the amount, in currency, >= 0.
        date_format: How dates are written where they are text.

    Raises:
        DataError: If the file cannot be read, a column is missing, or a value is none; it names the
            column, the rule, the value and the row.
    """
    file = Path(path)
    readers = {".csv": _read_csv, ".parquet": pl.read_parquet}
    if file.suffix not in readers:
        raise DataError(f"file must be a .csv or .parquet file, got {file.name!r}")
    if not file.is_file():
        raise DataError(f"file must exist, got {str(file)!r}")
    try:
        table = readers[file.suffix](file)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{file.name} must be a {file.suffix} table: {reason}") from None
    columns = {"customer": customer, "date": date, "amount": amount}
    for role, name in columns.items():
        if name not in table.columns:
            raise DataError(
                f"{file.name} must have the column {name!r} for {role}, got columns "
                f"{', '.join(table.columns) or 'none'}"
            )
    chosen = table.select(pl.col(name).alias(role) for role, name in columns.items())
    return transaction_log(chosen, date_format=date_format, source=file.name)


def _read_csv(path: Path) -> pl.DataFrame:
    """Everything as text: what a number or a date is, is checked with its row later."""
    return pl.read_csv(path, infer_schema=False)


@dataclass(frozen=True)
class Bar:
    """Customers with so many repeat purchases in the calibration period.

    Attributes:
        purchases: How many; the last bar is that many or more.
        actual: Customers in the records.
        fitted: Expected by the fitted model.
        simulated: Expected among as many simulated customers who are left alone.
        low: Lower end of where 19 of 20 such cohorts would lie.
        high: Upper end.
    """

    purchases: int
    actual: int
    fitted: float
    simulated: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """A world fitted to transactions, and how well it fits.

    Attributes:
        base: Name or file of the world that is extended.
        scenario: The fitted world.
        text: Its file.
        purchases: Purchases and dropout, BG/NBD.
        spend: Spend of repeat buyers, gamma-gamma; ``None`` if it cannot be fitted.
        summary: The customers of the calibration period.
        bars: Histogram of repeat purchases in the calibration period.
        holdout: Repeat purchases after it: actual, fitted, simulated, low, high.
    """

    base: str
    scenario: Scenario
    text: str
    purchases: BgNbdFit
    spend: GammaGammaFit | None
    summary: CustomerSummary
    bars: tuple[Bar, ...]
    holdout: dict[str, float]

    def lines(self) -> list[str]:
        """For people: estimates, and actual beside fitted and simulated customers."""
        fit = self.purchases
        told = [
            f"BG/NBD of {fit.n_customers:,} customers in {self.summary.calibration_weeks} weeks: "
            f"r {fit.r:.3f}, alpha {fit.alpha:.3f}, a {fit.a:.3f}, b {fit.b:.3f}, "
            f"log-likelihood {fit.log_likelihood:.2f}",
            "repeat purchases  actual   BG/NBD  simulated  95 % of such cohorts",
        ]
        for bar in self.bars:
            more = "+" if bar.purchases == TOP else " "
            told.append(
                f"{bar.purchases:>15}{more} {bar.actual:>8,} {bar.fitted:>8,.0f} "
                f"{bar.simulated:>10,.0f}  {bar.low:,.0f} to {bar.high:,.0f}"
            )
        if self.summary.holdout_weeks > 0:
            after = self.holdout
            told.append(
                f"{'held out':>16} {after['actual']:>8,.0f} {after['fitted']:>8,.0f} "
                f"{after['simulated']:>10,.0f}  {after['low']:,.0f} to {after['high']:,.0f}"
            )
        return [
            *told,
            "What contacts do cannot be learned from transactions: effects of actions are those of "
            f"{self.base}.",
        ]

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``scenario.toml`` and ``calibration.json``; returns their paths."""
        target = Path(folder)
        if target.exists() and not target.is_dir():
            raise DataError(f"folder must be a folder, got the file {str(folder)!r}")
        target.mkdir(parents=True, exist_ok=True)
        record = {
            "base": self.base,
            "customers": self.summary.n_customers,
            "calibration_weeks": self.summary.calibration_weeks,
            "holdout_weeks": self.summary.holdout_weeks,
            "bg_nbd": asdict(self.purchases),
            "gamma_gamma": None if self.spend is None else asdict(self.spend),
            "histogram": [asdict(bar) for bar in self.bars],
            "holdout": self.holdout,
        }
        paths = [target / "scenario.toml", target / "calibration.json"]
        paths[0].write_text(self.text)
        paths[1].write_text(json.dumps(record, indent=2) + "\n")
        return paths


def calibrate(
    log: TransactionLog,
    base: str = "retail",
    *,
    weeks: int | None = None,
    name: str = "own",
    seed: int = 0,
    trials: int = TRIALS,
) -> Calibration:
    """Fit a world's purchases and dropout to transactions.

    Args:
        log: The transactions.
        base: World that is extended, a preset name or file. It must count purchases, and let
            customers leave after one.
        weeks: Calibration period; what follows is held out. By default half of the log.
        name: Name of the new world.
        seed: Seed of the customers who are simulated beside the actual ones.
        trials: Worlds tried by the fit, at most.

    Raises:
        DataError: If there is too little to fit.
        ScenarioError: If the base cannot be fitted in this way.

    Source: BG/NBD, Fader, Hardie & Lee (2005); see ``bg_nbd``.
    """
    check_least(1, trials=trials)
    world = load_scenario(base)
    if world.tabular or world.purchase.process != "counted" or not world.leaving.purchase_scale:
        raise ScenarioError(
            "base must count purchases (purchase.process) and let customers leave after them "
            f"(leaving.purchase_scale), got {world.name!r}"
        )
    summary = summarise(log, weeks or max(1, int(log.n_days / 14)))
    fit = fit_bg_nbd(summary.frequency, summary.recency, summary.age)
    length = WEEKS[world.period]
    traits = _move(world, summary, fit, seed, trials)
    scenario = load_scenario(world, {"name": name} | _traits(traits, length))
    people = _Left(scenario, summary, MOST_LANES, seed + 1, holdout=True)
    return Calibration(
        base=base,
        scenario=scenario,
        text=_scenario_text(base, name, fit, traits, length),
        purchases=fit,
        spend=_fit_spend(summary),
        summary=summary,
        bars=_bars(summary, fit, people.within),
        holdout=_holdout(summary, fit, people.after),
    )


def _traits(numbers: NDArray[np.float64], weeks: float) -> dict[str, Any]:
    """Purchase rates per period, and dropout after a purchase, from r, alpha, a and b."""
    shape, rate, a, b = numbers.tolist()
    return {
        "traits.purchase": {"family": "gamma", "shape": shape, "rate": rate / weeks},
        "traits.leaving": {"family": "beta", "a": a, "b": b},
    }


def _scenario_text(
    base: str, name: str, fit: BgNbdFit, numbers: NDArray[np.float64], weeks: float
) -> str:
    purchase, leaving = _traits(numbers, weeks).values()
    return (
        f"# {base} with purchases and dropout of {fit.n_customers:,} customers, by simulated\n"
        f"# moments from BG/NBD: r {fit.r:.3f}, alpha {fit.alpha:.3f}, a {fit.a:.3f}, "
        f"b {fit.b:.3f};\n"
        "# what actions do to them is still that of the world it extends\n"
        f"extends = {json.dumps(base)}\nname = {json.dumps(name)}\n\n[traits]\n"
        f'purchase = {{ family = "gamma", shape = {purchase["shape"]!r}, '
        f"rate = {purchase['rate']!r} }}\n"
        f'leaving = {{ family = "beta", a = {leaving["a"]!r}, b = {leaving["b"]!r} }}\n'
    )


def _move(
    world: Scenario, summary: CustomerSummary, fit: BgNbdFit, seed: int, trials: int
) -> NDArray[np.float64]:
    """r, alpha, a and b with which the world's customers buy as the actual ones did."""
    target, spread = _moments(summary.frequency, summary.recency, summary.age)
    start = np.array([fit.r, fit.alpha, fit.a, fit.b])

    def distance(steps: NDArray[np.float64]) -> float:
        numbers = start * np.exp(np.clip(steps, -4.0, 4.0))
        tried = load_scenario(world, _traits(numbers, WEEKS[world.period]))
        people = _Left(tried, summary, FITTING_LANES, seed, holdout=False)
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


def _fit_spend(summary: CustomerSummary) -> GammaGammaFit | None:
    spent = (summary.frequency > 0) & (summary.mean_spend > 0)
    try:
        return fit_gamma_gamma(summary.frequency[spent], summary.mean_spend[spent])
    except DataError:  # too few repeat buyers, or all spend the same
        return None


class _Left:
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


def _bars(summary: CustomerSummary, fit: BgNbdFit, within: NDArray[np.float64]) -> tuple[Bar, ...]:
    n = summary.n_customers
    actual = frequency_histogram(summary.frequency, top=TOP)
    fitted = fit.expected_histogram(summary.age, top=TOP)
    share = frequency_histogram(within, top=TOP) / len(within)
    # the spread of a cohort as large as the actual one, and of the simulated mean itself
    spread = _REACH * np.sqrt(share * (1.0 - share) * n * (1.0 + n / len(within)))
    return tuple(
        Bar(
            purchases=x,
            actual=int(actual[x]),
            fitted=float(fitted[x]),
            simulated=float(n * share[x]),
            low=float(max(0.0, n * share[x] - spread[x])),
            high=float(min(n, n * share[x] + spread[x])),
        )
        for x in range(TOP + 1)
    )


def _holdout(
    summary: CustomerSummary, fit: BgNbdFit, after: NDArray[np.float64]
) -> dict[str, float]:
    n = summary.n_customers
    ahead = fit.expected_future_purchases(
        summary.holdout_weeks, summary.frequency, summary.recency, summary.age
    )
    mean, spread = float(after.mean()), float(after.std()) * np.sqrt(n * (1.0 + n / len(after)))
    return {
        "actual": float(summary.holdout_frequency.sum()),
        "fitted": float(ahead.sum()),
        "simulated": n * mean,
        "low": n * mean - _REACH * spread,
        "high": n * mean + _REACH * spread,
    }

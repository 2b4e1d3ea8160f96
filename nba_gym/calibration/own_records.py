"""From the transactions on your own disk to a world: read, fit, write, and compare.

What customers buy when they are left alone is all that transactions can teach. What a contact does
to them cannot be learned from purchases alone: the effects of actions stay those of the world that
is extended, until randomised contacts say otherwise.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nba_gym.calibration.bg_nbd import BgNbdFit, fit_bg_nbd
from nba_gym.calibration.gamma_gamma import GammaGammaFit, fit_gamma_gamma
from nba_gym.calibration.histogram import frequency_histogram
from nba_gym.calibration.left_alone import (
    MOST_LANES,
    TOP,
    TRIALS,
    WEEKS,
    LeftAlone,
    fit_moments,
    traits_of,
)
from nba_gym.calibration.tables import read_columns
from nba_gym.calibration.transactions import (
    CustomerSummary,
    TransactionLog,
    summarise,
    transaction_log,
)
from nba_gym.errors import DataError, ScenarioError, check_least
from nba_gym.scenario import Scenario, load_scenario

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
    columns = {"customer": customer, "date": date, "amount": amount}
    table = read_columns(path, columns)
    return transaction_log(table, date_format=date_format, source=Path(path).name)


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
    traits = fit_moments(world, summary, fit, seed, trials)
    scenario = load_scenario(world, {"name": name} | traits_of(traits, length))
    people = LeftAlone(scenario, summary, MOST_LANES, seed + 1, holdout=True)
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


def _scenario_text(
    base: str, name: str, fit: BgNbdFit, numbers: NDArray[np.float64], weeks: float
) -> str:
    purchase, leaving = traits_of(numbers, weeks).values()
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


def _fit_spend(summary: CustomerSummary) -> GammaGammaFit | None:
    spent = (summary.frequency > 0) & (summary.mean_spend > 0)
    try:
        return fit_gamma_gamma(summary.frequency[spent], summary.mean_spend[spent])
    except DataError:  # too few repeat buyers, or all spend the same
        return None


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

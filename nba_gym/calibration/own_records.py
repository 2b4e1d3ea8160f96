"""From the transactions on your own disk to a world: fit, write, and compare.

What customers buy when they are left alone is all that transactions can teach. What a contact does
to them cannot be learned from purchases alone: the effects of actions stay those of the world that
is extended, until randomised contacts say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nba_gym.calibration.cohort import Cohort, Unit, opportunity_cohort, weekly_cohort
from nba_gym.calibration.gamma_gamma import GammaGammaFit
from nba_gym.calibration.left_alone import (
    MOST_LANES,
    TOP,
    TRIALS,
    LeftAlone,
    Progress,
    fit_moments,
    period_length,
    quiet,
)
from nba_gym.calibration.models import PurchaseFit, PurchaseModel, purchase_model
from nba_gym.calibration.saving import save_calibration
from nba_gym.calibration.spend import fit_spend, measure_basket, spend_changes
from nba_gym.calibration.transactions import TransactionLog
from nba_gym.calibration.validation import Bar, Validation, validate
from nba_gym.calibration.worlds import extended, for_everybody, scenario_text
from nba_gym.errors import DataError, check_least
from nba_gym.scenario import Scenario, load_scenario


@dataclass(frozen=True)
class Calibration:
    """A world fitted to transactions, and how well it fits.

    Attributes:
        base: Name or file of the world that is extended.
        scenario: The fitted world.
        text: Its file.
        model: The model of buying and leaving.
        purchases: Its estimates.
        written: The four numbers that the scenario has instead, by simulated moments.
        spend: Spend of repeat buyers, gamma-gamma; ``None`` if it was not written.
        cohort: The customers of the calibration period.
        validation: Simulated beside actual customers.
        remarks: What else a reader must know.
    """

    base: str
    scenario: Scenario
    text: str
    model: PurchaseModel
    purchases: PurchaseFit
    written: dict[str, float]
    spend: GammaGammaFit | None
    cohort: Cohort
    validation: Validation
    remarks: tuple[str, ...]

    @property
    def bars(self) -> tuple[Bar, ...]:
        """Histogram of repeat purchases in the calibration period."""
        return self.validation.bars

    @property
    def holdout(self) -> dict[str, float]:
        """Repeat purchases after it: actual, fitted, simulated, low, high."""
        return self.validation.holdout

    def lines(self) -> list[str]:
        """For people: estimates, and actual beside fitted and simulated customers."""
        fit, cohort = self.purchases, self.cohort
        told = [
            f"{self.model.title} of {fit.n_customers:,} customers in {cohort.calibration} "
            f"{cohort.unit}s: {numbers_told(self.model.estimates(fit))}, "
            f"log-likelihood {fit.log_likelihood:.2f}",
            f"written into the world, by simulated moments: {numbers_told(self.written)}",
        ]
        if self.spend is not None:
            told.append(spend_told(self.spend, self.scenario.currency))
        told.append(
            f"repeat purchases  actual {self.model.title:>10}  simulated  95 % of such cohorts"
        )
        for bar in self.bars:
            more = "+" if bar.purchases == TOP else " "
            told.append(
                f"{bar.purchases:>15}{more} {bar.actual:>8,} {bar.fitted:>10,.0f} "
                f"{bar.simulated:>10,.0f}  {bar.low:,.0f} to {bar.high:,.0f}"
            )
        if cohort.holdout > 0:
            after = self.holdout
            told.append(
                f"{'held out':>16} {after['actual']:>8,.0f} {after['fitted']:>10,.0f} "
                f"{after['simulated']:>10,.0f}  {after['low']:,.0f} to {after['high']:,.0f}"
            )
        return [*told, *self.remarks]

    def record(self) -> dict[str, Any]:
        """All numbers, for ``calibration.json``."""
        spend = self.spend
        return {
            "base": self.base,
            "model": self.model.name,
            "customers": self.cohort.n_customers,
            f"calibration_{self.cohort.unit}s": self.cohort.calibration,
            f"holdout_{self.cohort.unit}s": self.cohort.holdout,
            self.model.name.replace("-", "_"): asdict(self.purchases),  # pyright: ignore
            "written": self.written,
            "gamma_gamma": None if spend is None else asdict(spend),
            "histogram": [asdict(bar) for bar in self.bars],
            "holdout": self.holdout,
            "remarks": list(self.remarks),
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``scenario.toml``, ``calibration.json`` and ``report.html``; returns their paths.

        Raises:
            DataError: If the folder is a file.
            MissingExtraError: If matplotlib, which draws the report, is not installed.
        """
        from nba_gym.calibration.page import purchase_page

        def page() -> str:
            return purchase_page(self)

        return save_calibration(folder, lambda _: self.text, self.record(), page)


def numbers_told(numbers: Mapping[str, float]) -> str:
    """Estimates for people."""
    return ", ".join(f"{name} {number:.3f}" for name, number in numbers.items())


def spend_told(fit: GammaGammaFit, currency: str) -> str:
    """Gamma-gamma for people."""
    return (
        f"gamma-gamma of {fit.n_customers:,} repeat buyers: p {fit.p:.2f}, q {fit.q:.2f}, "
        f"v {fit.v:.2f}; mean purchase {fit.mean_spend:.2f} {currency}"
    )


def calibrate(
    log: TransactionLog,
    base: str | None = None,
    *,
    model: str = "bg-nbd",
    weeks: int | None = None,
    opportunity: Unit = "year",
    opportunities: int | None = None,
    name: str = "own",
    seed: int = 0,
    trials: int = TRIALS,
    progress: Progress = quiet,
) -> Calibration:
    """Fit a world's purchases, dropout and spend to transactions.

    Args:
        log: The transactions.
        base: World that is extended, a preset name or file. For BG/NBD and Pareto/NBD it must count
            purchases, for BG/BB have one choice a period of the opportunity's length. By default
            ``retail``, for BG/BB ``donors``.
        model: ``bg-nbd`` (leaves after a purchase), ``pareto-nbd`` (leaves at any time) or
            ``bg-bb`` (buys at opportunities, leaves between them).
        weeks: Calibration period; what follows is held out. By default half of the log.
        opportunity: Length of an opportunity of BG/BB.
        opportunities: Calibration period of BG/BB; by default half of the log.
        name: Name of the new world.
        seed: Seed of the customers who are simulated beside the actual ones.
        trials: Worlds tried by the fit, at most.
        progress: Told how far it is.

    Raises:
        DataError: If there is too little to fit.
        ScenarioError: If the base cannot carry the model.
        PolicyError: If a setting is unknown or too small.

    Source: ``bg_nbd``, ``pareto_nbd``, ``bg_bb``, ``gamma_gamma``; simulated moments in
    ``left_alone``.
    """
    check_least(1, trials=trials)
    kind = purchase_model(model)
    base = kind.base if base is None else base
    world = load_scenario(base)
    cohort = _cohort(log, kind, weeks, opportunity, opportunities)
    kind.check_base(world, cohort)
    progress(f"maximum likelihood, {kind.title}", 0, 0)
    fit = kind.fit(cohort)
    length = period_length(world, cohort.unit)

    def buying(numbers: list[float]) -> dict[str, Any]:
        return for_everybody(world, kind.changes(numbers, length))

    start = np.array(list(kind.estimates(fit).values()))
    numbers = fit_moments(
        world, cohort, start, buying, seed=seed, trials=trials, progress=progress
    ).tolist()
    changes = buying(numbers)
    spend, missing = fit_spend(cohort)
    if spend is not None:
        progress("spend", 0, 0)
        fitted = load_scenario(world, changes)
        basket = measure_basket(fitted, cohort, seed)
        changes |= for_everybody(world, spend_changes(spend, basket))
    scenario = load_scenario(world, {"name": name} | changes)
    progress("validation", 0, 0)
    people = LeftAlone(scenario, cohort, MOST_LANES, seed + 1, holdout=True)
    return Calibration(
        base=base,
        scenario=scenario,
        text=scenario_text(extended(base), name, changes, _head(base, kind, fit, spend)),
        model=kind,
        purchases=fit,
        written=dict(zip(kind.parameters, numbers, strict=True)),
        spend=spend,
        cohort=cohort,
        validation=validate(cohort, fit, people, spend=spend is not None),
        remarks=_remarks(base, world, kind, changes, missing),
    )


def _cohort(
    log: TransactionLog,
    kind: PurchaseModel,
    weeks: int | None,
    opportunity: Unit,
    opportunities: int | None,
) -> Cohort:
    """The customers as the model sees them."""
    if log.n_customers < 2:
        raise DataError("customers must be at least 2 to see how they differ, got 1")
    if kind.name == "bg-bb":
        return opportunity_cohort(log, opportunity, opportunities)
    return weekly_cohort(log, weeks)


def _head(
    base: str, kind: PurchaseModel, fit: PurchaseFit, spend: GammaGammaFit | None
) -> list[str]:
    """Comment at the head of the scenario file."""
    told = [
        f"{base} with purchases and dropout of {fit.n_customers:,} customers, by simulated moments",
        f"from {kind.title}: {numbers_told(kind.estimates(fit))};",
    ]
    if spend is not None:
        told.append(f"spend from gamma-gamma: {numbers_told(kind_of_spend(spend))};")
    return [*told, "what actions do to them is still that of the world it extends"]


def kind_of_spend(fit: GammaGammaFit) -> dict[str, float]:
    """Estimates of gamma-gamma by name."""
    return {"p": fit.p, "q": fit.q, "v": fit.v}


def _remarks(
    base: str, world: Scenario, kind: PurchaseModel, changes: Mapping[str, Any], missing: str
) -> tuple[str, ...]:
    """What a reader must know besides the numbers."""
    found = [missing] if missing else []
    leaving = world.leaving
    if kind.by_period and (leaving.purchase_scale or leaving.period_scale != 1.0):
        found.append(
            f"Customers of {base} left otherwise: leaving.period_scale is now 1 and "
            "leaving.purchase_scale 0."
        )
    own = sorted({path.split(".")[1] for path in changes if path.startswith("personas.")})
    if own:
        found.append(
            f"Personas of {base} with traits of their own ({', '.join(own)}) now have those of "
            "everybody: the fit cannot tell them apart."
        )
    if changes.get("purchase.transaction_shape") == 0.0:
        found.append(
            f"Prices of needs in {base} alone differ more than one customer's purchases did, so "
            "purchases vary by need only."
        )
    found.append(
        "What contacts do cannot be learned from transactions: effects of actions are those of "
        f"{base}."
    )
    return tuple(found)

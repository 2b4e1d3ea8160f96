"""From contracts to a world: how long customers stay when they are left alone (sBG)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nba_gym.calibration.cohort import Unit
from nba_gym.calibration.left_alone import (
    FITTING_LANES,
    MOST_LANES,
    TRIALS,
    Progress,
    quiet,
    search,
)
from nba_gym.calibration.saving import save_calibration
from nba_gym.calibration.sbg import SbgFit, fit_sbg
from nba_gym.calibration.special import FloatArray
from nba_gym.calibration.tenure import Tenures, survival_curve
from nba_gym.calibration.validation import REACH, Series
from nba_gym.calibration.worlds import extended, for_everybody, scenario_text
from nba_gym.customer import kernel
from nba_gym.customer.populate import populate
from nba_gym.errors import DataError, ScenarioError, check_least
from nba_gym.scenario import Scenario, load_scenario

_PERIODS: dict[tuple[Unit, str], int] = {
    ("week", "day"): 7,
    ("week", "week"): 1,
    ("month", "month"): 1,
    ("year", "week"): 52,
    ("year", "month"): 12,
    ("year", "year"): 1,
}
"""Periods of a world from one renewal to the next."""


@dataclass(frozen=True)
class ContractCalibration:
    """A world fitted to contracts, and how well it fits.

    Attributes:
        base: Name or file of the world that is extended.
        scenario: The fitted world.
        text: Its file.
        tenures: The contracts, holdout included.
        renewals: Calibration period.
        fit: The estimates, sBG.
        written: The two numbers that the scenario has instead, by simulated moments.
        survival: Share of contracts left after each renewal; the interval is that of cohorts as
            large as the contracts that came up for it.
        retention: Share of the contracts up for each renewal that were renewed.
        remarks: What else a reader must know.
    """

    base: str
    scenario: Scenario
    text: str
    tenures: Tenures
    renewals: int
    fit: SbgFit
    written: dict[str, float]
    survival: Series
    retention: Series
    remarks: tuple[str, ...]

    def lines(self) -> list[str]:
        """For people: estimates, and actual beside fitted and simulated contracts."""
        fit, unit = self.fit, self.tenures.unit
        told = [
            f"sBG of {fit.n_customers:,.6g} contracts over {self.renewals} renewals (each {unit}): "
            f"alpha {fit.alpha:.3f}, beta {fit.beta:.3f}, log-likelihood {fit.log_likelihood:.2f}",
            "written into the world, by simulated moments: "
            f"alpha {self.written['alpha']:.3f}, beta {self.written['beta']:.3f}",
            "left after renewal  actual      sBG  simulated  95 % of such cohorts",
        ]
        for at, actual, fitted, simulated, low, high in zip(*self.survival, strict=True):
            held = " held out" if at > self.renewals else ""
            told.append(
                f"{at:>17.0f}  {actual:>7.1%} {fitted:>8.1%} {simulated:>10.1%}  "
                f"{low:.1%} to {high:.1%}{held}"
            )
        return [*told, *self.remarks]

    def record(self) -> dict[str, Any]:
        """All numbers, for ``calibration.json``."""
        return {
            "base": self.base,
            "model": "sbg",
            "contracts": self.tenures.n_contracts,
            "opportunity": self.tenures.unit,
            "calibration_renewals": self.renewals,
            "sbg": asdict(self.fit),
            "written": self.written,
            "survival": {k: v.tolist() for k, v in self.survival._asdict().items()},
            "retention": {k: v.tolist() for k, v in self.retention._asdict().items()},
            "remarks": list(self.remarks),
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``scenario.toml``, ``calibration.json`` and ``report.html``; returns their paths.

        Raises:
            DataError: If the folder is a file.
            MissingExtraError: If matplotlib, which draws the report, is not installed.
        """
        from nba_gym.calibration.page import contract_page

        def page() -> str:
            return contract_page(self)

        return save_calibration(folder, lambda _: self.text, self.record(), page)


def calibrate_contracts(
    tenures: Tenures,
    base: str | None = None,
    *,
    renewals: int | None = None,
    name: str = "own",
    seed: int = 0,
    trials: int = TRIALS,
    progress: Progress = quiet,
) -> ContractCalibration:
    """Fit how long a world's customers keep their contract.

    Args:
        tenures: The contracts.
        base: World with contracts that is extended; by default ``telecom``.
        renewals: Calibration period; what follows is held out. By default half of what was seen.
        name: Name of the new world.
        seed: Seed of the customers who are simulated beside the actual ones.
        trials: Worlds tried by the fit, at most.
        progress: Told how far it is.

    Raises:
        DataError: If there is too little to fit.
        ScenarioError: If the base has no contracts, or its periods do not fill a renewal.
        PolicyError: If a setting is too small.

    Source: ``sbg``; simulated moments in ``left_alone``.
    """
    check_least(1, trials=trials)
    base = "telecom" if base is None else base
    world = load_scenario(base)
    term = _term(world, tenures.unit)
    n = max(1, tenures.most // 2) if renewals is None else renewals
    if not 1 <= n <= tenures.most:
        raise DataError(f"opportunities must be in [1, {tenures.most}], the renewals, got {n}")
    known = tenures.until(n)
    progress("maximum likelihood, sBG", 0, 0)
    fit = fit_sbg(*known.lives)

    def staying(numbers: FloatArray) -> dict[str, Any]:
        a, b = numbers.tolist()
        given = {"traits.leaving": {"family": "beta", "a": a, "b": b}}
        terms = {"contract.commitment": term, "contract.renewal": term}
        return for_everybody(world, given | terms)

    seen = survival_curve(known.lives, n)
    target, spread = seen.survival, np.maximum(seen.error, 1e-4)

    def distance(numbers: FloatArray) -> float:
        tried = load_scenario(world, staying(numbers))
        found = simulated_survival(tried, term, target.size, FITTING_LANES, seed)
        return float((((found - target) / spread) ** 2).sum())

    numbers = search(distance, np.array([fit.alpha, fit.beta]), trials, progress)
    changes = staying(numbers)
    scenario = load_scenario(world, {"name": name} | changes)
    progress("validation", 0, 0)
    survival, retention = _compared(scenario, tenures, fit, term, seed + 1)
    head = [
        f"{base} with the cancellations of {fit.n_customers:,.6g} contracts, by simulated moments",
        f"from sBG: alpha {fit.alpha:.3f}, beta {fit.beta:.3f};",
        "what actions do to them is still that of the world it extends",
    ]
    return ContractCalibration(
        base=base,
        scenario=scenario,
        text=scenario_text(extended(base), name, changes, head),
        tenures=tenures,
        renewals=n,
        fit=fit,
        written=dict(zip(("alpha", "beta"), numbers.tolist(), strict=True)),
        survival=survival,
        retention=retention,
        remarks=_remarks(base, world, term, changes),
    )


def _term(world: Scenario, unit: Unit) -> int:
    """Periods of a world from one renewal to the next.

    Raises:
        ScenarioError: If it cannot carry contracts of this kind.
    """
    if world.tabular or not world.contract.enabled or not world.leaving.period_scale:
        raise ScenarioError(
            "base for sBG must have contracts that end (contract.enabled, leaving.period_scale), "
            f"got {world.name!r}"
        )
    if (unit, world.period) not in _PERIODS:
        raise ScenarioError(
            f"base for sBG must have periods that fill one {unit}, got {world.name!r} with "
            f"{world.period!r}"
        )
    return _PERIODS[unit, world.period]


def simulated_survival(
    world: Scenario, term: int, renewals: int, lanes: int, seed: int
) -> FloatArray:
    """Share of customers left alone who still have their contract after each renewal.

    Customers start somewhere within their first term, so by the end of each further term everybody
    has met exactly one renewal more.
    """
    people = populate(load_scenario(world, {"horizon": renewals * term + 1}), lanes)
    people.begin(
        np.ones(lanes, bool), np.full(lanes, seed, np.uint64), np.arange(lanes, dtype=np.uint64)
    )
    nobody, left = np.zeros(lanes, dtype=np.int64), np.zeros(renewals)
    for period in range(1, renewals * term + 1):
        people.step(nobody, kernel.DISABLED)
        if period % term == 0:
            left[period // term - 1] = float(people.read("alive").mean())
    return left


def _compared(
    scenario: Scenario, tenures: Tenures, fit: SbgFit, term: int, seed: int
) -> tuple[Series, Series]:
    """Survival and retention: actual, fitted and simulated, over calibration and holdout."""
    curve = survival_curve(tenures.lives, tenures.most)
    at = np.arange(1.0, curve.survival.size + 1.0)
    left = simulated_survival(scenario, term, at.size, MOST_LANES, seed)
    before = np.concatenate([[1.0], left[:-1]])
    kept = np.divide(left, before, out=np.ones_like(left), where=before > 0)
    started = curve.at_risk / np.maximum(np.concatenate([[1.0], curve.survival[:-1]]), 1e-9)
    up = np.maximum(MOST_LANES * before, 1.0)
    series = [
        (curve.survival, fit.survival(at), left, 1 / started + 1 / MOST_LANES),
        (curve.retention, fit.retention(at), kept, 1 / curve.at_risk + 1 / up),
    ]
    found: list[Series] = []
    for actual, fitted, simulated, weight in series:
        reach = REACH * np.sqrt(simulated * (1.0 - simulated) * weight)
        low, high = np.maximum(simulated - reach, 0.0), np.minimum(simulated + reach, 1.0)
        found.append(Series(at, actual, fitted, simulated, low, high))
    return found[0], found[1]


def _remarks(base: str, world: Scenario, term: int, changes: dict[str, Any]) -> tuple[str, ...]:
    found: list[str] = []
    if (world.contract.commitment, world.contract.renewal) != (term, term):
        found.append(f"Contracts of {base} ran otherwise: they now renew every {term} period(s).")
    own = sorted({path.split(".")[1] for path in changes if path.startswith("personas.")})
    if own:
        found.append(
            f"Personas of {base} with a way of leaving of their own ({', '.join(own)}) now leave "
            "as everybody does: the fit cannot tell them apart."
        )
    found.append(
        "What contacts do, what is bought and what is paid cannot be learned from contracts: they "
        f"are those of {base}."
    )
    return tuple(found)

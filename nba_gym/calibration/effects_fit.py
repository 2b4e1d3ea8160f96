"""The result of a fit to randomised contacts: estimates, how well it fits, and the world's file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from nba_gym.calibration.coefficients import toml_of
from nba_gym.calibration.saving import save_calibration
from nba_gym.scenario import Scenario

_LABELS = {"bought": "bought", "responded": "responded", "opted_out": "opted out"}


@dataclass(frozen=True)
class Effect:
    """A fitted coefficient.

    Attributes:
        name: Its dotted name in a scenario.
        base: Its value in the world that is extended.
        value: The estimate.
        error: Standard error, of the log's and the simulation's luck together.
        low: Lower end of the 95 % interval, not below what the scenario allows.
        high: Upper end.
    """

    name: str
    base: float
    value: float
    error: float
    low: float
    high: float


@dataclass(frozen=True)
class Rate:
    """A rate that was fitted.

    Attributes:
        outcome: ``bought``, ``responded`` or ``opted_out``.
        arm: The action, or the channel of opting out.
        rows: Rows of the log it is from.
        actual: The rate in the log.
        simulated: The rate among simulated customers in the same campaign.
        error: Standard error of the difference, rows of a customer counted together.
    """

    outcome: str
    arm: str
    rows: int
    actual: float
    simulated: float
    error: float


@dataclass(frozen=True)
class EffectsFit:
    """A world whose contacts do what those of a log did.

    Attributes:
        base: Name or file of the world that is extended.
        scenario: The fitted world.
        effects: The fitted coefficients.
        rates: Actual and simulated rates.
        j: Hansen's J, the distance that no coefficient can close, chi-square distributed if the
            world is right.
        degrees: Its degrees of freedom, rates less coefficients.
        p_value: Chance of a J so large if the world is right; 1 without degrees of freedom.
        n_rows: Rows of the log.
        n_contacts: Contacts among them.
        n_customers: Customers in it.
    """

    base: str
    scenario: Scenario
    effects: tuple[Effect, ...]
    rates: tuple[Rate, ...]
    j: float
    degrees: int
    p_value: float
    n_rows: int
    n_contacts: int
    n_customers: int

    def lines(self) -> list[str]:
        """For people: estimates with intervals, and actual beside simulated rates."""
        wide = max(len(each.arm) for each in self.rates)
        told = [
            f"{self.n_contacts:,} contacts in {self.n_rows:,} rows of {self.n_customers:,} "
            "customers",
            f"{'coefficient':<34} {'base':>8} {'fitted':>8} {'error':>8}  95 % interval",
        ]
        told += [
            f"{each.name:<34} {each.base:>8.4f} {each.value:>8.4f} {each.error:>8.4f}  "
            f"{each.low:.4f} to {each.high:.4f}"
            for each in self.effects
        ]
        told.append(f"{'rate':<{wide + 10}} {'rows':>8} {'actual':>8} {'simulated':>9} {'z':>6}")
        told += [
            f"{_LABELS[each.outcome]:<9} {each.arm:<{wide}} {each.rows:>8,} {each.actual:>8.4f} "
            f"{each.simulated:>9.4f} {(each.actual - each.simulated) / each.error:>6.2f}"
            for each in self.rates
        ]
        told.append(
            f"overidentification: J = {self.j:.1f} on {self.degrees} degrees of freedom, "
            f"p = {self.p_value:.3f}"
        )
        return [*told, f"Everything else, reach and attention included, is that of {self.base}."]

    def scenario_text(self, folder: str | Path = ".") -> str:
        """The scenario file as it reads in ``folder``: it extends the base, wherever that lies."""
        parent = self.base
        if parent.endswith(".toml"):
            parent = Path(os.path.relpath(parent, folder)).as_posix()
        return (
            f"# {self.base} with what contacts do, fitted to {self.n_contacts:,} randomised\n"
            f"# contacts of {self.n_customers:,} customers by simulated moments; "
            f"J = {self.j:.1f}, p = {self.p_value:.3f}\n"
            f"extends = {json.dumps(parent)}\nname = {json.dumps(self.scenario.name)}\n"
        ) + toml_of({each.name: each.value for each in self.effects})

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``scenario.toml`` and ``effects.json``; returns their paths."""
        names = ("base", "j", "degrees", "p_value", "n_rows", "n_contacts", "n_customers")
        record = {name: getattr(self, name) for name in names} | {
            "effects": [asdict(each) for each in self.effects],
            "rates": [asdict(each) for each in self.rates],
        }
        return save_calibration(folder, self.scenario_text, record, name="effects")

"""The purchase models that a world can be fitted with, and what a world must be to carry each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import ArrayLike

from nba_gym.calibration.bg_bb import fit_bg_bb
from nba_gym.calibration.bg_nbd import fit_bg_nbd
from nba_gym.calibration.cohort import Cohort
from nba_gym.calibration.pareto_nbd import fit_pareto_nbd
from nba_gym.calibration.special import FloatArray
from nba_gym.errors import PolicyError, ScenarioError, nearest
from nba_gym.scenario import Scenario

WEEKS = {"day": 1.0 / 7.0, "week": 1.0, "month": 365.25 / 12.0 / 7.0, "year": 365.25 / 7.0}
"""Weeks in a period."""

ModelName = Literal["bg-nbd", "pareto-nbd", "bg-bb"]


class PurchaseFit(Protocol):
    """What every fitted purchase model can say; see ``bg_nbd``, ``pareto_nbd`` and ``bg_bb``."""

    @property
    def log_likelihood(self) -> float:
        """Total log-likelihood, in nats."""
        ...

    @property
    def n_customers(self) -> int:
        """Customers that were fitted."""
        ...

    def expected_purchases(self, time: ArrayLike, /) -> FloatArray:
        """Expected repeat purchases of a new customer."""
        ...

    def expected_future_purchases(
        self, ahead: Any, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, /
    ) -> FloatArray:
        """Expected purchases to come, given the history."""
        ...

    def expected_histogram(self, age: ArrayLike, /, *, top: int = 7) -> FloatArray:
        """Expected customers by number of repeat purchases."""
        ...


@dataclass(frozen=True)
class PurchaseModel:
    """A model of buying and leaving, and how a world is told of it.

    Attributes:
        name: As on the command line.
        title: As in print.
        base: Preset that is extended by default.
        process: ``purchase.process`` that the world must have.
        parameters: Names of the four estimates: two of buying, two of leaving.
        families: Families of ``traits.purchase`` and ``traits.leaving``.
        by_period: Whether customers leave at the end of a period, or after a purchase.
        fit: Fits the model to a cohort.
    """

    name: ModelName
    title: str
    base: str
    process: str
    parameters: tuple[str, str, str, str]
    families: tuple[str, str]
    by_period: bool
    fit: Callable[[Cohort], PurchaseFit]

    def estimates(self, fit: PurchaseFit) -> dict[str, float]:
        """The four estimates by name."""
        return {name: float(getattr(fit, name)) for name in self.parameters}

    def changes(self, numbers: list[float], length: float) -> dict[str, Any]:
        """Settings of a world whose customers buy and leave with these numbers.

        Args:
            numbers: The four, in the order of ``parameters``; times in units of the cohort.
            length: Units of the cohort in a period of the world.
        """
        purchase = _distribution(self.families[0], numbers[0], numbers[1], length)
        leaving = _distribution(self.families[1], numbers[2], numbers[3], length)
        found: dict[str, Any] = {"traits.purchase": purchase, "traits.leaving": leaving}
        if self.by_period:
            found |= {"leaving.period_scale": 1.0, "leaving.purchase_scale": 0.0}
        return found

    def check_base(self, world: Scenario, cohort: Cohort) -> None:
        """Refuse a world that cannot carry the model.

        Raises:
            ScenarioError: With what the world would have to be.
        """
        told = f"base for {self.title} must"
        if world.tabular or world.purchase.process != self.process:
            what = "count purchases" if self.process == "counted" else "have one choice a period"
            raise ScenarioError(
                f"{told} {what} (purchase.process = {self.process!r}), got {world.name!r}"
            )
        if world.contract.enabled:
            raise ScenarioError(
                f"{told} let customers leave in silence (no contract), got {world.name!r}"
            )
        if not self.by_period and not world.leaving.purchase_scale:
            raise ScenarioError(
                f"{told} let customers leave after purchases (leaving.purchase_scale), "
                f"got {world.name!r}"
            )
        if self.process == "one" and world.period != cohort.unit:
            raise ScenarioError(
                f"{told} step by the opportunity (period = {cohort.unit!r}), got {world.name!r} "
                f"with {world.period!r}"
            )


def _distribution(family: str, first: float, second: float, length: float) -> dict[str, Any]:
    """A gamma of rates per period, or a beta of probabilities, which know no time."""
    if family == "gamma":
        return {"family": "gamma", "shape": first, "rate": second / length}
    return {"family": "beta", "a": first, "b": second}


def purchase_model(name: str) -> PurchaseModel:
    """The model of this name.

    Raises:
        PolicyError: If there is none.
    """
    if name not in _MODELS:
        raise PolicyError(f"model must be a known one, got {name!r}{nearest(name, _MODELS)}")
    return _MODELS[name]


_MODELS: dict[str, PurchaseModel] = {
    "bg-nbd": PurchaseModel(
        "bg-nbd", "BG/NBD", "retail", "counted", ("r", "alpha", "a", "b"),
        ("gamma", "beta"), False, lambda c: fit_bg_nbd(c.frequency, c.recency, c.age),
    ),
    "pareto-nbd": PurchaseModel(
        "pareto-nbd", "Pareto/NBD", "retail", "counted", ("r", "alpha", "s", "beta"),
        ("gamma", "gamma"), True, lambda c: fit_pareto_nbd(c.frequency, c.recency, c.age),
    ),
    "bg-bb": PurchaseModel(
        "bg-bb", "BG/BB", "donors", "one", ("alpha", "beta", "gamma", "delta"),
        ("beta", "beta"), True, lambda c: fit_bg_bb(c.frequency, c.recency, c.age),
    ),
}  # fmt: skip

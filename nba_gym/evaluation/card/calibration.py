"""The calibration table: target by target, what the world comes to, and whether that is inside."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nba_gym.errors import NbaGymError
from nba_gym.evaluation.card.bench import Bench, Sizes
from nba_gym.evaluation.card.quantities import QUANTITIES, measure
from nba_gym.evaluation.card.targets import Target, Targets
from nba_gym.evaluation.rollout import rollout
from nba_gym.scenario.schema import Scenario
from nba_gym.statistics import Interval

DIGITS = 9
"""Significant digits of the numbers that a test regenerates: sums of floats may differ in the last
places between processors."""


@dataclass(frozen=True)
class Row:
    """One target and what was reached.

    Attributes:
        target: The target.
        reached: Mean and 95 % interval; none if it could not be measured.
        problem: Why it could not be measured.
    """

    target: Target
    reached: Interval | None
    problem: str = ""

    @property
    def verdict(self) -> str:
        """Whether the mean is ``inside`` or ``outside``, and what its interval adds to that."""
        if self.reached is None:
            return "not measured"
        low = -math.inf if self.target.low is None else self.target.low
        high = math.inf if self.target.high is None else self.target.high
        mean, lowest, highest = self.reached
        if low <= mean <= high:
            sure = low <= lowest and highest <= high
            return "inside" if sure else "inside, interval reaches out"
        touches = highest >= low and lowest <= high
        return "outside, interval reaches it" if touches else "outside"

    @property
    def is_inside(self) -> bool:
        """Whether the mean is inside the range."""
        return self.verdict.startswith("inside")

    def record(self) -> dict[str, Any]:
        """The row for a JSON file."""
        given = self.target.model_dump(mode="json", exclude_defaults=True)
        found = None if self.reached is None else list(self.reached)
        record: dict[str, Any] = given | {"reached": found, "verdict": self.verdict}
        return record | ({"problem": self.problem} if self.problem else {})


def calibration_rows(bench: Bench, targets: Iterable[Target]) -> list[Row]:
    """Measure every target; one that cannot be measured says why, and the others go on."""
    return [_row(bench, target) for target in targets]


def _row(bench: Bench, target: Target) -> Row:
    try:
        reached = measure(bench, target)
    except NbaGymError as error:
        return Row(target, None, " ".join(str(error).split()))
    if not all(math.isfinite(x) for x in reached):
        return Row(target, None, "nothing to count: it never came to such a contact")
    return Row(target, reached)


def quick_numbers(scenario: Scenario, targets: Targets, n: int) -> dict[str, Any]:
    """Numbers of few customers that anybody can regenerate, the same to 9 digits.

    Args:
        scenario: The world.
        targets: Those that need neither a learned policy nor numbers measured elsewhere are here.
        n: Customers.
    """
    sizes = Sizes(customers=n, targets=n, sensitivity=n, quick=n)
    bench = Bench(scenario, sizes, may_learn=False)
    rows = calibration_rows(bench, [each for each in targets.targets if _is_quick(each)])
    reached = {row.target.label: _rounded(row.reached) for row in rows}
    values: dict[str, float] = {}
    for name in ("no_contact", "random", "oracle"):
        run = rollout(bench.policy(name), scenario, bench.customers(n), bench.seed)
        values[name] = _round(math.fsum(run.value) / n)
    return {"customers": n, "targets": reached, "values": values}


def _is_quick(target: Target) -> bool:
    quantity = QUANTITIES.get(target.quantity)
    if quantity is None or target.quantity == "gain_over_practice":
        return False
    return (target.policy or quantity.policy) != "practice"


def _rounded(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [_round(x) for x in interval]


def _round(x: float) -> float:
    return float(f"{x:.{DIGITS}g}")

"""The same customers lived twice: differences, their spread, and the four groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.statistics import Interval, mean_interval

Floats = NDArray[np.float64]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of individual effects that tables show."""


@dataclass(frozen=True)
class Groups:
    """How many customers do something good (buy, stay) in the two lives of each.

    Attributes:
        persuadable: Only in the first life.
        sure_thing: In both.
        lost_cause: In neither.
        sleeping_dog: Only in the second, so that the contact did harm.

    Source: the four groups of uplift modelling, e.g. Kane, Lo & Zheng (2014), "Mining for the truly
    responsive customers and prospects using true-lift modeling", Journal of Marketing Analytics 2,
    218-238. In the field nobody can say who belongs where, for nobody lives twice.
    """

    persuadable: int
    sure_thing: int
    lost_cause: int
    sleeping_dog: int

    @property
    def n(self) -> int:
        """All customers."""
        return self.persuadable + self.sure_thing + self.lost_cause + self.sleeping_dog

    @property
    def uplift(self) -> float:
        """Mean effect, in [-1, 1]: persuadables less sleeping dogs; NaN without customers."""
        return (self.persuadable - self.sleeping_dog) / self.n if self.n else float("nan")

    @property
    def shares(self) -> dict[str, float]:
        """Share of each group by name, in [0, 1]; they sum to 1. NaN without customers."""
        return {name: c / self.n if self.n else float("nan") for name, c in vars(self).items()}


def count_groups(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Groups:
    """Count the four groups.

    Args:
        first: Who does the good thing in the first life, ``(n,)``.
        second: Who does it in the second, ``(n,)``.
    """
    return Groups(
        persuadable=int((first & ~second).sum()),
        sure_thing=int((first & second).sum()),
        lost_cause=int((~first & ~second).sum()),
        sleeping_dog=int((~first & second).sum()),
    )


@dataclass(frozen=True, eq=False)
class Pair:
    """One quantity of the same customers in two lives.

    Attributes:
        first: In the first life, ``(n,)``.
        second: In the second, ``(n,)``.
    """

    first: NDArray[Any]
    second: NDArray[Any]

    @property
    def effect(self) -> Floats:
        """The true individual effects: first less second, ``(n,)``."""
        return self.first.astype(np.float64) - self.second.astype(np.float64)

    def interval(self, confidence: float = 0.95) -> Interval:
        """Mean effect with its interval over customers.

        Every effect is exact; the interval says what another draw of customers might show. Its ends
        are NaN for one customer, and the mean, too, for none.
        """
        return interval_of(self.effect, confidence)

    def quantiles(self, at: tuple[float, ...] = QUANTILES) -> Floats:
        """Quantiles of the individual effects, one for each of ``at``, in [0, 1]."""
        return np.quantile(self.effect, at)


def interval_of(values: Floats, confidence: float = 0.95) -> Interval:
    """``mean_interval``, with NaN for what fewer than two customers cannot tell."""
    if len(values) >= 2:
        return mean_interval(values, confidence)
    unknown = float("nan")
    return Interval(float(values[0]) if len(values) else unknown, unknown, unknown)

"""Two contenders on the same customers: what one is worth more, over seeds and over customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nba_gym.evaluation.statistics.testing import gap
from nba_gym.evaluation.statistics.typical import (
    Estimate,
    Floats,
    over_customers,
    typical,
    with_customers,
)


@dataclass(frozen=True)
class Side:
    """One contender.

    Attributes:
        by_seed: Mean over customers, by training seed.
        by_customer: Mean over seeds, by customer.
    """

    by_seed: Floats
    by_customer: Floats

    @property
    def several(self) -> bool:
        """Whether it has several seeds."""
        return len(self.by_seed) > 1

    def value(self) -> Estimate:
        """What the typical seed is worth."""
        if not self.several:
            return over_customers(self.by_customer)
        return with_customers(typical([self.by_seed]), self.by_customer)


def side_of(rows: Sequence[Floats]) -> Side:
    """A side from what each customer came to, ``(n_customers,)`` for each training seed."""
    values = np.stack(rows)
    return Side(values.mean(axis=1), values.mean(axis=0))


def over_seeds(one: Side, base: Side) -> Estimate | None:
    """The gain of the typical seed, its error that of seeds alone; none where nobody has seeds."""
    if one.several and base.several:
        return gap(one.by_seed, base.by_seed)
    if one.several:
        return typical([one.by_seed - base.by_seed[0]])
    if base.several:
        other = typical([base.by_seed - one.by_seed[0]])
        return other._replace(value=-other.value)
    return None


def gain_of(one: Side, base: Side) -> Estimate:
    """The gain, its error that of seeds and of customers."""
    seeds, gains = over_seeds(one, base), one.by_customer - base.by_customer
    return over_customers(gains) if seeds is None else with_customers(seeds, gains)

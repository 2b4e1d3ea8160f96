"""How many seeds it takes to see an effect, and what can be said when there were too few."""

from __future__ import annotations

import math

from scipy import optimize, special

from nba_gym.errors import check_least
from nba_gym.evaluation.statistics.typical import Estimate

POWER = 0.8
"""Chance of seeing an effect that a study should have."""
MOST = 10_000
"""More seeds than this are no plan."""


def power(effect: float, error: float, freedom: float, level: float = 0.05) -> float:
    """Chance that Student's test sees an effect.

    Args:
        effect: The true difference.
        error: Standard error of its estimate.
        freedom: Degrees of freedom of the error.
        level: Of the test.
    """
    if error == 0.0:
        return float(effect != 0.0)
    reach = float(special.stdtrit(freedom, 1.0 - level / 2.0))
    shift = abs(effect) / error
    # the other tail is left out: it matters only where there is no power
    return 1.0 - float(special.nctdtr(freedom, shift, reach))


def seeds_for(
    effect: float, seeds: Estimate, n: int, customers: float = 0.0, level: float = 0.05
) -> int | None:
    """Training seeds with which an effect is seen in 80 % of studies.

    The error falls with the root of the number of seeds, as it was with ``n`` of them; what is owed
    to customers stays, however many seeds there are.

    Args:
        effect: The smallest difference that matters.
        seeds: What was estimated from ``n`` seeds.
        n: How many there were.
        customers: Standard error owed to customers.
        level: Of the test.

    Returns:
        The number; none if no number of seeds is enough, because the customers are too few.
    """
    check_least(2, n=n)

    def short(number: float) -> float:
        own = float(seeds.error) * math.sqrt(n / number)
        error = math.hypot(own, customers)
        freedom = max(0.5, float(seeds.freedom) * number / n)
        return power(effect, error, freedom, level) - POWER

    if effect == 0.0 or short(MOST) < 0.0:
        return None
    if short(2.0) >= 0.0:
        return 2
    root: float = optimize.brentq(short, 2.0, float(MOST))
    return math.ceil(root)


def customers_for(effect: float, customers: float, n: int, level: float = 0.05) -> int:
    """Customers with which an effect is seen in 80 % of studies, were seeds without end.

    Args:
        effect: The smallest difference that matters.
        customers: Standard error owed to ``n`` customers.
        n: How many there were.
        level: Of the test.
    """
    reach = float(special.ndtri(1.0 - level / 2.0) + special.ndtri(POWER))
    return math.ceil(n * (reach * customers / effect) ** 2)

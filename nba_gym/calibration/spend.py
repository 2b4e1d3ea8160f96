"""What customers spend: gamma-gamma, and how a world is told of it.

Gamma-gamma is exact in a world with one need and one purchase a period: a customer's mean purchase
m is inverse gamma, and each purchase m times a gamma factor of mean 1. Two things stand between it
and a rich world, and both are allowed for by what is bought there by customers left alone:

- Needs have relative prices. The level is divided by the mean price of what is bought, and the
  variance that prices add is taken out of the factor, so that mean and variance of a purchase are
  those of gamma-gamma.
- One factor serves all purchases of a period. That is left as it is: it matters only where several
  purchases in one period are common.
"""

from __future__ import annotations

from typing import Any

from nba_gym.calibration.cohort import Cohort
from nba_gym.calibration.gamma_gamma import GammaGammaFit, fit_gamma_gamma
from nba_gym.calibration.left_alone import FITTING_LANES, Basket, LeftAlone
from nba_gym.errors import DataError
from nba_gym.scenario import Scenario, load_scenario

_ONE = {"family": "constant", "value": 1.0}


def fit_spend(cohort: Cohort) -> tuple[GammaGammaFit | None, str]:
    """Gamma-gamma of the repeat buyers who paid something, or why there is none.

    Returns:
        The fit, or ``None`` and a sentence.
    """
    spent = (cohort.frequency > 0) & (cohort.mean_spend > 0)
    try:
        fit = fit_gamma_gamma(cohort.frequency[spent], cohort.mean_spend[spent])
    except DataError as error:  # too few repeat buyers, or all spend the same
        return None, f"Spend could not be fitted, and stays that of the base: {error}."
    if fit.q <= 1.0:
        return None, (
            f"Spend has no mean under gamma-gamma (q = {fit.q:.3f} <= 1): it stays that of the "
            "base."
        )
    return fit, ""


def spend_changes(fit: GammaGammaFit, basket: Basket) -> dict[str, Any]:
    """Settings with which customers of a world spend as fitted.

    Args:
        fit: Gamma-gamma.
        basket: What is bought in the world if everybody spends 1.
    """
    left = 1.0 / fit.p - basket.spread  # relative variance of a purchase that prices do not explain
    shape = (1.0 + basket.spread) / left if left > 0.0 else 0.0
    return {
        "traits.spend": {
            "family": "inverse_gamma",
            "shape": fit.q,
            "scale": fit.p * fit.v / basket.price,
        },
        "purchase.transaction_shape": shape,
    }


def measure_basket(world: Scenario, cohort: Cohort, seed: int) -> Basket:
    """What is bought in a world by customers left alone, if everybody spends 1."""
    alike = {f"personas.{one.name}.traits.spend": _ONE for one in world.personas}
    plain = alike | {"traits.spend": _ONE, "purchase.transaction_shape": 0.0}
    return LeftAlone(load_scenario(world, plain), cohort, FITTING_LANES, seed, holdout=True).basket

"""Customers whose traits move while they live: a world that is no longer the one learned in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer.populate import AnyPopulation
from nba_gym.customer.population import Population
from nba_gym.errors import PolicyError, nearest

_ADDED = ("purchase_propensity", "leaving_propensity")
_MULTIPLIED = ("price_sensitivity", "tolerance", "spend_level", "arrival_rate")
_SHARES = ("baseline_loyalty", "attention")
TRAITS = (*_ADDED, *_MULTIPLIED, *_SHARES)
"""Traits that may drift."""


def check_drift(drift: Mapping[str, float]) -> None:
    """Refuse traits that nobody has.

    Raises:
        PolicyError: For the first of them.
    """
    for trait in drift:
        if trait not in TRAITS:
            raise PolicyError(f"drift must be of a trait, got {trait!r}{nearest(trait, TRAITS)}")


class Drift:
    """Moves everybody's traits a little after each period; for ``rollout(..., watch=...)``.

    A trait moves on its own scale: utilities and log-odds are added to, traits above 0 are
    multiplied by ``exp`` of the step, shares have it added to their log-odds. So nothing leaves its
    range, and 0 changes nothing. What changes is the hidden half; records show it later, if at all.

    Args:
        drift: The step of a period, by trait.

    Raises:
        PolicyError: If there is no such trait.
    """

    def __init__(self, drift: Mapping[str, float]) -> None:
        check_drift(drift)
        self._drift = dict(drift)

    def __call__(self, t: int, population: AnyPopulation) -> None:
        """Move the traits, unless the journeys only begin."""
        if t == 0 or not isinstance(population, Population):
            return
        for trait, step in self._drift.items():
            population.write(trait, _moved(trait, population.read(trait), step))


def _moved(trait: str, values: NDArray[np.float32], step: float) -> NDArray[np.float32]:
    if trait in _ADDED:
        return values + np.float32(step)
    if trait in _MULTIPLIED:
        return values * np.float32(np.exp(step))
    # padding of channels without attention is 0 or 1, which log-odds leave where they are
    inside = np.clip(values, 1e-6, 1.0 - 1e-6).astype(np.float64)
    moved = 1.0 / (1.0 + (1.0 - inside) / inside * np.exp(-step))
    return np.where((values <= 0.0) | (values >= 1.0), values, moved).astype(np.float32)

"""Performance profiles: how many of all runs reach how much (Agarwal et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.evaluation.statistics.typical import Floats

DRAWS = 2_000
"""Bootstrap draws behind the band."""


@dataclass(frozen=True)
class Profile:
    """Share of the runs that score more than each level; strata weigh the same.

    Attributes:
        levels: Scores, ``(n_levels,)``.
        share: Share of the runs above each, ``(n_levels,)``.
        low: Lower end of its 95 % band, level by level.
        high: Upper end.
    """

    levels: Floats
    share: Floats
    low: Floats
    high: Floats


def profile(strata: Sequence[NDArray[Any]], levels: Floats, seed: int = 0) -> Profile:
    """The performance profile of a contender over scenarios.

    The band is that of a bootstrap which draws seeds anew within each stratum. It describes; with
    few seeds it is too narrow, and no verdict is based on it.

    Args:
        strata: Scores by training seed of each scenario, ``(n,)`` each.
        levels: Scores to look at.
        seed: Of the bootstrap.
    """
    generator = np.random.default_rng(seed)
    whole = np.zeros(len(levels))
    drawn = np.zeros((DRAWS, len(levels)))
    for part in strata:
        above = (part[:, None] > levels[None]).astype(np.float64)
        counts = generator.multinomial(len(part), np.full(len(part), 1.0 / len(part)), size=DRAWS)
        whole += above.mean(axis=0) / len(strata)
        drawn += counts @ above / (len(part) * len(strata))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return Profile(levels, whole, low, high)

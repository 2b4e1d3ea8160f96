"""Less noise in what an action brought: compare the same customer with the same luck.

Some copies of a customer begin a rollout at the same place and meet the same luck, but explore each
for itself. What went well for a copy because its customer was lucky went well for its siblings too,
so what these did better than expected is taken off: a baseline that depends on luck, not on the
action, leaves the gradient as it is on average (leave-one-out baselines, Kool et al. 2019; common
random numbers, Glasserman & Yao 1992; the vine of Schulman et al. 2015).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def less_siblings(
    gains: NDArray[np.float32], ended: NDArray[np.bool_], siblings: int
) -> NDArray[np.float32]:
    """Advantages less the share of luck that siblings tell.

    Only siblings that are in the same period of the same journey are compared. How much of their
    mean is taken off is the regression of the one on the other, period by period: the longer ago
    they were the same, the less they tell.

    Args:
        gains: Advantages, ``(periods, n)``.
        ended: Whose journey ended in a period, ``(periods, n)``.
        siblings: How many in a row began the rollout as the same customer; a divisor of ``n``.

    Returns:
        ``(periods, n)``.
    """
    periods, n = gains.shape
    by_family: Any = gains.reshape(periods, n // siblings, siblings)
    journey = _journeys(ended).reshape(by_family.shape)
    together = journey[..., :, None] == journey[..., None, :]
    together &= ~np.eye(siblings, dtype=np.bool_)
    others = together.sum(axis=-1)
    mean = (together * by_family[..., None, :]).sum(axis=-1) / np.maximum(others, 1)
    agreement = (mean * by_family).sum(axis=(1, 2)) / np.maximum((mean**2).sum(axis=(1, 2)), 1e-12)
    share = np.clip(agreement, 0.0, 1.0)[:, None, None]
    return (by_family - share * mean).reshape(periods, n).astype(np.float32)


def _journeys(ended: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A number for the journey that a place is in: how many ended before, and when the last did."""
    periods = len(ended)
    when = np.where(ended, np.arange(1, periods + 1)[:, None], 0)
    last = np.maximum.accumulate(when, axis=0)
    count = np.cumsum(ended, axis=0)
    after = last * (periods + 1) + count
    return np.concatenate([np.zeros_like(after[:1]), after[:-1]])

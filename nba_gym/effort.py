"""How much a policy is given to learn from and to be tuned with, unless one says otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from nba_gym.errors import check_least

CAMPAIGN = 32_000
"""Customers of the random campaign that is learned from."""
BANDIT = 16_000
"""Customers that a bandit meets while it learns."""
TUNING = 12_000
"""Customers that a policy is tuned on."""
TRIALS = 200
"""Settings that tuning tries at most."""


@dataclass(frozen=True)
class Effort:
    """What greedy practice is given to learn from and to be tuned with.

    Raises:
        NbaGymError: If a number is less than 1.
    """

    campaign: int = CAMPAIGN
    """customers in the random campaign that practice learns from"""
    tuning: int = TUNING
    """customers on which practice is tuned"""
    trials: int = TRIALS
    """settings of practice that are tried at most; it stops earlier when nothing gets better"""

    def __post_init__(self) -> None:
        check_least(1, **vars(self))

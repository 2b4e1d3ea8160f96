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
    """customers of the random campaign that is learned from"""
    tuning: int = TUNING
    """customers that policies are tuned on"""
    trials: int = TRIALS
    """settings that tuning tries at most; it stops earlier when nothing gets better"""

    def __post_init__(self) -> None:
        check_least(1, **vars(self))


@dataclass(frozen=True)
class PolicyEffort(Effort):
    """What any policy that is asked for by name is given to learn from and to be tuned with.

    Raises:
        NbaGymError: If a number is less than 1.
    """

    bandit: int = BANDIT
    """customers that a bandit meets while it learns"""

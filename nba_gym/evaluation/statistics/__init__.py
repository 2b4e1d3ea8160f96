"""Statistics of studies: the training seed is the unit, and customers are paired."""

from nba_gym.evaluation.statistics.answers import Answer, Overall, answers, as_table, overall
from nba_gym.evaluation.statistics.groups import audit, by_persona
from nba_gym.evaluation.statistics.power import customers_for, power, seeds_for
from nba_gym.evaluation.statistics.profiles import Profile, profile
from nba_gym.evaluation.statistics.testing import gap, holm, improvement, permutation_p
from nba_gym.evaluation.statistics.typical import (
    Estimate,
    interquartile_mean,
    over_customers,
    typical,
    with_customers,
)

__all__ = [
    "Answer",
    "Estimate",
    "Overall",
    "Profile",
    "answers",
    "as_table",
    "audit",
    "by_persona",
    "customers_for",
    "gap",
    "holm",
    "improvement",
    "interquartile_mean",
    "over_customers",
    "overall",
    "permutation_p",
    "power",
    "profile",
    "seeds_for",
    "typical",
    "with_customers",
]

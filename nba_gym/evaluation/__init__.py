"""Fair comparisons: every policy meets the same customers and the same luck."""

from nba_gym.evaluation.compare import Comparison, compare
from nba_gym.evaluation.rollout import Rollout, log_campaign, record_journeys, rollout
from nba_gym.evaluation.tuning import learn_practice, tune_practice

__all__ = [
    "Comparison",
    "Rollout",
    "compare",
    "learn_practice",
    "log_campaign",
    "record_journeys",
    "rollout",
    "tune_practice",
]

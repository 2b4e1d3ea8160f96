"""Learners as small as they come."""

from typing import Any

from stable_baselines3.common.logger import Logger

from agents.algorithms import build
from nba_gym.records.features import feature_table
from nba_gym.scenario.load import load_scenario
from tests.agents.kills import small

SCENARIO = load_scenario("retail")
N_RECORDS = len(feature_table(SCENARIO))


def built(name: str, seed: int = 3, world: Any = SCENARIO, **changes: Any) -> Any:
    """A learner before training, whose customers have begun."""
    learner = build(world, small(name).with_changes(**changes), seed=seed)
    learner.model.set_logger(Logger(None, []))
    learner.model._setup_learn(1_000, None)
    return learner

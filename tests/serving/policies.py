"""Policy folders to serve in tests: a random linear policy, written and verified like any other."""

from pathlib import Path
from typing import Any

import numpy as np

from nba_gym.export import write_folder
from nba_gym.export.draft import Draft
from nba_gym.policies import UniformRandom
from nba_gym.records.features import feature_table
from nba_gym.scenario.schema import Scenario
from nba_gym.serving.contents import FORBIDDEN


class Linear:
    """Scores that are linear in the features, with random weights."""

    scores_are = "random numbers"

    def __init__(self, scenario: Scenario, seed: int) -> None:
        generator = np.random.default_rng(seed)
        size = len(feature_table(scenario)), scenario.n_actions
        self.weights = generator.normal(size=size).astype(np.float32)
        self.bias = generator.normal(size=size[1]).astype(np.float32)
        self.training: dict[str, Any] = {"algorithm": "random", "seed": seed, "recipe": {}}

    @property
    def policy(self) -> UniformRandom:
        return UniformRandom()

    def draw(self, draft: Draft) -> tuple[str, str]:
        return draft.linear(draft.observations, (self.weights, self.bias)), ""

    def answer(self, observations: Any, masks: Any) -> tuple[Any, Any]:
        raw = observations @ self.weights + self.bias
        scores = np.where(masks > 0, raw, np.float32(FORBIDDEN))
        odds = np.exp(scores - scores.max(axis=1, keepdims=True)) * (masks > 0)
        return scores, odds / odds.sum(axis=1, keepdims=True)


def write_policy(scenario: Scenario, folder: Path, seed: int = 1) -> Path:
    """A policy folder of a random linear policy."""
    write_folder(Linear(scenario, seed), scenario, folder, rows=2_000, customers=100)
    return folder

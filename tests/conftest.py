"""What several tests share: a small scenario, and how Hypothesis runs."""

from pathlib import Path

import pytest
from hypothesis import settings

from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario

# Compiling takes a while at the first call, so no deadline; the same examples at every run.
settings.register_profile("nba_gym", deadline=None, derandomize=True, database=None)
settings.load_profile("nba_gym")


@pytest.fixture(scope="session")
def small_file() -> Path:
    """A scenario file that uses most kinds of settings."""
    return Path(__file__).parent / "unit" / "small.toml"


@pytest.fixture(scope="session")
def small(small_file) -> Scenario:
    return load_scenario(small_file)

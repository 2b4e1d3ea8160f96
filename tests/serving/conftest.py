"""What tests of serving share: policy folders, and services for one."""

from pathlib import Path

import pytest

from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario
from nba_gym.serving.lineup import Lineup
from nba_gym.serving.loading import load_policy
from tests.serving.policies import write_policy
from tests.serving.services import Bench
from tests.serving.written import Written, write_linear


@pytest.fixture(scope="session")
def retail() -> Scenario:
    return load_scenario("retail")


@pytest.fixture(scope="session")
def policy(tmp_path_factory, retail) -> Path:
    return write_policy(retail, tmp_path_factory.mktemp("policies") / "first", 1)


@pytest.fixture(scope="session")
def other_policy(tmp_path_factory, retail) -> Path:
    return write_policy(retail, tmp_path_factory.mktemp("policies") / "second", 2)


@pytest.fixture(scope="session")
def lineup(policy) -> Lineup:
    return Lineup(load_policy(policy)[0])


@pytest.fixture
def bench(tmp_path, retail, lineup):
    """A service without network, in a folder of its own; may be ended and begun again."""
    with Bench(tmp_path / "data", retail, lineup) as made:
        yield made


@pytest.fixture(scope="session")
def written(tmp_path_factory) -> Written:
    """A policy folder, and what it was written from."""
    return write_linear(tmp_path_factory.mktemp("written") / "policy")

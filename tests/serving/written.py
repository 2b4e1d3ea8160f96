"""A policy folder that is quick to write, and what it was written from."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.export import sample_observations, write_folder
from nba_gym.export.policies import exportable
from nba_gym.export.write import Exportable
from nba_gym.policies.arbitration import Arbitration, LinearWorth
from nba_gym.policies.limits import count_contacts
from nba_gym.records.features import feature_table
from nba_gym.scenario import Scenario, load_scenario


class Written(NamedTuple):
    """A folder, the policy and the world it is of, and some rows to ask about."""

    folder: Path
    source: Exportable
    scenario: Scenario
    observations: NDArray[np.float32]
    masks: NDArray[np.int8]


def linear_policy(scenario: Scenario, seed: int = 0) -> Arbitration:
    """A policy that is linear in the records, with coefficients by lot."""
    names = [feature.name for feature, _ in feature_table(scenario)]
    effects = np.random.default_rng(seed).normal(size=(len(names) + 1, scenario.n_actions))
    effects[:, 0] = 0.0
    worth = LinearWorth(
        effects=effects.astype(np.float32),
        costs=np.full(scenario.n_actions, 0.01, dtype=np.float32),
        kinds=tuple(action.kind for action in scenario.actions),
        contacts=count_contacts(scenario, names),
        typical=1.0,
    )
    return Arbitration(worth, threshold=0.1, cap=3, name="linear")


def write_linear(folder: Path) -> Written:
    """A folder of a policy that is linear in the records, in a short retail."""
    scenario = load_scenario("retail", ["horizon=20"])
    source = exportable(linear_policy(scenario))
    write_folder(source, scenario, folder, rows=2_000, customers=50)
    return Written(folder, source, scenario, *sample_observations(scenario, 2_000))

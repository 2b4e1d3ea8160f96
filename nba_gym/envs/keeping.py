"""The state of a batch as arrays: what must be kept to go on from the same place later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer.populate import AnyPopulation
from nba_gym.errors import DataError
from nba_gym.scenario.load import scenario_hash

Arrays = dict[str, NDArray[Any]]
_WORLD, _SIZE = "scenario", "num_envs"


def state_of(population: AnyPopulation) -> Arrays:
    """All that the rest of the journeys depends on, as copies; see ``JourneyVectorEnv.state``."""
    return {
        _WORLD: _world(population),
        _SIZE: np.array([population.n]),
        **population.memory(),
    }


def restore(population: AnyPopulation, state: Mapping[str, NDArray[Any]]) -> None:
    """Let customers go on from a state, and observe them.

    Raises:
        DataError: If the state is of another scenario, or not of as many customers.
    """
    given = state.get(_WORLD)
    if given is None or not np.array_equal(given, _world(population)):
        raise DataError(
            f"state must be of the scenario {population.scenario.name!r} as it is here, "
            "got one of another scenario"
        )
    size = state.get(_SIZE)
    if size is None or int(size[0]) != population.n:
        got = "no number" if size is None else int(size[0])
        raise DataError(f"state must be of {population.n} customers, got {got}")
    for name, here in population.memory().items():
        kept = state.get(name)
        if kept is None or kept.shape != here.shape or kept.dtype != here.dtype:
            got = "none" if kept is None else f"{kept.dtype} {kept.shape}"
            raise DataError(f"state[{name!r}] must be {here.dtype} {here.shape}, got {got}")
    population.recall(state)


def _world(population: AnyPopulation) -> NDArray[np.uint8]:
    """The hash of the scenario, as an array."""
    return np.frombuffer(scenario_hash(population.scenario).encode(), dtype=np.uint8)

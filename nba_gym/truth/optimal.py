"""The best policy of all, where it is known: worlds given as tables, and worlds enumerated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer.populate import AnyPopulation
from nba_gym.customer.tables import TabularPopulation
from nba_gym.errors import PolicyError, ScenarioError
from nba_gym.scenario.load import scenario_hash
from nba_gym.scenario.schema import Scenario
from nba_gym.scenario.tables import problem_of
from nba_gym.tabular import TabularProblem
from nba_gym.truth.enumerate import Enumeration, enumerate_world
from nba_gym.truth.privileged import Privileged
from nba_gym.truth.snapshot import snapshot_of
from nba_gym.truth.solve import Schedule, schedule


@dataclass(frozen=True, eq=False)
class Exact:
    """A world whose optimum is known.

    Attributes:
        scenario: The world.
        problem: Its tables.
        schedule: What is best there in every period and state.
        enumeration: How customers were enumerated; ``None`` where the tables were given.
    """

    scenario: Scenario
    problem: TabularProblem
    schedule: Schedule
    enumeration: Enumeration | None

    def states_of(self, population: AnyPopulation) -> NDArray[np.int64]:
        """The state each customer is in, ``(n,)``.

        Raises:
            PolicyError: If the customers are of another world.
        """
        if isinstance(population, TabularPopulation):
            return population.read("state")[:, 0].astype(np.int64)
        if self.enumeration is None:
            raise PolicyError(
                f"customers must be of the world {self.scenario.name!r}, a tabular one, "
                f"got {population.scenario.name!r}"
            )
        return self.enumeration.states_of(snapshot_of(population))


_MOST_KEPT = 4
_kept: dict[str, Exact] = {}


def has_exact(scenario: Scenario) -> bool:
    """Whether the optimum of a world can be known."""
    return scenario.tabular is not None or scenario.enumerable


def exact(scenario: Scenario) -> Exact:
    """The tables of a world and what is best in them; the last few worlds asked for are kept.

    Raises:
        ScenarioError: If the world is neither tabular nor enumerable, or has too many states.
    """
    if not has_exact(scenario):
        raise ScenarioError(
            f"enumerable must be true, or tabular given, for an exact optimum, "
            f"got neither in {scenario.name!r}"
        )
    name = scenario_hash(scenario)
    if name not in _kept:
        found = enumerate_world(scenario) if scenario.enumerable else None
        problem = problem_of(scenario) if found is None else found.problem
        best = schedule(problem, scenario.horizon)
        while len(_kept) >= _MOST_KEPT:
            _kept.pop(next(iter(_kept)))
        _kept[name] = Exact(scenario, problem, best, found)
    return _kept[name]


class OptimalPolicy(Privileged[tuple[AnyPopulation, Exact]]):
    """The best policy of all, which sees everything: the state each customer is in, and the clock.

    For worlds that are tabular or enumerable. Its value is V*, which no policy exceeds.
    """

    def __init__(self) -> None:
        super().__init__("optimal policy")

    def look(self, population: AnyPopulation) -> tuple[AnyPopulation, Exact]:
        """The customers, and what is best in their world.

        Raises:
            ScenarioError: If the optimum of their world cannot be known.
        """
        return population, exact(population.scenario)

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``."""
        population, world = self.seen
        period = population.read("tenure")[:, 0].astype(np.int64)
        period = np.minimum(period, world.scenario.horizon - 1)  # where a journey is over
        return world.schedule.policy[period, world.states_of(population)]

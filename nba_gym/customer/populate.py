"""The engine that a scenario needs."""

from __future__ import annotations

from nba_gym.customer.population import Population
from nba_gym.customer.tables import TabularPopulation
from nba_gym.scenario.schema import Scenario

AnyPopulation = Population | TabularPopulation
"""Customers of a scenario, whatever moves them."""


def populate(
    scenario: Scenario,
    n: int,
    *,
    hidden: bool = False,
    record: bool = False,
    threads: int | None = None,
) -> AnyPopulation:
    """``n`` customers of a scenario; see :class:`Population` for the arguments.

    A tabular world hides nothing, and is too small to need threads.
    """
    if scenario.tabular is not None:
        return TabularPopulation(scenario, n, record=record)
    return Population(scenario, n, hidden=hidden, record=record, threads=threads)

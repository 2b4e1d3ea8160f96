"""What every experiment in a world begins with: whom agents are compared with, tuned and kept."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from experiments.stages import Stages
from experiments.steps import Depends, learn_propensities, practice_depends, tune
from nba_gym.effort import Effort
from nba_gym.errors import PolicyError
from nba_gym.policies import GreedyPractice, Policy, PracticeModel
from nba_gym.policies.kept_models import load_model
from nba_gym.scenario import Scenario, load_scenario
from nba_gym.truth import MyopicOracle


class Ground:
    """A world with tuned practice in it, unless it is given as tables: no campaign tells of those.

    Args:
        scenario: The world.
        stages: Where stages are kept.
        sources: What runs (``what_runs``), read before anything is done.
        effort: What practice is given.

    Attributes:
        needs: Everything that practice depends on, as plain values.
    """

    def __init__(
        self, scenario: Scenario, stages: Stages, sources: Depends, effort: Effort
    ) -> None:
        self.scenario, self.stages, self.effort = scenario, stages, effort
        self.needs = practice_depends(scenario, sources, **vars(effort))

    @cached_property
    def model(self) -> PracticeModel:
        """What practice learned from the campaign; tunes if that is not done yet."""
        file = self.file.with_suffix(".npz")
        return load_model(file, self.scenario, self.effort.campaign)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Settings that tuning chose; tunes if that is not done yet."""
        return tune(
            self.scenario,
            lambda: learn_propensities(self.scenario, self.effort.campaign),
            self.stages,
            self.needs,
            tuning=self.effort.tuning,
            trials=self.effort.trials,
        )

    @property
    def file(self) -> Path:
        """The settings as ``agents.train --practice`` reads them; tunes if need be.

        Not in a world given as tables.
        """
        _ = self.settings
        return self.stages.folder / "practice" / "practice.json"

    def practice(self) -> GreedyPractice:
        """Tuned practice."""
        settings = self.settings
        return GreedyPractice(self.model, **settings)

    @property
    def is_tables(self) -> bool:
        """Whether the world is given as tables, so that there is no practice in it."""
        return self.scenario.tabular is not None

    def rival(self) -> Policy:
        """Whom agents are compared with: practice, or in tables what earns most at once."""
        return MyopicOracle() if self.is_tables else self.practice()


def load_worlds(names: tuple[str, ...], *, tables: bool = False) -> dict[str, Scenario]:
    """Scenarios by the name or file they were asked for.

    Args:
        names: Presets or TOML files.
        tables: Whether worlds given as tables will do, in which there is no practice.

    Raises:
        PolicyError: If one is given as tables and must not be, or two have the same name, so that
            their results would lie in one place.
        ScenarioError: If there is no such scenario.
    """
    worlds = {name: load_scenario(name) for name in names}
    if not worlds:
        raise PolicyError("worlds must name at least one scenario, got none")
    for name, scenario in worlds.items():
        if scenario.tabular is not None and not tables:
            raise PolicyError(f"worlds must have customers, got {name!r}, which is given as tables")
    titles = [scenario.name for scenario in worlds.values()]
    for name, scenario in worlds.items():
        if titles.count(scenario.name) > 1:
            raise PolicyError(f"worlds must differ in name, got {scenario.name!r} twice ({name})")
    return worlds

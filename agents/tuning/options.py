"""What a study is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from agents.tuning.search import Limits
from nba_gym.effort import BANDIT, CAMPAIGN, TRIALS, TUNING

SECONDS = 900.0
"""The budget if nothing is said."""


@dataclass(frozen=True)
class Arguments:
    """Tune the settings of a recipe, or of a baseline, on customers that no comparison uses."""

    scenario: Annotated[str, tyro.conf.Positional] = "retail"
    """preset name or TOML file"""
    recipe: str = "maskable_ppo"
    """what to tune: a file in agents/recipes, or a TOML file"""
    policy: str | None = None
    """tune a baseline instead, e.g. practice; see nba-gym policies"""
    seconds: float | None = None
    """budget: processor time of all workers together; 900 if neither this nor --trials is given"""
    trials: int | None = None
    """budget: settings to try"""
    workers: int = 1
    """processes that try settings side by side, one torch thread each"""
    engine: Literal["local", "ray"] = "local"
    """processes of this machine, or a Ray cluster: as many trials at a time as it has processors"""
    address: str = "auto"
    """of the Ray cluster"""
    steps: int | None = None
    """transitions that each training takes in all, imitated ones included; as the recipe says if
    it is not given"""
    train_seconds: float | None = None
    """processor time that each training takes instead; the number of steps is tuned as well then"""
    only: tuple[str, ...] = ()
    """settings to tune, instead of all that can be"""
    seed: int = 0
    """seed of the suggestions, and the first seed of training"""
    seeds: int = 1
    """training seeds that each trial is the mean of"""
    confirm: int = 2
    """further seeds with which the best is trained anew, and compared with the recipe as it is"""
    customers: int = 6_000
    """customers who judge; a baseline is tuned on them"""
    watched: int = 4_000
    """customers behind the learning curve of each training"""
    campaign: int = CAMPAIGN
    """customers of the random campaign that baselines and teachers learn from"""
    bandit: int = BANDIT
    """customers that a bandit meets while it learns"""
    tuning: int = TUNING
    """customers on which practice is tuned, for recipes that imitate it"""
    teacher_trials: int = TRIALS
    """settings of practice to try at most, for recipes that imitate it"""
    set: tuple[str, ...] = ()
    """changes to the scenario, e.g. leaving.by_loyalty=2.0"""
    out: Path | None = None
    """folder of the study; by default runs/tune-<scenario>-<recipe or policy>"""
    fresh: bool = False
    """begin anew: forget what the folder holds of a study"""
    write: bool = False
    """keep the record beside the recipes, and write the tuned values into the recipe's file"""

    @property
    def limits(self) -> Limits:
        """When the study is over."""
        seconds = SECONDS if self.seconds is None and self.trials is None else self.seconds
        return Limits(
            math.inf if self.trials is None else self.trials,
            math.inf if seconds is None else seconds,
        )

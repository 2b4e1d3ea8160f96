"""Whom a recipe imitates while it is tuned: greedy practice, tuned once for all trials."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.tuning.record import write_json
from agents.tuning.trials_on_disk import TrialsOnDisk
from nba_gym.effort import Effort
from nba_gym.evaluation.kit import Kit
from nba_gym.policies import GreedyPractice
from nba_gym.scenario.schema import Scenario


class Teacher:
    """Tuned practice: made when it is first asked for, its settings read where they are known.

    Args:
        scenario: The world.
        effort: How much it learns from.
        folder: Where its settings and trials are kept.
        say: Told what is being done.
    """

    def __init__(
        self, scenario: Scenario, effort: Effort, folder: Path, say: Callable[[str], None]
    ) -> None:
        self._path, self._made = folder / "teacher.json", None
        self._kit = Kit(
            scenario,
            **vars(effort),
            threads=1,
            say=say,
            memory=lambda name: TrialsOnDisk(folder / "teacher" / name),
        )

    @property
    def policy(self) -> GreedyPractice:
        """The policy."""
        if self._made is None and self._path.exists():
            self._made = GreedyPractice(self._kit.model, **self.record["settings"])
        elif self._made is None:
            self._made = self._kit.practice
            self._keep(self._made)
        return self._made

    @property
    def record(self) -> dict[str, Any]:
        """Its settings, and what it took to tune it."""
        if not self._path.exists():
            self._keep(self._kit.practice)
        return json.loads(self._path.read_text())

    def _keep(self, policy: GreedyPractice) -> None:
        trials = self._kit.trials_of["practice"]
        told = {
            "settings": policy.settings,
            "seconds": self._kit.spent,
            "trials": len(trials),
            "customers": sum(trial.customers for trial in trials),
        }
        write_json(self._path, told)

"""The best of many trials looks better than it is: what was found is trained anew and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.tuning.objective import Job, Outcome
from nba_gym.files import whole_file
from nba_gym.statistics import Interval, mean_interval

APART = 1_000
"""Seeds of the search are below, those of confirming from here on."""


class Confirmation:
    """Trains the recipe as it is and the best that was found with seeds that the search never used.

    Both are judged by the same customers, whom the search never used either.

    Args:
        folder: Where values are kept; what is there is not trained again.
        settings: Settings of the two, by number of the trial, the recipe as it is first.
        seeds: How many seeds.
        judges: Customers who judged in the search; as many others judge now.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[int, dict[str, Any]],
        *,
        seeds: int,
        judges: int,
    ) -> None:
        self._folder = folder / "confirmed"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._first, self._found = settings
        self._seeds = range(APART, APART + seeds)
        self._lost: set[tuple[int, int]] = set()
        block = (judges, 2 * judges)
        self.todo = [
            Job(number, changes, (seed,), block, compared=False)
            for seed in self._seeds
            for number, changes in settings.items()
            if not self._file(number, seed).exists()
        ]

    def next_job(self) -> Job | None:
        """The next training."""
        return self.todo.pop(0) if self.todo else None

    def look(self, job: Job, part: int, value: float) -> bool:
        """None is given up."""
        return True

    def finish(self, job: Job, outcome: Outcome) -> None:
        """Keep what customers were worth; nobody, where it could not be trained."""
        values = np.empty(0) if outcome.values is None else outcome.values
        self._keep(job, values, outcome.seconds)

    def lost(self, job: Job) -> None:
        """Train again, once."""
        which = job.number, job.seeds[0]
        if which in self._lost:
            self._keep(job, np.empty(0), 0.0)
        else:
            self._lost.add(which)
            self.todo.insert(0, job)

    @property
    def seconds(self) -> float:
        """What all of it took."""
        files = [
            self._file(each, seed) for seed in self._seeds for each in (self._first, self._found)
        ]
        return sum(float(np.load(file)["seconds"]) for file in files)

    def gains(self) -> tuple[Interval | None, list[float]]:
        """What was found less the recipe as it is: on average over seeds, and seed by seed.

        The interval is over customers; the seeds show how much trainings differ. There is none if
        one of what was found could not be trained.
        """
        pairs = [
            (self._values(self._found, seed), self._values(self._first, seed))
            for seed in self._seeds
        ]
        if any(len(found) != len(first) or len(found) == 0 for found, first in pairs):
            return None, []
        gains = np.array([found - first for found, first in pairs])
        return mean_interval(gains.mean(axis=0)), [float(x) for x in gains.mean(axis=1)]

    def _keep(self, job: Job, values: NDArray[np.float64], seconds: float) -> None:
        with whole_file(self._file(job.number, job.seeds[0])) as draft:
            np.savez(draft, values=values, seconds=seconds)

    def _values(self, number: int, seed: int) -> NDArray[np.float64]:
        return np.load(self._file(number, seed))["values"]

    def _file(self, number: int, seed: int) -> Path:
        return self._folder / f"{number}-{seed}.npz"

"""Which settings are tried: suggestions of Optuna, one study that can be gone on with."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from agents.recipe import Recipe
from agents.tuning.objective import LOOKS, Job, Outcome
from agents.tuning.space import Space, distributions, to_params, to_settings
from nba_gym.errors import PolicyError
from nba_gym.files import whole_file

AT_RANDOM = 8
"""Trials before suggestions follow what was learned from them (Optuna's TPE)."""
NOT_GIVEN_UP = 4
"""Trials that must have come to their end before others are given up."""
WARM_UP = 2
"""Parts of a training that each may have."""
TRIES = 2
"""How often a trial is begun that its worker died of."""


@dataclass(frozen=True)
class Limits:
    """When a study is over: at whichever comes first.

    Attributes:
        trials: Trials in all.
        seconds: Processor time of all workers together, what was learned before included. Trials
            that are under way when it is over are ended.
    """

    trials: float = math.inf
    seconds: float = math.inf


class Search:
    """Gives out settings and keeps what comes of them.

    The suggestion for trial ``k`` depends on the seed, ``k`` and the trials that are over, and on
    nothing else: who goes on gets the same suggestions as who was never interrupted, as long as
    one worker does the trials in their order.

    Args:
        study: Optuna's study.
        space: What is tuned.
        recipe: What is there to begin with: the first trial.
        folder: Where the values of customers are kept.
        limits: When it is over.
        seeds: Seed of suggestions, and how many seeds each trial trains with.
        judges: Customers who judge.
        before: Seconds that were used before the first trial.
        done: Called after each trial with what the study knows of it.
        looked: Called whenever a training was compared with others.
    """

    def __init__(
        self,
        study: Study,
        space: Space,
        recipe: Recipe,
        folder: Path,
        *,
        limits: Limits,
        seeds: tuple[int, int],
        judges: int,
        before: float = 0.0,
        done: Callable[[FrozenTrial], None] = lambda _: None,
        looked: Callable[[], None] = lambda: None,
    ) -> None:
        self.study, self.space, self.recipe = study, space, recipe
        self._folder, self._limits, self._before, self._done = folder, limits, before, done
        self._seeds, self._judges, self._looked = seeds, judges, looked
        self._parts: dict[int, int] = {}
        self._running: dict[int, tuple[Trial, float]] = {}
        study.pruner = MedianPruner(NOT_GIVEN_UP, WARM_UP, n_min_trials=NOT_GIVEN_UP)
        for trial in self.trials:
            if trial.state == TrialState.RUNNING:
                self._again(trial)
        to_come = any("first" in trial.user_attrs for trial in self._in((TrialState.WAITING,)))
        if self.first is None and not to_come:
            study.enqueue_trial(to_params(space, recipe.as_dict()), user_attrs={"first": True})

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, those that were begun again included, in their order."""
        return self.study.get_trials(deepcopy=False)

    @property
    def asked(self) -> int:
        """How many settings were suggested; who is begun again counts once."""
        return sum(
            "again_of" not in trial.user_attrs
            and trial.state != TrialState.WAITING
            and len(trial.params) == len(self.space)
            for trial in self.trials
        )

    @property
    def spent(self) -> float:
        """Processor time of all workers so far; wall time of trials that were stopped or lost."""
        over = sum(float(trial.user_attrs.get("seconds", 0.0)) for trial in self.trials)
        return self._before + over

    @property
    def share(self) -> float:
        """How much of what is allowed is used, in [0, 1]."""
        over, spent = self.asked - len(self._running), self.spent
        begun = sum(self._parts.values()) / LOOKS
        each = (spent - self._before) / over if over else 0.0
        trials, seconds = self._limits.trials, self._limits.seconds
        return min(1.0, max((over + begun) / trials, (spent + begun * each) / seconds))

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to try; what was begun is tried to its end."""
        waiting = len(self._in((TrialState.WAITING,))) > 0
        late = self.asked >= self._limits.trials or self.spent >= self._limits.seconds
        return late and not waiting

    @property
    def first(self) -> FrozenTrial | None:
        """The trial of the recipe as it is, once it came to its end."""
        over = self._in((TrialState.COMPLETE,))
        return next((trial for trial in over if "first" in trial.user_attrs), None)

    @property
    def best(self) -> FrozenTrial | None:
        """The best trial that came to its end."""
        over = self._in((TrialState.COMPLETE,))
        return max(over, key=lambda trial: float(trial.value or 0.0)) if over else None

    def next_job(self) -> Job | None:
        """Settings to try, while there are trials and time left."""
        if self.is_over:
            return None
        luck = np.random.SeedSequence([self._seeds[0], self.asked]).generate_state(1)[0]
        self.study.sampler = TPESampler(n_startup_trials=AT_RANDOM, seed=int(luck))
        trial = self.study.ask(distributions(self.space))
        self._running[trial.number] = trial, time.perf_counter()
        settings = to_settings(self.space, trial.params, self.recipe)
        first, n = self._seeds
        return Job(trial.number, settings, tuple(range(first, first + n)), (0, self._judges))

    def look(self, job: Job, part: int, value: float) -> bool:
        """Whether a training is to go on; that of the recipe as it is always does."""
        trial = self._running[job.number][0]
        trial.report(value, part)
        self._parts[job.number] = part
        self._looked()
        return "first" in trial.user_attrs or not trial.should_prune()

    def finish(self, job: Job, outcome: Outcome) -> None:
        """Keep what came of a trial.

        Raises:
            PolicyError: If the recipe cannot be trained as it is.
        """
        trial, _ = self._running.pop(job.number)
        self._parts.pop(job.number, None)
        for name in ("seconds", "transitions", "customers"):
            trial.set_user_attr(name, getattr(outcome, name))
        if outcome.values is not None:
            keep_values(values_file(self._folder, job.number), outcome.values)
            self.study.tell(trial, float(outcome.values.mean()))
        else:
            if outcome.said:
                trial.set_user_attr("said", outcome.said)
            given_up = outcome.what == "given up"
            self.study.tell(trial, state=TrialState.PRUNED if given_up else TrialState.FAIL)
        if outcome.what != "done" and "first" in trial.user_attrs:
            raise PolicyError(f"recipe must train as it is, got {outcome.said}")
        self._done(self.trials[job.number])

    def lost(self, job: Job) -> None:
        """Begin again what a worker died of."""
        trial, begun = self._running.pop(job.number)
        self._parts.pop(job.number, None)
        trial.set_user_attr("seconds", time.perf_counter() - begun)
        self._again(self.trials[job.number])
        self._done(self.trials[job.number])

    def stop(self) -> None:
        """Remember that the trials under way were stopped on purpose, which is no try of theirs."""
        for trial, begun in self._running.values():
            trial.set_user_attr("stopped", True)
            trial.set_user_attr("seconds", time.perf_counter() - begun)
        self._running.clear()

    def values(self, trial: FrozenTrial) -> NDArray[np.float64]:
        """Value of each customer who judged a trial that came to its end."""
        return np.load(values_file(self._folder, trial.number))

    def _in(self, states: tuple[TrialState, ...]) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states)

    def _again(self, trial: FrozenTrial) -> None:
        """Put a trial that nobody works on any more back in line, in which it is the first.

        First the new one, then the end of the old: whatever stops this between, nothing is lost,
        and nothing is put in line twice.
        """
        known = trial.user_attrs
        tries = int(known.get("tries", 1)) + ("stopped" not in known)
        whole = len(trial.params) == len(self.space)
        back = any(each.user_attrs.get("again_of") == trial.number for each in self.trials)
        if whole and not back and (tries <= TRIES or "first" in known):
            attributes: dict[str, Any] = {"again_of": trial.number, "tries": tries}
            attributes |= {"first": True} if "first" in known else {}
            self.study.enqueue_trial(trial.params, user_attrs=attributes)
        self.study.tell(trial.number, state=TrialState.FAIL)


def values_file(folder: Path, number: int) -> Path:
    """Where the values of the customers of a trial are kept."""
    return folder / "values" / f"{number}.npy"


def keep_values(path: Path, values: NDArray[np.float64]) -> None:
    """Write values of customers, as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        np.save(draft, values)

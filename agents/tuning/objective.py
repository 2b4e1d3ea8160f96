"""One trial: train with some settings, judge what was learned on customers of tuning."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from agents.recipe import Recipe
from agents.train import train
from nba_gym.evaluation import rollout
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import Policy
from nba_gym.scenario.schema import Scenario

LOOKS = 8
"""A training is compared with others after each such part of it, but the last."""

Look = Callable[[int, float], bool]
"""Is told how many parts are over, and the best value seen by then; answers whether to go on."""


class GivenUpError(Exception):
    """A training is not worth its end."""


@dataclass(frozen=True)
class Budget:
    """What each training may use.

    Attributes:
        steps: Transitions in all, those that are imitated or seen by the critic alone included.
        seconds: Processor time, watching not counted; where it is given, steps do not count.
    """

    steps: int
    seconds: float | None = None

    def recipe(self, recipe: Recipe) -> Recipe:
        """A recipe that uses no more than this."""
        if self.seconds is not None:
            return recipe
        shares = 1.0 + recipe.imitate + recipe.critic_alone
        return recipe.with_changes(steps=max(1, round(self.steps / shares)))

    def changed(self, recipe: Recipe, settings: dict[str, Any]) -> Recipe:
        """A recipe with settings changed: as long, and looked at as often, as without them."""
        new = recipe.with_changes(**settings)
        every = max(1, round(recipe.watch_every * recipe.of_update / new.of_update))
        return self.recipe(new.with_changes(watch_every=every))

    def share(self, steps: int, seconds: float) -> float:
        """How much of it is used."""
        return steps / self.steps if self.seconds is None else seconds / self.seconds


def in_all(recipe: Recipe) -> int:
    """Transitions that a training takes in all."""
    return round(recipe.steps * (1.0 + recipe.imitate + recipe.critic_alone))


@dataclass(frozen=True)
class Task:
    """What all trials of a study have in common.

    Attributes:
        scenario: The world.
        recipe: The recipe as it is.
        budget: What each training may use.
        teacher: Whom to imitate, where the recipe says so.
        watched: Customers behind the learning curve.
    """

    scenario: Scenario
    recipe: Recipe
    budget: Budget
    teacher: Policy | None
    watched: int


@dataclass(frozen=True)
class Job:
    """One thing to try.

    Attributes:
        number: Its number in the study.
        settings: What is changed about the recipe.
        seeds: Seeds of training, one after the other.
        customers: The first and the last but one of the customers of tuning that judge.
        compared: Whether it may be given up when others were better by then.
    """

    number: int
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    customers: tuple[int, int]
    compared: bool = True


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        what: Whether it came to its end, was not worth it, or could not be trained.
        seconds: Processor time that it took.
        transitions: Transitions learned from.
        customers: Journeys lived by customers who watched or judged.
        values: Mean over training seeds of the value of each customer who judged.
        said: Why it could not be trained, or not be trained to its end.
    """

    what: Literal["done", "given up", "failed"]
    seconds: float
    transitions: int
    customers: int
    values: NDArray[np.float64] | None = None
    said: str = ""


class _Looks:
    """Follows a training, and gives it up when told so."""

    def __init__(self, task: Task, look: Look | None, *, imitates: bool) -> None:
        self._task, self._look, self._imitates = task, look, imitates
        self._begun = time.process_time()
        self._best, self._over = -math.inf, 0
        self.steps = self.n = 0

    def tell(self, steps: int, seen: dict[str, float]) -> None:
        """Hear of a look at the watched customers."""
        seconds = time.process_time() - self._begun
        self.n, self.steps = self.n + 1, steps
        self._best = max(self._best, seen["value"])
        if self._look is None:
            return
        share = self._task.budget.share(steps, seconds)
        timed = self._task.budget.seconds is not None
        if self.n == 1 and timed and self._imitates and share >= 1.0:
            raise GivenUpError("imitation alone took all of the time")
        while self._over < min(LOOKS - 1, int(share * LOOKS)):
            self._over += 1
            if not self._look(self._over, self._best):
                raise GivenUpError


def attempt(task: Task, job: Job, look: Look) -> Outcome:
    """Train with some settings once for each seed, and judge.

    Args:
        task: What all have in common.
        job: What to try.
        look: Compares the first of the trainings with others meanwhile.
    """
    begun = time.process_time()
    recipe = task.budget.changed(task.recipe, job.settings)
    done: list[_Looks] = []
    values: list[NDArray[np.float64]] = []

    def outcome(what: Literal["done", "given up", "failed"], said: str = "") -> Outcome:
        lives = sum(each.n for each in done) * task.watched
        lives += len(values) * (job.customers[1] - job.customers[0])
        transitions, seconds = sum(each.steps for each in done), time.process_time() - begun
        mean = np.mean(values, axis=0) if what == "done" else None
        return Outcome(what, seconds, transitions, lives, mean, said)

    try:
        for seed in job.seeds:
            compared = look if job.compared and not done else None
            done.append(_Looks(task, compared, imitates=recipe.imitate > 0.0))
            values.append(_train_and_judge(task, recipe, seed, job.customers, done[-1]))
    except GivenUpError as error:
        return outcome("given up", str(error))
    except (ArithmeticError, MemoryError, RuntimeError, ValueError) as error:  # weights ran away
        return outcome("failed", f"{type(error).__name__}: {error}".splitlines()[0])
    return outcome("done")


def _train_and_judge(
    task: Task, recipe: Recipe, seed: int, customers: tuple[int, int], looks: _Looks
) -> NDArray[np.float64]:
    """Value of each customer who judges, under the policy that a training keeps."""
    with warnings.catch_warnings():  # a last minibatch that is not whole is no mistake here
        warnings.filterwarnings("ignore", "You have specified a mini-batch size", UserWarning)
        trained = train(
            task.scenario,
            recipe,
            teacher=task.teacher if recipe.imitate > 0.0 else None,
            seed=seed,
            torch_threads=1,
            watch_customers=task.watched,
            quiet=True,
            seconds=math.inf if task.budget.seconds is None else task.budget.seconds,
            tell=looks.tell,
        )
    judges = SPLIT.tuning(customers[1])[customers[0] :]
    return rollout(trained.policy, task.scenario, judges, SPLIT.seed, threads=1).value

"""A recipe tuned from its command line to its record."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from agents.checkpoint import Tree, plain
from agents.recipe import Recipe, load_recipe
from agents.train import check_teacher
from agents.tuning.confirm import Confirmation
from agents.tuning.crew import Crew, crew
from agents.tuning.feedback import Feedback, gain
from agents.tuning.journal import open_study
from agents.tuning.objective import Budget, Task, in_all
from agents.tuning.options import Arguments
from agents.tuning.record import (
    all_versions,
    beside,
    differing,
    machine,
    recipe_file,
    rows,
    today,
    write_json,
    write_recipe,
)
from agents.tuning.search import Search
from agents.tuning.space import as_plain, space_of, to_settings
from agents.tuning.teacher import Teacher
from nba_gym.effort import Effort
from nba_gym.errors import PolicyError
from nba_gym.scenario.load import scenario_hash
from nba_gym.scenario.schema import Scenario


def study_recipe(options: Arguments, scenario: Scenario, out: Path, feedback: Feedback) -> None:
    """Tune a recipe, keep the record, and say what came of it."""
    recipe = load_recipe(scenario.name, options.recipe)
    check_teacher(scenario, recipe, options.recipe)
    study = _Study(options, scenario, recipe, out, feedback)
    with ExitStack() as stack:
        study.run(stack)
    record = study.record()
    paths = [out / "study.json"]
    write_json(paths[0], record)
    feedback.table(record["trials"], study.changes)
    feedback.say(_verdict(record, scenario.currency))
    if options.write:
        paths += study.write(record)
    feedback.say(f"wrote {', '.join(str(path) for path in paths)}")


class _Study:
    """One study of a recipe.

    Args:
        options: What is asked for.
        scenario: The world.
        recipe: The recipe as it is.
        out: The folder of the study.
        feedback: What is told meanwhile.
    """

    def __init__(
        self,
        options: Arguments,
        scenario: Scenario,
        recipe: Recipe,
        out: Path,
        feedback: Feedback,
    ) -> None:
        self.options, self.scenario, self.out, self.feedback = options, scenario, out, feedback
        steps = in_all(recipe) if options.steps is None else options.steps
        self.budget = Budget(steps, options.train_seconds)
        self.recipe = recipe if options.steps is None else self.budget.recipe(recipe)
        self.space = space_of(recipe, options.only, steps=options.train_seconds is not None)
        effort = Effort(options.campaign, options.tuning, options.teacher_trials)
        self.teacher: Teacher | None = None
        if recipe.imitate > 0.0:
            self.teacher = Teacher(scenario, effort, out, feedback.say)
        self.about = plain(self._about(effort))
        self.confirmation: Confirmation | None = None

    def run(self, stack: ExitStack) -> None:
        """Search, and confirm what was found; what was done before is not done again."""
        options, crews = self.options, list[Crew]()

        def hired() -> Crew:
            if not crews:
                crews.append(stack.enter_context(self._crew()))
            return crews[0]

        study = open_study(self.out / "journal.jsonl", self.about)
        self.search = Search(
            study,
            self.space,
            self.recipe,
            self.out,
            limits=options.limits,
            seeds=(options.seed, options.seeds),
            judges=options.customers,
            before=0.0 if self.teacher is None else self.teacher.record["seconds"],
            done=self._done,
            looked=self._show,
        )
        self.feedback.begin(self.search.share)
        try:
            if not self.search.is_over:
                hired().work(self.search)
        except KeyboardInterrupt:
            self.search.stop()
            raise
        first, best = self._ends()
        if options.confirm and best.number != first.number:
            self.confirmation = Confirmation(
                self.out,
                {each.number: self._settings(each) for each in (first, best)},
                seeds=options.confirm,
                judges=options.customers,
            )
            self.feedback.doing(f"confirming trial {best.number}: {options.confirm} x 2 trainings")
            if self.confirmation.todo:
                hired().work(self.confirmation)

    @property
    def changes(self) -> dict[int, dict[str, Any]]:
        """What differs from the recipe, by number of the trial."""
        return {
            trial.number: differing(self._settings(trial), self.recipe)
            for trial in self.search.trials
            if len(trial.params) == len(self.space)
        }

    def record(self) -> Tree:
        """All that came of it, as plain values."""
        search, (first, best) = self.search, self._ends()
        trials = rows(search)
        gained = next(row.get("gain", {}) for row in trials if row["trial"] == best.number)
        tuned = gained.get("low", 0.0) > 0.0
        confirmed: Tree | None = None
        if self.confirmation is not None:
            interval, by_seed = self.confirmation.gains()
            confirmed = {
                "gain": None if interval is None else interval._asdict(),
                "by_seed": by_seed,
                "seconds": self.confirmation.seconds,
            }
            tuned = interval is not None and interval.low > 0.0
        chosen = best if tuned else first
        wanted = self.budget.changed(self.recipe, self._settings(chosen))
        limits = self.options.limits
        spent = {name: sum(row.get(name, 0) for row in trials) for name in _SUMS}
        spent |= {"trials": search.asked, "seconds": search.spent}
        record = {
            "kind": "recipe",
            **self.about,
            "finished": today(),
            "machine": machine() | {"workers": self.options.workers, "engine": self.options.engine},
            "limits": {name: value for name, value in vars(limits).items() if value < 1e18},
            "spent": spent,
            "teacher": None if self.teacher is None else self.teacher.record,
            "best": best.number,
            "confirmed": confirmed,
            "tuned": tuned,
            "chosen": wanted.as_dict(),
            "trials": trials,
        }
        return plain(record)

    def write(self, record: Tree) -> list[Path]:
        """Keep the record beside the recipes, and what was tuned in the recipe's file."""
        kept, file = (
            beside(self.options.recipe, self.scenario.name),
            recipe_file(self.options.recipe),
        )
        write_json(kept, record)
        if not record["tuned"]:
            self.feedback.say("the recipe stays as it is: nothing better was found")
            return [kept]
        values = {key: value for key, value in record["chosen"].items() if key != "algorithm"}
        values = {key: tuple(x) if isinstance(x, list) else x for key, x in values.items()}
        note = f"tuned {record['finished']}: studies/{kept.name}"
        wanted = self.recipe.with_changes(**values)
        changed = write_recipe(file, self.scenario.name, wanted, note)
        self.feedback.say(f"table [{self.scenario.name}] of {file.name}: {', '.join(changed)}")
        return [kept, file]

    def _about(self, effort: Effort) -> Tree:
        options = self.options
        return {
            "recipe": self.recipe.as_dict(),
            "scenario": {"name": self.scenario.name, "hash": scenario_hash(self.scenario)},
            "space": as_plain(self.space),
            "budget": vars(self.budget),
            "seed": options.seed,
            "seeds": options.seeds,
            "customers": options.customers,
            "watched": options.watched,
            "practice": vars(effort) if self.recipe.imitate > 0.0 else None,
            "versions": all_versions(),
        }

    def _crew(self) -> AbstractContextManager[Crew]:
        if self.options.engine == "ray":
            from agents.tuning.on_cluster import cluster_crew

            return cluster_crew(self._task(), self.options.address)
        return crew(self._task(), self.options.workers)

    def _task(self) -> Task:
        teacher = None if self.teacher is None else self.teacher.policy
        return Task(self.scenario, self.recipe, self.budget, teacher, self.options.watched)

    def _settings(self, trial: FrozenTrial) -> dict[str, Any]:
        return to_settings(self.space, trial.params, self.recipe)

    def _ends(self) -> tuple[FrozenTrial, FrozenTrial]:
        first, best = self.search.first, self.search.best
        if first is None or best is None:
            raise PolicyError("study must have a trial of the recipe as it is, got none")
        return first, best

    def _done(self, trial: FrozenTrial) -> None:
        row = next(row for row in rows(self.search) if row["trial"] == trial.number)
        self.feedback.trial(row, self.changes[trial.number])
        self._show()

    def _show(self) -> None:
        best = self.search.best
        self.feedback.show(self.search.share, None if best is None else best.value)


_SUMS = ("transitions", "customers")


def _verdict(record: Tree, currency: str) -> str:
    """What came of it, in one line."""
    spent = record["spent"]
    used = f"{spent['trials']} trials, {spent['seconds']:.0f} s of processor time"
    if record["confirmed"] is None:
        found = f"trial {record['best']}" if record["tuned"] else "nothing beyond chance"
        return f"better than the file: {found}; {used}"
    seeds = len(record["confirmed"]["by_seed"])
    better = gain(record["confirmed"])
    better = f"{better} {currency} to the file" if better else "one that could not be trained"
    kept = "" if record["tuned"] else "; so the file's values stay"
    return (
        f"best: trial {record['best']}; trained anew (seeds: {seeds}), with other customers: "
        f"{better}{kept}; {used}, {record['confirmed']['seconds']:.0f} s to confirm"
    )

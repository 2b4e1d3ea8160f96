"""Trials of tuning: what may be tried, what one is, who does it, and those of baselines."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")
pytest.importorskip("sb3_contrib")

from agents.recipe import RECIPES, load_recipe, recipe_names
from agents.train import train
from agents.tune import main
from agents.tuning import baseline
from agents.tuning.crew import Several
from agents.tuning.objective import LOOKS, Budget, Job, Outcome, Task, attempt, in_all
from agents.tuning.options import Arguments
from agents.tuning.space import SPACES, distributions, space_of, to_params, to_settings
from nba_gym.errors import PolicyError
from nba_gym.evaluation import rollout, search
from nba_gym.evaluation.split import SPLIT
from nba_gym.policies import RoundRobin
from nba_gym.scenario.load import load_scenario

SCENARIO = load_scenario("control", {"horizon": 8})
TINY = load_recipe("control", "maskable_ppo_from_scratch").with_changes(
    steps=2_048, customers=64, rollout_periods=8, batch_size=128, watch_every=1
)


# what is tuned


def test_what_is_tuned_are_settings_and_the_recipes_own_values_are_among_them():
    for algorithm, space in SPACES.items():
        assert set(space) <= {setting.name for setting in fields(RECIPES[algorithm])}
    recipes = [load_recipe("retail", name) for name in recipe_names()]
    unusual = {"customers": 100, "learning_rate": 0.5, "network": (7,), "max_grad_norm": 0}
    for recipe in [*recipes, recipes[0].with_changes(**unusual)]:
        space = space_of(recipe, steps=True)
        params = to_params(space, recipe.as_dict())
        for setting, kind in distributions(space).items():
            assert kind._contains(kind.to_internal_repr(params[setting])), (recipe, setting)
        settings = to_settings(space, params, recipe)
        assert recipe.with_changes(**settings) == recipe
        assert ("imitate" in space) == (recipe.imitate > 0.0)
        assert ("history" in space) == (recipe.history > 1)


def test_a_setting_that_cannot_be_tuned_is_refused_by_name():
    with pytest.raises(PolicyError, match="got 'epoch'; did you mean 'epochs'"):
        space_of(TINY, ("epoch",))
    with pytest.raises(PolicyError, match=r"settings that can be tuned .* got 'imitate'"):
        space_of(TINY, ("imitate",))


def test_every_training_of_a_study_is_as_long_and_as_often_looked_at():
    recipe, budget = load_recipe("retail"), Budget(6_500_000)
    assert in_all(recipe) == 6_500_000
    assert budget.changed(recipe, {}) == recipe
    changed = budget.changed(recipe, {"imitate": 0.1, "critic_alone": 0.4, "customers": 1024})
    assert in_all(changed) == pytest.approx(6_500_000, abs=2)
    assert changed.steps == round(6_500_000 / 1.5)
    assert changed.watch_every == 4 * recipe.watch_every


# real trainings


TASK = Task(SCENARIO, TINY, Budget(in_all(TINY)), None, 20)


def test_a_trial_is_judged_by_customers_of_tuning_under_what_training_keeps():
    told: list[int] = []
    job = Job(3, {"epochs": 2}, (5, 6), (10, 40))
    done = attempt(TASK, job, lambda part, value: told.append(part) or True)
    values = [
        rollout(
            train(
                SCENARIO,
                TINY.with_changes(epochs=2),
                seed=seed,
                watch_customers=20,
                quiet=True,
            ).policy,
            SCENARIO,
            SPLIT.tuning(40)[10:],
            SPLIT.seed,
        ).value
        for seed in (5, 6)
    ]
    assert done.what == "done"
    assert done.values is not None
    np.testing.assert_array_equal(done.values, np.mean(values, axis=0))
    assert told == list(range(1, LOOKS))  # of the first seed only
    assert done.transitions == 2 * 2_048
    stopped = attempt(TASK, job, lambda part, value: part < 3)
    assert (stopped.what, stopped.values) == ("given up", None)
    assert stopped.transitions == 3 * 2_048 // LOOKS + 256


def test_weights_that_run_away_are_a_failed_trial_and_time_ends_a_training():
    job = Job(1, {"learning_rate": 1e9}, (0,), (0, 10))
    failed = attempt(TASK, job, lambda part, value: True)
    assert failed.what == "failed"
    assert failed.said.startswith("PolicyError: learning_rate must be one with which")
    short = replace(TASK, recipe=TINY.with_changes(steps=200_000), budget=Budget(1, 0.2))
    done = attempt(short, Job(1, {}, (0,), (0, 10)), lambda part, value: True)
    assert done.what == "done"
    assert 0 < done.transitions < 100_000


def test_an_imitation_that_takes_all_of_the_time_is_no_training():
    recipe = load_recipe("control").with_changes(
        steps=2_048, customers=64, rollout_periods=8, batch_size=128, imitate=0.5
    )
    teaching = replace(TASK, recipe=recipe, budget=Budget(1, 1e-6), teacher=RoundRobin())
    done = attempt(teaching, Job(1, {}, (0,), (0, 10)), lambda part, value: True)
    assert (done.what, done.said) == ("given up", "imitation alone took all of the time")


class Killer:
    """Gives out one job, and kills the worker at the first look."""

    def __init__(self, jobs: list[Job]) -> None:
        self.jobs, self.outcomes = jobs, list[Outcome]()
        self.crew: Any = None
        self.died: list[int] = []

    def next_job(self) -> Job | None:
        return self.jobs.pop() if self.jobs else None

    def look(self, job: Job, part: int, value: float) -> bool:
        if not self.died:
            self.died.append(self.crew._workers[0].process.pid)
            os.kill(self.died[0], signal.SIGKILL)
        return True

    def finish(self, job: Job, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def lost(self, job: Job) -> None:
        self.jobs.append(job)


def test_a_worker_that_dies_is_replaced_and_does_the_same():
    job = Job(0, {}, (0,), (0, 30))
    desk = Killer([job])
    desk.crew = Several(TASK, 1)
    try:
        desk.crew.work(desk)
    finally:
        desk.crew.end()
    assert len(desk.died) == len(desk.outcomes) == 1
    here = attempt(TASK, job, lambda part, value: True)
    np.testing.assert_array_equal(np.asarray(desk.outcomes[0].values), np.asarray(here.values))


# baselines


def test_a_baseline_is_tuned_by_the_same_command_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("agents.tuning.record.FOLDER", tmp_path)
    asked = Arguments(
        "control", policy="propensity", campaign=500, customers=40, trials=4, out=tmp_path
    )
    main(asked)
    assert not (tmp_path / "studies").exists()
    record = json.loads((tmp_path / "study.json").read_text())
    trials = record["searches"]["propensity"]["trials"]
    assert len(trials) == record["spent"]["trials"] == 4
    best = max(trials, key=lambda row: row["value"])
    assert record["chosen"] == best["settings"]
    assert record["value"]["mean"] == pytest.approx(best["value"])
    assert record["spent"]["customers"] == sum(row["customers"] for row in trials)
    assert record["spent"]["seconds"] > sum(row["seconds"] for row in trials) > 0.0

    def no_more(*_: Any, **__: Any) -> None:
        raise AssertionError("a trial that is remembered was lived again")

    monkeypatch.setattr(search, "rollout", no_more)
    main(replace(asked, write=True))
    again = json.loads((tmp_path / "studies" / "propensity-control.json").read_text())
    assert again["searches"] == record["searches"]
    with pytest.raises(PolicyError, match=r"study must be this one.*budget\.trials \(4, not 5\)"):
        main(replace(asked, trials=5))


def test_trials_on_disk_are_what_was_put_there(tmp_path):
    kept = baseline.TrialsOnDisk(tmp_path)
    lived = search.Lived(np.array([1.0, 2.5]), 0.25)
    kept["{'cap': 1}"] = lived
    (key,) = kept
    assert key == "{'cap': 1}"
    np.testing.assert_array_equal(kept[key].values, lived.values)
    assert (kept[key].seconds, len(kept), "{'cap': 2}" in kept) == (0.25, 1, False)
    del kept[key]
    assert len(kept) == 0

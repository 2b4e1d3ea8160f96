"""Tuning: what is tried, what is kept, and that whoever goes on tries the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")
pytest.importorskip("sb3_contrib")

from agents.files import only_one
from agents.recipe import FOLDER, load_recipe
from agents.tune import main
from agents.tuning import crew
from agents.tuning.objective import LOOKS, Job, Outcome, Task
from agents.tuning.options import Arguments
from agents.tuning.search import AT_RANDOM
from nba_gym.errors import PolicyError
from nba_gym.policies import RoundRobin

ASKED = Arguments(
    "control", trials=12, confirm=0, customers=40, only=("learning_rate", "epochs", "network")
)


class Killed(BaseException):
    """As if the process had been killed: nothing has time to tidy up."""


class NoTeacher:
    """In the place of tuned practice."""

    policy = RoundRobin()
    record: dict[str, Any] = {"settings": {}, "seconds": 0.0}  # noqa: RUF012

    def __init__(self, *_: Any) -> None: ...


@pytest.fixture(autouse=True)
def _no_teacher(monkeypatch):
    monkeypatch.setattr("agents.tuning.of_recipes.Teacher", NoTeacher)


class Trainings:
    """In the place of trainings: the best learning rate is 3e-3, and luck is that of the seed.

    Args:
        ends: What ends the process, by how many trainings were begun before.
        lucky: What seeds of the search add to anything but the first trial.
    """

    def __init__(self, ends: dict[int, BaseException] | None = None, lucky: float = 0.0) -> None:
        self.begun: list[Job] = []
        self.ends, self.lucky = ends or {}, lucky

    def __call__(self, task: Task, job: Job, look: Any) -> Outcome:
        self.begun.append(job)
        end = self.ends.get(len(self.begun) - 1)
        if end is not None:
            raise end
        rate = task.recipe.with_changes(**job.settings).learning_rate
        worth = 10.0 - abs(np.log(rate / 3e-3)) if not self.lucky else 10.0
        worth += self.lucky * (job.seeds[0] < 100 and rate != task.recipe.learning_rate)
        for part in range(1, LOOKS):
            if job.compared and not look(part, worth * part / LOOKS):
                return Outcome("given up", 0.5, 10 * part, 0)
        n = job.customers[1] - job.customers[0]
        luck = np.random.default_rng(job.seeds[0]).normal(0.0, 1.0, n)
        return Outcome("done", 1.0, 80, n, worth + luck)


def tuned(monkeypatch: Any, asked: Arguments, trainings: Trainings | None = None) -> dict[str, Any]:
    """The record of a study whose trainings are not real."""
    monkeypatch.setattr(crew, "attempt", trainings or Trainings())
    main(asked)
    return json.loads((Path(asked.out or "") / "study.json").read_text())


def lived(record: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What was tried to its end or given up, in the order of the suggestions."""
    rows = [row for row in record["trials"] if row["state"] in ("done", "given up")]
    return [(row["settings"], row["state"], row.get("value"), row["looks"]) for row in rows]


def test_the_first_trial_is_the_recipe_as_it_is(tmp_path, monkeypatch):
    trainings = Trainings()
    record = tuned(monkeypatch, replace(ASKED, out=tmp_path), trainings)
    now = load_recipe("control").as_dict()
    assert trainings.begun[0].settings == {
        name: now[name] for name in ("learning_rate", "epochs", "network")
    }
    assert record["trials"][0]["first"]
    assert len(record["trials"]) == len(trainings.begun) == 12
    # so nothing that a study keeps is worse, by its own measure
    over = [row for row in record["trials"] if row["state"] == "done"]
    best = max(over, key=lambda row: row["value"]["mean"])
    assert best["trial"] == record["best"]
    assert best["value"]["mean"] >= over[0]["value"]["mean"]
    assert best["gain"]["mean"] == pytest.approx(best["value"]["mean"] - over[0]["value"]["mean"])
    assert best["gain"]["high"] - best["gain"]["low"] < 1e-9  # the same customers, the same luck


def test_who_was_stopped_or_killed_goes_on_to_the_same_suggestions(tmp_path, monkeypatch):
    wanted = tuned(monkeypatch, replace(ASKED, out=tmp_path / "whole"))
    asked = replace(ASKED, out=tmp_path / "parts")
    stop = KeyboardInterrupt()
    for begun, end in ((2, stop), (0, stop), (0, Killed()), (AT_RANDOM - 1, Killed())):
        with pytest.raises(type(end)):
            tuned(monkeypatch, asked, Trainings({begun: end}))
    record = tuned(monkeypatch, asked)
    assert lived(record) == lived(wanted)
    states = [row["state"] for row in record["trials"]]
    assert (states.count("stopped"), states.count("lost")) == (2, 2)
    assert record["spent"]["trials"] == 12
    others = tuned(monkeypatch, replace(ASKED, out=tmp_path / "others", seed=1))
    assert lived(others) != lived(wanted)


def test_a_finished_study_can_be_gone_on_with_and_trains_nothing_twice(tmp_path, monkeypatch):
    asked = replace(ASKED, out=tmp_path, trials=3)
    tuned(monkeypatch, asked)
    again, more = Trainings(), Trainings()
    tuned(monkeypatch, asked, again)
    record = tuned(monkeypatch, replace(asked, trials=12), more)
    assert (len(again.begun), len(more.begun)) == (0, 9)
    whole = tuned(monkeypatch, replace(ASKED, out=tmp_path / "whole"))
    assert lived(record) == lived(whole)


def test_what_a_worker_died_of_twice_is_not_tried_a_third_time(tmp_path, monkeypatch):
    asked = replace(ASKED, out=tmp_path)
    for begun in (2, 0):
        with pytest.raises(Killed):
            tuned(monkeypatch, asked, Trainings({begun: Killed()}))
    trainings = Trainings()
    record = tuned(monkeypatch, asked, trainings)
    lost = [row["settings"] for row in record["trials"] if row["state"] == "lost"]
    assert len(lost) == 2
    assert lost[0] == lost[1]
    assert lost[0] not in json.loads(json.dumps([job.settings for job in trainings.begun]))
    assert record["spent"]["trials"] == 12


def test_half_a_line_and_a_lock_that_a_killed_process_left_do_no_harm(tmp_path, monkeypatch):
    asked = replace(ASKED, out=tmp_path, trials=3)
    tuned(monkeypatch, asked)
    with (tmp_path / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"op_code":4,"work')
    (tmp_path / "journal.jsonl.lock").touch()
    assert len(tuned(monkeypatch, replace(asked, trials=4))["trials"]) == 4
    (tmp_path / "journal.jsonl").write_text("anything\n")
    with pytest.raises(PolicyError, match=r"journal must be one of Optuna's, got .*journal"):
        main(asked)


def test_what_is_worse_than_others_halfway_is_given_up_and_recorded(tmp_path, monkeypatch):
    record = tuned(monkeypatch, replace(ASKED, out=tmp_path, trials=16))
    given_up = [row for row in record["trials"] if row["state"] == "given up"]
    assert len(given_up) > 0
    over = [row for row in record["trials"] if row["state"] == "done"]
    for row in given_up:
        assert len(row["looks"]) >= 2  # each may warm up
        part = max(row["looks"], key=int)
        before = [each["looks"][part] for each in over if each["trial"] < row["trial"]]
        assert row["looks"][part] < np.median(before)
        assert "value" not in row
    assert record["spent"]["seconds"] == len(over) + 0.5 * len(given_up)


def test_a_study_is_over_when_its_processor_time_is_used_up(tmp_path, monkeypatch):
    asked = replace(ASKED, out=tmp_path, seconds=2.5)
    assert len(tuned(monkeypatch, asked)["trials"]) == 3  # a second each; the last one is ended


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 100_000}, r"budget.steps \(6500000, not 100000\)"),
        ({"seed": 1}, r"seed \(0, not 1\)"),
        ({"only": ("epochs",)}, r"space\.learning_rate"),
        ({"set": ("horizon=9",)}, r"scenario\.hash \(\w+, not \w+\)"),
        ({"recipe": "a2c"}, r"recipe\.algorithm \(maskable_ppo, not a2c\)"),
    ],
    ids=["steps", "seed", "space", "scenario", "recipe"],
)
def test_another_study_is_refused_by_what_differs(change, message, tmp_path, monkeypatch):
    asked = replace(ASKED, out=tmp_path, trials=1, only=("learning_rate",))
    tuned(monkeypatch, asked)
    with pytest.raises(PolicyError, match=rf"study must be this one to go on.*{message}"):
        main(replace(asked, **change))
    assert len(tuned(monkeypatch, replace(asked, fresh=True, **change))["trials"]) == 1
    with (
        only_one(tmp_path, "study"),
        pytest.raises(PolicyError, match="one process, got another one"),
    ):
        main(asked)


@pytest.fixture
def mine(tmp_path) -> Path:
    """A recipe of one's own, whose learning rate is not the best of ``Trainings``."""
    path = tmp_path / "mine.toml"
    text = (FOLDER / "maskable_ppo_from_scratch.toml").read_text()
    slower = text.replace("learning_rate = 3e-3", "learning_rate = 1e-3")
    assert slower != text
    path.write_text(slower)
    return path


def test_what_was_tuned_is_written_and_the_rest_of_the_file_stays(mine, tmp_path, monkeypatch):
    before = mine.read_text()
    asked = replace(ASKED, recipe=str(mine), out=tmp_path, confirm=2)
    assert tuned(monkeypatch, asked)["tuned"]
    assert mine.read_text() == before  # not asked for yet
    record = tuned(monkeypatch, replace(asked, write=True))
    assert load_recipe("control", str(mine)) == load_recipe("retail", str(mine)).with_changes(
        **{
            k: tuple(v) if isinstance(v, list) else v
            for k, v in record["chosen"].items()
            if k != "algorithm"
        }
    )
    assert load_recipe("control", str(mine)).learning_rate != load_recipe("retail").learning_rate
    now = mine.read_text().splitlines()
    assert [line for line in before.splitlines() if line not in now] == ["[control]"]
    assert f"[control] # tuned {record['finished']}: studies/mine-control.json" in now
    assert json.loads((tmp_path / "studies" / "mine-control.json").read_text()) == record
    new = replace(asked, scenario="catalogues", out=tmp_path / "new", write=True)
    tuned(monkeypatch, new)  # a scenario that had no table
    assert load_recipe("catalogues", str(mine)) != load_recipe("retail", str(mine))


def test_what_only_luck_made_best_is_found_out_and_not_written(mine, tmp_path, monkeypatch):
    before = mine.read_text()
    asked = replace(ASKED, recipe=str(mine), out=tmp_path, confirm=2, write=True)
    record = tuned(monkeypatch, asked, Trainings(lucky=5.0))
    assert record["best"] != 0
    assert record["confirmed"]["gain"]["mean"] == 0.0
    assert not record["tuned"]
    assert mine.read_text() == before
    assert record["chosen"]["learning_rate"] == load_recipe("control", str(mine)).learning_rate
    assert (tmp_path / "studies" / "mine-control.json").exists()


def test_confirming_goes_on_where_it_was(mine, tmp_path, monkeypatch):
    asked = replace(ASKED, recipe=str(mine), out=tmp_path, confirm=3)
    with pytest.raises(KeyboardInterrupt):
        tuned(monkeypatch, asked, Trainings({12 + 4: KeyboardInterrupt()}))
    trainings = Trainings()
    record = tuned(monkeypatch, asked, trainings)
    assert len(trainings.begun) == 2
    assert {job.customers for job in trainings.begun} == {(40, 80)}  # the search had those before
    assert len(record["confirmed"]["by_seed"]) == 3


def test_a_search_does_not_use_the_seeds_of_confirming(tmp_path):
    with pytest.raises(PolicyError, match="seed must be at most 998, for those from 1000 on"):
        main(replace(ASKED, out=tmp_path, seed=999, seeds=2))


def test_a_changed_world_is_not_written_as_the_one_that_ships(tmp_path):
    with pytest.raises(PolicyError, match=r"write must not be asked for .* changed 'control'"):
        main(replace(ASKED, set=("horizon=9",), out=tmp_path, write=True))
    with pytest.raises(PolicyError, match="train_seconds must not be given beside steps"):
        main(replace(ASKED, out=tmp_path, steps=100, train_seconds=1.0))
    with pytest.raises(PolicyError, match=r"workers must be 1 for a policy, .* got 2"):
        main(replace(ASKED, policy="practice", out=tmp_path, workers=2))
    with pytest.raises(PolicyError, match="policy must have something to tune, got 'oracle'"):
        main(replace(ASKED, policy="oracle", out=tmp_path))


def test_a_recipe_that_cannot_be_trained_as_it_is_ends_the_study(tmp_path, monkeypatch):
    def fails(task: Task, job: Job, look: Any) -> Outcome:
        return Outcome("failed", 1.0, 0, 0, said="ValueError: not a number")

    monkeypatch.setattr(crew, "attempt", fails)
    with pytest.raises(PolicyError, match="recipe must train as it is, got ValueError: not a"):
        main(replace(ASKED, out=tmp_path))
    trainings = Trainings()
    tuned(monkeypatch, replace(ASKED, out=tmp_path, trials=3), trainings)  # once that is mended
    assert trainings.begun[0].settings["learning_rate"] == load_recipe("control").learning_rate

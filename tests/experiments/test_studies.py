"""Studies: strict files, cells that are run once and kept, and the same bits whoever ran them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

pytest.importorskip("sb3_contrib")

from agents.files import only_one
from agents.weights import load_policy
from experiments import run as command
from experiments import stages
from experiments.engine.engines import FailedError
from experiments.engine.load import find_study, load_study, study_names
from experiments.engine.local import LocalEngine
from experiments.engine.plan import Task, plan
from experiments.engine.schedule import MADE, Progress, Store, run_plan, to_do
from experiments.engine.work import WEIGHTS
from experiments.processes import ROOT
from nba_gym.errors import DataError, NbaGymError
from nba_gym.evaluation.results import load_results
from nba_gym.evaluation.split import SPLIT
from nba_gym.evaluation.statistics import answers, as_table
from tests.experiments.tiny import SOURCES, STUDY, Here, Nobody, arrays, planned, run

EACH_KIND = """
[[variations]]
name = "as_it_is"
[[variations]]
name = "known"
world.set = { discount = 0.9 }
[[variations]]
name = "met"
acting.scale = { "offers persuade" = 0.5 }
[[variations]]
name = "less"
world.off = ["season"]
contenders = ["wait", "practice"]
[[variations]]
name = "drift"
acting.drift = { price_sensitivity = 0.05 }
[[variations]]
name = "new_offers"
learning.without = ["sms_*"]
[[variations]]
name = "budget"
effort = { campaign = 100 }
recipe = { steps = 4_096, rollout_periods = 13 }
[[variations]]
name = "not_here"
world.off = ["one need wakes another"]
"""
REWARDED = """
[agents.clicks]
recipe = "maskable_ppo_from_scratch"
reward = { responses = 1.0, loyalty = 1.0 }
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study that was run, with one seed, and the engine that ran it."""
    folder, engine = tmp_path_factory.mktemp("study"), Here()
    made = planned(folder, STUDY + REWARDED + EACH_KIND, "seeds=1")
    run(made, folder / "runs", engine)
    about = {"baseline": ["practice"], "cells": made.cells, "worlds": made.worlds}
    about |= {"contenders": made.contenders}
    (folder / "runs" / "study.json").write_text(json.dumps(about))
    return made, folder / "runs", engine


def test_a_study_runs_every_kind_of_variation(finished):
    made, folder, engine = finished
    results = load_results(folder)
    assert len(results.records) == len(made.cells) == 6 * 7 - 6 + 2
    assert len(engine.done) == len(set(engine.done)) == len(made.tasks)
    value = {(r["variation"], r["contender"]): r["value"] for r in results.rows.to_dicts()}
    for variation in ("known", "met", "less", "drift"):
        assert value[variation, "practice"] != value["as_it_is", "practice"]
        # who never makes an offer meets no difference in what offers or prices do
        alike = value[variation, "wait"] == value["as_it_is", "wait"]
        assert alike == (variation in ("met", "drift"))
    assert value["new_offers", "wait"] == value["as_it_is", "wait"]
    left = {(told["variation"], told["why"]) for told in made.left_out}
    assert ("not_here", "'one need wakes another' is off in control") in left


def test_only_an_agent_that_is_to_see_everything_does(finished):
    made, folder, _ = finished
    seen: dict[str, str] = {}
    for agent in ("ppo", "twin"):
        [trained] = made.tasks[f"control--as_it_is--{agent}--0"].needs
        seen[agent] = load_policy(folder / MADE / trained / WEIGHTS).observe
    assert seen == {"ppo": "records", "twin": "everything"}


def test_what_is_met_unprepared_is_not_learned_again(finished):
    made, _, _ = finished
    needs = {name: made.tasks[name].needs for name in made.cells}
    same = needs["control--as_it_is--ppo--0"]
    assert needs["control--met--ppo--0"] == needs["control--drift--ppo--0"] == same
    for variation in ("known", "new_offers", "budget"):
        assert needs[f"control--{variation}--ppo--0"] != same


def test_each_seed_trains_an_agent_of_its_own_in_a_world_of_its_own(tmp_path):
    made = planned(tmp_path, STUDY, "seeds=3", "policies=['practice']")
    trainings = [task for task in made.tasks.values() if task.kind == "training"]
    for agent in ("ppo", "twin"):
        seeds = [task.arguments["seed"] for task in trainings if f"--{agent}--" in task.name]
        assert seeds == [0, 1, 2]
        cells = [f"control--as_it_is--{agent}--{seed}" for seed in seeds]
        assert len({made.tasks[cell].needs for cell in cells}) == 3


def test_new_offers_are_not_chosen_by_who_did_not_learn_them(finished):
    _, folder, _ = finished
    results = load_results(folder)
    for who, some in (("practice", False), ("oracle", True)):
        cell = f"control--new_offers--{who}--0"
        names = results.world(cell)["actions"]
        sms = [i for i, name in enumerate(names) if name.startswith("sms_")]
        assert sms
        assert bool(results.periods(cell)["actions"][:, sms].any()) == some


def test_all_meet_the_same_customers_whom_nobody_has_learned_from(finished):
    _, folder, _ = finished
    results = load_results(folder)
    for name in results.records:
        np.testing.assert_array_equal(results.customers(name)["customer"], SPLIT.reporting(60))


def test_every_number_is_that_of_its_cell(finished):
    _, folder, _ = finished
    results = load_results(folder)
    table = pl.read_parquet(results.save_rows())
    for row in table.to_dicts():
        customers = results.customers(row["id"])
        assert row["value"] == customers["value"].mean()
        assert row["contacts"] == customers["contacts"].mean()
        lines = sum(row[line] for line in ("margin", "discounts", "contact_cost", "service_cost"))
        assert row["value"] == pytest.approx(lines)
        periods = results.periods(row["id"])
        assert periods["contacts"].sum() == pytest.approx(row["contacts"])
        assert periods["season_contacts"].sum() / 60 == pytest.approx(row["contacts"])
        assert periods["purchases"].sum() == pytest.approx(row["purchases"])
    found = as_table(answers(results)).filter(pl.col("contender") == "wait")
    for row in found.to_dicts():
        one, base = (f"control--{row['variation']}--{who}--0" for who in ("wait", "practice"))
        assert row["gain"] == pytest.approx(float(results.paired(one, base).mean()))


def test_a_finished_cell_is_never_run_again(finished):
    made, folder, _ = finished
    assert to_do(made, Store(folder)) == []
    run(made, folder, Nobody())


def test_a_lost_cell_alone_is_run_again_and_comes_to_the_same_bits(finished, tmp_path):
    made, folder, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "cells" / "control--met--ppo--0")
    engine = Here()
    run(made, copy, engine)
    assert engine.done == ["control--met--ppo--0"]
    assert arrays(copy) == arrays(folder)


def test_what_cells_were_made_from_need_not_be_kept(finished, tmp_path):
    made, folder, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "made")
    assert to_do(made, Store(copy)) == []


def test_cells_are_run_anew_once_what_they_depend_on_has_changed(finished, tmp_path):
    _, folder, _ = finished
    changed = planned(tmp_path, STUDY + REWARDED + EACH_KIND, "seeds=1", "customers=61")
    assert {task.kind for task in to_do(changed, Store(folder))} == {"cell"}
    other = planned(tmp_path, STUDY + REWARDED + EACH_KIND, "seeds=1", "effort.trials=3")
    again = {task.name for task in to_do(other, Store(folder))}
    assert "control--as_it_is--practice--0" in again
    assert "control--as_it_is--wait--0" not in again


def test_an_interrupted_study_loses_one_task_and_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(STUDY)
    monkeypatch.setattr(command, "what_counts", lambda: SOURCES)
    engine = Here(stop_at=3)
    monkeypatch.setattr(command, "_engine", lambda _: engine)
    changes = ("seeds=1", "customers=20")
    arguments = command.Arguments("tiny.toml", set=changes, smoke=True, name="tiny")
    with pytest.raises(SystemExit, match="130"):
        command.main(arguments)
    assert engine.closed
    assert "the same command goes on" in capsys.readouterr().out
    assert json.loads(Path("runs/tiny/study.json").read_text())["finished"] is False
    before, engine = engine.done, Here()
    command.main(arguments)
    assert len(before) == 3
    assert not set(before) & set(engine.done)
    about = json.loads(Path("runs/tiny/study.json").read_text())
    assert about["finished"] is True
    assert about["provenance"]["machine"]["cores"]
    assert "underpowered" in capsys.readouterr().out
    assert pl.read_parquet("runs/tiny/answers.parquet").height == 4
    command.main(replace(arguments, plan=True, fresh=True))
    assert "to do: 5 of kind cell" in capsys.readouterr().out
    assert len(list(Path("runs/tiny/cells").iterdir())) == 5
    # interrupted with other settings, what was finished with the earlier ones does not count
    engine = Here(stop_at=1)
    with pytest.raises(SystemExit, match="130"):
        command.main(replace(arguments, set=("seeds=1", "customers=21")))
    results = load_results("runs/tiny")
    assert list(results.records) == [name for name in engine.done if "--" in name]
    assert len(results.records) == 1
    assert len(list(Path("runs/tiny/cells").glob("*/cell.json"))) == 5


def test_a_study_is_run_once_at_a_time(tmp_path):
    with (
        only_one(tmp_path / "runs", "study"),
        pytest.raises(NbaGymError, match="study must be worked on by one process"),
        only_one(tmp_path / "runs", "study"),
    ):
        pass
    with only_one(tmp_path / "runs", "study"):
        pass


def test_an_engine_that_was_closed_starts_nobody(tmp_path):
    engine = LocalEngine(1)
    engine.close()
    made = planned(tmp_path, STUDY, "seeds=1", "policies=['wait']", "baseline=['wait']")
    with pytest.raises(FailedError, match="workers were ended"):
        run(made, tmp_path / "runs", engine)


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_the_bits_are_those_of_one_process(tmp_path):
    made = planned(tmp_path, STUDY, "seeds=1", "agents.ppo.scenarios=['telecom']")
    run(made, tmp_path / "here")
    engine = LocalEngine(1)
    try:
        engine.kill_one()
        run(made, tmp_path / "there", engine)
    finally:
        engine.close()
    assert arrays(tmp_path / "there") == arrays(tmp_path / "here")


def test_a_task_that_cannot_be_done_is_told_and_what_is_finished_is_kept(tmp_path):
    made = planned(tmp_path, STUDY, "seeds=1", "policies=['wait', 'practice']")
    with pytest.raises(DataError, match="was to be finished"):
        run(made, tmp_path / "runs", Nobody())
    assert [path.name for path in (tmp_path / "runs").glob("*/*")] == []


def test_time_left_is_told_from_tasks_of_the_same_kind():
    progress = Progress({"training": 4, "cell": 10}, workers=2)
    assert progress.left == 0.0  # nothing is known yet
    progress.add("training", 30.0)
    progress.add("cell", 1.0)
    assert progress.left == (3 * 30.0 + 9 * 1.0) / 2


def test_a_cell_imports_nothing_that_does_not_count():
    code = "import experiments.engine.work, sys; print('\\n'.join(sys.modules))"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    names = [name.replace(".", "/") for name in told.stdout.split()]
    ours = [name for name in names if name.split("/")[0] in ("nba_gym", "agents", "experiments")]
    beside = [name for name in ours if not stages.counts(f"{name}.py")]
    assert sorted(beside) == ["experiments/engine"]  # the package, which is empty


@pytest.mark.parametrize("name", study_names())
def test_every_study_that_ships_can_be_planned(name):
    made = plan(load_study(name), SOURCES)
    small = plan(load_study(name, smoke=True), SOURCES, small=True)
    assert small.variations.keys() == made.variations.keys()
    assert len(small.cells) <= len(made.cells)
    answered = {cell.split("--")[2] for cell in made.cells}
    assert answered >= set(load_study(name).agents)


def test_a_study_is_found_by_name_and_by_file(tmp_path):
    assert find_study("ablation") == find_study("studies/ablation.toml")
    with pytest.raises(DataError, match="did you mean 'ablation'"):
        find_study("abllation")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("seed=3", "did you mean 'seeds'"),
        ("seeds=0", "seeds must be at least 1, got 0"),
        ("effort.trial=3", "did you mean 'trials'"),
        ("agents.ppo.recipes='a2c'", "did you mean 'recipe'"),
        ("agents.ppo.recipe='a2cc'", "did you mean 'a2c'"),
        ("agents.ppo.changes.step=5", "did you mean 'steps'"),
        ("agents.ppo.reward={profits=1.0}", "did you mean 'profit'"),
        ("agents.ppo.everything=true", "without imitation for a privileged agent"),
        ("policies=['practise']", "did you mean 'practice'"),
        ("baseline=['wiat']", "did you mean 'wait'"),
        ("scenarios=['contrl']", "did you mean 'control'"),
        ("scenarios=['control', 'control']", "scenarios must differ in name"),
        ("variations=[{name='a', world={of=['season']}}]", "did you mean 'off'"),
        ("variations=[{name='a', world={off=['seasons']}}]", "did you mean 'season'"),
        ("variations=[{name='a', world={set={discuont=0.5}}}]", "did you mean 'discount'"),
        ("variations=[{name='a', world={drift={tolerance=0.1}}}]", "must stand under acting"),
        ("variations=[{name='a', acting={drift={tolerence=0.1}}}]", "did you mean 'tolerance'"),
        ("variations=[{name='a', acting={scale={'contacts are noticed'=50.0}}}]", "stay within"),
        ("variations=[{name='a', scenarios=['contro']}]", "did you mean 'control'"),
        ("agents.ppo.scenarios=['contro']", "did you mean 'control'"),
        ("variations=[{name='a', recipe={stpes=52000}}]", "did you mean 'steps'"),
        ("variations=[{name='a', contenders=['wait']}]", "must hold a baseline"),
        ("variations=[]", "variations must hold at least one"),
        ("variations=[{name='a'}, {name='a'}]", "variations must differ in name"),
    ],
)
def test_a_mistake_in_a_study_is_one_line_that_names_what_was_meant(tmp_path, change, told):
    with pytest.raises(NbaGymError) as error:
        planned(tmp_path, STUDY, change)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


class Patient:
    """Three at a time, each slow, and each wanting what it needs to be there."""

    workers = 3

    def run(self, task: Task, inputs: Any, folder: Path) -> None:
        time.sleep(0.02)
        missing = [str(path) for path in inputs.values() if not path.is_dir()]
        if missing or len(inputs) != len(task.needs):
            raise FailedError(f"{task.name} was begun without {missing}")
        (folder / "done").write_text("")

    def close(self) -> None:
        pass


def test_no_task_is_begun_before_what_it_needs(tmp_path):
    made = planned(tmp_path, STUDY, "policies=['practice', 'lookahead']")
    order: list[str] = []
    run_plan(made, Store(tmp_path / "runs"), Patient(), lambda task, *_: order.append(task.name))
    assert sorted(order) == sorted(made.tasks)

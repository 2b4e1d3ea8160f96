"""Finished stages are used again if, and only if, all they depend on is unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from experiments import stages as module
from experiments.rollouts import load_comparison, save_comparison
from experiments.stages import Stages, what_runs
from nba_gym.evaluation import compare
from nba_gym.files import whole_file
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.scenario import load_scenario


class Work:
    """A stage that counts how often it is done."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.done = folder, 0
        self.lines: list[str] = []

    def __call__(self, draft: Path) -> None:
        self.done += 1
        (draft / "outcome").write_text(str(self.done))

    def keep(self, *, fresh: bool = False, **depends: object) -> str:
        stages = Stages(self.folder, fresh=fresh, say=self.lines.append)
        return (stages.keep("work", depends, self) / "outcome").read_text()


@pytest.fixture
def work(tmp_path) -> Work:
    return Work(tmp_path / "run")


def test_a_finished_stage_is_used_again_and_said_to_be(work):
    assert work.keep(seed=1, network=(64, 64)) == work.keep(seed=1, network=(64, 64)) == "1"
    assert len(work.lines) == 1
    assert work.lines[0].startswith("work: reused, finished 20")


@pytest.mark.parametrize("change", [{"seed": 2}, {"more": 0}, {"network": None}])
def test_a_stage_is_done_anew_when_anything_it_depends_on_has_changed(work, change):
    work.keep(seed=1, network=(64, 64))
    assert work.keep(**({"seed": 1, "network": (64, 64)} | change)) == "2"
    assert work.lines == [f"work: done anew, changed since: {next(iter(change))}"]


def test_what_a_stage_no_longer_depends_on_counts_as_a_change(work):
    work.keep(seed=1, customers=5)
    assert work.keep(seed=1) == "2"


def test_fresh_uses_nothing_from_before(work):
    work.keep(seed=1)
    assert work.keep(seed=1, fresh=True) == "2"
    assert work.keep(seed=1) == "2"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_a_stage_that_was_stopped_leaves_what_was_there_and_nothing_else(work, stop):
    work.keep(seed=1)

    def stopped(draft: Path) -> None:
        (draft / "outcome").write_text("half")
        raise stop

    stages = Stages(work.folder, fresh=False, say=work.lines.append)
    with pytest.raises(stop):
        stages.keep("work", {"seed": 2}, stopped)
    with pytest.raises(stop):
        stages.keep("other", {}, stopped)
    assert stages.finished == []
    assert [path.name for path in work.folder.iterdir()] == ["work"]
    assert work.keep(seed=1) == "1"


def test_what_a_killed_run_left_is_cleared_away(work):
    draft = work.folder / ".work.draft"
    draft.mkdir(parents=True)
    (draft / "outcome").write_text("half")
    assert work.keep(seed=1) == "1"
    assert [path.name for path in work.folder.iterdir()] == ["work"]


def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "report.html"
    with whole_file(path) as draft:
        draft.write_text("one")
        assert not path.exists()

    def stopped() -> None:
        with whole_file(path) as draft:
            draft.write_text("ha")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_an_edited_source_is_noticed(tmp_path, monkeypatch):
    before = what_runs()
    assert before == what_runs()
    assert {"python", "torch", "numba", "nba_gym"} <= set(before["versions"])
    for name in ("stages.py", "settings.toml"):
        (tmp_path / name).write_text("")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "stages.py"))
    seen = {what_runs()["source"]}
    for name in ("stages.py", "settings.toml", "another.py"):
        (tmp_path / name).write_text("x = 1")
        seen.add(what_runs()["source"])
    assert len(seen) == 4


def test_a_comparison_comes_back_as_it_was_saved(tmp_path):
    scenario = load_scenario("retail", ["horizon=9"])
    policies = {"no contact": NoContact(), "uniform random": UniformRandom()}
    ours = compare(policies, scenario, 40, seed=3, baseline="uniform random")
    save_comparison(ours, tmp_path)
    theirs = load_comparison(tmp_path, scenario)
    assert theirs.table.equals(ours.table)
    assert (theirs.seed, theirs.baseline) == (ours.seed, ours.baseline)
    assert theirs.provenance == ours.provenance
    for policy, run in ours.rollouts.items():
        again = vars(theirs.rollouts[policy])
        assert list(again) == list(vars(run))
        for field, value in vars(run).items():
            if isinstance(value, dict):
                assert list(again[field]) == list(value)
                pairs = [(again[field][key], array) for key, array in value.items()]
            else:
                pairs = [(again[field], value)]
            for read, array in pairs:
                assert read.dtype == array.dtype
                assert np.array_equal(read, array)

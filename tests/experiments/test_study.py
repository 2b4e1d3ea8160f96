"""``make study`` runs, goes on where it was interrupted, and refuses what cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("sb3_contrib")

from experiments import steps
from experiments.study import Arguments, main
from nba_gym.effort import Effort
from nba_gym.errors import PolicyError, ScenarioError
from tests.experiments.small import EFFORT

SMALL: dict[str, Any] = {
    "worlds": ("control",),
    "seeds": 1,
    "scratch_seeds": 1,
    "customers": 40,
    "steps": 8_192,
    "practice": EFFORT,
}


def interrupted(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_a_study_goes_on_where_it_was_interrupted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(steps, "compare", interrupted)
        with pytest.raises(SystemExit, match="130"):
            main(Arguments(**SMALL))
    assert not (tmp_path / "runs" / "study" / "study.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr(steps, "train", interrupted)
        patch.setattr(steps, "tune_practice", interrupted)
        capsys.readouterr()
        main(Arguments(**SMALL))
    assert capsys.readouterr().out.count(": reused") == 3
    rows = json.loads((tmp_path / "runs" / "study" / "study.json").read_text())
    assert {row["policy"] for row in rows} == {
        "greedy practice",
        "no contact",
        "myopic oracle (privileged)",
        "agent from practice, seed 0",
        "agent from scratch, seed 0",
    }
    assert {row["world"] for row in rows} == {"control"}


def test_what_cannot_be_studied_is_refused_before_anything_is_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = Arguments(**SMALL)
    with pytest.raises(ScenarioError, match="contrl"):
        main(replace(small, worlds=("control", "contrl")))
    with pytest.raises(PolicyError, match="trials must be at least 1, got 0"):
        Effort(trials=0)
    with pytest.raises(PolicyError, match="name must be one folder inside of runs"):
        main(replace(small, name="../elsewhere"))
    assert list(tmp_path.iterdir()) == []

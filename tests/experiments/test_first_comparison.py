"""``make run`` can be interrupted, goes on where it was, and comes to the same."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytest.importorskip("lifetimes")
pytest.importorskip("sb3_contrib")

from experiments import first_comparison, steps
from experiments.first_comparison import Arguments, main
from nba_gym.effort import Effort

ROOT = Path(__file__).parents[2]
SMALL: dict[str, Any] = {
    "customers": 60,
    "steps": 32_768,
    "practice": Effort(campaign=300, tuning=60, trials=3),
}
FLAGS = [
    text
    for name, value in (SMALL | vars(SMALL["practice"])).items()
    if name != "practice"
    for text in (f"--{name}", str(value))
]


@pytest.fixture(autouse=True)
def short_steps(monkeypatch):
    """Export and calibration are tested elsewhere; here they are only in the way."""
    monkeypatch.setattr(first_comparison, "export", partial(first_comparison.export, rows=500))
    monkeypatch.setattr(steps, "calibrate", partial(steps.calibrate, trials=2))


def table(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "comparison" / "customers.parquet")


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


@pytest.mark.slow
def test_a_run_goes_on_where_it_was_interrupted_and_comes_to_the_same(
    tmp_path, monkeypatch, capsys
):
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    main(Arguments(name="whole", **SMALL))
    with monkeypatch.context() as patch:
        patch.setattr(steps, "compare", interrupted)
        with pytest.raises(SystemExit, match="130"):
            main(Arguments(name="parts", **SMALL))
    parts = tmp_path / "runs" / "parts"
    assert "finished and kept in runs/parts/: practice, training" in capsys.readouterr().out
    assert not (parts / "comparison").exists()
    with monkeypatch.context() as patch:
        patch.setattr(steps, "train", interrupted)
        patch.setattr(steps, "tune_practice", interrupted)
        main(Arguments(name="parts", **SMALL))
        said = capsys.readouterr().out
        assert "practice: reused" in said
        assert "training: reused" in said
        patch.setattr(steps, "compare", interrupted)
        main(Arguments(name="parts", **SMALL))  # now all three are there
    assert "comparison: reused" in capsys.readouterr().out
    assert table(parts).equals(table(tmp_path / "runs" / "whole"))
    assert (parts / "report.html").is_file()
    assert (parts / "policy" / "policy.onnx").is_file()
    assert hidden(parts) == []


@pytest.mark.slow
def test_only_what_depends_on_an_argument_is_done_anew(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(Arguments(name="one", **SMALL))
    shorter = {"customers": 50, "seed": 1, "practice": replace(SMALL["practice"], trials=2)}
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"customers": 50}, {"practice", "training"}),
        ({"customers": 50, "seed": 1}, {"practice"}),
        (shorter, set()),
        (
            {"customers": 50, "seed": 1, "practice": replace(SMALL["practice"], trials=2)},
            {"practice", "training", "comparison"},
        ),
        (shorter | {"fresh": True}, set()),
    ]
    for change, reused in cases:
        capsys.readouterr()
        main(Arguments(name="one", **(SMALL | change)))
        said = capsys.readouterr().out
        assert set(re.findall(r"^(\w+): reused", said, flags=re.MULTILINE)) == reused


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of a terminal")
def test_ctrl_c_while_training_is_answered_with_how_to_go_on(tmp_path):
    code = (  # a shell that runs the tests in the background has SIGINT ignored
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "module = 'experiments.first_comparison';"
        "runpy.run_module(module, run_name='__main__', alter_sys=True)"
    )
    command = [sys.executable, "-c", code, "--name", "stopped", *FLAGS, "--steps", "6000000"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("tuning practice"):
            break
    folder = tmp_path / "runs" / "stopped"
    while process.poll() is None and not list(folder.glob("tensorboard/*/events*")):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 130, complaints
    assert "Traceback" not in complaints
    assert "finished and kept in runs/stopped/: practice" in said
    assert "the same command goes on, training at its last checkpoint" in said
    (checkpoint,) = hidden(folder)
    assert re.fullmatch(r"\.training-[0-9a-f]{12}\.checkpoint", checkpoint)
    assert sorted(path.name for path in folder.iterdir()) == [
        checkpoint,
        "practice",
        "scenario.toml",
        "tensorboard",
    ]

"""What ``nba-gym`` answers: an overview, completion in a real shell, JSON for machines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import nba_gym
from nba_gym import cli

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"card", "effects", "explore", "export", "score", "key", "decisions", "off-policy"}
"""Cards and effects take minutes; folders and logs of decisions have tests of their own."""
SILENT = {"completion", "serve"}
"""A script for a shell is no result, and a service answers for itself."""
RETENTION = "left\n1000\n869\n743\n653\n593\n551\n517\n491\n"
CALLS = {
    "scenarios": [],
    "show": ["retail", "--set", "horizon=30"],
    "schema": [],
    "features": ["retail", "--everything"],
    "journey": ["retail", "--customer", "7", "--set", "horizon=4"],
    "policies": [],
    "evaluate": ["retail", "--policies", "random", "--customers", "50", "--set", "horizon=4"],
    "simulate": ["telecom", "--customers", "50", "--periods", "3", "--out", "{folder}/simulated"],
    "calibrate": [
        "{folder}/left.csv",
        "--model",
        "sbg",
        "--survivors",
        "left",
        "--opportunity",
        "year",
        "--opportunities",
        "4",
        "--out",
        "{folder}/fitted",
    ],
}


def call(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["nba-gym", *arguments])
    cli.main()


def answer(monkeypatch, capsys, folder: Path, name: str) -> dict:
    (folder / "left.csv").write_text(RETENTION)
    given = [text.format(folder=folder) for text in CALLS[name]]
    call(monkeypatch, name, *given, "--json")
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", CALLS)
def test_every_answer_has_the_same_envelope(name, tmp_path, monkeypatch, capsys):
    told = answer(monkeypatch, capsys, tmp_path, name)
    assert list(told) == ["command", "version", "result"]
    assert told["command"] == name
    assert told["version"] == nba_gym.__version__
    assert told["result"]
    for path in told["result"].get("wrote", []) if isinstance(told["result"], dict) else []:
        assert Path(path).is_file()


def test_every_command_that_finds_something_out_can_tell_machines():
    silent = {name for name, command in cli.COMMANDS.items() if not hasattr(command, "json")}
    assert silent == SILENT
    assert set(cli.COMMANDS) == set(CALLS) | ELSEWHERE | SILENT


def test_answers_hold_what_was_asked_for(tmp_path, monkeypatch, capsys):
    names = [each["name"] for each in answer(monkeypatch, capsys, tmp_path, "scenarios")["result"]]
    assert {"retail", "telecom", "mailing"} <= set(names)
    shown = answer(monkeypatch, capsys, tmp_path, "show")["result"]
    assert shown["scenario"]["horizon"] == 30
    periods = answer(monkeypatch, capsys, tmp_path, "journey")["result"]["periods"]
    assert [each["period"] for each in periods] == [0, 1, 2, 3]
    rows = answer(monkeypatch, capsys, tmp_path, "evaluate")["result"]["policies"]
    assert {row["policy"] for row in rows} == {"random", "wait"}
    simulated = answer(monkeypatch, capsys, tmp_path, "simulate")["result"]
    everybody = simulated["personas"][0]
    assert everybody["customers"] == 50
    assert everybody["value"] == pytest.approx(sum(everybody["lines"].values()))
    assert pl.read_parquet(tmp_path / "simulated" / "events" / "*.parquet").height == 150


def test_asked_for_nothing_it_gives_an_overview_of_every_command(monkeypatch, capsys):
    call(monkeypatch)
    shown = capsys.readouterr().out
    for name, command in cli.COMMANDS.items():
        assert f"  {name:<12} {str(command.__doc__).strip().splitlines()[0]}" in shown


def test_the_version_is_that_of_the_package(monkeypatch, capsys):
    call(monkeypatch, "--version")
    assert capsys.readouterr().out == f"nba-gym {nba_gym.__version__}\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("nba-gym sim", "simulate"),
        ("nba-gym simulate retail --cust", "--customers"),
        ("nba-gym calibrate x.csv --model bg-", "bg-nbd"),
    ],
)
def test_a_real_bash_completes_what_is_typed(typed, offered, tmp_path):
    words = typed.split()
    script = tmp_path / "nba-gym.bash"
    made = [sys.executable, "-m", "nba_gym.cli", "completion", "bash"]
    printed = subprocess.run(made, cwd=ROOT, check=True, capture_output=True, text=True)
    script.write_text(printed.stdout)
    asked = (
        f"source {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
        "handler=$(complete -p nba-gym | sed 's/.*-F \\([^ ]*\\) .*/\\1/'); "
        '$handler; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    told = subprocess.run(
        ["bash", "-c", asked],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
    )
    assert offered in told.stdout.split(), told.stderr

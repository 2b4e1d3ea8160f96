"""The command line, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nba_gym import cli

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "scenarios": [],
    "show": ["retail"],
    "schema": [],
    "features": ["retail"],
    "journey": ["retail"],
    "policies": [],
    "evaluate": ["--help"],
    "explore": ["--help"],
    "calibrate": ["--help"],
    "card": ["--help"],
    "effects": ["--help"],
    "simulate": ["--help"],
    "off-policy": ["--help"],
    "export": ["--help"],
    "score": ["--help"],
    "serve": ["--help"],
    "key": ["--help"],
    "decisions": ["--help"],
    "completion": ["bash"],
    "--help": [],
    "--version": [],
}


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nba_gym.cli", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_command_is_tried_below():
    assert set(cli.COMMANDS) | {"--help", "--version"} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_who_leaves_is_no_error_to_complain_about(name):
    process = start(name, *COMMANDS[name])
    assert process.stdout is not None
    process.stdout.close()  # at once, so that there is nobody at the first line already
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 141


def test_a_mistake_is_one_line_and_no_traceback():
    said, complaint = (process := start("show", "retial")).communicate()
    assert said == ""
    assert complaint.startswith("error: scenario must be a preset or .toml file, got 'retial'")
    assert complaint.count("\n") == 1
    assert process.returncode == 1

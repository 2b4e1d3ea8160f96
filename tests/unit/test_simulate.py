"""``nba-gym simulate``: killed at any moment, it goes on to the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = 10
# a shell that runs the tests in the background has SIGINT ignored, and so have its children
CODE = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "runpy.run_module('nba_gym.cli', run_name='__main__', alter_sys=True)"
)
CALL = ("retail", "--customers", "20000", "--part", "2000", "--periods", "40", "--threads", "1")


def start(out: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CODE, "simulate", *CALL, "--out", str(out), *more],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def parts_of(out: Path) -> int:
    return len(list(out.glob("totals/part-*.npz")))


def stop_midway(out: Path, how: int) -> tuple[str, str, int]:
    """Begin, and stop once a part is done; what it said, and how it ended."""
    before, process = parts_of(out), start(out)
    until = time.monotonic() + 120
    while parts_of(out) == before and process.poll() is None and time.monotonic() < until:
        time.sleep(0.001)
    process.send_signal(how)
    said, complaint = process.communicate()
    return said, complaint, process.returncode


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_killed_and_interrupted_it_goes_on_to_the_same_bytes(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    said, complaint = (process := start(whole, "--json")).communicate()
    assert process.returncode == 0, complaint
    told = json.loads(said)
    assert told["command"] == "simulate"
    assert told["result"]["personas"][0]["customers"] == 20_000
    assert complaint == ""

    stop_midway(cut, signal.SIGKILL)
    assert 0 < parts_of(cut) < PARTS
    assert not (cut / "summary.json").exists()
    said, complaint, code = stop_midway(cut, signal.SIGINT)
    assert code == 130, complaint
    assert "the same command goes on" in complaint
    assert "Traceback" not in complaint
    kept = parts_of(cut)
    assert kept < PARTS

    said, complaint = (process := start(cut)).communicate()
    assert process.returncode == 0, complaint
    assert said.startswith("per customer over 40 periods, value in EUR")
    assert contents(cut) == contents(whole)

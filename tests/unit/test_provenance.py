"""Where numbers come from is told in words that somebody else can use."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from nba_gym.evaluation.provenance import command_line


def test_a_module_is_told_as_it_is_started_and_not_where_it_lies(tmp_path):
    (tmp_path / "tool").mkdir()
    said = "import json; from nba_gym.evaluation.provenance import command_line as told\n"
    said += "print(json.dumps(told()))"
    for place in ("tool/__main__.py", "tool/run.py"):
        (tmp_path / place).write_text(said)
    for module in ("tool", "tool.run"):
        command = [sys.executable, "-m", module, "--seeds", "a b"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == ["python", "-m", module, "--seeds", "a b"]


@pytest.mark.parametrize("first", ["/home/ann/.venv/bin/nba-gym", "nba-gym"])
def test_a_command_is_told_without_its_folder(first, monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace())
    monkeypatch.setattr(sys, "argv", [first, "compare", "retail"])
    assert command_line() == ["nba-gym", "compare", "retail"]

"""Networks that learn on another device than the processor."""

import os
import subprocess
import sys

import pytest
import torch

from agents.devices import find_device
from agents.train import Arguments, main, train
from nba_gym.errors import PolicyError
from tests.agents.kills import NAMES, tiny
from tests.agents.learners import SCENARIO


@pytest.mark.slow
def test_every_learner_learns_the_same_on_another_device_and_goes_on_there():
    """On one that computes as the processor does, but shares no tensor with it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.agents.elsewhere", *NAMES],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert done.stdout.splitlines() == [f"{name} same" for name in NAMES]


def test_auto_is_an_accelerator_if_there_is_one(monkeypatch):
    found = []
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: found[-1])
    for there, expected in ((None, "cpu"), (torch.device("cuda", 1), "cuda:1")):
        found.append(there)
        assert str(find_device("auto")) == expected


@pytest.mark.parametrize("name", ["cuda:17", "gpu", "", "cpu:x"])
def test_a_device_that_is_not_there_is_one_line_before_anything_is_done(name, tmp_path):
    said = rf"^device must be one that torch finds here, got '{name}': .+$"
    with pytest.raises(PolicyError, match=said) as refused:
        train(SCENARIO, tiny("a2c"), device=name, quiet=True)
    assert "\n" not in str(refused.value)
    with pytest.raises(PolicyError, match=said):
        main(Arguments(recipe="a2c", device=name, out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()

"""The time that a search may take, and what it remembers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nba_gym.errors import PolicyError
from nba_gym.evaluation import kit as kit_module
from nba_gym.evaluation import search
from nba_gym.evaluation.contenders import CONTENDERS
from nba_gym.evaluation.kit import Kit
from nba_gym.evaluation.search import Lived, Trial, Tunable, tune
from nba_gym.policies import NoContact
from nba_gym.scenario.load import load_scenario

WORLD = load_scenario("control", {"horizon": 4})


def numbered(starts: int) -> Tunable:
    """Something with ten settings to try from each start."""
    return Tunable(
        make=lambda settings: NoContact(),
        starts=tuple({"start": i, "step": -1} for i in range(starts)),
        ladders=(("step", tuple(range(9))),),
    )


def known(tunable: Tunable, seconds: float) -> dict[str, Lived]:
    """Every trial, as an earlier run would have left it; each later one is better."""
    return {
        str({"start": start["start"], "step": step}): Lived(np.full(8, float(step)), seconds)
        for start in tunable.starts
        for step in range(-1, 9)
    }


def test_each_start_has_its_share_of_the_time_and_is_tried_however_little_there_is():
    tunable = numbered(2)
    memory = known(tunable, 1.0)
    for seconds, wanted in ((0.0, [1, 1]), (1.0, [1, 1]), (8.0, [4, 4]), (1e9, [10, 10])):
        _, trials = tune(tunable, WORLD, 8, 1, seconds=seconds, memory=memory)
        tried = [trial.settings["start"] for trial in trials]
        assert [tried.count(0), tried.count(1)] == wanted
        assert sum(trial.seconds for trial in trials) == len(trials)
    with pytest.raises(PolicyError, match="seconds must be at least 0, got -1"):
        tune(tunable, WORLD, 8, 1, seconds=-1.0)


def test_what_is_remembered_is_not_lived_again(monkeypatch):
    tunable, memory = numbered(1), dict[str, Lived]()
    _, trials = tune(tunable, WORLD, 30, 1, trials=5, memory=memory)
    assert len(memory) == 5
    lived: list[Any] = []
    monkeypatch.setattr(search, "rollout", lambda *args, **_: lived.append(args))
    _, again = tune(tunable, WORLD, 30, 1, trials=5, memory=memory)
    assert again == trials
    assert [trial.seconds for trial in again] == [trial.seconds for trial in trials]
    assert lived == []


def test_searches_that_follow_each_other_share_the_time(monkeypatch):
    allowed: list[float] = []

    def tuned(*_: Any, seconds: float, **__: Any) -> Any:
        allowed.append(seconds)
        return NoContact(), [Trial({}, 0.0, 1, seconds=1_000.0)]

    monkeypatch.setattr(kit_module, "tune", tuned)
    kit = Kit(WORLD, seconds=10_000.0, searches=CONTENDERS["lookahead"].searches)
    kit.tuned("practice", numbered(1))
    kit.tuned("lookahead", numbered(1))
    kit.tuned("one more", numbered(1))
    assert allowed == pytest.approx([5_000.0, 9_000.0, 8_000.0], abs=100.0)
    assert kit.spent == pytest.approx(3_000.0, abs=100.0)

"""The steps that experiments share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sb3_contrib")

from agents.recipe import load_recipe
from agents.train import train
from experiments import steps
from experiments.stages import Stages
from experiments.steps import run_folder, train_agent
from nba_gym.errors import PolicyError
from nba_gym.policies import RoundRobin
from nba_gym.scenario.load import load_scenario

SCENARIO = load_scenario("control")
RECIPE = load_recipe("control").with_changes(
    steps=16_384, customers=64, batch_size=512, imitate=0.2, watch_every=1
)


def learn(folder: Path, depends: dict[str, Any], *, fresh: bool = False) -> Any:
    stages = Stages(folder, fresh=fresh, say=lambda _: None)
    train_agent(SCENARIO, RECIPE, RoundRobin, stages, depends, seed=2)  # pyright: ignore[reportArgumentType]
    return (folder / "training" / "weights.safetensors").read_bytes()


def checkpoints(folder: Path) -> list[Path]:
    return list(folder.glob(".*.checkpoint"))


def trainer(stop_at: int, done: list[int]) -> Any:
    """``train`` with few looks and a checkpoint at every boundary, stopped at one of the looks."""

    def tell(steps_so_far: int, seen: Any) -> None:
        done.append(steps_so_far)
        if len(done) == stop_at:
            raise KeyboardInterrupt

    def trained(*args: Any, **settings: Any) -> Any:
        keep = steps.Keep(settings["keep"].path, 0.0, settings["keep"].resume)
        quick = {"tell": tell, "watch_customers": 50, "quiet": True, "keep": keep}
        return train(*args, **settings | quick)

    return trained


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "", ".."])
def test_a_run_is_kept_inside_of_runs(name):
    with pytest.raises(PolicyError, match="name must be one folder inside of runs"):
        run_folder(name)


def test_a_training_that_was_stopped_goes_on_and_comes_to_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "train", trainer(0, []))
    wanted = learn(tmp_path / "whole", {"a": 1})
    done: list[int] = []
    monkeypatch.setattr(steps, "train", trainer(4, done))
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path / "parts", {"a": 1})
    assert len(checkpoints(tmp_path / "parts")) == 1
    assert learn(tmp_path / "parts", {"a": 1}) == wanted
    assert done[4] == done[3] > done[0]
    assert checkpoints(tmp_path / "parts") == []


@pytest.mark.parametrize(("depends", "fresh"), [({"a": 2}, False), ({"a": 1}, True)])
def test_what_depends_on_something_else_or_is_to_be_fresh_begins_anew(
    tmp_path, monkeypatch, depends, fresh
):
    done: list[int] = []
    monkeypatch.setattr(steps, "train", trainer(4, done))
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path, {"a": 1})
    learn(tmp_path, depends, fresh=fresh)
    assert done[4] == done[0]
    assert checkpoints(tmp_path) == []

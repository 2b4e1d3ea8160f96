"""What the command line of training is given and leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agents import train as train_module
from agents.files import only_one
from agents.teacher import tuned_before
from agents.train import Arguments, main
from nba_gym import load_scenario
from nba_gym.errors import PolicyError

SETTINGS: dict[str, Any] = {"campaign": 200, "chosen": {}}


@pytest.fixture
def quick(monkeypatch):
    """A recipe of a moment."""
    load, train = train_module.load_recipe, train_module.train

    def tiny(scenario: str, name: str) -> Any:
        recipe = load(scenario, name).with_changes(steps=2_048, customers=16, watch_every=9)
        return recipe.with_changes(batch_size=128) if hasattr(recipe, "batch_size") else recipe

    monkeypatch.setattr(train_module, "load_recipe", tiny)
    monkeypatch.setattr(train_module, "train", partial(train, watch_customers=10, quiet=True))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "practice must be JSON with campaign and chosen settings"),
        ("[1, 2]", "practice must be JSON with campaign and chosen settings"),
        ('{"campaign": 100}', "practice must be JSON with campaign and chosen settings"),
        ('{"campaign": "many", "chosen": {}}', "practice must be JSON with campaign and chosen"),
        ('{"campaign": 0, "chosen": {}}', "practice: campaign must be at least 1, got 0"),
        (None, "practice must be a file that can be read, got .*: No such file"),
    ],
)
def test_settings_of_practice_that_cannot_be_are_refused_before_anything_is_done(
    tmp_path, text, said
):
    path, out = tmp_path / "practice.json", tmp_path / "run"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PolicyError, match=said):
        main(Arguments("control", practice=path, out=out))
    assert not out.exists()


def test_a_setting_that_practice_does_not_have_is_refused_by_its_name(tmp_path):
    path = tmp_path / "practice.json"
    path.write_text(json.dumps(SETTINGS | {"chosen": {"treshold": 0.1}}))
    with pytest.raises(PolicyError, match=r"practice must be settings of practice.*treshold"):
        tuned_before(load_scenario("control"), path)


def written(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != ".lock"}


def test_without_export_there_is_no_policy_folder_not_even_an_old_one(tmp_path, quick):
    (tmp_path / "policy").mkdir()
    main(Arguments("control", recipe="a2c", out=tmp_path, export=False))
    left = {"learning_curve.json", "weights.safetensors", "training.json", "tensorboard"}
    assert written(tmp_path) == left


def test_another_world_or_length_goes_to_another_folder():
    def name(**asked: Any) -> str:
        arguments = Arguments("retail", **asked)
        return train_module._folder_name(arguments, load_scenario("retail", arguments.set))

    usual = name()
    assert usual == "train-retail-0"
    others = [
        name(set=("leaving.by_loyalty=2.0",)),
        name(set=("leaving.by_loyalty=3.0",)),
        name(steps=1_000),
        name(watch_every=7),
        name(practice=Path("practice.json")),
    ]
    assert len({usual, *others}) == 6
    assert all(other.startswith(usual + "-") for other in others)
    assert name(steps=1_000) == others[2]


def test_one_process_at_a_time_trains_into_a_folder(tmp_path, quick):
    asked = Arguments("control", recipe="a2c", out=tmp_path, export=False)
    with (
        only_one(tmp_path, "training"),
        pytest.raises(PolicyError, match="training must be worked"),
    ):
        main(asked)
    main(asked)


def test_what_was_stopped_is_not_written_over_by_who_forgets_to_say_resume(
    tmp_path, quick, monkeypatch
):
    asked = Arguments("control", recipe="a2c", out=tmp_path, export=False, checkpoint_seconds=0.0)
    train = train_module.train

    def stopped(*arguments: Any, **settings: Any) -> Any:
        train(*arguments, **settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(train_module, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        main(asked)
    kept = (tmp_path / "checkpoint.safetensors").read_bytes()
    monkeypatch.setattr(train_module, "train", train)
    with pytest.raises(PolicyError, match=r"go on with it \(--resume\), or begin anew \(--fresh\)"):
        main(asked)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == kept
    main(replace(asked, fresh=True))
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_a_folder_that_takes_no_files_ends_training_with_one_line(tmp_path, quick, monkeypatch):
    def full(*_: Any, **__: Any) -> Any:
        (tmp_path / "checkpoint.safetensors").write_text("kept")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(train_module, "train", full)
    with pytest.raises(PolicyError, match=r"out must be .*: No space left.*is kept, and --resume"):
        main(Arguments("control", recipe="a2c", out=tmp_path))


def test_who_would_only_collect_is_told_that_nothing_would_be_learned(tmp_path):
    asked = Arguments("control", recipe="dqn", out=tmp_path, steps=40_000)
    with pytest.raises(
        PolicyError, match=r"warm_up must be less than steps \(40,000\).*got 50,000"
    ):
        main(asked)


def test_the_teacher_is_part_of_what_a_checkpoint_is_of(tmp_path, quick, monkeypatch):
    told: list[Any] = []
    monkeypatch.setattr(train_module, "_write", lambda *_: [])
    train = train_module.train

    def noting(*arguments: Any, **settings: Any) -> Any:
        told.append(settings["taught_by"])
        return train(*arguments, **settings)

    monkeypatch.setattr(train_module, "train", noting)
    path = tmp_path / "practice.json"
    path.write_text(json.dumps(SETTINGS))
    main(Arguments("control", practice=path, out=tmp_path / "taught"))
    main(Arguments("control", practice=path, recipe="a2c", out=tmp_path / "alone"))
    assert told == [SETTINGS, None]

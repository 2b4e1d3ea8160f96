"""Wins are counted as they are defined, timed whole, kept seed by seed, and told in a page."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sb3_contrib")

from experiments import steps
from experiments.pages import as_json
from experiments.processes import Processes
from experiments.trainings import Verdict
from experiments.wins import NUMBERS, Arguments, main, on_cores
from experiments.wins_page import PAGE, page, row, won
from nba_gym.errors import PolicyError
from nba_gym.statistics import Interval
from tests.experiments.small import EFFORT, run_here, small_recipe

DOCS = Path(__file__).parents[2] / "docs"


def seed(number: int, gain: float, seconds: float) -> dict[str, Any]:
    return {
        "seed": number,
        "seconds": seconds,
        "training_seconds": seconds - 9.0,
        "transitions": 1_000,
        "value": [50.0 + gain, 49.0, 51.0],
        "gain": [gain, gain - 1.0, gain + 1.0],
        "won": gain > 1.0,
    }


def world(*seeds: dict[str, Any]) -> dict[str, Any]:
    practice = {"settings": {}, "value": 50.0}
    return {"scenario": "inn", "currency": "EUR", "practice": practice, "seeds": list(seeds)}


def small(folder: Path, name: str = "maskable_ppo_from_scratch", **changes: Any) -> Arguments:
    recipe = small_recipe(folder, name)
    return Arguments(
        worlds=("control",), recipe=recipe, seeds=2, customers=60, practice=EFFORT, **changes
    )


@pytest.mark.parametrize(("low", "wins"), [(0.01, True), (0.0, False), (-0.01, False)])
def test_a_seed_wins_if_the_whole_interval_of_its_gain_is_above_nothing(low, wins):
    assert Verdict(Interval(40.0, 39.0, 41.0), Interval(1.0, low, 2.0)).won == wins


def test_a_win_counts_if_its_process_was_quick_enough():
    seeds = [seed(0, 2.0, 30.0), seed(1, 2.0, 91.0), seed(2, 0.5, 30.0), seed(3, 3.0, 90.0)]
    assert won(seeds) == 3
    assert won(seeds, 90.0) == 2
    assert row(world(*seeds), 90.0) == [
        *("inn", "4", "3 of 4", "2 of 4", "7% to 93%", "60.0", "91.0"),
        *("+2.00 EUR", "+0.50 to +3.00", "+4.00"),
    ]


@pytest.mark.slow
def test_wins_are_kept_seed_by_seed_and_the_same_command_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments, told = small(tmp_path, write=True, note="on a busy host"), []
    monkeypatch.setattr(Processes, "run", run_here(told, stop_at=2))  # in the second seed
    with pytest.raises(SystemExit, match="130"):
        main(arguments)
    assert "the same command goes on" in capsys.readouterr().out
    assert not (tmp_path / "docs").exists()
    monkeypatch.setattr(Processes, "run", run_here(told))
    monkeypatch.setattr(steps, "tune_practice", None)  # is not tuned again
    main(arguments)
    seeds = [command[command.index("--seed") + 1] for command in told]
    assert seeds == ["0", "0", "1"]  # to warm up, and one each
    assert not any("--resume" in command for command in told)  # else it would not be timed whole
    kept = json.loads((tmp_path / "docs" / NUMBERS).read_text())
    assert kept == json.loads((tmp_path / "runs" / "wins" / NUMBERS).read_text())
    [found] = kept["worlds"]
    assert [one["seconds"] for one in found["seeds"]] == [12.5, 12.5]
    assert all(one["won"] == (one["gain"][1] > 0.0) for one in found["seeds"])
    differences = [one["value"][0] - one["gain"][0] for one in found["seeds"]]
    assert differences == pytest.approx([found["practice"]["value"]] * 2, rel=1e-5)
    check_page(tmp_path / "docs")
    assert "on a busy host" in (tmp_path / "docs" / PAGE).read_text()
    assert [
        path for path in (tmp_path / "runs/wins/control").iterdir() if path.name[0] == "."
    ] == []


def check_page(docs: Path) -> None:
    """The page is that which the numbers beside it make."""
    about = json.loads((docs / NUMBERS).read_text())
    assert (docs / PAGE).read_text() == page(about), "run: python -m experiments.wins --write"


def test_the_committed_page_is_that_of_its_numbers():
    if (DOCS / NUMBERS).exists() or (DOCS / PAGE).exists():
        check_page(DOCS)


def test_a_page_that_was_edited_by_hand_is_caught(tmp_path):
    about = {"recipe": "a2c", "threads": 1, "cores": 2, "steps": None, "seconds": 90.0}
    about |= {"customers": 100, "practice": vars(EFFORT), "note": ""}
    about |= {"worlds": [world(seed(0, 2.0, 30.0))]}
    (tmp_path / NUMBERS).write_text(as_json(about))
    (tmp_path / PAGE).write_text(page(about))
    check_page(tmp_path)
    (tmp_path / PAGE).write_text(page(about).replace("1 of 1", "2 of 2"))
    with pytest.raises(AssertionError):
        check_page(tmp_path)


def test_what_cannot_be_is_refused_before_anything_is_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = Arguments(worlds=("control",))
    for changes, said in (
        ({"worlds": ("mailing",)}, "worlds must have customers, got 'mailing'"),
        ({"worlds": ()}, "worlds must name at least one scenario, got none"),
        ({"recipe": "dqnn"}, "recipe must exist, got 'dqnn'"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
    ):
        with pytest.raises(PolicyError, match=said):
            main(replace(given, **changes))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system tells no cores")
def test_a_run_is_kept_to_its_cores_and_gives_them_back():
    before = os.sched_getaffinity(0)
    with on_cores(1) as cores:
        assert cores == len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


@pytest.mark.slow
def test_a_process_that_imitates_is_given_practice_and_timed_from_its_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(replace(small(tmp_path, "maskable_ppo"), seeds=1))
    [found] = json.loads((tmp_path / "runs" / "wins" / NUMBERS).read_text())["worlds"]
    [one] = found["seeds"]
    # learning is a moment; the interpreter and torch take longer
    assert one["seconds"] > one["training_seconds"] + 1.0
    kept = tmp_path / "runs" / "wins" / "control" / "practice" / "practice.json"
    assert json.loads(kept.read_text())["campaign"] == EFFORT.campaign

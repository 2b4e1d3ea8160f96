"""Learning curves: bands over seeds, honest tables, and pages that only their numbers write."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sb3_contrib")
pytest.importorskip("matplotlib")

from agents.recipe import recipe_names
from experiments import curves, steps
from experiments.curves import LOOKS, Arguments, main, plan
from experiments.curves_figure import over_seeds
from experiments.curves_page import FOLDER, PAGE, drawings, page, read_records, row, write_pages
from experiments.processes import Processes
from experiments.stages import what_runs
from nba_gym.errors import PolicyError
from nba_gym.scenario import load_scenario
from tests.experiments.small import EFFORT, run_here, small_recipe

DOCS = Path(__file__).parents[2] / "docs"


def training(seed: int, values: list[float], gain: float, **changes: Any) -> dict[str, Any]:
    steps = [1_000 * i for i in range(len(values))]
    made: dict[str, Any] = {
        "seed": seed,
        "steps": steps,
        "seconds": [0.001 * at + seed for at in steps],
        "value": values,
        "low": [value - 9.0 for value in values],
        "high": [value + 9.0 for value in values],
        "held_out": [40.0 + gain, 30.0, 50.0],
        "gain": [gain, gain - 1.0, gain + 1.0],
        "won": gain > 1.0,
    }
    return made | changes


def record(scenario: str, seeds: int = 2) -> dict[str, Any]:
    level = {"watched": [38.0, 37.0, 39.0], "held_out": [40.0, 39.5, 40.5]}
    several = [training(seed, [10.0, 36.0, 39.0 + seed], 0.5 + 2 * seed) for seed in range(seeds)]
    others = [training(seed, [12.0, 30.0, 33.0], -2.0) for seed in range(seeds)]
    return {
        "scenario": scenario,
        "scenario_version": 0,
        "scenario_hash": "abc",
        "currency": "EUR",
        "period": "week",
        "horizon": 26,
        "seeds": seeds,
        "steps": None,
        "workers": 2,
        "threads": 1,
        "cores": 2,
        "watched": 4_000,
        "customers": 9_000,
        "practice": {"campaign": 100, "tuning": 200, "trials": 3, "settings": {}},
        "versions": {"matplotlib": metadata.version("matplotlib")},
        "levels": {
            "greedy practice": level,
            "myopic oracle (privileged)": level,
            "no contact": level,
        },
        "recipes": {
            "dqn": {"recipe": {}, "trainings": others},
            "a2c": {"recipe": {}, "trainings": several},
        },
    }


def check_pages(docs: Path) -> None:
    """The page and the figures are those that the numbers beside them make."""
    records = read_records(docs)
    assert (docs / PAGE).read_text() == page(records), "run: make curves"
    for one in records:
        here = one["versions"]["matplotlib"] == metadata.version("matplotlib")
        for name, text in drawings(one).items():
            written = (docs / FOLDER / name).read_text()
            assert not here or written == text, f"{name}: run: make curves"


def test_the_band_is_students_interval_over_seeds():
    curve = over_seeds([training(0, [1.0, 2.0], 0.0), training(1, [3.0, 8.0], 0.0)])
    np.testing.assert_array_equal(curve.mean, [2.0, 5.0])
    np.testing.assert_allclose(curve.high - curve.mean, 12.7062 * np.array([1.0, 3.0]), rtol=1e-5)
    np.testing.assert_allclose(curve.low + curve.high, 2.0 * curve.mean)
    np.testing.assert_array_equal(curve.seconds, [0.5, 1.5])


def test_of_one_seed_the_band_is_that_of_its_customers():
    curve = over_seeds([training(0, [1.0, 2.0], 0.0)])
    np.testing.assert_array_equal(curve.low, [-8.0, -7.0])


def test_seeds_that_were_looked_at_elsewhere_are_interpolated_and_the_shortest_ends_the_curve():
    shorter = training(1, [0.0, 6.0], 0.0, steps=[0, 1_500], seconds=[0.0, 3.0])
    curve = over_seeds([training(0, [1.0, 2.0, 3.0], 0.0), shorter])
    np.testing.assert_array_equal(curve.steps, [0.0, 1_000.0])
    np.testing.assert_array_equal(curve.mean, [0.5, 3.0])
    np.testing.assert_array_equal(curve.seconds, [0.0, 1.5])


def test_a_row_tells_gain_over_seeds_and_how_many_win():
    rows = [training(0, [1.0], 0.5), training(1, [1.0], 2.5)]
    assert row("a2c", rows, 40.0) == [
        *("`a2c`", "2", "0", "0", "41.50"),
        *("+1.50 [-11.21, +14.21]", "+3.75 % [-28.02, +35.52]", "1 of 2"),
    ]
    assert row("a2c", rows[:1], 40.0)[5] == "+0.50 [-0.50, +1.50]"  # over customers


def test_the_committed_pages_are_those_of_their_numbers():
    if (DOCS / PAGE).exists() or (DOCS / FOLDER).exists():
        check_pages(DOCS)


@pytest.mark.parametrize("seeds", [1, 2])
def test_pages_are_written_from_numbers_and_an_edit_by_hand_is_caught(tmp_path, seeds):
    for scenario in ("tea_shop", "inn"):
        paths = write_pages(record(scenario, seeds), tmp_path)
    assert all(path.is_file() for path in paths)
    check_pages(tmp_path)
    text = (tmp_path / PAGE).read_text()
    assert all(f"({FOLDER}/{name}.svg)" in text for name in ("inn", "tea_shop"))
    assert text.index("`a2c`") < text.index("`dqn`")  # the best first
    assert ("over customers, not over seeds" in text.splitlines()[-1]) == (seeds == 1)
    for name, old, new in (
        (PAGE, "+1.50" if seeds == 2 else "+0.50", "+1.60"),
        (f"{FOLDER}/inn.json", '"held_out": [ 40.5, ', '"held_out": [ 41.5, '),
        (f"{FOLDER}/inn-seconds.svg", "tuned practice", "untuned practice"),
    ):
        path = tmp_path / name
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new, 1))
        with pytest.raises(AssertionError):
            check_pages(tmp_path)
        path.write_text(before)
    check_pages(tmp_path)


def test_a_figure_names_its_levels_units_and_recipes(tmp_path):
    write_pages(record("tea_shop"), tmp_path)
    drawn = (tmp_path / FOLDER / "tea_shop.svg").read_text()
    said = " ".join(re.findall(r"<text[^>]*>([^<]*)<", drawn))
    for text in ("tuned practice", "myopic oracle", "a2c", "dqn", "EUR per watched customer"):
        assert text in said
    numbers = json.loads((tmp_path / FOLDER / "tea_shop.json").read_text())
    assert numbers == record("tea_shop")


@pytest.mark.parametrize("recipe", recipe_names())
def test_curves_have_enough_points_whatever_the_recipe_and_its_length(recipe):
    scenario = load_scenario("retail")
    for length in (2_000_000, None):
        [training] = plan(Arguments(recipes=(recipe,), seeds=1, steps=length), "retail", scenario)
        made = training.load(scenario)
        looks = made.steps / (made.watch_every * made.of_update)
        assert looks >= LOOKS or made.watch_every == 1
        assert 15 <= looks <= 2 * LOOKS


@pytest.mark.slow
def test_curves_go_on_where_they_were_interrupted_and_are_those_of_the_trainings(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "WATCHED", 40)
    tune = steps.tune_practice
    recipes = tuple(small_recipe(tmp_path, name) for name in ("a2c", "maskable_ppo"))
    arguments = Arguments(
        worlds=("control",), recipes=recipes, seeds=2, customers=60, workers=1, practice=EFFORT
    )
    told: list[list[str]] = []
    monkeypatch.setattr(Processes, "run", run_here(told, stop_at=3))
    with pytest.raises(SystemExit, match="130"):
        main(arguments)
    assert "the same command goes on" in capsys.readouterr().out
    assert not (tmp_path / "docs").exists()
    monkeypatch.setattr(Processes, "run", run_here(told))
    monkeypatch.setattr(steps, "tune_practice", None)  # is not tuned again
    main(arguments)
    assert len(told) == 4  # none is trained twice
    assert all("--resume" in command for command in told)
    assert all(command[command.index("--watch-every") + 1] == "1" for command in told)
    [found] = read_records(tmp_path / "docs")
    for kind, one in found["recipes"].items():
        assert [each["seed"] for each in one["trainings"]] == [0, 1]
        for each in one["trainings"]:
            folder = tmp_path / "runs" / "curves" / "control" / f"{kind}-seed-{each['seed']}"
            points = json.loads((folder / "learning_curve.json").read_text())
            assert each["steps"] == [point["steps"] for point in points]
            assert each["value"] == pytest.approx([point["value"] for point in points], rel=1e-6)
            level = found["levels"]["greedy practice"]["held_out"][0]
            assert each["held_out"][0] - each["gain"][0] == pytest.approx(level, rel=1e-5)
    check_pages(tmp_path / "docs")
    monkeypatch.setattr(steps, "tune_practice", tune)
    monkeypatch.setattr(curves, "what_runs", lambda: {**what_runs(), "source": "other code"})
    added = replace(arguments, recipes=(small_recipe(tmp_path, "ppo"),), add=True)
    with pytest.raises(PolicyError, match=r"^seeds must be 2, as curves/control.json has it, to"):
        main(replace(added, seeds=1))
    main(added)
    [both] = read_records(tmp_path / "docs")
    assert both["recipes"].pop("ppo")["source"] == "other code"
    assert both == found
    check_pages(tmp_path / "docs")


def test_in_tables_agents_are_compared_with_what_earns_most_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "WATCHED", 40)
    monkeypatch.setattr(steps, "tune_practice", None)  # there is none
    recipes = tuple(small_recipe(tmp_path, name) for name in ("maskable_ppo", "a2c"))
    told: list[list[str]] = []
    monkeypatch.setattr(Processes, "run", run_here(told))
    asked = Arguments(worlds=("mailing",), recipes=recipes, seeds=1, customers=300, workers=1)
    main(asked)
    assert ["--practice" in command for command in told] == [False]  # nothing is imitated
    [found] = read_records(tmp_path / "docs")
    assert found["practice"] is None
    assert set(found["recipes"]) == {"a2c"}
    levels = {name: groups["held_out"][0] for name, groups in found["levels"].items()}
    assert levels["optimal policy (privileged)"] > levels["myopic oracle (privileged)"]
    [agent] = found["recipes"]["a2c"]["trainings"]
    gained = agent["held_out"][0] - levels["myopic oracle (privileged)"]
    assert agent["gain"][0] == pytest.approx(gained, rel=1e-4, abs=1e-4)
    check_pages(tmp_path / "docs")
    assert "so gains are over the myopic oracle" in (tmp_path / "docs" / PAGE).read_text()
    drawn = (tmp_path / "docs" / FOLDER / "mailing.svg").read_text()
    assert "optimum" in drawn
    assert "tuned practice" not in drawn
    with pytest.raises(PolicyError, match="recipes must be some"):
        main(replace(asked, recipes=recipes[:1]))


def test_recipes_that_lack_or_repeat_are_refused_before_anything_is_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for recipes in ((), ("a2c", "a2c")):
        with pytest.raises(PolicyError, match="recipes must be some, and differ"):
            main(Arguments(worlds=("control",), recipes=recipes))
    assert list(tmp_path.iterdir()) == []

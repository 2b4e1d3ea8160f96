"""The cards that are written."""

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from nba_gym.evaluation.card import (
    Sizes,
    load_targets,
    quick_numbers,
    write_card,
)
from nba_gym.evaluation.card.groups import GROUPS
from nba_gym.scenario import load_scenario
from nba_gym.truth import groups_table

CARDS = Path(__file__).parents[2] / "docs" / "scenarios"
WRITTEN = sorted(path.stem for path in CARDS.glob("*.json") if path.stem != "gains")
SMALL = replace(Sizes().times(0.05), sensitivity=40, trials=2, quick=50)


# --- cards that are written ----------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITTEN)
def test_the_numbers_of_a_card_can_be_made_again(name):
    card = json.loads((CARDS / f"{name}.json").read_text())["quick"]
    again = quick_numbers(load_scenario(name), load_targets(name), card["customers"])
    assert json.loads(json.dumps(again)) == card, f"run: nba-gym card {name}"


@pytest.mark.parametrize("name", WRITTEN)
def test_the_groups_of_a_card_can_be_made_again_and_are_all_there_is(name):
    card = json.loads((CARDS / f"{name}.json").read_text())
    world = load_scenario(name)
    if world.tabular is not None:
        assert "groups" not in card
        return
    found = card["groups"]
    assert [row["action"] for row in found["actions"]] == [a.name for a in world.actions[1:]]
    told = [row for row in found["actions"] if row["n"] > 1]
    for row in told:
        assert sum(row[group] for group in GROUPS) == pytest.approx(1.0, abs=1e-5)
    numbers = np.arange(card["sizes"]["targets"]) + card["first_customer"]
    window = {"period": found["period"], "horizon": found["watched"]}
    [again] = groups_table(
        world, [told[0]["action"]], customers=numbers, seed=card["seed"], **window
    ).to_dicts()
    rounded = {k: float(f"{x:.6g}") if isinstance(x, float) else x for k, x in again.items()}
    assert rounded == told[0], f"run: nba-gym card {name}"


@pytest.mark.parametrize("name", WRITTEN)
def test_every_figure_of_a_card_lies_beside_it(name):
    linked = re.findall(r"\]\((figures/[^)]+)\)", (CARDS / f"{name}.md").read_text())
    assert linked
    assert all((CARDS / path).is_file() for path in linked)


@pytest.mark.parametrize("name", ["mailing", "control"])
def test_a_card_is_written_in_one_call(name, tmp_path):
    card = write_card(name, tmp_path, sizes=SMALL)
    numbers = json.loads((tmp_path / f"{name}.json").read_text())
    text = (tmp_path / f"{name}.md").read_text()
    assert [row["label"] for row in numbers["calibration"]] == [r.target.label for r in card.rows]
    assert all(each.target.source in text for each in card.rows)
    pictures = [path for path in card.paths if path.suffix == ".svg"]
    assert all(f"figures/{path.name}" in text for path in pictures)
    for path in pictures:
        drawn = path.read_text()
        assert "var(--" not in drawn  # a picture has no page to take its colours from
        assert 'fill="#ffffff"' in drawn
        ElementTree.fromstring(drawn)
    assert ("sensitivity" in numbers) == (name == "control")
    assert ("exact" in numbers) == (name == "mailing")
    assert ("groups" in numbers) == ("## Who is moved by what" in text) == (name == "control")

"""What a world is to reach, and what is said where it does not."""

import re
from pathlib import Path

import pytest

from nba_gym.errors import ScenarioError
from nba_gym.evaluation.card import (
    Targets,
    load_targets,
    target_names,
)
from nba_gym.evaluation.card.calibration import Row, calibration_rows
from nba_gym.evaluation.card.page import calibration
from nba_gym.evaluation.card.quantities import QUANTITIES
from nba_gym.scenario import load_scenario
from nba_gym.scenario import mechanisms as parts
from nba_gym.scenario.load import preset_names
from nba_gym.statistics import Interval
from tests.unit.cards import aim, bench

# --- targets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", target_names())
def test_targets_name_what_their_world_has(name):
    world = load_scenario(name)
    channels, actions = ({each.name for each in kind} for kind in (world.channels, world.actions))
    for target in load_targets(name).targets:
        assert target.quantity in QUANTITIES, target.label
        assert not target.channel or target.channel in channels, target.label
        assert not target.action or target.action in actions, target.label


def test_every_file_of_targets_belongs_to_a_preset():
    folder = Path(parts.__file__).parent / "targets"
    assert {path.stem for path in folder.glob("*.toml")} <= set(preset_names())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("low = 0.3\nhigh = 0.2", "low must not be above high, got 0.3 and 0.2"),
        ("", "low or high must be given"),
        ("low = 0.1\nchanel = 'email'", "chanel must be a known field, got 'email'; did you mean"),
        ("low = ", "targets must be valid TOML"),
    ],
)
def test_a_mistake_in_targets_is_one_line_that_names_it(text, complaint, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(f"[[targets]]\nlabel = 'x'\nquantity = 'optimum'\nsource = 'y'\n{text}\n")
    with pytest.raises(ScenarioError, match=re.escape(complaint)) as told:
        load_targets("mine", file)
    assert "mine.toml" in str(told.value)


def test_a_missed_target_is_shown_with_its_reason_and_stops_nothing():
    targets = [
        aim("notice_rate", label="far off", channel="email", low=0.9, why_not="mail is ignored"),
        aim("notice_rate", label="no such channel", channel="pigeon"),
        aim("notise_rate", label="no such quantity"),
        aim("notice_rate", label="fine", channel="email", low=0.2, high=0.4),
    ]
    rows = calibration_rows(bench("control", 200), targets)
    verdicts = ["outside", "not measured", "not measured", "inside"]
    assert [row.verdict for row in rows] == verdicts
    text = "\n".join(calibration(rows, "EUR"))
    assert "1 of 4 targets are reached" in text
    assert "*far off* (outside): mail is ignored." in text
    assert "channel must be one of the world, got 'pigeon'" in text
    assert "did you mean 'notice_rate'" in text


@pytest.mark.parametrize(
    ("reached", "verdict"),
    [
        (Interval(0.5, 0.4, 0.6), "inside"),
        (Interval(0.35, 0.25, 0.45), "inside, interval reaches out"),
        (Interval(0.25, 0.15, 0.35), "outside, interval reaches it"),
        (Interval(0.1, 0.05, 0.15), "outside"),
        (Interval(0.9, 0.85, 0.95), "outside"),
    ],
)
def test_the_verdict_is_about_the_mean_and_says_what_the_interval_adds(reached, verdict):
    assert Row(aim("optimum", low=0.3, high=0.7), reached).verdict == verdict


def test_targets_without_a_file_are_none():
    assert load_targets("a world of my own") == Targets()

"""Gains beside the cards are those that studies measured."""

import json
from pathlib import Path

import pytest

pytest.importorskip("sb3_contrib")

from experiments.gains import Arguments, gains, main
from nba_gym.errors import DataError


def row(world, policy, value, difference=0.0, low=0.0, high=0.0):
    ends = {"difference_low": low, "difference_high": high}
    return {"world": world, "policy": policy, "value": value, "difference": difference} | ends


ONE = [
    row("spa", "greedy practice", 200.0),
    row("spa", "agent from practice, seed 0", 210.0, 10.0, 8.0, 12.0),
    row("spa", "agent from scratch, seed 0", 100.0, -100.0, -101.0, -99.0),
]


def test_the_gain_of_one_seed_has_the_interval_over_customers():
    assert gains(ONE) == {"spa": {"mean": 0.05, "low": 0.04, "high": 0.06, "seeds": 1}}


def test_the_gain_of_two_seeds_has_students_interval_over_them():
    [found] = gains([*ONE, row("spa", "agent from practice, seed 1", 214.0, 14.0)]).values()
    assert found["mean"] == pytest.approx(0.06)
    assert found["high"] - 0.06 == pytest.approx(12.7062 * 0.01, rel=1e-3)  # t of 1 degree
    assert found["seeds"] == 2


def test_worlds_that_were_not_studied_keep_their_gain(tmp_path: Path):
    study, out = tmp_path / "study.json", tmp_path / "gains.json"
    study.write_text(json.dumps(ONE))
    out.write_text(json.dumps({"hotel": {"mean": 0.2, "low": 0.1, "high": 0.3, "seeds": 1}}))
    main(Arguments(studies=(study,), out=out))
    assert set(json.loads(out.read_text())) == {"hotel", "spa"}
    with pytest.raises(DataError, match="studies must be files that make study wrote, got"):
        main(Arguments(studies=(tmp_path / "none.json",), out=out))

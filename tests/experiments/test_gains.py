"""Gains beside the cards are those that were measured."""

import json
from pathlib import Path

import pytest

pytest.importorskip("sb3_contrib")

from experiments.gains import Arguments, gain, main
from nba_gym.errors import DataError


def world(*gains, name="spa", practice=200.0):
    seeds = [{"seed": i, "gain": list(found)} for i, found in enumerate(gains)]
    return {"scenario": name, "practice": {"value": practice}, "seeds": seeds}


ONE = world((10.0, 8.0, 12.0))


def test_the_gain_of_one_seed_has_the_interval_over_customers():
    assert gain(ONE) == {"mean": 0.05, "low": 0.04, "high": 0.06, "seeds": 1}


def test_where_practice_loses_money_a_gain_is_still_a_gain():
    assert gain(world((10.0, 8.0, 12.0), practice=-200.0)) == gain(ONE)


def test_the_gain_of_two_seeds_has_students_interval_over_them():
    found = gain(world((10.0, 8.0, 12.0), (14.0, 13.0, 15.0)))
    assert found["mean"] == pytest.approx(0.06)
    assert found["high"] - 0.06 == pytest.approx(12.7062 * 0.01, rel=1e-3)  # t of 1 degree
    assert found["seeds"] == 2


def test_worlds_that_were_not_measured_keep_their_gain(tmp_path: Path):
    wins, out = tmp_path / "wins.json", tmp_path / "gains.json"
    wins.write_text(json.dumps({"worlds": [ONE]}))
    out.write_text(json.dumps({"hotel": {"mean": 0.2, "low": 0.1, "high": 0.3, "seeds": 1}}))
    main(Arguments(wins=(wins,), out=out))
    assert set(json.loads(out.read_text())) == {"hotel", "spa"}
    with pytest.raises(DataError, match="wins must be files that make wins wrote, got"):
        main(Arguments(wins=(tmp_path / "none.json",), out=out))

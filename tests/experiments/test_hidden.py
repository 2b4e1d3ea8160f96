"""What the records tell of the hidden half: measured on customers who were not learned from."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sb3_contrib")

from experiments import hidden
from experiments.hidden import Arguments, main, told
from nba_gym.errors import PolicyError
from nba_gym.scenario import load_scenario

SMALL = Arguments(("retail",), periods=(1, 3), customers=600, steps=24)


def test_records_tell_fatigue_and_awareness_and_nothing_of_what_shows_nowhere(tmp_path):
    path = tmp_path / "hidden.json"
    main(replace(SMALL, out=path))
    shares = json.loads(path.read_text())["r_squared"]["retail"]
    assert shares["fatigue"][0] > 0.6
    assert shares["awareness.shoes"][0] > 0.6
    assert abs(shares["attention.email"][0]) < 0.2  # drawn anew each period
    assert all(len(share) == 2 for share in shares.values())
    assert "attention.web" not in shares  # the same for everybody


def test_trees_find_what_cannot_be_added_up():
    """Whether two columns agree: no sum tells, a tree does."""
    x = np.random.default_rng(0).choice([-1.0, 1.0], size=(400, 3))
    y = (x[:, :1] * x[:, 1:2]) + [[0.0, 5.0]]
    others, known = x[200:], y[200:]
    assert np.abs(hidden._ridge(x[:200], y[:200], others) - known).mean() > 0.8
    assert np.abs(hidden._trees(x[:200], y[:200], others) - known).mean() < 0.2


def test_only_some_quantities_can_be_told_by_trees_as_well():
    asked = replace(SMALL, by="trees", only=("fatigue", "loyalty"))
    shares = told(load_scenario("retail"), asked)
    assert set(shares) == {"fatigue", "loyalty", "baseline_loyalty"}
    assert shares["fatigue"][0] > 0.6
    with pytest.raises(PolicyError, match=r"^only must be parts of .*fatigue.*, got \('tea',\)"):
        told(load_scenario("retail"), replace(SMALL, only=("tea",)))


def test_what_is_told_is_told_of_others(monkeypatch):
    """With labels by lot, nothing can be told of customers who were not learned from."""
    journeys = hidden._journeys

    def by_lot(scenario, arguments):
        seen, known, names, n_records = journeys(scenario, arguments)
        return seen, np.random.default_rng(0).normal(size=known.shape), names, n_records

    monkeypatch.setattr(hidden, "_journeys", by_lot)
    shares = told(load_scenario("retail"), SMALL)
    assert max(share[1] for share in shares.values()) < 0.0


def test_the_same_seed_tells_the_same():
    world = load_scenario("control")
    asked = replace(SMALL, worlds=("control",), customers=200)
    assert told(world, asked) == told(world, asked)
    assert told(world, asked) != told(world, replace(asked, seed=1))


def test_what_cannot_be_is_one_line(tmp_path):
    for change, said in (
        ({"worlds": ("mailing",)}, "worlds must have a hidden half, got mailing"),
        ({"periods": (0,)}, "periods must be at least 1, got 0"),
        ({"steps": 2}, "steps must be more than the periods shown, got 2"),
    ):
        with pytest.raises(PolicyError, match=said):
            main(replace(SMALL, out=tmp_path / "no.json", **change))
    assert not list(tmp_path.iterdir())

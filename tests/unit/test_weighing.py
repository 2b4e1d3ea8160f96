"""Practice weighs what actions change: worked out by hand, and the same bits in any batch."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nba_gym.errors import PolicyError
from nba_gym.policies.checks import check_chances
from nba_gym.policies.propensity import Propensity
from nba_gym.policies.rows import best_open, equal_shares
from nba_gym.policies.weighing import in_lanes, in_rows, linear

# two columns and the intercept, two outcomes, three actions
BASE = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.5]], dtype=np.float32)
EFFECTS = np.zeros((3, 2, 3), dtype=np.float32)
EFFECTS[0, 0, 1] = 0.75  # action 1 sells the first where the first column is high
EFFECTS[2, 1, 2] = -1.5  # action 2 spoils the second
HAND_MADE = Propensity(BASE, EFFECTS)
X = np.array([[0.5, 0.25], [2.0, 1.0], [0.0, 0.0]], dtype=np.float32)


def chance(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds))


def test_an_uplift_is_the_difference_of_two_chances_in_money():
    worth = np.array([[10.0, 100.0]] * 3, dtype=np.float32)
    gain = HAND_MADE.uplift(X, worth)
    for row, (a, b) in zip(gain, X, strict=True):
        first, second = a - 1.0, 2.0 * b + 0.5
        assert row[0] == 0.0
        assert row[1] == pytest.approx(10 * (chance(first + 0.75 * a) - chance(first)), abs=1e-5)
        assert row[2] == pytest.approx(100 * (chance(second - 1.5) - chance(second)), rel=1e-5)


def test_what_a_discount_leaves_counts_even_where_the_chance_stays():
    kept = np.ones((2, 3), dtype=np.float32)
    kept[0, 2] = 0.8  # action 2 does not change the first outcome, but takes a fifth of its worth
    worth = np.array([[10.0, 0.0]] * 3, dtype=np.float32)
    gain = HAND_MADE.uplift(X, worth, kept)
    for row, (a, _) in zip(gain, X, strict=True):
        assert row[2] == pytest.approx(-0.2 * 10.0 * chance(a - 1.0), rel=1e-5)


def test_extreme_odds_stay_finite():
    steep = Propensity(BASE * 1e3, EFFECTS * 1e3)
    gain = steep.uplift(X, np.ones((3, 2), dtype=np.float32))
    assert np.isfinite(gain).all()
    assert (np.abs(gain) <= 1.0).all()


def test_who_else_is_asked_about_changes_no_bit():
    generator = np.random.default_rng(3)
    x = generator.normal(size=(300, 51)).astype(np.float32)
    base = generator.normal(size=(52, 4)).astype(np.float32)
    effects = generator.normal(size=(52, 4, 7)).astype(np.float32)
    effects[:, :, 0] = 0.0
    model, worth = Propensity(base, effects), generator.random((300, 4)).astype(np.float32)
    whole = model.uplift(x, worth)
    for rows in (slice(0, 1), slice(17, 18), slice(5, 105), slice(64, 128), slice(1, 300, 3)):
        np.testing.assert_array_equal(model.uplift(x[rows], worth[rows]), whole[rows])


def test_rows_turned_into_lanes_and_back_are_themselves():
    x = np.arange(130 * 5, dtype=np.float32).reshape(130, 5)
    lanes = in_lanes(x)
    assert lanes.shape == (3, 6, 64)
    np.testing.assert_array_equal(in_rows(lanes, 130)[:, :5], x)
    assert (in_rows(lanes, 130)[:, 5] == 1.0).all()
    assert (lanes[2, :, 2:] == 0.0).all()
    model = np.array([1.0, 0.0, -1.0, 0.0, 0.0, 7.0], dtype=np.float32)
    np.testing.assert_array_equal(linear(lanes, model).reshape(-1)[:130], x[:, 0] - x[:, 2] + 7.0)


def test_the_best_open_action_wins_and_waiting_wins_ties():
    worth = np.array([[9.0, 1.0, 2.0, 2.0], [0.0, 5.0, 3.0, 1.0], [0.0, 0.5, 0.5, 0.5]])
    closed = np.zeros(worth.shape, dtype=np.bool_)
    closed[1, 1] = True
    assert best_open(worth, closed, 0.5).tolist() == [2, 2, 0]
    assert best_open(worth.astype(np.float32), closed, 2.0).tolist() == [0, 2, 0]
    assert worth[0, 0] == 9.0


def test_shares_are_equal_among_what_is_allowed():
    masks = np.array([[1, 1, 0, 1], [1, 0, 0, 0]], dtype=np.int8)
    np.testing.assert_allclose(equal_shares(masks, 0.0), [[1 / 3, 1 / 3, 0, 1 / 3], [1, 0, 0, 0]])
    np.testing.assert_allclose(equal_shares(masks, 0.4), [[0.6, 0.2, 0, 0.2], [1, 0, 0, 0]])


@pytest.mark.parametrize("wrong", [[0.5, 0.4], [1.5, -0.5], [np.nan, 1.0]])
def test_a_row_that_is_no_distribution_is_named(wrong):
    chances = np.array([[0.5, 0.5], wrong, [1.0, 0.0]])
    with pytest.raises(PolicyError, match=r"must answer with probabilities .* \(row 1\)"):
        check_chances("somebody", chances, (3, 2))

"""Intervals over seeds and of counted shares, against tables and closed forms."""

import numpy as np
import pytest

from nba_gym.statistics import mean_interval, seed_interval, share_interval


@pytest.mark.parametrize(("values", "t"), [([1.0, 3.0], 12.7062), ([1.0, 2.0, 6.0], 4.30265)])
def test_the_interval_over_seeds_is_students(values, t):
    found = seed_interval(np.array(values))
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert found.mean == np.mean(values)
    assert found.high - found.mean == pytest.approx(t * error, rel=1e-5)
    assert found.mean - found.low == pytest.approx(t * error, rel=1e-5)


def test_of_many_seeds_the_interval_is_that_of_many_customers():
    values = np.random.default_rng(1).normal(size=20_000)
    assert seed_interval(values) == pytest.approx(mean_interval(values), rel=1e-3)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (0, 20, 0.0, 1.0 - 0.025 ** (1 / 20)),  # nobody: the closed form
        (20, 20, 0.025 ** (1 / 20), 1.0),
        (18, 20, 0.68302, 0.98765),  # published tables of Clopper and Pearson's interval
        (5, 10, 0.18709, 0.81291),
    ],
)
def test_the_interval_of_a_share_is_the_exact_binomial_one(k, n, low, high):
    assert share_interval(k, n) == pytest.approx((k / n, low, high), abs=1e-5)

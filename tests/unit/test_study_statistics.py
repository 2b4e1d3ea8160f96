"""Intervals over few, skewed seeds cover what they say; tests of what is the same rarely differ."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from nba_gym.errors import DataError
from nba_gym.evaluation.statistics import (
    customers_for,
    gap,
    holm,
    improvement,
    interquartile_mean,
    over_customers,
    permutation_p,
    power,
    profile,
    seeds_for,
    typical,
    with_customers,
)
from nba_gym.evaluation.statistics.typical import Estimate

Draw = Callable[[np.random.Generator, Any], NDArray[np.float64]]


def failing(luck: np.random.Generator, size: Any) -> NDArray[np.float64]:
    """One training in ten comes to nothing."""
    return luck.standard_normal(size) - 10.0 * (luck.random(size) < 0.1)


SEEDS: dict[str, Draw] = {
    "normal": lambda luck, size: luck.standard_normal(size),
    "lognormal": lambda luck, size: np.exp(luck.standard_normal(size)),
    "lognormal, the long tail below": lambda luck, size: -np.exp(luck.standard_normal(size)),
    "one in ten fails": failing,
}
EXPERIMENTS = 20_000


def covered(estimate: Estimate, truth: float, confidence: float = 0.95) -> float:
    reach = special.stdtrit(estimate.freedom, 0.5 + confidence / 2.0) * estimate.error
    return float(np.mean(np.abs(estimate.value - truth) <= reach))


def true_middle(draw: Draw, levels: Any = (0.0,)) -> float:
    luck = np.random.default_rng(99)
    together = np.concatenate([draw(luck, 400_000) + level for level in levels])
    return float(stats.trim_mean(together, 0.25))


@pytest.mark.parametrize("name", SEEDS)
@pytest.mark.parametrize("n", [5, 10, 20])
def test_intervals_of_the_typical_seed_cover_as_often_as_they_say(name, n):
    draw, luck = SEEDS[name], np.random.default_rng(n)
    found = typical([draw(luck, (EXPERIMENTS, n))])
    assert 0.93 <= covered(found, true_middle(draw)) <= 0.97


@pytest.mark.parametrize("name", SEEDS)
@pytest.mark.parametrize("n", [5, 10])
def test_so_do_those_over_scenarios_of_different_levels(name, n):
    draw, luck, levels = SEEDS[name], np.random.default_rng(n), (0.0, 0.5, 1.0, 3.0)
    strata = [draw(luck, (EXPERIMENTS, n)) + level for level in levels]
    assert 0.93 <= covered(typical(strata), true_middle(draw, levels)) <= 0.98


@pytest.mark.parametrize("name", SEEDS)
@pytest.mark.parametrize("n", [5, 10, 20])
def test_in_a_a_experiments_an_agent_seldom_seems_to_differ_from_a_policy_without_seeds(name, n):
    draw, luck = SEEDS[name], np.random.default_rng(7 * n)
    gains = typical([draw(luck, (EXPERIMENTS, n)) - true_middle(draw)])
    assert 0.03 <= float(np.mean(gains.p_value() < 0.05)) <= 0.07


@pytest.mark.parametrize("name", SEEDS)
@pytest.mark.parametrize("n", [5, 10, 20])
def test_intervals_of_the_gap_between_two_agents_cover_at_least_what_they_say(name, n):
    draw, luck = SEEDS[name], np.random.default_rng(7 * n)
    found = gap(draw(luck, (EXPERIMENTS, n)), draw(luck, (EXPERIMENTS, n)))
    assert 0.94 <= covered(found, 0.0) <= 0.985


@pytest.mark.parametrize("name", SEEDS)
@pytest.mark.parametrize("n", [5, 10])
def test_in_a_thousand_a_a_experiments_two_agents_differ_as_often_as_the_test_says(name, n):
    draw, luck = SEEDS[name], np.random.default_rng(3 * n)
    one, other = draw(luck, (2_000, n)), draw(luck, (2_000, n))
    p = permutation_p(one, other, resamples=199)
    assert 0.03 <= float(np.mean(p <= 0.05)) <= 0.07


def crossed(luck: np.random.Generator, experiments: int, seeds: int, n: int) -> Any:
    """Gains by seed and customer: skewed seeds, skewed customers, and what is neither's alone."""
    by_seed = np.exp(luck.standard_normal((experiments, seeds, 1))) - 1.0
    by_customer = 8.0 * (luck.exponential(size=(experiments, 1, n)) - 1.0)
    return by_seed + by_customer + luck.standard_normal((experiments, seeds, n))


@pytest.mark.parametrize("seeds", [5, 10])
def test_an_interval_for_other_customers_too_covers_where_that_of_seeds_alone_does_not(seeds):
    luck, truth = np.random.default_rng(seeds), true_middle(SEEDS["lognormal"]) - 1.0
    both, alone = [], []
    for each in crossed(luck, 1_500, seeds, 60):
        estimate = typical([each.mean(axis=1)])
        alone.append(covered(estimate, truth))
        both.append(covered(with_customers(estimate, each.mean(axis=0)), truth))
    assert 0.93 <= np.mean(both) <= 0.98
    assert np.mean(alone) < 0.90


def test_the_middle_mean_is_that_of_the_middle_half_values_on_its_edge_in_part():
    assert interquartile_mean(np.array([100.0, 1.0, 2.0, -50.0])) == pytest.approx(1.5)
    # of five values 2.5 are kept: the third, and three quarters of each neighbour
    assert interquartile_mean(np.array([0.0, 4.0, 8.0, 16.0, 90.0])) == pytest.approx(
        (0.75 * 4.0 + 8.0 + 0.75 * 16.0) / 2.5
    )
    values = np.random.default_rng(0).standard_normal(40)
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))


def test_one_seed_tells_no_spread():
    with pytest.raises(DataError, match="at least 2"):
        typical([np.array([1.0])])


def test_seeds_that_all_agree_leave_no_doubt_and_a_difference_is_seen():
    same = typical([np.full(5, 3.0)])
    assert same.interval() == (3.0, 3.0, 3.0)
    assert same.p_value(3.0) == 1.0
    assert same.p_value(0.0) == 0.0


def test_holm_is_worked_out_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_of_many_comparisons_of_the_same_few_families_err():
    luck = np.random.default_rng(5)
    p = gap(luck.standard_normal((1_000, 8, 10)), luck.standard_normal((1_000, 8, 10))).p_value()
    wrong = [min(holm(list(family))) < 0.05 for family in p]
    assert np.mean(wrong) <= 0.07
    assert np.mean(p.min(axis=1) < 0.05) > 0.2  # what happens without


def test_the_chance_of_doing_better_counts_pairs_and_ties_half():
    assert improvement(np.array([1.0, 2.0, 3.0]), np.array([2.0])).mean == pytest.approx(0.5)
    share, low, high = improvement(np.array([5.0, 6.0, 7.0, 8.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert (share, high) == (1.0, 1.0)
    assert low == pytest.approx(0.025 ** (1 / 4))  # four of four


def test_intervals_of_the_chance_of_doing_better_cover():
    luck, truth = np.random.default_rng(1), float(special.ndtr(1.0 / math.sqrt(2.0)))
    hit = 0
    for _ in range(2_000):
        low, high = improvement(luck.normal(1.0, size=10), luck.normal(size=10))[1:]
        hit += low <= truth <= high
    assert hit / 2_000 >= 0.93  # it is wide where all of a few do better


def test_a_profile_counts_runs_above_each_level_and_its_band_holds_the_share():
    strata = [np.array([0.0, 1.0, 2.0, 3.0]), np.array([2.0, 2.0, 4.0, 4.0])]
    found = profile(strata, np.array([-1.0, 1.5, 2.5, 5.0]))
    np.testing.assert_allclose(found.share, [1.0, 0.75, 0.375, 0.0])
    assert np.all((found.low <= found.share) & (found.share <= found.high))


def test_power_is_that_of_students_test_and_grows_with_seeds():
    luck = np.random.default_rng(2)
    means = luck.normal(1.0, size=(40_000, 12))
    seen = np.mean(stats.ttest_1samp(means, 0.0, axis=1).pvalue < 0.05)
    error = 4.0 * math.sqrt(float(seen * (1 - seen)) / 40_000)
    assert power(1.0, 1.0 / math.sqrt(12), 11.0) == pytest.approx(float(seen), abs=error)
    seeds = typical([luck.standard_normal(10)])
    wanted = [seeds_for(effect, seeds, 10) for effect in (2.0, 1.0, 0.5)]
    assert wanted == sorted(wanted, key=lambda n: n or 0)
    n = wanted[1] or 0
    error, freedom = float(seeds.error), float(seeds.freedom)
    at = [power(1.0, error * math.sqrt(10 / k), freedom * k / 10) for k in (n - 1, n)]
    assert at[0] < 0.8 <= at[1]


def test_no_number_of_seeds_makes_up_for_too_few_customers():
    seeds = typical([np.random.default_rng(3).standard_normal(10)])
    assert seeds_for(0.1, seeds, 10, customers=0.1) is None
    n = customers_for(0.1, 0.1, 1_000)
    assert power(0.1, 0.1 * math.sqrt(1_000 / n), 1e9) == pytest.approx(0.8, abs=0.01)


def test_without_seeds_customers_are_paired():
    luck = np.random.default_rng(4)
    before = 100.0 * luck.exponential(size=500)
    paired = over_customers(before + luck.normal(1.0, 0.5, 500) - before)
    assert paired.interval().low > 0.9
    assert paired.interval().mean == pytest.approx(1.0, abs=0.1)

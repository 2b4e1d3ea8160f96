"""BG/NBD against published numbers, integrals and simulation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from nba_gym.calibration import (
    fit_bg_nbd,
    frequency_histogram,
)
from nba_gym.errors import DataError
from tests.unit.purchases import PUBLISHED, cdnow_fit, cdnow_summary


@pytest.fixture(scope="module")
def summary():
    return cdnow_summary()


@pytest.fixture(scope="module")
def fit():
    return cdnow_fit()


def tell_bg_nbd_story(fit, age, weeks_after, generator):
    """Live through the BG/NBD story purchase by purchase, without any of its closed forms.

    Returns frequency, recency, and the purchases in the ``weeks_after`` that follow ``age``.
    """
    rate = generator.gamma(fit.r, 1 / fit.alpha, age.size)
    dropout = generator.beta(fit.a, fit.b, age.size)
    frequency, recency, later = np.zeros((3, age.size))
    active, now = np.arange(age.size), np.zeros(age.size)
    while active.size > 0:
        now = now + generator.exponential(size=active.size) / rate[active]
        inside = now <= age[active]
        frequency[active[inside]] += 1
        recency[active[inside]] = now[inside]
        later[active[~inside & (now <= age[active] + weeks_after)]] += 1
        stays = (now <= age[active] + weeks_after) & (
            generator.random(active.size) >= dropout[active]
        )
        active, now = active[stays], now[stays]
    return frequency, recency, later


# ---------------------------------------------------------------------------- BG/NBD


def test_bg_nbd_reproduces_the_published_estimates(fit):
    assert (round(fit.r, 3), round(fit.alpha, 3)) == (0.243, 4.414)
    assert (round(fit.a, 3), round(fit.b, 3)) == (0.793, 2.426)
    assert round(fit.log_likelihood, 2) == -9582.43
    assert fit.n_customers == 2357


def test_bg_nbd_standard_errors_equal_those_of_automatic_differentiation(fit):
    # lifetimes 0.11.3, BetaGeoFitter on the same columns
    expected = (0.012557, 0.378224, 0.185734, 0.705414)
    assert fit.standard_errors == pytest.approx(expected, rel=1e-4)


def test_bg_nbd_expectations_equal_the_spreadsheet_of_its_authors(fit):
    # its 1.8576 at 78 weeks is left out: the spreadsheet cuts the series of 2F1 after 150 terms,
    # which is 1.85763; the whole series is 1.85797
    weeks = [1 / 7, 1, 3, 223 / 7, 32]
    expected = [0.0078, 0.0532, 0.1506, 1.0405, 1.0437]
    assert fit.expected_purchases(weeks) == pytest.approx(expected, abs=5e-5)
    ahead = fit.expected_future_purchases(39, [2], [30.43], [38.86])
    assert ahead == pytest.approx([1.226], abs=5e-4)


@pytest.mark.parametrize("history", [(1, 3.0, 30.0), (2, 30.43, 38.86), (20, 25.0, 26.0)])
def test_bg_nbd_conditional_mean_equals_bayes_rule_by_integration(history):
    x, t_x, age = history
    f, weeks = PUBLISHED, 39.0

    def over_rates(integrand):
        prior = lambda rate: rate ** (f.r + x - 1) * np.exp(-f.alpha * rate)  # noqa: E731
        return quad(lambda rate: prior(rate) * integrand(rate), 0, np.inf, epsabs=0)[0]

    def over_customers(integrand):
        inner = lambda p: over_rates(lambda rate: integrand(rate, p))  # noqa: E731
        return quad(inner, 0, 1, weight="alg", wvar=(f.a - 1, f.b - 1), epsabs=0)[0]

    def active(rate, p):
        return (1 - p) ** x * np.exp(-rate * age)

    def left(rate, p):
        return p * (1 - p) ** (x - 1) * np.exp(-rate * t_x)

    alive = over_customers(active)
    total = alive + over_customers(left)
    ahead = over_customers(
        lambda rate, p: active(rate, p) * -np.expm1(-rate * p * weeks) / p if p > 0 else 0.0
    )
    column = [np.array([value]) for value in history]
    assert f.active_probability(*column) == pytest.approx([alive / total], rel=1e-6)
    assert f.expected_future_purchases(weeks, *column) == pytest.approx([ahead / total], rel=1e-6)


@pytest.mark.parametrize(("a", "b"), [(1.0, 2.0), (0.4, 0.6)])
def test_bg_nbd_means_cross_the_removable_singularities(a, b):
    def mean(shape):
        return float(replace(PUBLISHED, a=shape, b=b).expected_purchases(39.0)[0])

    assert mean(a) == pytest.approx((mean(a - 1e-3) + mean(a + 1e-3)) / 2, rel=1e-5)


def test_bg_nbd_probabilities_sum_to_one_and_average_to_the_mean(fit):
    weeks = np.array([0.0, 1.0, 39.0])
    counts = np.arange(300)
    probabilities = np.array([fit.frequency_probability(int(x), weeks) for x in counts])
    assert probabilities.sum(axis=0) == pytest.approx([1, 1, 1], abs=1e-9)
    assert counts @ probabilities == pytest.approx(fit.expected_purchases(weeks), abs=1e-6)


def test_bg_nbd_histogram_equals_simulation(fit, summary):
    age = np.tile(summary.age, 20)
    frequency, _, _ = tell_bg_nbd_story(fit, age, 0.0, np.random.default_rng(1))
    simulated = frequency_histogram(frequency)
    expected = fit.expected_histogram(age)
    assert expected.sum() == pytest.approx(age.size)
    # the sum of unlike coin tosses varies less than a binomial of their mean, so |z| is cautious
    z = (simulated - expected) / np.sqrt(expected * (1 - expected / age.size))
    assert np.abs(z).max() < 4


def test_bg_nbd_forecasts_equal_simulation_at_every_frequency(fit, summary):
    age = np.tile(summary.age, 20)
    frequency, recency, later = tell_bg_nbd_story(fit, age, 39.0, np.random.default_rng(2))
    forecast = fit.expected_future_purchases(39.0, frequency, recency, age)
    groups = np.minimum(frequency, 7).astype(int)
    size = np.bincount(groups)
    gap = np.bincount(groups, later - forecast) / size
    spread = np.sqrt(np.bincount(groups, (later - forecast) ** 2) / size)
    assert np.abs(gap / spread * np.sqrt(size)).max() < 4


def test_bg_nbd_recovers_the_parameters_behind_a_simulation():
    truth = replace(PUBLISHED, r=0.7, alpha=3.0, a=1.2, b=2.5)
    generator = np.random.default_rng(3)
    age = generator.uniform(20, 52, 20_000)
    frequency, recency, _ = tell_bg_nbd_story(truth, age, 0.0, generator)
    found = fit_bg_nbd(frequency, recency, age)
    for name, error in found.standard_errors._asdict().items():
        assert abs(getattr(found, name) - getattr(truth, name)) < 4 * error, name
        assert error < 0.1 * getattr(truth, name), name


def test_bg_nbd_refuses_data_without_dropout():
    generator = np.random.default_rng(4)
    frequency = generator.poisson(generator.gamma(2.0, 4.0, 500))
    age = np.full(500, 20.0)
    recency = np.where(frequency > 0, age, 0.0)  # everybody bought again on the last day
    with pytest.raises(DataError, match=r"^BG/NBD has no interior maximum .* got r=.*, a="):
        fit_bg_nbd(frequency, recency, age)

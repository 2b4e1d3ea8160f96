"""Gamma-gamma against published numbers and simulation."""

from dataclasses import replace

import numpy as np
import pytest

from nba_gym.calibration import (
    fit_gamma_gamma,
)
from tests.unit.purchases import cdnow_summary


@pytest.fixture(scope="module")
def summary():
    return cdnow_summary()


# ---------------------------------------------------------------------------- gamma-gamma


def test_gamma_gamma_reproduces_the_published_estimates(summary):
    fit = fit_gamma_gamma(summary.frequency, summary.mean_spend)
    assert (round(fit.p, 2), round(fit.q, 2), round(fit.v, 2)) == (6.25, 3.74, 15.44)
    assert round(fit.log_likelihood, 1) == -4055.9
    assert fit.n_customers == 946
    # lifetimes 0.11.3, GammaGammaFitter on the same columns
    assert fit.standard_errors == pytest.approx((1.190055, 0.290133, 4.159423), rel=1e-4)


def test_gamma_gamma_scale_moves_in_its_last_digit_when_half_cents_are_rounded_up(summary):
    # as in the summary file of the authors; 77 of the 946 means end in half a cent
    cents = np.floor(100 * summary.mean_spend + 0.5 + 1e-9)
    fit = fit_gamma_gamma(summary.frequency, cents / 100)
    assert (round(fit.p, 2), round(fit.q, 2), round(fit.v, 2)) == (6.25, 3.74, 15.45)


def test_gamma_gamma_recovers_the_parameters_and_forecasts_of_a_simulation():
    truth = {"p": 4.0, "q": 5.0, "v": 20.0}
    generator = np.random.default_rng(5)
    n = 20_000
    frequency = generator.integers(0, 6, n)
    scale = generator.gamma(truth["q"], 1 / truth["v"], n)
    spend = generator.gamma(truth["p"] * np.maximum(frequency, 1)) / scale
    mean_spend = np.where(frequency > 0, spend / np.maximum(frequency, 1), np.nan)
    found = fit_gamma_gamma(frequency, mean_spend)
    assert found.n_customers == np.count_nonzero(frequency)
    for name, error in found.standard_errors._asdict().items():
        assert abs(getattr(found, name) - truth[name]) < 4 * error, name
        assert error < 0.1 * truth[name], name
    exact = replace(found, **truth)
    gap = exact.p / scale - exact.expected_spend(frequency, mean_spend)
    by_count = [gap[frequency == x] for x in range(6)]
    assert max(abs(g.mean()) / g.std() * np.sqrt(g.size) for g in by_count) < 4
    assert exact.mean_spend == pytest.approx(20.0)  # p v / (q - 1)


def test_gamma_gamma_mean_is_infinite_where_there_is_none(summary):
    heavy = replace(fit_gamma_gamma(summary.frequency, summary.mean_spend), p=2.0, q=0.5)
    assert heavy.mean_spend == np.inf
    expected = [np.inf, 2 * (heavy.v + 10) / (2 + 0.5 - 1)]
    assert heavy.expected_spend([0, 1], [np.nan, 10.0]) == pytest.approx(expected)

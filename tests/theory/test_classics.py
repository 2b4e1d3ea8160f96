"""Classical models of customer behaviour, as limits of the simulated customers."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from nba_gym.calibration import fit_bg_bb, read_donations
from nba_gym.evaluation import rollout
from nba_gym.policies import NoContact
from nba_gym.records.ledger import LINES
from tests.theory.test_simulator import CDNOW, shop_of
from tests.worlds import constant, nothing_but, populate, step

Z = 4.0
"""Standard errors that a simulated mean may be away from theory."""


@pytest.mark.parametrize(("retention", "margin"), [(0.8, 10.0), (0.95, 3.5)])
def test_constant_retention_is_worth_its_annuity(retention, margin):
    """Value m / (1 - delta r), cut off at the horizon; Gupta & Lehmann (2003) with d = 1/delta - 1.

    With discount rate d that is m (1 + d) / (1 + d - r), the first margin at once.
    """
    n, horizon, discount = 200_000, 60, 0.97
    scenario = nothing_but(
        "telecom",
        horizon=horizon,
        discount=discount,
        contract__enabled=True,
        contract__recurring_margin=margin,
        leaving__period_scale=1.0,
        traits__leaving=constant(1.0 - retention),
    )
    values = rollout(NoContact(), scenario, n, seed=1).lines["recurring"]
    both = discount * retention
    expected = margin * (1.0 - both**horizon) / (1.0 - both)
    assert abs(values.mean() - expected) < Z * values.std() / math.sqrt(n)
    endless = margin * (1.0 / discount) / (1.0 / discount - retention)
    assert expected == pytest.approx(endless, rel=both**horizon + 1e-12)


def chooser(**settings):
    """A world with one purchase at most a period, at the customer's own probability."""
    preset = nothing_but("retail")
    return nothing_but(
        "retail",
        purchase__process="one",
        purchase__intercept=-math.log(preset.n_needs),  # the needs share one probability
        **settings,
    )


@pytest.mark.parametrize(("a", "b"), [(1.2, 0.75), (0.5, 4.0)])
def test_purchases_without_leaving_are_beta_binomial(a, b):
    """Skellam (1948)."""
    n, periods = 200_000, 8
    crowd = populate(chooser(traits__purchase={"family": "beta", "a": a, "b": b}), n)
    for _ in range(periods):
        step(crowd, 0)
    seen = np.bincount(crowd.read("frequency")[:, 0].astype(int), minlength=periods + 1)
    expected = n * stats.betabinom.pmf(np.arange(periods + 1), periods, a, b)
    z = (seen - expected) / np.sqrt(expected * (1 - expected / n))
    assert np.abs(z).max() < Z


def test_donors_follow_bg_bb_as_fitted_to_real_donations():
    """Fader, Hardie & Shang (2010): six yearly opportunities; ours begin after the first period."""
    donations = read_donations()
    fit = fit_bg_bb(*dataclasses.astuple(donations))
    assert round(fit.log_likelihood, 2) == -33225.58
    n, years = 400_000, 6
    scenario = chooser(
        traits__purchase={"family": "beta", "a": fit.alpha, "b": fit.beta},
        traits__leaving={"family": "beta", "a": fit.gamma, "b": fit.delta},
        leaving__period_scale=1.0,
    )
    crowd = populate(scenario, n)
    step(crowd, 0)  # nobody can be lost before it
    first = crowd.read("frequency")[:, 0].copy()
    given = np.zeros(n, dtype=int)
    for year in range(1, years + 1):
        step(crowd, 0)
        given = (crowd.read("frequency")[:, 0] - first).astype(int)
        mean = float(fit.expected_purchases([year])[0])
        assert abs(given.mean() - mean) < Z * given.std() / math.sqrt(n), year
    seen = np.bincount(given, minlength=years + 1)
    chances = [float(fit.frequency_probability(x, [years])[0]) for x in range(years + 1)]
    expected = n * np.array(chances)
    assert expected.sum() == pytest.approx(n)
    z = (seen - expected) / np.sqrt(expected * (1 - expected / n))
    assert np.abs(z).max() < Z


def test_halving_the_period_leaves_lifetimes_as_they_were():
    """Survival of a hazard is the same in steps of half the length and the hazard's share of it."""
    n, hazard = 200_000, 0.15
    alive = {}
    for steps, share in ((1, hazard), (2, 1.0 - math.sqrt(1.0 - hazard))):
        world = nothing_but(
            "retail", leaving__period_scale=1.0, traits__leaving=constant(share), horizon=100
        )
        crowd = populate(world, n, seed=steps)
        alive[steps] = []
        for _ in range(12):
            for _ in range(steps):
                step(crowd, 0)
            alive[steps].append(float(crowd.read("alive").mean()))
    for period, (whole, half) in enumerate(zip(alive[1], alive[2], strict=True), start=1):
        survival = (1.0 - hazard) ** period
        error = math.sqrt(survival * (1.0 - survival) / n)
        assert abs(whole - survival) < Z * error
        assert abs(half - survival) < Z * error


def test_halving_the_period_leaves_purchases_and_dropout_as_they_were():
    """BG/NBD at half the rate in twice as many periods: the same histogram after 39 weeks."""
    n, weeks = 200_000, 39
    halved = dataclasses.replace(CDNOW, alpha=2.0 * CDNOW.alpha)  # purchases a half week
    crowd = populate(shop_of(halved), n, seed=2)
    for _ in range(2 * weeks):
        step(crowd, 0)
    bought = crowd.read("frequency")[:, 0].astype(int)
    expected = CDNOW.expected_histogram(np.full(n, float(weeks)))
    seen = np.bincount(np.minimum(bought, 7), minlength=8)
    z = (seen - expected) / np.sqrt(expected * (1 - expected / n))
    assert np.abs(z).max() < Z


def test_all_lines_of_a_journey_sum_to_its_value():
    run = rollout(NoContact(), "telecom", 500)
    assert list(run.lines) == list(LINES)
    np.testing.assert_array_equal(np.sum(list(run.lines.values()), axis=0), run.value)

"""How often customers buy: the published models of purchasing, lived by simulated customers.

Every test runs the simulator itself, a million customers at a pinned seed; see ``closed_forms``.
"""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import betaln

from nba_gym.calibration import frequency_histogram, read_cdnow, summarise
from tests.closed_forms import CDNOW, MILLION, Z, agree, mean_agrees, shares_agree, tell
from tests.worlds import populate, smallest, step


def shop_of(fit, **settings):
    """A shop where customers buy at their own rate until they leave, as BG/NBD has it."""
    return smallest(
        purchase__process="counted",
        traits__purchase={"family": "gamma", "shape": fit.r, "rate": fit.alpha},
        leaving__purchase_scale=1.0,
        traits__leaving={"family": "beta", "a": fit.a, "b": fit.b},
        **settings,
    )


@pytest.mark.parametrize(("a", "b"), [(1.2, 0.75), (0.5, 4.0)])
def test_purchases_without_leaving_are_beta_binomial(a, b):
    """``P(x) = C(n, x) B(a + x, b + n - x) / B(a, b)``; Skellam (1948)."""
    periods = 8
    world = smallest(purchase__process="one", traits__purchase={"family": "beta", "a": a, "b": b})
    crowd = populate(world, MILLION)
    for _ in range(periods):
        step(crowd, 0)
    seen = np.bincount(crowd.read("frequency")[:, 0].astype(int), minlength=periods + 1)
    chances = stats.betabinom.pmf(np.arange(periods + 1), periods, a, b)
    shares_agree(f"purchases in {periods} periods, {a} {b}", seen, MILLION, chances)


# --- BG/BB --------------------------------------------------------------------------------------

DONORS = {"alpha": 1.204, "beta": 0.750, "gamma": 0.657, "delta": 2.783}
YEARS = 6


def history_chance(x, last, years, alpha, beta, gamma, delta):
    """P(x donations in so many years, the last in year ``last``, in one given order).

    Source: Fader, Hardie & Shang (2010), equation 5.
    """
    stays = betaln(alpha + x, beta + years - x) - betaln(alpha, beta)
    chance = np.exp(stays + betaln(gamma, delta + years) - betaln(gamma, delta))
    for met in range(last, years):  # lost after so many opportunities
        taken = betaln(alpha + x, beta + met - x) - betaln(alpha, beta)
        chance += np.exp(taken + betaln(gamma + 1, delta + met) - betaln(gamma, delta))
    return chance


def test_donors_follow_bg_bb_with_the_parameters_of_real_donations():
    """All 22 histories of six years, and the mean of each year; a real donor base's parameters.

    ``E[X(n)] = alpha / (alpha + beta) sum_i B(gamma, delta + i) / B(gamma, delta)``.

    Source: Fader, Hardie & Shang (2010), equations 5 and 9, and their estimates. Ours may be lost
    only after the first period, their donors before the first opportunity, so the first period
    here is not counted.
    """
    alpha, beta, gamma, delta = DONORS.values()
    world = smallest(
        purchase__process="one",
        traits__purchase={"family": "beta", "a": alpha, "b": beta},
        leaving__period_scale=1.0,
        traits__leaving={"family": "beta", "a": gamma, "b": delta},
    )
    crowd = populate(world, MILLION)
    step(crowd, 0)
    given, last, before = (np.zeros(MILLION, dtype=int) for _ in range(3))
    before += crowd.read("frequency")[:, 0].astype(int)
    stays = np.exp(betaln(gamma, delta + np.arange(1, YEARS + 1)) - betaln(gamma, delta))
    expected = alpha / (alpha + beta) * np.cumsum(stays)
    for year in range(1, YEARS + 1):
        step(crowd, 0)
        now = crowd.read("frequency")[:, 0].astype(int) - before
        last[now > given], given = year, now
        mean_agrees(f"BG/BB donations by year {year}", given, expected[year - 1])
    seen, chances = [], []
    histories = [(x, t) for t in range(1, YEARS + 1) for x in range(1, t + 1)]
    for x, t in [(0, 0), *histories]:
        orders = math.comb(t - 1, x - 1) if x else 1  # of the donations before the last
        seen.append(int(((given == x) & (last == t)).sum()))
        chances.append(orders * history_chance(x, t, YEARS, **DONORS))
    assert len(seen) == 22
    assert sum(chances) == pytest.approx(1.0)
    shares_agree("BG/BB histories", seen, MILLION, chances)


# --- BG/NBD -------------------------------------------------------------------------------------

ACTUAL = [1411, 439, 214, 100, 62, 38, 29, 64]
"""CDNOW customers with 0, 1, ..., 7 or more repeat purchases in their first 39 weeks."""
STEPS = 13


@pytest.fixture(scope="module")
def cdnow_lives():
    """The CDNOW customers 425 times: ages, repeat purchases by then, and in the 39 weeks after.

    Each customer of the records was acquired on a day of their own, so each lives 13 periods of a
    length of their own: the rate a week becomes one a period. BG/NBD knows no length of a period.
    """
    summary = summarise(read_cdnow(), calibration_weeks=39)
    age = np.tile(summary.age, -(-MILLION // summary.n_customers))
    crowd = populate(shop_of(CDNOW), len(age), seed=5)
    a_week = crowd.read("purchase_propensity")[:, 0].copy()  # logarithm of a rate
    bought = []
    for weeks in (age, 39.0):
        crowd.write("purchase_propensity", (a_week + np.log(weeks / STEPS))[:, None])
        for _ in range(STEPS):
            step(crowd, 0)
        bought.append(crowd.read("frequency")[:, 0].astype(int))
    return summary, age, bought[0], bought[1] - bought[0]


def test_customers_acquired_when_cdnows_were_buy_as_bg_nbd_expects(cdnow_lives):
    """``P(X(t) = x)`` summed over the days of acquisition, and how near the records it is.

    Source: Fader, Hardie & Lee (2005), equation 8, and table 2 for the parameters.
    """
    summary, age, bought, _ = cdnow_lives
    days, of_day = np.unique(age, return_inverse=True)
    chances = np.array([CDNOW.frequency_probability(x, days) for x in range(7)])
    chances = np.vstack([chances, 1.0 - chances.sum(axis=0)])[:, of_day]
    expected, spread = chances.sum(axis=1), (chances * (1.0 - chances)).sum(axis=1)
    seen = frequency_histogram(bought)
    agree("BG/NBD counts, CDNOW's cohort", seen, expected, np.sqrt(spread), len(age))
    # the records themselves: a sample of one cohort, four parameters fitted to it
    cohort = seen * summary.n_customers / len(age)
    assert frequency_histogram(summary.frequency).tolist() == ACTUAL
    fit = ((ACTUAL - cohort) ** 2 / cohort).sum()
    tell(f"simulated per 2,357 customers: {cohort.round(1).tolist()}, chi2(3) {fit:.2f}")
    assert stats.chi2.sf(fit, 8 - 1 - 4) > 0.05


def test_the_39_weeks_after_are_bought_in_as_bg_nbd_expects(cdnow_lives):
    """``E[X(T + 39)] - E[X(T)]`` in the holdout, and where the actual 1,882 purchases lie.

    Source: Fader, Hardie & Lee (2005), equation 9. The model, not its simulation, stays below the
    records.
    """
    summary, age, bought, later = cdnow_lives
    means = CDNOW.expected_purchases(age + 39.0) - CDNOW.expected_purchases(age)
    off = later - means  # of each customer, whose expectation depends on the day of acquisition
    mean_agrees("BG/NBD holdout, CDNOW's cohort", off, 0.0)
    actual = int(summary.holdout_frequency.sum())
    assert (int(summary.frequency.sum()), actual) == (2457, 1882)
    for label, lived, real in (("holdout", later, actual), ("78 weeks", bought + later, 4339)):
        cohorts = lived.reshape(-1, summary.n_customers).sum(axis=1)
        mean, sd = cohorts.mean(), cohorts.std()
        tell(
            f"{label} of 2,357: {mean:.0f}, sd {sd:.0f}; actual {real}, {(real - mean) / sd:.2f} sd"
        )
        assert abs(real - mean) < Z * sd  # one real cohort among 425 simulated ones


def test_purchases_follow_the_histogram_of_bg_nbd():
    """``P(X(t) = x)`` after 13 and 39 weeks; Fader, Hardie & Lee (2005), equation 8."""
    weeks = (13, 39)
    crowd = populate(shop_of(CDNOW), MILLION)
    for week in range(1, max(weeks) + 1):
        step(crowd, 0)
        if week in weeks:
            seen = frequency_histogram(crowd.read("frequency")[:, 0])
            expected = CDNOW.expected_histogram([float(week)])
            shares_agree(f"BG/NBD counts after {week} weeks", seen, MILLION, expected)


def test_the_mean_of_purchases_follows_bg_nbd_over_two_years():
    """``E[X(t)]``; Fader, Hardie & Lee (2005), equation 9. 200,000, for 104 periods are many."""
    crowd = populate(shop_of(CDNOW), 200_000, seed=3)
    for week in range(1, 105):
        step(crowd, 0)
        if week % 26 == 0:
            expected = CDNOW.expected_purchases(week).item()
            mean_agrees(f"BG/NBD mean by week {week}", crowd.read("frequency")[:, 0], expected)


def test_halving_the_period_leaves_purchases_and_dropout_as_they_were():
    """BG/NBD at half the rate in twice as many periods: the same histogram after 20 weeks."""
    weeks = 20
    halved = dataclasses.replace(CDNOW, alpha=2.0 * CDNOW.alpha)  # purchases a half week
    crowd = populate(shop_of(halved), MILLION, seed=2)
    for _ in range(2 * weeks):
        step(crowd, 0)
    expected = CDNOW.expected_histogram([float(weeks)])
    seen = frequency_histogram(crowd.read("frequency")[:, 0])
    shares_agree("BG/NBD counts in halved weeks", seen, MILLION, expected)

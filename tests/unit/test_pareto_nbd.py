"""Pareto/NBD reproduces the published CDNOW numbers and recovers parameters it is given."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import beta as beta_function
from scipy.special import factorial, hyp2f1
from scipy.special import gamma as gamma_function
from scipy.stats import nbinom

from nba_gym.calibration import (
    ParetoNbdErrors,
    ParetoNbdFit,
    fit_bg_nbd,
    fit_pareto_nbd,
    frequency_histogram,
    read_cdnow,
    summarise,
)
from nba_gym.calibration.special import hypergeometric_from_one
from nba_gym.errors import DataError

# Table 2 of Fader, Hardie & Lee (2005), Marketing Science 24(2), which compares it with BG/NBD
PUBLISHED = ParetoNbdFit(0.553, 10.578, 0.606, 11.669, -9595.0, 2357, ParetoNbdErrors(0, 0, 0, 0))

# alpha above, below and equal to beta, each far apart and close
WORLDS = [
    PUBLISHED,
    replace(PUBLISHED, alpha=14.0, beta=11.0),
    replace(PUBLISHED, alpha=11.0, beta=11.0),
    replace(PUBLISHED, r=2.0, alpha=30.0, s=1.0, beta=0.7),
    replace(PUBLISHED, r=1.4, alpha=0.5, s=2.6, beta=40.0),
]


@pytest.fixture(scope="module")
def summary():
    return summarise(read_cdnow(), calibration_weeks=39)


@pytest.fixture(scope="module")
def fit(summary):
    return fit_pareto_nbd(summary.frequency, summary.recency, summary.age)


def tell_pareto_nbd_story(fit, age, weeks_after, generator):
    """Live through the Pareto/NBD story purchase by purchase, without any of its closed forms.

    Returns frequency, recency, the purchases in the ``weeks_after`` that follow ``age``, and
    whether the customer is still active at ``age``.
    """
    rate = generator.gamma(fit.r, 1 / fit.alpha, age.size)
    stay = generator.exponential(size=age.size) / generator.gamma(fit.s, 1 / fit.beta, age.size)
    end = np.minimum(age + weeks_after, stay)
    frequency, recency, later = np.zeros((3, age.size))
    active, now = np.arange(age.size), np.zeros(age.size)
    while active.size > 0:
        now = now + generator.exponential(size=active.size) / rate[active]
        active, now = active[now <= end[active]], now[now <= end[active]]
        inside = now <= age[active]
        frequency[active[inside]] += 1
        recency[active[inside]] = now[inside]
        later[active[~inside]] += 1
    return frequency, recency, later, stay > age


def pareto_density(f, leaving):
    return f.s / f.beta * (1 + leaving / f.beta) ** (-f.s - 1)


def over_leaving(integrand, start, end):
    """Integral over the week in which a customer leaves; in logarithms, for it spans decades."""
    pieces = pairwise(start - 1 + np.geomspace(1, 1 + end - start, 9))
    return sum(quad(integrand, a, b, epsabs=0, epsrel=1e-12)[0] for a, b in pieces)


# ---------------------------------------------------------------------------- published


def test_pareto_nbd_reproduces_the_published_estimates(fit):
    assert (round(fit.r, 3), round(fit.alpha, 3)) == (0.553, 10.578)
    assert (round(fit.s, 3), round(fit.beta, 3)) == (0.606, 11.669)
    assert round(fit.log_likelihood, 1) == -9595.0
    assert round(fit.log_likelihood, 2) == -9594.98
    assert fit.n_customers == 2357


def test_pareto_nbd_standard_errors_equal_those_of_another_program(fit):
    # the tests of the R package CLVTools 0.12.1, on the same data, to 0.001 there
    expected = (0.0476264, 0.8427222, 0.1872594, 6.2105448)
    assert fit.standard_errors == pytest.approx(expected, rel=2e-4)


def test_pareto_nbd_fits_cdnow_worse_than_bg_nbd_as_published(fit, summary):
    other = fit_bg_nbd(summary.frequency, summary.recency, summary.age)
    assert round(other.log_likelihood - fit.log_likelihood, 1) == 12.5  # -9582.4 and -9595.0


def test_pareto_nbd_forecast_equals_that_of_the_r_package_btyd(fit):
    # vignette of BTYD, customer 1516
    assert fit.expected_future_purchases(52, [26], [30.86], [31]) == pytest.approx(
        [25.46], abs=5e-3
    )


def test_pareto_nbd_knows_heavy_buyers_whose_likelihood_overflows():
    # the tests of the R package CLVTools, from estimates of another log
    f = replace(PUBLISHED, r=0.5143, alpha=2.8845, s=0.2856, beta=14.1087)
    recency = [103.42857, 97.14286, 94.71429, 98.57143]
    age = [103.57143, 97.28571, 98.0, 99.42857]
    active = f.active_probability([221, 254, 161, 204], recency, age)
    assert active == pytest.approx([0.99960, 0.99956, 0.74949, 0.99426], abs=1e-5)


def test_pareto_nbd_gives_up_heavy_buyers_after_a_long_silence():
    active = PUBLISHED.active_probability([900, 900, 900], [50.0] * 3, [50.0, 52.0, 500.0])
    assert active[0] == 1
    assert 0 < active[1] < 1e-6
    assert active[2] == 0


# ---------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("f", WORLDS)
@pytest.mark.parametrize("history", [(0, 0.0, 30.0), (2, 30.43, 38.86), (20, 25.0, 26.0)])
def test_pareto_nbd_answers_equal_bayes_rule_by_integration(f, history):
    x, t_x, age = history

    def density(weeks):  # of the purchases, by a customer who is there so long
        return (1 + weeks / f.alpha) ** (-f.r - x)

    alive = density(age) * (1 + age / f.beta) ** -f.s
    left = over_leaving(lambda t: density(t) * pareto_density(f, t), t_x, age)
    columns = [np.array([value]) for value in history]
    active = alive / (alive + left)
    assert f.active_probability(*columns) == pytest.approx([active], rel=1e-9)
    stay = over_leaving(lambda t: ((f.beta + age) / (f.beta + t)) ** f.s, age, age + 39)
    ahead = active * (f.r + x) / (f.alpha + age) * stay
    assert f.expected_future_purchases(39.0, *columns) == pytest.approx([ahead], rel=1e-9)


@pytest.mark.parametrize("f", WORLDS)
@pytest.mark.parametrize("x", [0, 1, 7])
def test_pareto_nbd_probabilities_equal_integrals_over_the_moment_of_leaving(f, x):
    def negative_binomial(weeks):
        return nbinom.pmf(x, f.r, f.alpha / (f.alpha + weeks))

    for weeks in (0.5, 39.0):
        left = over_leaving(lambda t: negative_binomial(t) * pareto_density(f, t), 0.0, weeks)
        expected = left + negative_binomial(weeks) * (1 + weeks / f.beta) ** -f.s
        assert f.frequency_probability(x, weeks) == pytest.approx([expected], rel=1e-9)


def closed_form(f, x, weeks):
    """P(X(t) = x) for alpha >= beta: Fader & Hardie (2006), brucehardie.com/notes/012."""

    def two_f_one(i, t):
        argument = (f.alpha - f.beta) / (f.alpha + t)
        series = hyp2f1(f.r + f.s + i, f.s + 1, f.r + f.s + x + 1, argument)
        return series / (f.alpha + t) ** (f.r + f.s + i)

    i = np.arange(x + 1)
    ways = gamma_function(f.r + f.s + i) / gamma_function(f.r + f.s) / factorial(i)
    later = (ways * two_f_one(i, weeks) * weeks**i).sum()
    ever = beta_function(f.r + x, f.s + 1) / beta_function(f.r, f.s) * f.alpha**f.r * f.beta**f.s
    active = nbinom.pmf(x, f.r, f.alpha / (f.alpha + weeks)) * (1 + weeks / f.beta) ** -f.s
    return active + ever * (two_f_one(0, 0.0) - later)


@pytest.mark.parametrize("x", [0, 1, 4])
def test_pareto_nbd_probabilities_equal_the_closed_form(x):
    for f in (WORLDS[1], WORLDS[2]):
        expected = closed_form(f, x, 39.0)
        assert f.frequency_probability(x, 39.0) == pytest.approx([expected], rel=1e-10)


@pytest.mark.parametrize("f", WORLDS)
def test_pareto_nbd_chance_of_silence_is_that_of_the_history_without_purchases(f):
    weeks = np.array([0.1, 3.0, 39.0])
    still_there = (1 + weeks / f.alpha) ** -f.r * (1 + weeks / f.beta) ** -f.s
    silent = still_there / f.active_probability(0 * weeks, 0 * weeks, weeks)
    assert f.frequency_probability(0, weeks) == pytest.approx(silent, rel=1e-11)


@pytest.mark.parametrize("f", WORLDS)
def test_pareto_nbd_probabilities_sum_to_one_and_average_to_the_mean(f):
    weeks = np.array([0.0, 0.25, 4.0])
    counts = np.arange(260)
    probabilities = np.array([f.frequency_probability(int(x), weeks) for x in counts])
    assert probabilities.min() >= 0
    assert probabilities.sum(axis=0) == pytest.approx([1, 1, 1], abs=1e-9)
    assert counts @ probabilities == pytest.approx(f.expected_purchases(weeks), abs=1e-6)


@pytest.mark.parametrize("s", [0.4, 1.0, 1.0 + 1e-9, 2.5])
def test_pareto_nbd_mean_equals_the_integral_of_survival_whatever_s(s):
    f = replace(PUBLISHED, s=s)
    stay = over_leaving(lambda t: (1 + t / f.beta) ** -s, 0.0, 39.0)
    assert f.expected_purchases(39.0) == pytest.approx([f.r / f.alpha * stay], rel=1e-11)


def test_pareto_nbd_customers_are_active_while_they_buy_and_ever_less_in_silence():
    age = np.array([20.0, 21.0, 25.0, 40.0, 400.0])
    active = PUBLISHED.active_probability(np.full(5, 3), np.full(5, 20.0), age)
    assert active[0] == 1
    assert (np.diff(active) < 0).all()
    often = PUBLISHED.active_probability([3, 30], [20.0, 20.0], [25.0, 25.0])
    assert often[1] < often[0]  # five weeks are long for who bought 30 times in 20


@pytest.mark.parametrize(("b", "c"), [(0.5, 2.1), (40.5, 42.0), (400.5, 401.2), (1.6, 300.0)])
@pytest.mark.parametrize("z", [0.0, 0.3, 0.9, 0.999])
def test_the_continued_fraction_equals_its_integral(b, c, z):
    weights = {"weight": "alg", "wvar": (b - 1, c - b - 1), "epsabs": 0, "limit": 500}
    mass, _ = quad(lambda _: 1.0, 0, 1, **weights)
    mean, _ = quad(lambda v: 1 / (1 - z * v), 0, 1, **weights)
    assert hypergeometric_from_one(b, c, z) == pytest.approx(mean / mass, rel=1e-8)
    if z < 0.9:
        assert hypergeometric_from_one(b, c, z) == pytest.approx(hyp2f1(1, b, c, z), rel=1e-13)


# ---------------------------------------------------------------------------- simulation


def test_pareto_nbd_histogram_equals_simulation(fit, summary):
    age = np.tile(summary.age, 40)
    frequency, _, _, _ = tell_pareto_nbd_story(fit, age, 0.0, np.random.default_rng(1))
    expected = fit.expected_histogram(age)
    assert expected.sum() == pytest.approx(age.size)
    # the sum of unlike coin tosses varies less than a binomial of their mean, so |z| is cautious
    spread = np.sqrt(expected * (1 - expected / age.size))
    assert np.abs((frequency_histogram(frequency) - expected) / spread).max() < 4


def test_pareto_nbd_forecasts_equal_simulation_at_every_frequency(fit, summary):
    age = np.tile(summary.age, 40)
    story = tell_pareto_nbd_story(fit, age, 39.0, np.random.default_rng(2))
    frequency, recency, later, stays = story
    forecast = fit.expected_future_purchases(39.0, frequency, recency, age)
    active = fit.active_probability(frequency, recency, age)
    groups = np.minimum(frequency, 7).astype(int)
    size = np.bincount(groups)
    for happened, expected in ((later, forecast), (stays, active)):
        gap = np.bincount(groups, happened - expected) / size
        spread = np.sqrt(np.bincount(groups, (happened - expected) ** 2) / size)
        assert np.abs(gap / spread * np.sqrt(size)).max() < 4


@pytest.mark.parametrize(
    "truth",
    [
        replace(PUBLISHED, r=0.8, alpha=4.0, s=1.2, beta=12.0),
        replace(PUBLISHED, r=1.5, alpha=9.0, s=0.7, beta=5.0),
    ],
)
def test_pareto_nbd_recovers_the_parameters_behind_a_simulation(truth):
    generator = np.random.default_rng(3)
    age = generator.integers(20, 53, 15_000).astype(float)
    frequency, recency, _, _ = tell_pareto_nbd_story(truth, age, 0.0, generator)
    found = fit_pareto_nbd(frequency, recency, age)
    for name, error in found.standard_errors._asdict().items():
        assert abs(getattr(found, name) - getattr(truth, name)) < 4 * error, name
        assert error < 0.15 * getattr(truth, name), name


def test_pareto_nbd_is_the_same_for_every_order_and_multiple_of_customers(fit, summary):
    order = np.random.default_rng(4).permutation(np.tile(np.arange(summary.n_customers), 3))
    columns = (summary.frequency[order], summary.recency[order], summary.age[order])
    thrice = fit_pareto_nbd(*columns)
    for name, error in fit.standard_errors._asdict().items():
        assert getattr(thrice, name) == pytest.approx(getattr(fit, name), rel=1e-5)
        assert getattr(thrice.standard_errors, name) == pytest.approx(error / 3**0.5, rel=1e-4)
    assert thrice.log_likelihood == pytest.approx(3 * fit.log_likelihood)
    assert thrice.n_customers == 3 * 2357


# ---------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([1, -1], [1, 0], [2, 2]), "frequency must be a whole number >= 0, got -1 at index 1"),
        (([1, 1], [1, 3], [2, 2]), "recency must be at most age, got 3 at index 1"),
        (([1, 0], [1, 1], [2, 2]), "recency must be 0 where frequency is 0, got 1 at index 1"),
        (([1], [0], [2]), "recency must be positive where frequency is positive, got 0 at index 0"),
        (([1, 1], [1, 1], [2, np.inf]), "age must be finite, got inf at index 1"),
        (([1, 1], [1, 1], [2]), "age must have as many values as frequency, 2, got 1"),
        (([], [], []), "frequency must have at least one value, got none"),
        ((["x"], [1], [1]), "frequency must be numbers: could not convert string to float: 'x'"),
        (([0], [0], [3]), "frequency must be positive for at least one customer, got only zeros"),
    ],
)
def test_bad_histories_are_refused_in_one_line(columns, message):
    with pytest.raises(DataError) as caught:
        fit_pareto_nbd(*columns)
    assert str(caught.value) == message


def test_pareto_nbd_refuses_data_without_dropout():
    generator = np.random.default_rng(5)
    frequency = generator.poisson(generator.gamma(2.0, 4.0, 500))
    age = np.full(500, 20.0)
    recency = np.where(frequency > 0, age, 0.0)  # everybody bought again on the last day
    with pytest.raises(DataError, match=r"^Pareto/NBD has no interior maximum .* got r=.*, s="):
        fit_pareto_nbd(frequency, recency, age)


def test_questions_out_of_range_are_refused():
    with pytest.raises(DataError, match="weeks must be >= 0, got -1 at index 1"):
        PUBLISHED.expected_purchases([1.0, -1.0])
    with pytest.raises(DataError, match="weeks must be finite and >= 0, got nan"):
        PUBLISHED.expected_future_purchases(np.nan, [1], [1], [2])
    with pytest.raises(DataError, match="frequency must be a whole number >= 0, got -1"):
        PUBLISHED.frequency_probability(-1, [1.0])
    with pytest.raises(DataError, match="weeks must be >= 0, got -1"):
        PUBLISHED.frequency_probability(1, [-1.0])
    with pytest.raises(DataError, match="top must be at least 1, got 0"):
        PUBLISHED.expected_histogram([1.0], top=0)

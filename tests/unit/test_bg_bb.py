"""BG/BB reproduces the published donations and recovers parameters it is given."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import beta as beta_function
from scipy.special import comb

from nba_gym.calibration import (
    BgBbErrors,
    BgBbFit,
    datasets,
    fit_bg_bb,
    frequency_histogram,
    read_donations,
)
from nba_gym.errors import DataError, MissingExtraError

# the estimates of Fader, Hardie & Shang (2010)
PUBLISHED = BgBbFit(1.204, 0.750, 0.657, 2.783, -33225.6, 11104, BgBbErrors(0, 0, 0, 0))


@pytest.fixture(scope="module")
def donations():
    return read_donations()


@pytest.fixture(scope="module")
def fit(donations):
    d = donations
    return fit_bg_bb(d.frequency, d.recency, d.opportunities, d.counts)


def tell_bg_bb_story(fit, opportunities, ahead, generator):
    """Live through the BG/BB story opportunity by opportunity, without any of its closed forms.

    Returns frequency, recency, the purchases at the ``ahead`` opportunities that follow, and
    whether the customer meets the first of them.
    """
    n_customers = opportunities.size
    taking = generator.beta(fit.alpha, fit.beta, n_customers)
    leaving = generator.beta(fit.gamma, fit.delta, n_customers)
    frequency, recency, later, meets = np.zeros((4, n_customers))
    active = np.full(n_customers, True)
    for i in range(1, int(opportunities.max()) + ahead + 1):
        active &= generator.random(n_customers) >= leaving
        takes = active & (generator.random(n_customers) < taking)
        seen = i <= opportunities
        frequency += takes & seen
        recency[takes & seen] = i
        later += takes & ~seen & (i <= opportunities + ahead)
        meets[i == opportunities + 1] = active[i == opportunities + 1]
    return frequency, recency, later, meets


# ---------------------------------------------------------------------------- published


def test_the_donations_are_read_whole(donations):
    assert donations.n_customers == 11104
    assert donations.frequency.size == 22
    assert set(donations.opportunities) == {6}
    assert donations.counts[0] == 3464  # who never gave again


def test_bg_bb_reproduces_the_published_estimates(fit):
    assert (round(fit.alpha, 3), round(fit.beta, 3)) == (1.204, 0.750)
    assert (round(fit.gamma, 3), round(fit.delta, 3)) == (0.657, 2.783)
    assert round(fit.log_likelihood, 1) == -33225.6
    assert round(fit.log_likelihood, 2) == -33225.58
    assert fit.n_customers == 11104


def test_bg_bb_probability_to_be_active_equals_table_6_of_its_authors(fit):
    active = fit.active_probability([0, 2, 6], [0, 4, 6], [6, 6, 6])
    assert active == pytest.approx([0.11, 0.59, 0.93], abs=5e-3)


def test_bg_bb_expectations_equal_the_spreadsheet_of_its_authors(fit, donations):
    d = donations
    histogram = fit.expected_histogram(d.opportunities, counts=d.counts, top=6)
    assert histogram[[0, 6]] == pytest.approx([3454.9, 1253.1], abs=0.05)
    ahead = fit.expected_future_purchases(5, d.frequency, d.recency, d.opportunities)
    assert d.counts @ ahead == pytest.approx(12884.2, abs=0.05)


def test_bg_bb_expectations_equal_those_of_the_r_package_btyd(fit):
    # vignette of BTYD, from its own estimates
    assert fit.expected_purchases(10) == pytest.approx([3.180], abs=5e-4)
    ahead = fit.expected_future_purchases(10, [0, 4], [0, 5], [6, 6])
    assert ahead == pytest.approx([0.1302, 3.628], abs=5e-4)


# ---------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("history", [(0, 0, 6), (2, 4, 6), (3, 5, 9), (6, 6, 6)])
def test_bg_bb_answers_equal_bayes_rule_by_integration(history):
    x, t_x, n = history
    f, ahead = PUBLISHED, 4

    def mean(integrand, a, b):
        return quad(integrand, 0, 1, weight="alg", wvar=(a - 1, b - 1), epsabs=0)[0]

    def taken(met):
        return mean(lambda p: p**x * (1 - p) ** (met - x), f.alpha, f.beta)

    def survived(periods):
        return mean(lambda theta: (1 - theta) ** periods, f.gamma, f.delta)

    left = [
        taken(m) * mean(lambda theta, m=m: theta * (1 - theta) ** m, f.gamma, f.delta)
        for m in range(t_x, n)
    ]
    total = taken(n) * survived(n) + sum(left)
    buys_too = mean(lambda p: p ** (x + 1) * (1 - p) ** (n - x), f.alpha, f.beta)
    met = sum(survived(n + i) for i in range(1, ahead + 1))
    columns = [np.array([value]) for value in history]
    active = taken(n) * survived(n + 1) / total
    assert f.active_probability(*columns) == pytest.approx([active], rel=1e-9)
    forecast = f.expected_future_purchases(ahead, *columns)
    assert forecast == pytest.approx([buys_too * met / total], rel=1e-9)


def test_bg_bb_histories_of_one_length_sum_to_one():
    f, n = replace(PUBLISHED, gamma=1.3, delta=0.8), 9
    pairs = [(0, 0)] + [(x, t) for x in range(1, n + 1) for t in range(x, n + 1)]
    x, t_x = np.array(pairs).T
    # each pair has this many orders of purchases, all equally likely
    orders = np.where(x > 0, comb(np.maximum(t_x, 1) - 1, np.maximum(x, 1) - 1), 1)
    taken = beta_function(f.alpha + x, f.beta + n - x) / beta_function(f.alpha, f.beta)
    meets_next = beta_function(f.gamma, f.delta + n + 1) / beta_function(f.gamma, f.delta)
    history = taken * meets_next / f.active_probability(x, t_x, np.full(x.size, n))
    assert orders @ history == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("gamma", [0.4, 1.0, 1.0 + 1e-6, 2.5])
def test_bg_bb_mean_equals_the_sum_over_opportunities_whatever_gamma(gamma):
    f = replace(PUBLISHED, gamma=gamma)
    i = np.arange(1, 21)
    met = np.cumprod((f.delta + i - 1) / (gamma + f.delta + i - 1))
    expected = f.alpha / (f.alpha + f.beta) * np.cumsum(met)
    assert f.expected_purchases(i) == pytest.approx(expected, rel=1e-9)
    assert f.expected_purchases(0) == pytest.approx([0.0], abs=1e-12)


def test_bg_bb_probabilities_sum_to_one_and_average_to_the_mean(fit):
    n = np.array([0, 1, 6, 60])
    counts = np.arange(61)
    probabilities = np.array([fit.frequency_probability(int(x), n) for x in counts])
    assert probabilities.min() >= 0
    assert probabilities.sum(axis=0) == pytest.approx([1, 1, 1, 1], abs=1e-12)
    assert counts @ probabilities == pytest.approx(fit.expected_purchases(n), rel=1e-9)


def test_bg_bb_forecasts_average_to_the_mean_of_new_customers(fit, donations):
    # averaged over what may happen in 6 opportunities, 10 of them are 6 and the next 4
    n, ahead = 6, 4
    generator = np.random.default_rng(1)
    frequency, recency, _, _ = tell_bg_bb_story(fit, np.full(200_000, n), 0, generator)
    forecast = fit.expected_future_purchases(ahead, frequency, recency, np.full(frequency.size, n))
    gap = forecast.mean() - np.diff(fit.expected_purchases([n, n + ahead]))[0]
    assert abs(gap) < 4 * forecast.std() / np.sqrt(frequency.size)


def test_bg_bb_long_silences_keep_their_digits():
    # far in the tail of the sum over m, where a difference of sums from the front would be noise
    x, n = 50, 1000
    f = replace(PUBLISHED, alpha=2.0, beta=30.0)
    last, before = f.active_probability([x, x], [n, n - 1], [n, n])
    assert last == pytest.approx((f.delta + n) / (f.gamma + f.delta + n), rel=1e-12)
    # one silent opportunity: left just before it, or stayed and did not take it
    m = n - 1
    stayed = (f.beta + m - x) / (f.alpha + f.beta + m) * (f.delta + m) / (f.gamma + f.delta + m)
    left = f.gamma / (f.gamma + f.delta + m)
    assert before == pytest.approx(stayed / (stayed + left) * last, rel=1e-9)


# ---------------------------------------------------------------------------- simulation


def test_bg_bb_histogram_equals_simulation(fit):
    n = np.repeat([3, 6, 12], 100_000)
    frequency, _, _, _ = tell_bg_bb_story(fit, n, 0, np.random.default_rng(2))
    expected = fit.expected_histogram([3, 6, 12], counts=[100_000] * 3)
    assert expected.sum() == pytest.approx(n.size)
    # the sum of unlike coin tosses varies less than a binomial of their mean, so |z| is cautious
    spread = np.sqrt(expected * (1 - expected / n.size))
    assert np.abs((frequency_histogram(frequency) - expected) / spread).max() < 4


def test_bg_bb_forecasts_equal_simulation_at_every_frequency(fit):
    n = np.repeat([3, 6, 12], 100_000)
    story = tell_bg_bb_story(fit, n, 5, np.random.default_rng(3))
    frequency, recency, later, meets = story
    forecast = fit.expected_future_purchases(5, frequency, recency, n)
    active = fit.active_probability(frequency, recency, n)
    groups = np.minimum(frequency, 7).astype(int)
    size = np.bincount(groups)
    for happened, expected in ((later, forecast), (meets, active)):
        gap = np.bincount(groups, happened - expected) / size
        spread = np.sqrt(np.bincount(groups, (happened - expected) ** 2) / size)
        assert np.abs(gap / spread * np.sqrt(size)).max() < 4


def test_bg_bb_recovers_the_parameters_behind_a_simulation():
    truth = replace(PUBLISHED, alpha=1.5, beta=2.0, gamma=0.8, delta=4.0)
    generator = np.random.default_rng(4)
    n = generator.integers(8, 25, 40_000)
    frequency, recency, _, _ = tell_bg_bb_story(truth, n, 0, generator)
    found = fit_bg_bb(frequency, recency, n)
    for name, error in found.standard_errors._asdict().items():
        assert abs(getattr(found, name) - getattr(truth, name)) < 4 * error, name
        assert error < 0.1 * getattr(truth, name), name


# ---------------------------------------------------------------------------- grouping


def test_bg_bb_is_the_same_from_customers_as_from_counts(fit, donations):
    d = donations
    times = d.counts.astype(int)
    x, t_x, n = (np.repeat(c, times) for c in (d.frequency, d.recency, d.opportunities))
    assert fit_bg_bb(x, t_x, n) == fit


def test_bg_bb_leaves_out_rows_of_nobody(fit, donations):
    d = donations
    x, t_x, n = (np.append(c, 5) for c in (d.frequency, d.recency, d.opportunities))
    assert fit_bg_bb(x, t_x, n, np.append(d.counts, 0)) == fit


# ---------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([1, -1], [1, 0], [2, 2]), "frequency must be a whole number >= 0, got -1 at index 1"),
        (([1, 1], [1, 1.5], [2, 2]), "recency must be a whole number >= 0, got 1.5 at index 1"),
        (([1, 1], [1, 3], [2, 2]), "recency must be at most opportunities, got 3 at index 1"),
        (([1, 2], [1, 1], [2, 2]), "recency must be at least frequency, got 1 at index 1"),
        (([1, 0], [1, 1], [2, 2]), "recency must be 0 where frequency is 0, got 1 at index 1"),
        (([1, 1], [1, 1], [2, np.nan]), "opportunities must be finite, got nan at index 1"),
        (([1], [1], [0.5]), "opportunities must be a whole number >= 0, got 0.5 at index 0"),
        (([1, 1], [1], [2, 2]), "recency must have as many values as frequency, 2, got 1"),
        (([], [], []), "frequency must have at least one value, got none"),
        ((["x"], [1], [1]), "frequency must be numbers: could not convert string to float: 'x'"),
        (([1], [1], [2], [-1]), "counts must be a whole number >= 0, got -1 at index 0"),
        (([1], [1], [2], [1, 1]), "counts must have as many values as frequency, 1, got 2"),
        (([1], [1], [2], [0]), "counts must be positive in at least one row, got only zeros"),
        (([0], [0], [3]), "frequency must be positive for at least one customer, got only zeros"),
        (
            ([0, 1], [0, 1], [3, 3], [5, 0]),
            "frequency must be positive for at least one customer, got only zeros",
        ),
    ],
)
def test_bad_histories_are_refused_in_one_line(columns, message):
    with pytest.raises(DataError) as caught:
        fit_bg_bb(*columns)
    assert str(caught.value) == message


def test_bg_bb_refuses_data_without_dropout():
    generator = np.random.default_rng(5)
    frequency = generator.binomial(9, generator.beta(2.0, 3.0, 500)) + 1
    with pytest.raises(DataError, match=r"^BG/BB has no interior maximum .* got alpha=.*, delta="):
        fit_bg_bb(frequency, np.full(500, 10), np.full(500, 10))  # all took the last one


def test_questions_out_of_range_are_refused():
    with pytest.raises(DataError, match="opportunities must be a whole number >= 0, got -1"):
        PUBLISHED.expected_purchases([1, -1])
    with pytest.raises(DataError, match=r"ahead must be a whole number >= 0, got 1\.5"):
        PUBLISHED.expected_future_purchases(np.array(1.5).item(), [1], [1], [2])
    with pytest.raises(DataError, match="frequency must be a whole number >= 0, got -1"):
        PUBLISHED.frequency_probability(-1, [1])
    with pytest.raises(DataError, match="top must be at least 1, got 0"):
        PUBLISHED.expected_histogram([1], top=0)
    with pytest.raises(DataError, match="counts must have as many values as opportunities, 1, got"):
        PUBLISHED.expected_histogram([1], counts=[1, 2])


HEADER = "frequency,recency,periods,weights\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "row 1 of bad.csv must be frequency,recency,periods,weights, got ''"),
        ("x,t,n,k\n", "row 1 of bad.csv must be frequency,recency,periods,weights, got 'x,t,n,k'"),
        (HEADER, "frequency must have at least one value, got none (bad.csv)"),
        (
            HEADER + "0,0,6\n",
            "row 2 of bad.csv must have 4 fields (frequency, recency, periods, weights), got 3",
        ),
        (
            HEADER + "0,0,6,x\n",
            "counts must be numbers: could not convert string to float: 'x' (bad.csv)",
        ),
        (
            HEADER + "0,0,6,9\n1,7,6,9\n",
            "recency must be at most opportunities, got 7 at index 1 (bad.csv)",
        ),
    ],
)
def test_a_bad_file_of_donations_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_donations(path)
    assert str(caught.value) == message


def test_an_absent_file_of_donations_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^none\.csv cannot be read: "):
        read_donations(tmp_path / "none.csv")


def test_without_lifetimes_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(datasets, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nba_gym\[calibrate\]'"):
        read_donations()

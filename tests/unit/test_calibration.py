"""Calibration reproduces the published CDNOW numbers and recovers parameters it is given."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad

from nba_gym.calibration import (
    BgNbdErrors,
    BgNbdFit,
    datasets,
    fit_bg_nbd,
    fit_gamma_gamma,
    frequency_histogram,
    read_cdnow,
    summarise,
    transaction_log,
)
from nba_gym.errors import DataError, MissingExtraError

# Table 2 of Fader, Hardie & Lee (2005)
PUBLISHED = BgNbdFit(0.243, 4.414, 0.793, 2.426, -9582.4, 2357, BgNbdErrors(0, 0, 0, 0))


@pytest.fixture(scope="module")
def log():
    return read_cdnow()


@pytest.fixture(scope="module")
def summary(log):
    return summarise(log, calibration_weeks=39)


@pytest.fixture(scope="module")
def fit(summary):
    return fit_bg_nbd(summary.frequency, summary.recency, summary.age)


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


# ---------------------------------------------------------------------------- transactions


def test_the_cdnow_log_is_read_whole(log):
    assert (log.n_transactions, log.n_customers, log.n_days) == (6919, 2357, 78 * 7)
    assert log.first_date == date(1997, 1, 1)
    first = log.table.row(0, named=True)
    assert first == {"customer": "0001", "day": 0, "amount": 29.33}


def test_the_summary_has_the_published_totals(summary):
    assert summary.n_customers == 2357
    assert summary.frequency.sum() == 2457
    assert summary.holdout_frequency.sum() == 1882
    assert summary.holdout_weeks == 39
    assert np.count_nonzero(summary.frequency) == 946
    assert frequency_histogram(summary.frequency).tolist() == [1411, 439, 214, 100, 62, 38, 29, 64]


def test_the_summary_equals_the_one_its_authors_ship(summary):
    package = find_spec("lifetimes")
    assert package is not None
    assert package.origin is not None
    file = "datasets/cdnow_customers_summary_with_transactions.csv"
    theirs = pl.read_csv(Path(package.origin).parent / file)
    assert summary.customer.astype(int).tolist() == theirs["ID"].to_list()
    assert summary.frequency.tolist() == theirs["x"].to_list()
    rounding = 0.00501  # their columns have two decimals
    assert np.abs(summary.recency - theirs["t_x"].to_numpy()).max() < rounding
    assert np.abs(summary.age - theirs["T"].to_numpy()).max() < rounding
    spend = np.nan_to_num(summary.mean_spend, nan=0.0)
    assert np.abs(spend - theirs["zbar"].to_numpy()).max() < rounding


def test_transactions_of_one_day_are_one_purchase_worth_their_sum():
    dates = ["2020-01-01", "2020-01-01", "2020-01-03", "2020-01-03", "2020-01-05"]
    amounts = [1.0, 2.0, 5.0, 6.0, 3.0]
    log = transaction_log({"customer": ["a"] * 4 + ["b"], "date": dates, "amount": amounts})
    with pytest.raises(DataError, match=r"calibration_weeks must be in \[1, 0.7143\].* got 1"):
        summarise(log, calibration_weeks=1)
    late = {"customer": ["b"], "date": ["2020-01-07"], "amount": [0.0]}
    log = transaction_log(pl.concat([_as_text(log), pl.DataFrame(late)]))
    summary = summarise(log, calibration_weeks=1)
    assert summary.customer.tolist() == ["a", "b"]
    assert summary.frequency.tolist() == [1, 1]
    assert summary.recency.tolist() == [2 / 7, 2 / 7]
    assert summary.age.tolist() == [6 / 7, 2 / 7]
    assert summary.mean_spend.tolist() == [11.0, 0.0]


def test_the_calibration_period_ends_with_its_last_day():
    days = [date(2020, 1, d) for d in (1, 7, 8, 8, 8)]
    log = transaction_log(
        {"customer": ["a", "a", "a", "a", "late"], "date": days, "amount": [1, 2, 4, 8, 16]}
    )
    summary = summarise(log, calibration_weeks=1)
    assert summary.customer.tolist() == ["a"]  # who first buys in the holdout is left out
    assert (summary.frequency.tolist(), summary.recency.tolist()) == ([1], [6 / 7])
    assert (summary.mean_spend.tolist(), summary.holdout_frequency.tolist()) == ([2.0], [1])
    assert summary.holdout_weeks == 1 / 7


def test_without_a_repeat_purchase_mean_spend_is_unknown():
    log = transaction_log({"customer": [7], "date": ["2020-01-01"], "amount": ["3"]})
    longer = replace(log, table=pl.concat([log.table, log.table.with_columns(pl.col("day") + 7)]))
    summary = summarise(longer, calibration_weeks=1)
    assert summary.frequency.tolist() == [0]
    assert np.isnan(summary.mean_spend).all()
    assert summary.holdout_frequency.tolist() == [1]


def _as_text(log):
    first = pl.lit(log.first_date)
    dates = (first + pl.duration(days="day")).dt.strftime("%Y-%m-%d").alias("date")
    return log.table.select("customer", dates, "amount")


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


# ---------------------------------------------------------------------------- bad input

GOOD = {"customer": ["a", "b"], "date": ["2020-01-01", "2020-01-02"], "amount": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": None}, "till must have the column 'amount', got columns customer, date"),
        (
            {"customer": [], "date": [], "amount": []},
            "till must have at least one transaction, got no rows",
        ),
        ({"amount": [1.0, -2.0]}, "amount must be >= 0, got -2.0 (row 2 of till)"),
        ({"amount": ["1", "x"]}, "amount must be a finite number, got 'x' (row 2 of till)"),
        ({"amount": [np.nan, 1]}, "amount must be a finite number, got nan (row 1 of till)"),
        ({"customer": ["a", None]}, "customer must be given, got None (row 2 of till)"),
        (
            {"date": ["2020-01-01", "2020-02-30"]},
            "date must be a date written as %Y-%m-%d, got '2020-02-30' (row 2 of till)",
        ),
    ],
)
def test_a_bad_table_is_refused_in_one_line(change, message):
    columns = {name: values for name, values in (GOOD | change).items() if values is not None}
    with pytest.raises(DataError) as caught:
        transaction_log(columns, source="till")
    assert str(caught.value) == message


def test_a_ragged_table_is_refused():
    with pytest.raises(DataError, match=r"^transactions must be a table: "):
        transaction_log(GOOD | {"amount": [1.0, 2.0, 3.0]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "bad.txt must have at least one transaction, got no rows"),
        (
            "00004 0001 19970101 2 29.33\n00004 0001 19970118\n",
            "row 2 of bad.txt must have 5 fields "
            "(master id, customer, date, number of CDs, amount), got 3",
        ),
        (
            "00004 0001 19970101 2 29.33\n00004 0001 19971301 2 1.00\n",
            "date must be a date written as %Y%m%d, got '19971301' (row 2 of bad.txt)",
        ),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_cdnow(path)
    assert str(caught.value) == message


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^none\.txt cannot be read: "):
        read_cdnow(tmp_path / "none.txt")


def test_without_lifetimes_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(datasets, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nba_gym\[calibrate\]'"):
        read_cdnow()


def test_reading_and_fitting_import_neither_lifetimes_nor_pandas():
    code = (
        "import sys; from nba_gym.calibration import *; s = summarise(read_cdnow());"
        "fit_gamma_gamma(s.frequency, s.mean_spend);"
        "sys.exit(not {'lifetimes', 'pandas'}.isdisjoint(sys.modules))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize("weeks", [0, 79])
def test_the_calibration_period_lies_within_the_log(log, weeks):
    message = rf"calibration_weeks must be in \[1, 78\], the length of the log, got {weeks}"
    with pytest.raises(DataError, match=message):
        summarise(log, calibration_weeks=weeks)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([1, -1], [1, 0], [2, 2]), "frequency must be a whole number >= 0, got -1 at index 1"),
        (([1, 0.5], [1, 1], [2, 2]), "frequency must be a whole number >= 0, got 0.5 at index 1"),
        (([1, 1], [1, 3], [2, 2]), "recency must be at most age, got 3 at index 1"),
        (([1, 0], [1, 1], [2, 2]), "recency must be 0 where frequency is 0, got 1 at index 1"),
        (([1], [0], [2]), "recency must be positive where frequency is positive, got 0 at index 0"),
        (([1, 1], [1, 1], [2, np.nan]), "age must be finite, got nan at index 1"),
        (([0], [0], [-1]), "age must be >= 0, got -1 at index 0"),
        (([1, 1], [1], [2, 2]), "recency must have as many values as frequency, 2, got 1"),
        (([], [], []), "frequency must have at least one value, got none"),
        (([[1]], [1], [1]), "frequency must have one dimension, got shape (1, 1)"),
        ((["x"], [1], [1]), "frequency must be numbers: could not convert string to float: 'x'"),
        (([0], [0], [3]), "frequency must be positive for at least one customer, got only zeros"),
    ],
)
def test_bad_histories_are_refused_in_one_line(columns, message):
    with pytest.raises(DataError) as caught:
        fit_bg_nbd(*columns)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("frequency", "spend", "message"),
    [
        ([1, 2], [5, 0], "mean_spend must be positive where frequency is positive, got 0 at"),
        ([1, 2], [5], "mean_spend must have as many values as frequency, 2, got 1"),
        ([0, 0], [1, 1], "frequency must be positive for at least one customer, got only zeros"),
        ([1, 2], [5, np.nan], "mean_spend must be finite where frequency is positive, got nan"),
        ([1], ["x"], "mean_spend must be numbers"),
    ],
)
def test_bad_spend_is_refused_in_one_line(frequency, spend, message):
    with pytest.raises(DataError, match=message):
        fit_gamma_gamma(frequency, spend)


def test_questions_out_of_range_are_refused():
    with pytest.raises(DataError, match="weeks must be >= 0, got -1 at index 1"):
        PUBLISHED.expected_purchases([1.0, -1.0])
    with pytest.raises(DataError, match="weeks must be finite and >= 0, got nan"):
        PUBLISHED.expected_future_purchases(np.nan, [1], [1], [2])
    with pytest.raises(DataError, match="frequency must be a whole number >= 0, got -1"):
        PUBLISHED.frequency_probability(-1, [1.0])
    with pytest.raises(DataError, match="top must be at least 1, got 0"):
        PUBLISHED.expected_histogram([1.0], top=0)

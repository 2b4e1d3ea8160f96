"""Transactions: read whole, summed up, refused in one line."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nba_gym.calibration import (
    datasets,
    fit_bg_nbd,
    fit_gamma_gamma,
    frequency_histogram,
    read_cdnow,
    summarise,
    transaction_log,
)
from nba_gym.errors import DataError, MissingExtraError
from tests.unit.purchases import PUBLISHED, cdnow, cdnow_summary


@pytest.fixture(scope="module")
def log():
    return cdnow()


@pytest.fixture(scope="module")
def summary():
    return cdnow_summary()


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

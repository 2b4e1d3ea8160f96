"""Opportunities to buy, taken or not: from a file of donations to a world."""

import datetime

import numpy as np
import polars as pl
import pytest

from nba_gym.calibration import calibrate, opportunity_cohort, read_donations, transaction_log
from nba_gym.cli import main
from nba_gym.errors import DataError
from nba_gym.scenario import load_scenario


def donations_file(folder):
    """Gifts with the histories of the donors: which early years they gave in is made up."""
    given = read_donations()
    columns = (given.frequency, given.recency, given.counts)
    donors, years, donor = [], [], 0
    for x, last, count in zip(*(values.astype(int) for values in columns), strict=True):
        history = [0, *range(1, x), *([last] if x else [])]
        for _ in range(count):
            donors += [donor] * len(history)
            years += history
            donor += 1
    dates = [datetime.date(1995 + year, 3, 1) for year in years]
    amounts = np.random.default_rng(1).gamma(3.0, 15.0, len(donors)) + 1.0
    path = folder / "gifts.csv"
    pl.DataFrame({"customer": donors, "date": dates, "amount": amounts}).write_csv(path)
    return path


def log_of(rows):
    return transaction_log(
        {
            "customer": [row[0] for row in rows],
            "date": [row[1] for row in rows],
            "amount": [float(row[2]) for row in rows],
        }
    )


@pytest.mark.slow
def test_the_command_finds_the_published_donors(tmp_path, monkeypatch, capsys):
    """Fader, Hardie & Shang (2010), Table 3."""
    words = [donations_file(tmp_path), "--model", "bg-bb", "--opportunities", 6]
    words += ["--out", tmp_path / "o"]
    monkeypatch.setattr("sys.argv", ["nba-gym", "calibrate", *map(str, words)])
    main()
    said = capsys.readouterr().out
    assert "alpha 1.204, beta 0.750, gamma 0.657, delta 2.783, log-likelihood -33225.58" in said
    world = load_scenario(tmp_path / "o" / "scenario.toml")
    assert (world.purchase.process, world.period, world.leaving.period_scale) == ("one", "year", 1)
    assert "By year" in (tmp_path / "o" / "report.html").read_text()


def test_simulated_donors_give_as_often_as_the_actual_ones(tmp_path):
    from nba_gym.calibration import read_transactions

    log = read_transactions(donations_file(tmp_path))
    result = calibrate(log, model="bg-bb", opportunities=6, trials=120)
    assert [bar.actual for bar in result.bars] == [3464, 1823, 1430, 1085, 1036, 1063, 1203, 0]
    far = [abs(bar.actual - bar.simulated) for bar in result.bars]
    assert max(far) < 0.01 * result.cohort.n_customers
    assert result.bars[7].simulated == 0.0
    assert abs(result.bars[7].fitted) < 1e-6  # what is left of all customers, to rounding


def test_an_opportunity_is_a_calendar_unit_after_that_of_the_first_purchase():
    rows = [
        ("a", "2020-12-31", 10),  # the unit of the first purchase is none
        ("a", "2021-01-01", 4),
        ("a", "2021-12-31", 6),  # twice in one year is once, worth the sum
        ("a", "2023-06-01", 5),
        ("b", "2021-05-05", 7),
        ("b", "2024-05-05", 8),  # held out
        ("c", "2022-01-01", 9),
        ("d", "2024-01-01", 1),  # no customer yet
    ]
    cohort = opportunity_cohort(log_of(rows), "year", 3)
    assert cohort.frequency.tolist() == [2, 0, 0]
    assert cohort.recency.tolist() == [3.0, 0.0, 0.0]
    assert cohort.age.tolist() == [3.0, 2.0, 1.0]
    assert cohort.start.tolist() == [1.0, 2.0, 3.0]
    assert cohort.mean_spend[0] == 7.5
    assert cohort.holdout_frequency.tolist() == [0, 1, 0]
    assert (cohort.holdout, cohort.calibrated) == (1.0, 4)
    assert cohort.repeats.tolist() == [0, 1, 0, 1, 1]


@pytest.mark.parametrize(
    ("unit", "days", "places"),
    [
        ("week", ["2024-01-07", "2024-01-08", "2024-01-15"], [0, 1, 2]),  # Sunday, Monday
        ("month", ["2023-12-31", "2024-01-01", "2024-03-31"], [0, 1, 3]),
        ("year", ["2023-12-31", "2024-01-01", "2026-12-31"], [0, 1, 3]),
    ],
)
def test_weeks_begin_on_monday_and_months_on_the_first(unit, days, places):
    cohort = opportunity_cohort(log_of([("a", day, 1) for day in days]), unit, places[-1])
    assert cohort.recency.tolist() == [places[-1]]
    assert np.flatnonzero(cohort.repeats).tolist() == places[1:]


def test_a_log_of_one_unit_has_no_opportunities():
    log = log_of([("a", "2024-01-01", 1), ("b", "2024-12-31", 1)])
    with pytest.raises(DataError, match="the log must cover at least 2 years"):
        opportunity_cohort(log, "year")

"""From a file of contracts, or a retention table, to a world."""

import json

import numpy as np
import polars as pl
import pytest

from nba_gym.calibration import calibrate_contracts, read_contracts, read_survivors
from nba_gym.calibration.tenure import survival_curve, tenures_of_survivors
from nba_gym.cli import main
from nba_gym.errors import DataError, ScenarioError
from nba_gym.scenario import load_scenario

# Table 1 of Fader & Hardie (2007): survivors in per cent, years 0 to 12. They fit years 0 to 7.
HIGH_END = [100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1, 46.8, 44.5, 42.7, 40.9, 39.4]
CONTRACTS = {
    "customer": ["a", "b", "c", "d", "e"],
    "start": ["2020-01-15", "2020-01-15", "2020-01-31", "2020-06-01", "2020-06-01"],
    "end": ["2020-02-15", "2020-02-16", "2020-02-29", "", None],
}


def written(folder, **changes):
    path = folder / "contracts.csv"
    pl.DataFrame(CONTRACTS | changes).write_csv(path)
    return path


def by_hand(tenures):
    lives = tenures.lives
    return sorted(zip(*(values.astype(int).tolist() for values in lives), strict=True))


def test_a_contract_counts_by_the_period_it_ends_in(tmp_path):
    # a served one month, b began a second, c ended on the last day of February; d and e still run
    path = written(tmp_path)
    tenures = read_contracts(path, "month", until="2020-08-31")
    assert by_hand(tenures) == [(1, 1, 2), (2, 0, 2), (2, 1, 1)]
    assert by_hand(read_contracts(path, "year", until="2021-06-01")) == [(1, 0, 2), (1, 1, 3)]
    # without until, nothing is known after the last date in the file
    assert by_hand(read_contracts(path, "month")) == [(0, 0, 2), (1, 1, 2), (2, 1, 1)]


def test_what_ends_after_the_last_known_day_still_runs(tmp_path):
    path = written(tmp_path, end=["2020-02-15", "2020-12-24", "2020-02-29", "", None])
    assert (7, 0, 1) in by_hand(read_contracts(path, "month", until="2020-08-31"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"end": ["2020-02-15", "2020-01-14", "", "", ""]},
            r"end must be on or after the start of the contract, got '2020-01-14' "
            r"\(row 2 of contracts.csv\)",
        ),
        ({"end": ["2020-02-15", "soon", "", "", ""]}, r"end must be a date written as .*\(row 2"),
        ({"end": ["9999-12-31", "", "", "", ""]}, r"end must be a date from 1900 to 2100.*row 1"),
        ({"start": ["", *CONTRACTS["start"][1:]]}, r"start must be a date written as .*\(row 1"),
        ({"customer": ["a", "b", None, "d", "e"]}, r"customer must be given, got None \(row 3"),
        ({"end": [""] * 5}, "end must be given for at least one contract"),
    ],
)
def test_a_bad_contract_is_named(changes, message, tmp_path):
    with pytest.raises(DataError, match=message) as error:
        read_contracts(written(tmp_path, **changes), "month")
    assert "\n" not in str(error.value)


def test_files_without_contracts_are_refused(tmp_path):
    with pytest.raises(DataError, match="must have the column 'stop' for end, got columns"):
        read_contracts(written(tmp_path), "month", end="stop")
    with pytest.raises(DataError, match=r"start must be at most until, 2020-03-01, got .*\(row 4"):
        read_contracts(written(tmp_path), "month", until="2020-03-01")
    with pytest.raises(DataError, match=r"until must be a date written as %Y-%m-%d, got 'now'"):
        read_contracts(written(tmp_path), "month", until="now")
    (tmp_path / "empty.csv").write_text("customer,start,end\n")
    with pytest.raises(DataError, match="at least one contract, got no rows"):
        read_contracts(tmp_path / "empty.csv", "month")


@pytest.mark.parametrize(
    ("left", "message"),
    [
        (["100", "90", "95"], r"survivors must be at most the value before, got '95' \(row 3"),
        (["100", "-1"], r"survivors must be >= 0, got '-1' \(row 2"),
        (["100", "many"], r"survivors must be a finite number, got 'many' \(row 2"),
        (["100"], "survivors must have at least two values"),
    ],
)
def test_a_bad_retention_table_is_named(left, message, tmp_path):
    path = tmp_path / "left.csv"
    pl.DataFrame({"left": left}).write_csv(path)
    with pytest.raises(DataError, match=message):
        read_survivors(path, "year", "left")


def test_survival_of_contracts_of_any_age_is_the_product_limit():
    # 10 contracts, 2 cancelled at renewal 1; of 8, 3 are young; of 5 up for renewal 2, 1 cancelled
    lives = tenures_of_survivors([10, 8, 8], "year").lives._replace(
        periods=np.array([1.0, 1.0, 2.0, 2.0]),
        cancelled=np.array([1.0, 0.0, 1.0, 0.0]),
        counts=np.array([2.0, 3.0, 1.0, 4.0]),
    )
    curve = survival_curve(lives, 5)
    assert curve.at_risk.tolist() == [10.0, 5.0]
    assert curve.retention.tolist() == [0.8, 0.8]
    assert curve.survival == pytest.approx([0.8, 0.64])
    assert curve.error == pytest.approx([0.8 * np.sqrt(2 / 80), 0.64 * np.sqrt(2 / 80 + 1 / 20)])


def test_the_command_finds_the_published_retention(tmp_path, monkeypatch, capsys):
    path = tmp_path / "high_end.csv"
    pl.DataFrame({"year": range(13), "left": [float(x) for x in HIGH_END]}).write_csv(path)
    words = [path, "--model", "sbg", "--survivors", "left", "--opportunities", 7]
    words += ["--out", tmp_path / "o"]
    monkeypatch.setattr("sys.argv", ["nba-gym", "calibrate", *map(str, words)])
    main()
    said = capsys.readouterr().out
    assert "alpha 0.668, beta 3.806, log-likelihood -161.12" in said  # 100 times -1.611
    world = load_scenario(tmp_path / "o" / "scenario.toml")
    assert (world.contract.commitment, world.contract.renewal) == (12, 12)
    own = next(one for one in world.personas if one.name == "price_watcher").traits
    assert own.leaving == world.traits.leaving
    kept = json.loads((tmp_path / "o" / "calibration.json").read_text())
    survival = kept["survival"]
    assert survival["actual"] == pytest.approx(np.array(HIGH_END[1:]) / 100)
    # years 8 to 12 were never seen by the fit
    assert np.abs(np.array(survival["simulated"]) - survival["actual"]).max() < 0.02
    assert "How long contracts are kept" in (tmp_path / "o" / "report.html").read_text()


def test_worlds_that_cannot_carry_contracts_are_refused():
    table = tenures_of_survivors(HIGH_END, "year")
    for base in ("retail", "control", "mailing"):
        with pytest.raises(ScenarioError, match="base for sBG must have contracts that end"):
            calibrate_contracts(table, base)
    with pytest.raises(ScenarioError, match="periods that fill one week, got 'telecom'"):
        calibrate_contracts(tenures_of_survivors(HIGH_END, "week"))
    with pytest.raises(DataError, match=r"opportunities must be in \[1, 12\], .* got 13"):
        calibrate_contracts(table, renewals=13)

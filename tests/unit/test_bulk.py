"""Bulk simulation: the same totals whatever the way there, and the events behind them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from nba_gym.errors import DataError, PolicyError
from nba_gym.evaluation import record_journeys, rollout
from nba_gym.evaluation.bulk import Bulk, Totals, simulate
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.records.ledger import LINES
from nba_gym.records.log import read_log
from nba_gym.records.sums import COUNTED, group_names
from nba_gym.scenario import Scenario, load_scenario
from nba_gym.truth import MyopicOracle

N, PERIODS = 1_000, 9
RETAIL = load_scenario("retail")
SHORT = load_scenario("retail", [f"horizon={PERIODS}"])
TELECOM = load_scenario("telecom", ["horizon=30"])


def run(out: Path, scenario: Scenario = RETAIL, policy=None, **settings: Any) -> Totals:
    settings = {"customers": N, "periods": PERIODS, "threads": 1} | settings
    return simulate(policy or UniformRandom(), scenario, Bulk(**settings), out)


def same(one: Totals, other: Totals) -> bool:
    return all(
        np.array_equal(array, getattr(other.sums, name))
        for name, array in one.sums.arrays().items()
    )


@pytest.mark.parametrize("scenario", [SHORT, TELECOM, load_scenario("mailing")])
def test_totals_are_those_of_a_rollout_customer_by_customer(tmp_path, scenario):
    totals = run(tmp_path, scenario, periods=None, part=300, side_by_side=128)
    alone = rollout(UniformRandom(), scenario, N)
    [everybody, *_] = totals.summary
    assert everybody["value"] == pytest.approx(alone.value.mean(), rel=1e-12)
    error = 1.959963984540054 * alone.value.std(ddof=1) / np.sqrt(N)
    reached = everybody["value_high"] - everybody["value"]
    assert reached == pytest.approx(error, rel=1e-3)
    for line in LINES:
        assert everybody["lines"][line] == pytest.approx(alone.lines[line].mean(), rel=1e-12)
    for name, column in (("contacts", alone.contacts), ("opt_outs", alone.opt_outs)):
        assert everybody[name] == pytest.approx(column.mean(), rel=1e-12)
    assert everybody["purchases"] == pytest.approx(alone.purchases.mean(), rel=1e-12)
    sums = totals.sums
    np.testing.assert_allclose(sums.alive.sum(axis=1) / N, alone.alive)
    np.testing.assert_allclose(sums.actions.sum(axis=1) / N, alone.action_share)
    channels = scenario.n_channels
    by_channel = sums.contacts.sum(axis=1)[:, :channels] / N
    np.testing.assert_allclose(by_channel, alone.contact_rate)
    for g, name in enumerate(group_names(scenario)):
        here = alone.persona == g
        assert sums.customers[g] == here.sum(), name
        assert sums.alive[:, g].sum() == alone.lifetime[here].sum()


def test_who_leaves_is_counted_once_and_goes_on_counting_as_a_customer(tmp_path):
    sums = run(tmp_path, TELECOM, periods=None).sums
    assert sums.left.sum() > 0
    staying = sums.alive[0] - np.cumsum(sums.left, axis=0)
    np.testing.assert_array_equal(sums.alive[1:], staying[:-1])
    np.testing.assert_array_equal(sums.actions.sum(axis=2), np.tile(sums.customers, (30, 1)))


@pytest.mark.parametrize(
    "settings",
    [
        {"side_by_side": 1},
        {"side_by_side": 77},
        {"part": 130},
        {"part": 257, "side_by_side": 100, "threads": 3},
        {"threads": 2, "part": 100},
    ],
)
def test_no_way_of_cutting_changes_a_bit(tmp_path, settings):
    whole = run(tmp_path / "whole", customers=400)
    assert same(whole, run(tmp_path / "cut", customers=400, **settings))


def test_a_privileged_policy_is_shown_one_batch_at_a_time(tmp_path):
    one = run(tmp_path / "one", policy=MyopicOracle(), customers=300)
    two = run(tmp_path / "two", policy=MyopicOracle(), customers=300, threads=3, part=70)
    assert same(one, two)


class _Stop:
    """Interrupts a run when so many customers are done."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.seen: list[int] = []

    def __call__(self, done: int, total: int) -> None:
        self.seen.append(done)
        if done >= self.after:
            raise KeyboardInterrupt


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("events", [False, True])
def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path, events):
    bulk = Bulk(N, periods=PERIODS, part=100, events=events, threads=2)
    simulate(UniformRandom(), RETAIL, bulk, tmp_path / "whole")
    cut = tmp_path / "cut"
    for after in (200, 500, 700):
        with pytest.raises(KeyboardInterrupt):
            simulate(UniformRandom(), RETAIL, bulk, cut, progress=_Stop(after))
        assert not (cut / "summary.json").exists()
    kept = len(list((cut / "totals").glob("part-*.npz")))
    assert kept > 0
    (cut / "totals" / ".draft-part-00009.npz").write_bytes(b"half of it")
    went_on = _Stop(N + 1)
    simulate(UniformRandom(), RETAIL, bulk, cut, progress=went_on)
    assert went_on.seen[0] == kept * 100  # what was done is not done again
    assert went_on.seen[-1] == N
    assert contents(cut) == contents(tmp_path / "whole")


@pytest.mark.parametrize("lost", ["totals/part-00001.npz", "events/part-00002.parquet"])
def test_a_part_that_is_missing_is_simulated_again(tmp_path, lost):
    bulk = Bulk(400, periods=PERIODS, part=100, events=True, threads=1)
    simulate(UniformRandom(), RETAIL, bulk, tmp_path)
    before = contents(tmp_path)
    (tmp_path / lost).unlink()
    done = _Stop(1_000)
    simulate(UniformRandom(), RETAIL, bulk, tmp_path, progress=done)
    assert done.seen[0] == 300
    assert contents(tmp_path) == before


def test_the_event_log_is_that_of_the_same_customers_one_by_one(tmp_path):
    bulk = Bulk(300, first=40, seed=3, events=True, part=128, side_by_side=50, threads=2)
    simulate(UniformRandom(), SHORT, bulk, tmp_path)
    log = read_log(tmp_path, SHORT)
    alone = record_journeys(UniformRandom(), SHORT, np.arange(40, 340), seed=3)
    np.testing.assert_array_equal(log.customers, alone.customers)
    np.testing.assert_array_equal(log.births, alone.births)
    np.testing.assert_array_equal(log.events, alone.events)


def test_totals_can_be_counted_from_the_event_log(tmp_path):
    totals = run(tmp_path, TELECOM, events=True, part=300)
    log = pl.scan_parquet(tmp_path / "events" / "*.parquet")
    counts = log.group_by("period").agg(pl.col(COUNTED).cast(pl.Int64).sum()).sort("period")
    by_period = totals.table.group_by("period").agg(pl.col(COUNTED).sum()).sort("period")
    assert counts.collect().select(COUNTED).equals(by_period.select(COUNTED))
    assert log.select("customer", "period").collect().n_unique() == N * PERIODS


def test_every_event_fits_into_its_column(tmp_path):
    run(tmp_path, TELECOM, events=True)
    kinds = pl.scan_parquet(tmp_path / "events" / "*.parquet").collect_schema()
    assert kinds["action"] == kinds["sent"] == pl.UInt8
    assert kinds["need_bought"] == kinds["stage_move"] == pl.Int8
    assert kinds["purchases"] == pl.UInt32
    assert kinds["list_spend"] == pl.Float64


def test_a_folder_of_another_simulation_is_refused_until_told_otherwise(tmp_path):
    bulk = Bulk(200, periods=2)
    simulate(UniformRandom(), RETAIL, bulk, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"same simulation, got one with policy .*uniform random"):
        simulate(NoContact(), RETAIL, bulk, tmp_path)
    with pytest.raises(DataError, match=r"same simulation, got one with seed 0 where .* has 1"):
        simulate(UniformRandom(), RETAIL, Bulk(200, periods=2, seed=1), tmp_path)
    fresh = simulate(NoContact(), RETAIL, bulk, tmp_path, fresh=True)
    assert fresh.summary[0]["contacts"] == 0.0
    assert json.loads((tmp_path / "summary.json").read_text())["policy"] == {"name": "no contact"}
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match="out must be an empty folder or a simulation's"):
        run(tmp_path)
    with pytest.raises(DataError, match="out must be a folder, got the file"):
        run(tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_damaged_totals_are_named(tmp_path):
    run(tmp_path)
    (tmp_path / "totals" / "part-00000.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=r"part-00000.npz must hold totals, got .*; remove it"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"customers": 0}, "customers must be at least 1, got 0"),
        ({"side_by_side": 0}, "side_by_side must be at least 1, got 0"),
        ({"part": 0}, "part must be at least 1, got 0"),
        ({"first": -1}, "first must be at least 0, got -1"),
        ({"threads": 0}, r"threads must be a whole number in \[1, 1024\], got 0"),
        ({"periods": 105}, r"periods must be in \[1, 104\], the horizon of retail, got 105"),
    ],
)
def test_a_number_out_of_range_is_named(tmp_path, settings, message):
    with pytest.raises(PolicyError, match=message):
        run(tmp_path, **settings)
    assert not any(tmp_path.iterdir())


def test_a_tabular_world_has_totals_and_no_event_log(tmp_path):
    mailing = load_scenario("mailing")
    assert run(tmp_path / "totals", mailing, periods=None).summary[0]["customers"] == N
    with pytest.raises(PolicyError, match="scenario must have event logs, got 'mailing'"):
        run(tmp_path / "events", mailing, periods=None, events=True)


class _Broken:
    name = "broken"

    def act(self, observations, masks, generator):
        return np.full(len(observations), 99)


def test_an_error_in_a_thread_is_told_and_ends_the_run(tmp_path):
    with pytest.raises(PolicyError, match=r"broken must answer in \[0, 29\)"):
        run(tmp_path, policy=_Broken(), part=50, threads=2)

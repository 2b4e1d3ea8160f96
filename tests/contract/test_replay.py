"""A replayed event log gives what the simulation gave, to the bit."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from nba_gym.customer import kernel
from nba_gym.customer.population import Population
from nba_gym.errors import DataError
from nba_gym.evaluation import record_journeys
from nba_gym.policies import UniformRandom
from nba_gym.records.events import event_columns
from nba_gym.records.log import read_log, write_log
from nba_gym.replay import replay
from nba_gym.scenario.load import load_scenario
from tests.journeys import journey_worlds


@pytest.mark.parametrize("name", journey_worlds())
def test_a_replayed_log_gives_the_same_observations_masks_and_money(name, tmp_path):
    scenario, n, seed = load_scenario(name), 200, 3
    written = record_journeys(UniformRandom(), scenario, n, seed)
    write_log(written, scenario, tmp_path)
    log = read_log(tmp_path, scenario)
    again = replay(log, scenario)
    people = Population(scenario, n)
    seeds = np.full(n, seed, dtype=np.uint64)
    people.begin(np.ones(n, dtype=bool), seeds, np.arange(n, dtype=np.uint64))
    for t in range(scenario.horizon):
        np.testing.assert_array_equal(again.observations[t], people.out.observations)
        np.testing.assert_array_equal(again.masks[t], people.out.masks)
        out = people.step(log.events[t, :, 0].astype(np.int64), kernel.DISABLED)
        np.testing.assert_array_equal(again.ledger[t], out.ledger)
        np.testing.assert_array_equal(again.rewards[t], out.rewards)
    np.testing.assert_array_equal(again.observations[-1], people.out.observations)


def test_the_rows_of_a_log_may_come_in_any_order(tmp_path):
    scenario = load_scenario("control")
    log = record_journeys(UniformRandom(), scenario, 20, 1)
    _, events = write_log(log, scenario, tmp_path)
    pl.read_parquet(events).sample(fraction=1.0, shuffle=True, seed=0).write_parquet(events)
    np.testing.assert_array_equal(read_log(tmp_path, scenario).events, log.events)


def test_a_damaged_log_is_refused_with_its_column(tmp_path):
    scenario = load_scenario("control")
    _, events = write_log(record_journeys(UniformRandom(), scenario, 5, 1), scenario, tmp_path)
    whole = pl.read_parquet(events)
    for broken, words in (
        (whole.drop("list_spend"), "list_spend"),
        (whole.with_columns(pl.col("sent").cast(pl.String)), "sent"),
        (whole.with_columns(pl.lit(float("nan")).alias("visit")), "visit"),
        (whole.head(whole.height - 1), "periods"),
        (pl.concat([whole, whole.head(1)]), "unique"),
    ):
        broken.write_parquet(events)
        with pytest.raises(DataError, match=words) as error:
            read_log(tmp_path, scenario)
        assert "\n" not in str(error.value)
    with pytest.raises(DataError, match=r"births\.parquet"):
        read_log(tmp_path / "nowhere", scenario)


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("action", 99.0, "whole numbers in"),
        ("action", -1.0, "whole numbers in"),
        ("action", 0.5, "whole numbers in"),
        ("action", np.inf, "whole numbers in"),
        ("need_bought", 1e9, "whole numbers in"),
        ("purchases", -3.0, "whole numbers in"),
        ("list_spend", np.nan, "numbers in"),
        ("list_spend", -1.0, "numbers in"),
        ("sent", 2.0, "whole numbers in"),
        ("visit", 77.0, "whole numbers in"),
        ("basket", 77.0, "whole numbers in"),
        ("reading_loyalty", 1.5, "numbers in"),
    ],
)
def test_a_log_that_cannot_have_come_about_is_refused_before_anything_is_read(column, value, rule):
    scenario = load_scenario("retail", {"horizon": 4})
    log = record_journeys(UniformRandom(), scenario, 6)
    events = log.events.copy()
    events[2, 3, event_columns(scenario).index(column)] = value
    with pytest.raises(DataError, match=rf"{column} must be {rule} .* \(customer 3, period 2\)"):
        replay(dataclasses.replace(log, events=events), scenario)


@pytest.mark.parametrize(("name", "move", "stage"), [("dealership", -1.0, 0), ("retail", 1.0, 0)])
def test_a_log_that_moves_customers_out_of_the_pipeline_is_refused(name, move, stage):
    scenario = load_scenario(name, {"horizon": 4})
    log = record_journeys(UniformRandom(), scenario, 6)
    moves = event_columns(scenario).index("stage_move")
    events = log.events.copy()
    events[:, 3, moves] = 0.0
    replay(dataclasses.replace(log, events=events), scenario)
    events[2, 3, moves] = move
    rule = rf"within stages 0 to {scenario.pipeline.stages}, got {move:g} at stage {stage}"
    with pytest.raises(DataError, match=rf"{rule} \(customer 3, period 2\)"):
        replay(dataclasses.replace(log, events=events), scenario)


def test_a_log_of_another_world_is_refused():
    retail = load_scenario("retail", {"horizon": 4, "spread_start": False})
    log = record_journeys(UniformRandom(), retail, 6)
    with pytest.raises(DataError, match=r"births must have shape \(6, 4\) in control, got"):
        replay(log, load_scenario("control"))


def test_files_that_are_no_log_are_refused(tmp_path):
    scenario = load_scenario("retail", {"horizon": 4})
    write_log(record_journeys(UniformRandom(), scenario, 6), scenario, tmp_path)
    events = pl.read_parquet(tmp_path / "events.parquet")
    for broken, message in (
        (events.head(0), "events.parquet must have at least one row, got none"),
        (
            events.with_columns(sent=pl.lit(None, pl.Float64)),
            "sent must be a number, got none in row 1",
        ),
        (events.with_columns(sent=pl.lit("yes")), "sent must hold numbers only, got String"),
    ):
        broken.write_parquet(tmp_path / "events.parquet")
        with pytest.raises(DataError, match=message):
            read_log(tmp_path, scenario)
    (tmp_path / "events.parquet").write_text("no table")
    with pytest.raises(DataError, match=r"events\.parquet must be a Parquet file, got") as error:
        read_log(tmp_path, scenario)
    assert "\n" not in str(error.value)

"""A file of customers gets the answers that the engine gives, whole or not at all."""

import numpy as np
import polars as pl
import pytest

from nba_gym.cli.folders import Score
from nba_gym.errors import BundleError, DataError
from nba_gym.evaluation import record_journeys
from nba_gym.export import write_folder
from nba_gym.export.policies import exportable
from nba_gym.policies import UniformRandom
from nba_gym.records.log import write_log
from nba_gym.replay import replay
from nba_gym.serving import Engine
from nba_gym.serving.score import score_file


@pytest.fixture(scope="module")
def engine(written) -> Engine:
    return Engine(written.folder, trial=False)


@pytest.fixture(scope="module")
def log(written, tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    journeys = record_journeys(UniformRandom(), written.scenario, 150, 2)
    write_log(journeys, written.scenario, folder)
    return folder, replay(journeys, written.scenario)


def check(frame: pl.DataFrame, engine: Engine, observations, masks) -> None:
    wanted = engine.decide_batch(observations, masks)
    names, rows = np.array(engine.actions), np.arange(len(wanted.actions))
    assert frame["action"].to_list() == names[wanted.actions].tolist()
    np.testing.assert_array_equal(frame["value"], wanted.values)
    np.testing.assert_array_equal(frame["score"], wanted.scores[rows, wanted.actions])
    for i, ranked in enumerate(frame["ranked"].to_list()):
        k = min(3, int(wanted.allowed[i]))
        assert ranked == names[wanted.ranking[i, :k]].tolist()
    assert set(frame["policy"]) == {engine.digest[:16]}


@pytest.mark.parametrize("block", [7, 150, 1_000])
def test_a_log_gets_the_answers_of_the_simulated_journeys(engine, log, tmp_path, block):
    folder, shown = log
    told: list[tuple[int, int]] = []
    out = tmp_path / "out.parquet"
    done = score_file(engine, folder, out, block=block, progress=lambda *at: told.append(at))
    assert done == (150, 0)
    assert told[-1] == (150, 150)
    check(pl.read_parquet(out), engine, shown.observations[-1], shown.masks[-1])


def test_rows_in_any_order_and_customers_of_any_age(engine, log, tmp_path):
    folder, shown = log
    events = pl.read_parquet(folder / "events.parquet")
    ages = np.random.default_rng(1).integers(0, 21, 150)
    young = events.filter(
        pl.col("period") < pl.col("customer").cast(pl.Int64).replace_strict(dict(enumerate(ages)))
    )
    young.sample(fraction=1.0, shuffle=True, seed=0).write_parquet(tmp_path / "events.parquet")
    people, out = folder / "births.parquet", tmp_path / "out.parquet"
    score_file(engine, people, out, events=tmp_path / "events.parquet", block=40)
    seen = [x[ages, np.arange(150)] for x in (shown.observations, shown.masks)]
    check(pl.read_parquet(out), engine, *seen)


def test_a_file_gets_the_answers_of_the_service(bench, policy, tmp_path):
    world, n = bench.scenario, 60
    write_log(record_journeys(UniformRandom(), world, n, 5), world, tmp_path)
    lived = np.random.default_rng(2).integers(0, 40, n)
    consents = np.random.default_rng(3).random((n, len(bench.reader.outbound))) < 0.5
    events = pl.read_parquet(tmp_path / "events.parquet").filter(
        pl.col("period") < pl.col("customer").cast(pl.Int64).replace_strict(dict(enumerate(lived)))
    )
    events.write_parquet(tmp_path / "lived.parquet")
    people = pl.read_parquet(tmp_path / "births.parquet")
    said = {f"consent.{name}": consents[:, i] for i, name in enumerate(bench.reader.outbound)}
    people.with_columns(**{k: pl.Series(x.astype(int)) for k, x in said.items()}).write_parquet(
        tmp_path / "people.parquet"
    )
    out = tmp_path / "out.parquet"
    files = tmp_path / "people.parquet", out
    assert (
        score_file(Engine(policy), *files, events=tmp_path / "lived.parquet", top=1_000).customers
        == n
    )
    births = {name: people[f"start_{name}"] for name in bench.reader.birth_ranges}
    for i, scored in enumerate(pl.read_parquet(out).to_dicts()):
        rows = events.filter(pl.col("customer").cast(pl.Int64) == i).sort("period")
        told = bench.decide(
            customer=f"c-{i}",
            consent=dict(zip(bench.reader.outbound, consents[i].tolist(), strict=True)),
            events=rows.select(bench.reader.records.columns).to_dicts(),
            birth={name: births[name][i] for name in births},
        )
        assert (told["action"], told["period"]) == (scored["action"], lived[i])
        assert [each["action"] for each in told["ranked"]] == scored["ranked"]
        assert (told["ranked"][0]["score"], told["value"]) == (scored["score"], scored["value"])


def test_features_and_masks_may_be_given_instead(engine, written, tmp_path):
    columns = {"customer": [f"c{i}" for i in range(100)]}
    columns |= {name: written.observations[:100, i] for i, name in enumerate(engine.features)}
    columns |= {f"allowed.{a}": written.masks[:100, i] for i, a in enumerate(engine.actions)}
    frame = pl.DataFrame(columns)
    frame.write_parquet(tmp_path / "in.parquet")
    score_file(engine, tmp_path / "in.parquet", tmp_path / "out.parquet", block=30)
    done = pl.read_parquet(tmp_path / "out.parquet")
    assert done["customer"].to_list() == columns["customer"]
    check(done, engine, written.observations[:100], written.masks[:100])
    for broken, words in (
        (frame.drop("allowed.wait"), r"allowed\.wait"),
        (frame.drop("tenure"), "all features"),
        (frame.with_columns(tenure=pl.lit(float("nan"))), "tenure must be a number in"),
        (frame.with_columns(tenure=pl.lit(7.0)), "tenure must be a number in"),
        (frame.with_columns(pl.lit(2).alias("allowed.wait")), r"allowed\.wait must be a whole"),
    ):
        broken.write_parquet(tmp_path / "in.parquet")
        with pytest.raises(DataError, match=words):
            score_file(engine, tmp_path / "in.parquet", tmp_path / "other.parquet")
        assert not (tmp_path / "other.parquet").exists()


def test_the_folder_of_a_bulk_simulation_is_read_in_its_parts(engine, log, tmp_path):
    folder, shown = log
    for name in ("births", "events"):
        frame = pl.read_parquet(folder / f"{name}.parquet")
        (tmp_path / name).mkdir()
        for part, first in enumerate((True, False)):
            rows = frame.filter((pl.col("customer") < 60) == first)
            rows.write_parquet(tmp_path / name / f"part-{part:05d}.parquet")
    score_file(engine, tmp_path, tmp_path / "out.parquet")
    decided = pl.read_parquet(tmp_path / "out.parquet")
    check(decided, engine, shown.observations[-1], shown.masks[-1])
    score_file(engine, tmp_path / "births", tmp_path / "2.parquet", events=tmp_path / "events")
    assert decided.equals(pl.read_parquet(tmp_path / "2.parquet"))


def test_events_of_nobody_in_the_file_are_counted(engine, log, tmp_path, written, capsys):
    folder, _ = log
    few = pl.read_parquet(folder / "births.parquet").head(100)
    few.write_parquet(tmp_path / "few.parquet")
    events = folder / "events.parquet"
    periods = pl.read_parquet(events)["period"].n_unique()
    done = score_file(
        engine, tmp_path / "few.parquet", tmp_path / "out.parquet", events=events, block=30
    )
    assert done == (100, 50 * periods)
    Score(
        str(written.folder), str(tmp_path / "few.parquet"), tmp_path / "out.parquet", events
    ).run()
    assert f"{50 * periods:,} events left aside" in capsys.readouterr().out


def test_a_policy_by_lot_is_not_asked_for_its_best(engine, log, tmp_path):
    """All customers once got the first action, for the scores of one by lot are all alike."""
    world = engine.folder.scenario
    write_folder(exportable(UniformRandom()), world, tmp_path / "lot", rows=200, customers=20)
    by_lot = Engine(tmp_path / "lot", trial=False)
    with pytest.raises(BundleError, match="got one by lot"):
        score_file(by_lot, log[0], tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_what_is_no_parquet_is_refused_in_one_line(engine, log, tmp_path):
    folder, _ = log
    (tmp_path / "people.csv").write_text("customer,start_phase\n1,2\n")
    for people, events in (
        (tmp_path / "people.csv", folder / "events.parquet"),
        (folder / "births.parquet", tmp_path / "people.csv"),
    ):
        with pytest.raises(DataError, match=r"must be Parquet, got '.*people.csv'"):
            score_file(engine, people, tmp_path / "out.parquet", events=events)


def test_without_consent_in_the_register_nobody_is_contacted(engine, written, log, tmp_path):
    folder, _ = log
    channels = [channel.name for channel in written.scenario.channels]
    people = pl.read_parquet(folder / "births.parquet")
    people.with_columns(**{f"consent.{name}": pl.lit(0) for name in channels}).write_parquet(
        tmp_path / "people.parquet"
    )
    out = tmp_path / "out.parquet"
    score_file(engine, tmp_path / "people.parquet", out, events=folder / "events.parquet")
    outbound = {c.name for c in written.scenario.channels if c.direction == "outbound"}
    channel_of = {action.name: action.channel for action in written.scenario.actions}
    for ranked in pl.read_parquet(out)["ranked"].to_list():
        assert not {channel_of[name] for name in ranked} & outbound


def test_a_mistake_in_the_last_block_leaves_no_file_and_the_older_one(engine, log, tmp_path):
    folder, _ = log
    out = tmp_path / "out.parquet"
    out.write_text("older")
    people = pl.read_parquet(folder / "births.parquet")
    wrong = people.with_columns(
        start_phase=pl.when(pl.col("customer") == 149).then(999).otherwise(pl.col("start_phase"))
    )
    wrong.write_parquet(tmp_path / "people.parquet")
    with pytest.raises(DataError, match=r"start_phase must be a whole number .* in row 150"):
        score_file(
            engine,
            tmp_path / "people.parquet",
            out,
            events=folder / "events.parquet",
            block=50,
        )
    assert out.read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "people.parquet"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e.with_columns(sent=pl.lit(3)), "sent must be a whole number"),
        (lambda e: pl.concat([e, e.head(1)]), "unique"),
        (lambda e: e.with_columns(strange=pl.lit(3)), "known columns only"),
        (lambda e: e.drop("period"), "'period'"),
        (lambda e: e.with_columns(pl.col("customer").cast(pl.String)), "of one type"),
        (lambda e: e.with_columns(action=pl.lit("spam")), "action must be one of"),
        (lambda e: e.with_columns(period=pl.lit(-1)), "period must be"),
    ],
)
def test_events_that_cannot_be_are_refused_by_name(engine, log, tmp_path, change, words):
    folder, _ = log
    change(pl.read_parquet(folder / "events.parquet")).write_parquet(tmp_path / "e.parquet")
    with pytest.raises(DataError, match=words):
        score_file(
            engine,
            folder / "births.parquet",
            tmp_path / "out.parquet",
            events=tmp_path / "e.parquet",
        )


def test_the_command_says_what_it_wrote(written, log, tmp_path, capsys):
    Score(str(written.folder), str(log[0]), tmp_path / "out.parquet").run()
    assert "150 decisions of policy" in capsys.readouterr().out
    with pytest.raises(DataError, match="out must be a file in a folder that exists"):
        Score(str(written.folder), str(log[0]), tmp_path / "no" / "out.parquet").run()
    with pytest.raises(DataError, match="customers must be a Parquet file"):
        Score(str(written.folder), str(tmp_path / "none"), tmp_path / "out.parquet").run()

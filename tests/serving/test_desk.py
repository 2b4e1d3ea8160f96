"""The desk: decisions on record before they are answered, and remembered across a crash."""

import json
import threading
import time
from base64 import b64decode
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from nba_gym.errors import LogError, RequestError, StoreError
from nba_gym.evaluation import record_journeys
from nba_gym.policies import UniformRandom
from nba_gym.replay import replay
from nba_gym.serving.chain import read_chain, segments_of, verify
from nba_gym.serving.choosing import choose
from nba_gym.serving.contents import FORBIDDEN
from nba_gym.serving.desk import TURNED_AWAY
from nba_gym.serving.exporting import export_log
from nba_gym.serving.store import Changes
from tests.serving.processes import wait_for
from tests.serving.services import WAIT, Bench, question


def text_of(folder):
    return b"".join(path.read_bytes() for path in segments_of(folder))


def test_a_decision_is_on_record_when_it_is_answered(bench):
    told = bench.decide(customer="ann")
    entry = list(read_chain(bench.folder))[-1]
    assert entry.record["id"] == told["decision"]
    assert entry.personal is not None
    assert entry.personal["customer"] == "ann"
    assert bench.scenario.actions[entry.record["action"]].name == told["action"]


def test_nobody_is_answered_where_the_log_cannot_be_written(bench, monkeypatch):
    def fails(_):
        raise LogError("no space")

    monkeypatch.setattr(bench.log, "append", fails)
    with pytest.raises(RequestError, match="recorded") as error:
        bench.decide(customer="ann")
    assert error.value.status == 503
    monkeypatch.undo()
    assert bench.decide(customer="ann")["period"] == 0
    assert text_of(bench.folder).count(b'"ann"') == 1


def test_a_fault_in_deciding_leaves_nobody_waiting(bench, monkeypatch):
    def fails(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(bench.desk.decider, "decide", fails)
    with pytest.raises(RequestError) as error:
        bench.decide()
    assert error.value.status == 503
    monkeypatch.undo()
    assert bench.decide()["action"]


def test_the_same_key_gets_the_same_answer_and_another_request_under_it_none(bench):
    told = bench.decide("k-1", customer="ann")
    bench.decide("k-2", customer="ann")
    assert bench.decide("k-1", customer="ann") == told
    assert text_of(bench.folder).count(b'"kind":"decision"') == 2
    with pytest.raises(RequestError, match="new one") as error:
        bench.decide("k-1", customer="bob")
    assert error.value.status == 409


def test_a_fault_over_one_customer_is_not_the_trouble_of_the_others(bench, monkeypatch):
    sound = bench.desk.decider.decide

    def fails(questions, *rest):
        if any(each.customer == "poison" for each in questions):
            raise ZeroDivisionError
        return sound(questions, *rest)

    monkeypatch.setattr(bench.desk.decider, "decide", fails)
    names = [*"abcdefgh", "poison", *"ijklmnop"]
    futures = [bench.ask_later(question(bench.reader, customer=name)) for name in names]
    for name, future in zip(names, futures, strict=True):
        if name == "poison":
            with pytest.raises(RequestError) as error:
                future.result(WAIT)
            assert error.value.status == 503
        else:
            assert json.loads(future.result(WAIT))["customer"] == name
    assert text_of(bench.folder).count(b'"kind":"decision"') == len(names) - 1


def test_two_calls_at_once_under_one_key_make_one_decision(bench):
    asked = [question(bench.reader, "k", customer="ann") for _ in range(30)]
    answers = {future.result(WAIT) for future in [bench.ask_later(each) for each in asked]}
    assert len(answers) == 1
    assert text_of(bench.folder).count(b'"kind":"decision"') == 1


def test_calls_at_once_about_one_customer_are_answered_in_their_order(bench):
    events = [{"purchases": 1, "need_bought": 0, "list_spend": 10}]
    futures = [
        bench.ask_later(question(bench.reader, customer="ann", events=events, period=i))
        for i in range(20)
    ]
    assert [json.loads(each.result(WAIT))["period"] for each in futures] == list(range(1, 21))
    with pytest.raises(RequestError, match="period"):
        bench.decide(customer="ann", events=events, period=3)


def test_after_a_crash_everything_acknowledged_is_remembered(tmp_path, retail, lineup):
    bench = Bench(tmp_path, retail, lineup)
    told = [bench.decide(f"k-{i}", customer=f"c-{i % 7}", events=[{}]) for i in range(20)]
    bench.memory.flush()
    bench.memory._bring = lambda: None  # the store does not learn of what follows
    more = [bench.decide(f"m-{i}", customer=f"c-{i % 7}", events=[{}]) for i in range(20)]
    bench.crash()
    bench.begin()
    assert bench.caught_up > 0
    assert [bench.decide(f"k-{i}", customer=f"c-{i % 7}", events=[{}]) for i in range(20)] == told
    assert [bench.decide(f"m-{i}", customer=f"c-{i % 7}", events=[{}]) for i in range(20)] == more
    assert bench.decide(customer="c-1")["period"] == 6
    bench.end()
    verify(tmp_path)


@pytest.mark.parametrize("lost", [False, True])
def test_an_outcome_under_a_key_counts_once_also_after_a_crash(lost, tmp_path, retail, lineup):
    bench = Bench(tmp_path, retail, lineup)
    made = bench.decide(customer="ann")["decision"]
    bench.memory.flush()
    bench.memory._bring = lambda: None
    told = bench.report(made, "k", reward=5.0)
    bench.crash()
    if lost:
        for path in tmp_path.glob("store.sqlite*"):
            path.unlink()
    bench.begin()
    assert bench.report(made, "k", reward=5.0) == told
    with pytest.raises(RequestError, match="new one"):
        bench.report(made, "k", reward=6.0)
    assert text_of(tmp_path).count(b'"kind":"outcome"') == 1
    assert bench.erase("ann") == {"erased": 2}
    bench.end()
    assert b'"ann"' not in text_of(tmp_path)
    verify(tmp_path)


def test_what_a_policy_of_its_own_closes_is_neither_ranked_nor_explored(bench, monkeypatch):
    engine = bench.lineup.champion
    decide = type(engine).decide_batch
    closed = np.arange(1, bench.scenario.n_actions - 1)

    def capped(self, features, masks):
        said = decide(self, features, masks)
        scores = said.scores.copy()
        scores[:, closed] = FORBIDDEN
        return (
            said._replace(scores=scores)
            if hasattr(said, "_replace")
            else replace(said, scores=scores)
        )

    monkeypatch.setattr(type(engine), "decide_batch", capped)
    monkeypatch.setattr(
        "nba_gym.serving.decider.choose",
        lambda scores, masks, epsilon, luck: choose(scores, masks, 1.0, luck),
    )
    names = {bench.scenario.actions[i].name for i in closed}
    for i in range(20):
        told = bench.decide(customer=f"c-{i}")
        assert not names & {each["action"] for each in told["ranked"]}
        assert told["action"] not in names
        assert sum(each["propensity"] for each in told["ranked"]) == pytest.approx(1.0)
    told = bench.decide(customer="c-0")
    rules = {each["action"]: each["rules"] for each in told["dropped"]}
    assert ["policy: its own cap on contacts"] in [rules[name] for name in names]


def test_a_history_that_cannot_be_read_is_its_own_customers_trouble(bench):
    bench.decide(customer="ann", events=[{}])
    bench.memory.flush()
    state = bench.memory.state("ann")
    bench.memory._store.apply(Changes(states={"bob": state[:-40] + b"?" * 4}, seq=1))
    asked = [question(bench.reader, customer=name) for name in ("ann", "bob", "cleo")]
    ann, bob, cleo = [bench.ask_later(each) for each in asked]
    assert json.loads(ann.result(WAIT))["period"] == 1
    assert json.loads(cleo.result(WAIT))["period"] == 0
    with pytest.raises(RequestError, match="history must be") as error:
        bob.result(WAIT)
    assert error.value.status == 409


def test_a_store_that_was_lost_is_made_again_from_the_log(tmp_path, retail, lineup):
    bench = Bench(tmp_path, retail, lineup)
    for i in range(12):
        bench.decide(customer=f"c-{i % 3}", events=[{}])
    told = bench.decide("k", customer="c-1")
    bench.end()
    for path in tmp_path.glob("store.sqlite*"):
        path.unlink()
    bench.begin()
    assert bench.decide("k", customer="c-1") == told
    assert bench.decide(customer="c-2")["period"] == 4
    bench.end()


def test_a_store_of_another_world_is_refused(tmp_path, retail, lineup):
    with Bench(tmp_path, retail, lineup):
        pass
    from nba_gym.serving.store import open_store

    with pytest.raises(StoreError, match="scenario"):
        open_store(tmp_path / "store.sqlite", "another")


def test_served_journeys_see_what_was_simulated(bench):
    n, periods = 12, 15
    log = record_journeys(UniformRandom(), bench.scenario, n, 3)
    wanted = replay(log, bench.scenario)
    channels = [channel.name for channel in bench.scenario.channels]
    columns, outbound = bench.reader.records.columns, bench.reader.outbound
    consent = log.births[:, 2:].copy()
    for t in range(periods):
        for i in range(n):
            events = []
            if t:
                row = log.events[t - 1, i]
                said = dict(zip(columns, row.tolist(), strict=True))
                needed = said["purchases"] > 0
                events = [{c: v for c, v in said.items() if v or (c == "need_bought" and needed)}]
                if said["opted_out"]:
                    action = bench.scenario.actions[int(said["action"])]
                    consent[i, channels.index(action.channel)] = 0.0
            bench.decide(
                customer=f"c-{i}",
                consent={name: bool(consent[i, channels.index(name)]) for name in outbound},
                events=events,
                birth={"phase": log.births[i, 0], "commitment": log.births[i, 1]},
            )
    rows = [e for e in read_chain(bench.folder) if e.record["kind"] == "decision"]
    for k, entry in enumerate(rows):
        t, i = divmod(k, n)
        assert entry.personal is not None
        features = np.frombuffer(b64decode(entry.personal["features"]), dtype=np.float32)
        np.testing.assert_array_equal(features, wanted.observations[t, i])
        if not entry.personal["contacted"]:
            np.testing.assert_array_equal(entry.record["mask"], wanted.masks[t, i])


def test_a_second_contact_in_a_period_is_dropped_until_the_period_is_told_of(bench):
    first = bench.decide(customer="ann", asking="outbound")
    while first["action"] == "wait":
        first = bench.decide(customer="ann", asking="outbound", events=[{}])
    second = bench.decide(customer="ann", asking="outbound")
    assert second["action"] == "wait"
    assert "contact policy: a contact was decided in this week already" in {
        rule for each in second["dropped"] for rule in each["rules"]
    }
    third = bench.decide(customer="ann", asking="outbound", events=[{}])
    assert len(third["ranked"]) > 1


def test_what_was_decided_and_not_done_does_not_count_as_a_contact(tmp_path, retail, lineup):
    bench = Bench(tmp_path, retail, lineup)
    first = bench.decide(customer="ann", asking="outbound")
    assert first["action"] != "wait"
    bench.report(first["decision"], delivered=False)
    bench.crash()
    bench.begin()
    again = bench.decide(customer="ann", asking="outbound")
    assert again["action"] == first["action"]
    bench.report(first["decision"], delivered=False)  # an old report takes back no later contact
    assert bench.decide(customer="ann", asking="outbound")["action"] == "wait"
    bench.end()


def test_a_customer_who_is_here_gets_answers_of_that_channel_only(bench):
    told = bench.decide(asking="inbound", channel="web")
    offered = {each["action"] for each in told["ranked"]}
    channels = {action.name: action.channel for action in bench.scenario.actions}
    assert {channels[name] for name in offered - {"wait"}} == {"web"}
    outbound = bench.decide(asking="outbound")
    assert all(channels[each["action"]] != "web" for each in outbound["ranked"])
    assert all(each["rules"] for each in told["dropped"] + outbound["dropped"])


def test_stateless_callers_keep_a_history_that_nobody_else_can_write(tmp_path, retail, lineup):
    with Bench(tmp_path, retail, lineup, stateless=True) as bench:
        told = bench.decide(customer="ann", events=[{}, {}])
        assert told["period"] == 2
        again = bench.decide(customer="ann", history=told["history"], events=[{}])
        assert again["period"] == 3
        assert bench.decide(customer="ann")["period"] == 0
        changed = told["history"][:40] + ("A" if told["history"][40] != "A" else "B")
        changed += told["history"][41:]
        for history, customer in ((changed, "ann"), (told["history"], "bob"), ("x", "ann")):
            with pytest.raises(RequestError, match="history"):
                bench.decide(customer=customer, history=history)


def test_a_service_that_keeps_histories_takes_none(bench):
    with pytest.raises(RequestError, match="history"):
        bench.decide(history="abc")


def test_outcomes_are_on_record_and_of_decisions_made_here(bench):
    told = bench.decide(customer="ann")
    bench.report(told["decision"], reward=12.5)
    again = bench.report(told["decision"], "k", reward=2.5)
    assert bench.report(told["decision"], "k", reward=2.5) == again
    with pytest.raises(RequestError, match="made here") as error:
        bench.report("0123")
    assert error.value.status == 404
    target = bench.folder / "out.parquet"
    assert export_log(bench.folder, target) == 1
    row = pl.read_parquet(target).to_dicts()[0]
    assert (row["customer"], row["reward"], row["outcomes"]) == ("ann", 15.0, 2)
    assert row["action_name"] == told["action"]
    assert row["propensity"] == row["propensities"][row["action"]] == 1.0
    assert len(row["features"]) == len(bench.lineup.champion.card["features"])


def test_an_erased_customer_is_forgotten_everywhere(bench):
    bench.decide("k-a", customer="ann-erased", events=[{}, {}])
    told = bench.decide("k-b", customer="bob", events=[{}])
    assert bench.erase("ann-erased") == {"erased": 1}
    assert bench.decide("k-b", customer="bob", events=[{}]) == told
    assert verify(bench.folder).erased == 1
    bench.memory.flush()
    for path in bench.folder.iterdir():
        assert b"ann-erased" not in path.read_bytes()
    assert bench.decide(customer="ann-erased")["period"] == 0
    target = bench.folder / "out.parquet"
    export_log(bench.folder, target)
    assert pl.read_parquet(target)["customer"].to_list() == [None, "bob", "ann-erased"]


def test_who_would_wait_too_long_is_turned_away_at_once(bench, monkeypatch):
    gate = threading.Event()
    append = bench.log.append
    monkeypatch.setattr(bench.log, "append", lambda items: gate.wait(20) and append(items))
    bench.desk._longest_queue = 10
    first = bench.ask_later(question(bench.reader))
    assert wait_for(lambda: bench.desk.queue == 0)
    asked = [question(bench.reader, customer=f"c-{i}") for i in range(11)]
    taken = [first, *(bench.ask_later(each) for each in asked[:10])]
    with pytest.raises(RequestError, match="busy") as error:
        bench.ask_later(asked[10])
    gate.set()
    assert error.value.status == 503
    assert all(json.loads(each.result(WAIT))["decision"] for each in taken)


@pytest.mark.parametrize(("standing", "answered"), [(20.0, 4), (0.0, 0)])
def test_who_has_waited_too_long_is_turned_away_only_where_the_queue_stands(
    standing, answered, bench, monkeypatch
):
    gate = threading.Event()
    append = bench.log.append

    def stand(items):
        return gate.wait(WAIT) and append(items)

    here = threading.Event()
    monkeypatch.setattr(bench.log, "append", lambda items: here.set() or stand(items))
    monkeypatch.setattr("nba_gym.serving.desk.STANDING", standing)
    first = bench.ask_later(question(bench.reader, customer="first"))
    assert here.wait(WAIT)
    monkeypatch.setattr(bench.desk, "_longest_wait", 0.01)
    others = [bench.ask_later(question(bench.reader, customer=f"c-{i}")) for i in range(4)]
    time.sleep(0.05)
    gate.set()
    assert json.loads(first.result(WAIT))["decision"]
    errors = [error for each in others if (error := each.exception(WAIT)) is not None]
    assert len(errors) == 4 - answered
    assert all(str(error) == str(TURNED_AWAY) for error in errors)


def test_whoever_waits_when_the_service_stops_is_answered(tmp_path, retail, lineup):
    bench = Bench(tmp_path, retail, lineup)
    futures = [bench.ask_later(question(bench.reader, customer=f"c-{i}")) for i in range(40)]
    bench.end()
    assert all(json.loads(each.result(0))["decision"] for each in futures)

"""What a service makes of events is what the simulator showed, to the bit; consent is certain."""

import numpy as np
import pytest

from nba_gym.errors import DataError, RecordError
from nba_gym.evaluation import record_journeys
from nba_gym.policies import UniformRandom
from nba_gym.replay import replay
from nba_gym.scenario import load_scenario
from nba_gym.serving.events import MOST_PERIODS, Records
from tests.journeys import journey_worlds


def lived(name: str, n: int = 80, horizon: int = 30):
    scenario = load_scenario(name, [f"horizon={horizon}"])
    log = record_journeys(UniformRandom(), scenario, n, 5)
    return scenario, log, replay(log, scenario), Records(scenario)


@pytest.fixture(scope="module")
def retail():
    return lived("retail")


@pytest.mark.parametrize("name", journey_worlds())
def test_events_folded_one_by_one_show_what_the_simulator_showed_to_the_bit(name):
    scenario, log, shown, records = lived(name, n=70, horizon=12)
    history = records.fold(log.births, [log.events[:0, i] for i in range(70)])
    for t in range(scenario.horizon + 1):
        seen = records.look(history)
        np.testing.assert_array_equal(seen.observations, shown.observations[t])
        np.testing.assert_array_equal(seen.masks, shown.masks[t])
        if t < scenario.horizon:
            new = [log.events[t : t + 1, i] for i in range(70)]
            history = records.fold(log.births, new, before=history)


def test_customers_of_different_age_do_not_disturb_each_other(retail):
    scenario, log, shown, records = retail
    ages = np.random.default_rng(0).integers(0, scenario.horizon + 1, 80)
    seen = records.look(records.fold(log.births, [log.events[:a, i] for i, a in enumerate(ages)]))
    for i, age in enumerate(ages):
        np.testing.assert_array_equal(seen.observations[i], shown.observations[age, i])
        np.testing.assert_array_equal(seen.masks[i], shown.masks[age, i])


def test_a_history_that_was_kept_as_bytes_goes_on_as_if_it_never_left(retail):
    _, log, shown, records = retail
    for i in range(20):
        before = records.fold(log.births[i : i + 1], [log.events[:17, i]])
        again = records.form.read(records.form.write(before, 0))
        after = records.fold(log.births[i : i + 1], [log.events[17:, i]], before=again)
        np.testing.assert_array_equal(
            records.look(after).observations[0], shown.observations[-1, i]
        )


def as_records(records: Records, rows) -> list[dict]:
    """Events as a firm would send them: by column, what did not happen left out."""
    return [
        {
            name: value
            for name, value in zip(records.columns, row.tolist(), strict=True)
            if value != 0.0 or name == "need_bought"
        }
        for row in rows
    ]


def test_records_with_names_and_gaps_are_the_same_as_rows_of_a_log(retail):
    scenario, log, _, records = retail
    for i in range(10):
        tables = as_records(records, log.events[:, i])
        kept = [
            {**table, "period": t, "action": scenario.actions[int(table.get("action", 0))].name}
            for t, table in enumerate(tables)
            if table != {"need_bought": -1.0}
        ]
        read = records.events(kept, now=scenario.horizon)
        np.testing.assert_array_equal(read, log.events[:, i])


def test_without_consent_in_the_register_no_contact_is_allowed_whatever_the_records_say(retail):
    scenario, log, _, records = retail
    outbound = {c.name for c in scenario.channels if c.direction == "outbound"}
    contact = np.array([a.channel in outbound for a in scenario.actions])
    for t in (0, 10, 30):
        events = [log.events[:t, i] for i in range(80)]
        none = np.zeros((80, scenario.n_channels), dtype=np.float32)
        seen = records.look(records.fold(log.births, events, consent=none))
        assert not seen.masks[:, contact].any()
        assert (seen.masks[:, 0] == 1).all()


def test_an_opt_out_among_the_events_wins_over_a_register_that_does_not_know_it_yet(retail):
    scenario, log, _, records = retail
    action = next(a.name for a in scenario.actions if a.channel == "email")
    events = records.events([{"action": action, "sent": True, "opted_out": True}])
    consent = records.consent({"email": True, "sms": True})[None]
    history = records.fold(log.births[:1], [events], consent=consent)
    why = records.reasons(records.look(history).conditions[0])
    assert "eligibility: no consent for email" in why[action]
    # the register was asked again, and the customer has agreed anew
    later = records.fold(log.births[:1], [events[:0]], before=history, consent=consent)
    assert "eligibility: no consent for email" not in records.reasons(
        records.look(later).conditions[0]
    ).get(action, [])


def test_every_action_that_is_not_allowed_has_a_reason_and_no_other(retail):
    scenario, log, shown, records = retail
    seen = records.look(records.fold(log.births, [log.events[:9, i] for i in range(80)]))
    for i in range(80):
        why = records.reasons(seen.conditions[i])
        dropped = {
            a.name for a, m in zip(scenario.actions, shown.masks[9, i], strict=True) if not m
        }
        assert why.keys() == dropped


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"sent": 2}, r"sent must be a whole number in \[0, 1\]"),
        ({"sent": float("nan")}, "sent must be a whole number"),
        ({"sent": "yes"}, "sent must be a whole number"),
        ({"sent": None}, "sent must be a whole number"),
        ({"sent": [1]}, "sent must be a whole number"),
        ({"sent": 10**400}, "sent must be a whole number"),
        ({"list_spend": float("inf")}, "list_spend must be a number"),
        ({"list_spend": -1.0}, "list_spend must be a number"),
        ({"bought": 1}, r"events\[0\].column must be one of"),
        ({"action": "email_spam"}, "action must be one of wait"),
        ({"action": 29}, "action must be a whole number"),
        ({"purchases": 1}, "need_bought must be given where purchases are"),
        ({"period": -1}, "period must be in"),
        ({"period": True}, "period must be a whole number"),
        ({"period": 10**9}, "period must be in"),
    ],
)
def test_a_record_that_cannot_be_is_refused_by_its_column(retail, record, words):
    records = retail[3]
    with pytest.raises(RecordError, match=words):
        records.events([record])


def test_the_field_and_rule_of_an_error_hold_nothing_that_a_caller_made_up(retail):
    records = retail[3]
    for call, given in (
        (records.events, [{"secret_column": 1}]),
        (records.events, [{"action": "secret_action"}]),
        (records.birth, {"secret": 1}),
        (records.consent, {"secret": True}),
        (records.consent, {"email": "secret"}),
    ):
        with pytest.raises(RecordError) as told:
            call(given)
        assert "secret" not in told.value.field + told.value.rule


def test_periods_must_be_in_order_and_not_too_many(retail):
    records = retail[3]
    with pytest.raises(RecordError, match="period must be in"):
        records.events([{"period": 3}, {"period": 3}])
    with pytest.raises(RecordError, match="period must be in"):
        records.events([{"period": 4}], lived=5)
    with pytest.raises(RecordError, match="period must be in"):
        records.events([], now=MOST_PERIODS + 1)
    assert records.events([{"period": 7}], lived=5, now=9).shape[0] == 4


def test_a_history_that_was_tampered_with_is_refused(retail):
    _, log, _, records = retail
    sound = records.form.write(records.fold(log.births[:1], [log.events[:5, 0]]), 0)
    phase = 8 + 4  # after the mark and the tenure
    for data, words in (
        (sound[:-1], "bytes"),
        (sound + b"0", "bytes"),
        (b"otherform"[:8] + sound[8:], "of this world and version"),
        (sound[:phase] + np.float32(1e9).tobytes() + sound[phase + 4 :], "phase"),
        (sound[:phase] + np.float32(0.5).tobytes() + sound[phase + 4 :], "phase"),
        (sound[:phase] + np.float32(np.nan).tobytes() + sound[phase + 4 :], "finite"),
        (sound[:phase] + np.float32(-1.0).tobytes() + sound[phase + 4 :], "finite and >= 0"),
    ):
        with pytest.raises(RecordError, match=words):
            records.form.read(data)
    other = Records(load_scenario("retail", ["horizon=31"]))
    with pytest.raises(RecordError, match="of this world and version"):
        other.form.read(sound)


def test_a_world_of_tables_has_no_events():
    with pytest.raises(DataError, match="tabular world"):
        Records(load_scenario("mailing"))

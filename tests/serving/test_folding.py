"""What is served is what was simulated: histories folded one request at a time."""

import numpy as np
import pytest

from nba_gym.evaluation import record_journeys
from nba_gym.policies import UniformRandom
from nba_gym.records.events import BIRTH_EVENTS, event_columns
from nba_gym.replay import replay
from nba_gym.scenario.load import load_scenario
from nba_gym.serving.folding import Folding
from tests.journeys import journey_worlds


@pytest.mark.parametrize("name", journey_worlds())
def test_folded_events_show_what_the_simulation_showed(name):
    scenario, n = load_scenario(name), 70
    log = record_journeys(UniformRandom(), scenario, n, 3)
    wanted, folding = replay(log, scenario), Folding(scenario)
    histories = folding.begin(log.births)
    everything = np.ones((n, scenario.n_channels), dtype=np.bool_)
    nowhere = np.zeros(n, dtype=np.int64)
    for t in range(len(log.events) + 1):
        if t > 0:
            histories = folding.fold(histories, log.events[t - 1])
        shown = folding.observe(histories, everything, nowhere)
        np.testing.assert_array_equal(shown.features, wanted.observations[t])
        np.testing.assert_array_equal(shown.masks, wanted.masks[t])
    assert np.all(folding.tenure(histories) == len(log.events))
    assert np.all(folding.possible(histories))


def test_a_customer_is_told_apart_from_whoever_is_folded_beside(small):
    log = record_journeys(UniformRandom(), small, 70, 3)
    folding = Folding(small)
    together = folding.begin(log.births)
    alone = folding.begin(log.births[66:67])
    for events in log.events:
        together = folding.fold(together, events)
        alone = folding.fold(alone, events[66:67])
    np.testing.assert_array_equal(together[66:67], alone)


def test_consent_on_file_and_an_opt_out_in_the_same_request_both_forbid():
    small = load_scenario("retail")
    folding = Folding(small)
    outbound = [i for i, c in enumerate(small.channels) if c.direction == "outbound"]
    births = np.zeros((3, len(event_columns(small, BIRTH_EVENTS))))
    histories = folding.reopen(folding.begin(births))
    consent = np.ones((3, small.n_channels), dtype=np.bool_)
    consent[1, outbound] = False
    shown = folding.observe(histories, consent, np.zeros(3, dtype=np.int64))
    first = small.channels[outbound[0]].name
    contact = [i for i, a in enumerate(small.actions) if a.channel == first]
    assert shown.masks[0, contact].any()
    assert not shown.masks[1, contact].any()
    events = np.zeros((3, len(event_columns(small))))
    columns = event_columns(small)
    events[:, columns.index("need_bought")] = -1.0
    events[2, columns.index("action")] = contact[0]
    events[2, columns.index("sent")] = events[2, columns.index("opted_out")] = 1.0
    shown = folding.observe(
        folding.fold(histories, events), np.ones_like(consent), np.zeros(3, dtype=np.int64)
    )
    assert not shown.masks[2, contact].any()
    again = folding.reopen(folding.fold(histories, events))
    shown = folding.observe(again, np.ones_like(consent), np.zeros(3, dtype=np.int64))
    # the channel may rest, but nothing says any more that consent is missing
    reasons = folding.rules.explain(int(shown.conditions[2]), contact[0])
    assert not any("consent" in reason for reason in reasons)

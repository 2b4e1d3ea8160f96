"""Actions without effects: nobody's life changes by a bit, and only costs are lost.

Comparisons are customer by customer and exact, so no sample size enters.
"""

import numpy as np
import pytest

from nba_gym.evaluation import rollout
from nba_gym.policies import NoContact, RoundRobin, UniformRandom
from nba_gym.records.events import event_columns
from nba_gym.truth import MyopicOracle
from tests.journeys import journey_worlds
from tests.worlds import HIDDEN, event, let_live, populate, without_effects

WORLDS = journey_worlds()
ABOUT_CONTACT = ("action", "sent", "responded", "accepted", "answered", "reading")


def of_the_customer(scenario):
    """Columns of the events that are not about being contacted."""
    columns = event_columns(scenario)
    return [i for i, name in enumerate(columns) if not name.startswith(ABOUT_CONTACT)]


@pytest.mark.parametrize("policy", [UniformRandom(), RoundRobin()], ids=lambda policy: policy.name)
@pytest.mark.parametrize("name", WORLDS)
def test_without_effects_every_policy_leads_to_bit_identical_lives(name, policy):
    """All action effects and costs at zero: same hidden states, events and money, to the bit."""
    scenario = without_effects(name, costs=False)
    left_alone, contacted = (populate(scenario, 300, seed=1, record=True) for _ in range(2))
    mine, contacts = of_the_customer(scenario), 0.0
    for quiet, busy in zip(
        let_live(NoContact(), left_alone, scenario.horizon),
        let_live(policy, contacted, scenario.horizon),
        strict=True,
    ):
        for quantity in HIDDEN:
            a, b = left_alone.read(quantity), contacted.read(quantity)
            assert np.array_equal(a, b), quantity
        assert np.array_equal(quiet.events[:, mine], busy.events[:, mine])
        assert np.array_equal(quiet.ledger, busy.ledger)
        contacts += event(contacted, busy, "sent").sum()
    assert contacts > 1_000
    assert not left_alone.read("alive").all() or scenario.leaving.period_scale == 0


@pytest.mark.parametrize("policy", [UniformRandom(), RoundRobin()], ids=lambda policy: policy.name)
@pytest.mark.parametrize("name", WORLDS)
def test_with_costs_only_the_loss_is_exactly_the_discounted_cost(name, policy):
    """``V^wait - V^pi = sum_t gamma^t cost_t >= 0`` for every customer, so waiting is optimal."""
    scenario = without_effects(name, costs=True)
    cost_of = {c.name: c.cost for c in scenario.channels} | {"": 0.0}
    price = np.array([a.cost + cost_of[a.channel] for a in scenario.actions])
    price = np.rint(price * 65536) / 65536
    fulfilling = np.rint(np.array([a.fulfil_cost for a in scenario.actions]) * 65536) / 65536
    left_alone, contacted = (populate(scenario, 300, seed=1, record=True) for _ in range(2))
    loss, cost = np.zeros(300), np.zeros(300)
    for t, (quiet, busy) in enumerate(
        zip(
            let_live(NoContact(), left_alone, scenario.horizon),
            let_live(policy, contacted, scenario.horizon),
            strict=True,
        )
    ):
        done = event(contacted, busy, "action").astype(int)
        paid = price[done] + fulfilling[done] * event(contacted, busy, "responded")
        assert np.array_equal(quiet.rewards - busy.rewards, paid)
        loss += scenario.discount**t * (quiet.rewards - busy.rewards)
        cost += scenario.discount**t * paid
    assert np.array_equal(loss, cost)
    assert (cost > 0).mean() > 0.5
    assert (cost >= 0).all()  # so nothing is better than waiting, and the myopic oracle waits
    alone = rollout(NoContact(), scenario, 300, 1).value
    assert np.array_equal(rollout(MyopicOracle(), scenario, 300, 1).value, alone)
    # the evaluator says the same
    assert alone - rollout(policy, scenario, 300, 1).value == pytest.approx(cost, abs=1e-9)

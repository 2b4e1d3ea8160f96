"""The simulator as a whole: expected profit, who is gone, who withdrew, what the records show.

A z value is the difference between what was simulated and what is expected, in standard errors.
"""

from __future__ import annotations

import math
from copy import deepcopy

import numpy as np
import pytest

from nba_gym.customer.population import Population
from nba_gym.evaluation import rollout
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.records.ledger import LINES
from nba_gym.scenario.load import load_scenario
from nba_gym.truth import expected_profit
from tests.closed_forms import Z
from tests.journeys import journey_worlds
from tests.worlds import (
    HIDDEN,
    VISIBLE,
    draw_often,
    event,
    let_live,
    look_again,
    populate,
    put_all_in_the_state_of,
    step,
)

WORLDS = journey_worlds()
CROWD, TIMES = 2**17, 8  # 1,048,576 draws


# --- expected profit ------------------------------------------------------------------------------


def telling_customers(population: Population) -> dict[str, int]:
    """Customers in states that bring different terms of the expected profit to bear."""
    alive = population.read("alive")[:, 0] > 0
    told = {
        "is alive": alive,
        "has bought": population.read("frequency")[:, 0] > 1,
        "remembers a discount": population.read("reference_discount")[:, 0] > 0.05,
        "has an open basket": population.read("open_basket")[:, 0] > 0,
        "is visiting": population.read("visiting")[:, 0] > 0,
        "has complained": population.read("complaint")[:, 0] > 0,
        "is tired": population.read("fatigue")[:, 0] > 1.0,
    }
    found = {label: np.flatnonzero(alive & is_so) for label, is_so in told.items()}
    chosen = {label: int(at[len(at) // 2]) for label, at in found.items() if len(at)}
    gone = np.flatnonzero(~alive)
    return chosen | ({"has left": int(gone[0])} if len(gone) else {})


@pytest.mark.parametrize("name", WORLDS)
def test_expected_profit_is_the_mean_of_a_million_rewards(name):
    scenario = load_scenario(name)
    lived = populate(scenario, 3_000, seed=5)
    for _ in let_live(UniformRandom(wait=0.4), lived, 14):
        pass
    crowd = populate(scenario, CROWD, seed=6)
    worst, kinds = 0.0, set()
    for label, i in telling_customers(lived).items():
        put_all_in_the_state_of(crowd, lived, i)
        expected = expected_profit(lived)[i]
        allowed = np.flatnonzero(crowd.out.masks[0])
        by_kind = {scenario.actions[a].kind: int(a) for a in allowed}  # the last of each kind
        for kind, action in by_kind.items():
            if kind in kinds and kind != "offer":
                continue
            rewards = np.concatenate([o.rewards.copy() for o in draw_often(crowd, action, TIMES)])
            assert len(rewards) > 1_000_000
            error = rewards.std() / math.sqrt(len(rewards))
            difference = rewards.mean() - expected[action]
            # money is rounded to 1/65536; where nothing is left to chance that is all there is
            assert abs(difference) < max(Z * error, 2 / 65536), (label, kind, difference / error)
            worst = max(worst, abs(difference) / max(error, 1e-12) if error > 1e-6 else 0.0)
            kinds.add(kind)
    assert worst > 0.1  # something was left to chance
    assert {"wait", "inform", "offer"} <= kinds


# --- who is gone, and who does not want to be contacted -------------------------------------------

EVERYBODY_LEAVES = {
    "leaving.period_scale": 0.5,
    "leaving.period_base": 0.0,
    "contract.commitment": 1,
}
ACTS = ("responded", "purchases", "opted_out", "accepted", "cancelled", "referred", "visit")
ACTS = (*ACTS, "basket", "answered", "signal", "list_spend", "redeemed", "reading")
ACTS = (*ACTS, "complained", "solved")


@pytest.mark.parametrize("name", WORLDS)
def test_who_has_left_never_acts_again(name):
    scenario = load_scenario(name, EVERYBODY_LEAVES)
    crowd = populate(scenario, 2_000, seed=4, record=True)
    gone, acts = np.zeros(2_000, dtype=bool), 0.0
    for out in let_live(UniformRandom(), crowd, scenario.horizon):
        for act in ACTS:
            seen = event(crowd, out, act)
            assert not seen[gone].any(), act
            acts += seen[~gone].sum()
        assert not (out.ledger[gone][:, : LINES.index("contact_cost")] > 0).any()  # no income
        gone |= crowd.read("alive")[:, 0] == 0
    assert gone.sum() > 500
    assert acts > 1_000


@pytest.mark.parametrize("name", WORLDS)
def test_who_withdrew_consent_is_never_contacted_there_again(name):
    scenario = load_scenario(name, {"attention.opt_out_scale": 1.0, "attention.opt_out_base": -2.0})
    names = [channel.name for channel in scenario.channels]
    channel = np.array([names.index(a.channel) if a.channel else -1 for a in scenario.actions])
    outbound = np.array([c.direction == "outbound" for c in scenario.channels])
    crowd = populate(scenario, 1_000, seed=8, record=True)
    everybody = np.arange(1_000)
    consent = crowd.read("consent") > 0
    assert (~consent[:, outbound]).any() or all(c.opt_in == 1 for c in scenario.channels)
    withdrawn = 0
    generator = np.random.default_rng(1)
    for _ in range(scenario.horizon):
        out = step(crowd, generator.integers(scenario.n_actions, size=1_000))  # allowed or not
        at = channel[event(crowd, out, "action").astype(int)]
        sent = event(crowd, out, "sent") > 0
        assert (at[sent] >= 0).all()
        assert consent[everybody[sent], at[sent]].all()
        leaves = event(crowd, out, "opted_out") > 0
        assert (sent | ~leaves).all()
        consent[everybody[leaves], at[leaves]] = False
        withdrawn += leaves.sum()
        assert np.array_equal(crowd.read("consent")[:, outbound] > 0, consent[:, outbound])
    assert withdrawn > 20


# --- what the records show ------------------------------------------------------------------------


def exchange_hidden_halves(
    population: Population, generator: np.random.Generator, but: tuple[str, ...] = ()
) -> None:
    """Give every customer the hidden half of another one."""
    others = generator.permutation(population.n)
    for name in HIDDEN:
        if name not in but:
            population.write(name, population.read(name)[others])


@pytest.mark.parametrize("name", WORLDS)
def test_observations_show_nothing_of_the_hidden_half(name):
    scenario, generator = load_scenario(name), np.random.default_rng(0)
    crowd = populate(scenario, 4_000, seed=2)
    for period, _ in enumerate(let_live(UniformRandom(wait=0.3), crowd, 20)):
        if period % 5 == 4:
            other, same = deepcopy(crowd), deepcopy(crowd)
            exchange_hidden_halves(other, generator)
            look_again(other)
            look_again(same)
            assert any(not np.array_equal(other.read(x), same.read(x)) for x in HIDDEN)
            assert np.array_equal(other.out.observations, same.out.observations)
            assert np.array_equal(other.out.masks, same.out.masks)


@pytest.mark.parametrize("but", [(), ("spend_level",)], ids=["all of it", "but how much is spent"])
@pytest.mark.parametrize("name", WORLDS)
def test_the_hidden_half_reaches_the_records_only_through_events(name, but):
    scenario, generator = load_scenario(name), np.random.default_rng(0)
    crowd = populate(scenario, 6_000, seed=2, record=True)
    signal = "purchases" if but and not scenario.purchase.transaction_shape else "signal"
    signal = signal if scenario.need_dynamics.signal_true else "responded"
    alike_in_all = eventful = 0
    for period, _ in enumerate(let_live(UniformRandom(wait=0.3), crowd, 25)):
        if period % 4:
            continue
        other, same = deepcopy(crowd), deepcopy(crowd)
        exchange_hidden_halves(other, generator, but)
        actions = generator.integers(scenario.n_actions, size=crowd.n)
        a, b = step(other, actions), step(same, actions)
        alike = (a.events == b.events).all(axis=1)
        assert not alike.all()
        assert np.array_equal(a.observations[alike], b.observations[alike])
        assert np.array_equal(a.masks[alike], b.masks[alike])
        assert np.array_equal(a.ledger[alike], b.ledger[alike])
        assert np.array_equal(a.terminated[alike], b.terminated[alike])
        for quantity in VISIBLE:
            assert np.array_equal(other.read(quantity)[alike], same.read(quantity)[alike])
        alike_in_all += alike.sum()
        eventful += (event(same, b, signal)[alike] > 0).sum()
    assert alike_in_all > 5_000
    assert eventful > 0


# --- money ----------------------------------------------------------------------------------------


def test_all_lines_of_a_journey_sum_to_its_value():
    run = rollout(NoContact(), "telecom", 500)
    assert list(run.lines) == list(LINES)
    np.testing.assert_allclose(np.sum(list(run.lines.values()), axis=0), run.value, rtol=1e-12)

"""The simulator against closed forms: where theory knows the answer, the simulation gives it.

A z value is the difference between what was simulated and what is expected, in standard errors.
"""

from __future__ import annotations

import math
from copy import deepcopy

import numpy as np
import pytest
from scipy import stats
from scipy.special import betaln

from nba_gym.calibration.bg_nbd import BgNbdErrors, BgNbdFit
from nba_gym.calibration.histogram import frequency_histogram
from nba_gym.customer.population import Population
from nba_gym.evaluation import rollout
from nba_gym.policies import NoContact, RoundRobin, UniformRandom
from nba_gym.records.events import event_columns
from nba_gym.records.ledger import LINES
from nba_gym.scenario.load import load_scenario
from nba_gym.truth import expected_profit
from tests.journeys import journey_worlds
from tests.worlds import (
    HIDDEN,
    VISIBLE,
    constant,
    draw_often,
    event,
    let_live,
    look_again,
    nothing_but,
    populate,
    put_all_in_the_state_of,
    step,
    without_effects,
)

WORLDS = journey_worlds()
CROWD, TIMES = 2**17, 8  # 1,048,576 draws
Z = 4.0


def z_of_share(hits, n, share):
    return (hits / n - share) / math.sqrt(share * (1 - share) / n)


# --- actions without effects ----------------------------------------------------------------------

ABOUT_CONTACT = ("action", "sent", "responded", "accepted", "answered", "reading")


def of_the_customer(scenario):
    """Columns of the events that are not about being contacted."""
    columns = event_columns(scenario)
    return [i for i, name in enumerate(columns) if not name.startswith(ABOUT_CONTACT)]


@pytest.mark.parametrize("policy", [UniformRandom(), RoundRobin()], ids=lambda policy: policy.name)
@pytest.mark.parametrize("name", WORLDS)
def test_without_effects_every_policy_leads_to_bit_identical_lives(name, policy):
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
    # the evaluator says the same
    alone = rollout(NoContact(), scenario, 300, 1).value
    assert alone - rollout(policy, scenario, 300, 1).value == pytest.approx(cost, abs=1e-9)


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


# --- choice ---------------------------------------------------------------------------------------


def utility(scenario, state, k, action, *, noticed):
    """Utility of buying for need ``k``: equations 6 to 8, written out once more."""
    buy, offer = scenario.purchase, scenario.actions[action]
    u = state["propensity"] + buy.intercept + buy.by_need * state["need"][k]
    u += buy.by_awareness * state["awareness"][k] + buy.by_loyalty * (state["loyalty"] - 0.5)
    here = state["basket"] == k
    u += buy.by_basket * here
    speaks = offer.needs.get(scenario.needs[k].name, 0.0) if noticed else 0.0
    u += speaks * (buy.by_offer + buy.by_pressure * offer.pressure * here)
    discount = offer.discount if speaks else 0.0
    x = math.log((1 - discount) / (1 - state["remembered"]))
    return u - state["sensitivity"] * (x if x < 0 else scenario.price.loss_aversion * x)


@pytest.mark.parametrize("action", ["wait", "email_offer_shoes", "sms_basket_last_call"])
def test_choice_shares_are_those_of_the_logit(action):
    settings = {
        "purchase__process": "one",
        "purchase__intercept": -2.2,
        "purchase__by_need": 1.7,
        "purchase__by_awareness": 0.6,
        "purchase__by_loyalty": 0.9,
        "purchase__by_offer": 1.1,
        "purchase__by_pressure": 0.8,
        "purchase__by_basket": 0.5,
        "price__loss_aversion": 1.6,
        "traits__purchase": {"family": "normal", "mean": 0.25, "sd": 0.0},
        "traits__price_sensitivity": constant(1.5),
        "traits__tolerance": constant(2.0),
        "traits__attention__email": constant(0.7),
        "traits__attention__sms": constant(0.7),
        "channels__email__reach": 0.9,
        "channels__sms__reach": 0.9,
    }
    scenario = nothing_but("retail", **settings)
    at = [a.name for a in scenario.actions].index(action)
    state = {
        "propensity": 0.25,
        "need": [0.2, 0.9, 0.5, 0.0],
        "awareness": [0.3, 0.1, 0.6, 1.0],
        "loyalty": 0.7,
        "basket": 1,
        "remembered": 0.125,
        "sensitivity": 1.5,
    }
    crowd = populate(scenario, CROWD, record=True)
    for name in ("need", "awareness", "loyalty"):
        crowd.write(name, state[name])
    crowd.write("reference_discount", state["remembered"])
    crowd.write("open_basket", state["basket"] + 1)
    crowd.write("fatigue", 0.8)
    look_again(crowd)
    bought = np.zeros(scenario.n_needs)
    for out in draw_often(crowd, at, TIMES):
        need = event(crowd, out, "need_bought")
        bought += [(need == k).sum() for k in range(scenario.n_needs)]
    q = 0.9 * 0.7 * math.exp(-0.8 / 2.0) if at else 0.0
    shares = np.zeros(scenario.n_needs)
    for noticed, weight in ((True, q), (False, 1 - q)):
        weights = [
            math.exp(utility(scenario, state, k, at, noticed=noticed))
            for k in range(scenario.n_needs)
        ]
        shares += weight * np.array(weights) / (1 + sum(weights))
    for k, share in enumerate(shares):
        assert abs(z_of_share(bought[k], CROWD * TIMES, share)) < Z, (k, share)


# --- fatigue, needs -------------------------------------------------------------------------------


def test_fatigue_under_random_contact_has_the_mean_and_variance_of_theory():
    q, size, phi, n = 0.3, 0.8, 0.75, 100_000
    scenario = nothing_but(
        "retail",
        horizon=500,
        attention__fatigue_decay=phi,
        traits__tolerance=constant(1e9),
        channels__email__intrusiveness=size,
        actions__email_offer_shoes__intrusiveness=1.0,
    )
    contact = [a.name for a in scenario.actions].index("email_offer_shoes")
    crowd, generator = populate(scenario, n), np.random.default_rng(3)
    for _ in range(80):  # 0.75 ** 80 is 1e-10 of the way from stationary
        step(crowd, contact * (generator.random(n) < q))
    fatigue = crowd.read("fatigue")[:, 0].astype(np.float64)
    mean, variance = size * q / (1 - phi), size**2 * q * (1 - q) / (1 - phi**2)
    assert abs(fatigue.mean() - mean) / math.sqrt(variance / n) < Z
    spread = np.var((fatigue - mean) ** 2) / n  # of the variance's estimate
    assert abs(fatigue.var() - variance) / math.sqrt(spread) < Z


def test_needs_settle_at_the_share_that_arrivals_and_decay_imply():
    rate, decay, n = 0.07, 0.86, 50_000
    scenario = nothing_but(
        "retail",
        horizon=500,
        need_dynamics__decay=decay,
        traits__arrival__shoes=constant(rate),
        purchase__intercept=-50.0,  # nobody buys
    )
    crowd = populate(scenario, n)
    for _ in range(120):
        step(crowd, 0)
    shoes = crowd.read("need")[:, [need.name for need in scenario.needs].index("shoes")]
    arises = 1 - math.exp(-rate)
    mean = arises / (1 - decay * (1 - arises))
    assert abs(shoes.mean() - mean) / (shoes.std() / math.sqrt(n)) < Z


# --- leaving --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b"), [(0.7, 3.8), (2.0, 20.0)])
def test_survival_is_shifted_beta_geometric(a, b):
    n = 200_000
    scenario = nothing_but(
        "retail",
        leaving__period_scale=1.0,
        traits__leaving={"family": "beta", "a": a, "b": b},
    )
    crowd = populate(scenario, n)
    for t in range(1, 25):
        out = step(crowd, 0)
        survival = math.exp(betaln(a, b + t) - betaln(a, b))
        assert abs(z_of_share(crowd.read("alive").sum(), n, survival)) < Z, t
        assert not out.terminated.any()  # nobody is told


def test_a_rolling_contract_ends_as_shifted_beta_geometric_and_is_told():
    a, b, n = 0.7, 3.8, 100_000
    scenario = nothing_but(
        "telecom",
        contract__enabled=True,
        leaving__period_scale=1.0,
        traits__leaving={"family": "beta", "a": a, "b": b},
    )
    crowd = populate(scenario, n)
    told = np.zeros(n, dtype=int)
    for t in range(1, 13):
        told += step(crowd, 0).terminated
        survival = math.exp(betaln(a, b + t) - betaln(a, b))
        assert abs(z_of_share((told == 0).sum(), n, survival)) < Z, t
        assert np.array_equal(told == 0, crowd.read("alive")[:, 0] > 0)
    assert told.max() == 1  # and only once


# Table 2 of Fader, Hardie & Lee (2005): CDNOW, 39 weeks
CDNOW = BgNbdFit(0.243, 4.414, 0.793, 2.426, -9582.4, 2357, BgNbdErrors(0, 0, 0, 0))


def shop_of(fit: BgNbdFit):
    """A shop where customers buy at their own rate until they leave, as BG/NBD has it."""
    preset = load_scenario("retail")
    return nothing_but(
        "retail",
        purchase__process="counted",
        purchase__intercept=-math.log(preset.n_needs),  # the needs share one rate between them
        traits__purchase={"family": "gamma", "shape": fit.r, "rate": fit.alpha},
        leaving__purchase_scale=1.0,
        traits__leaving={"family": "beta", "a": fit.a, "b": fit.b},
    )


def test_purchases_follow_the_histogram_of_bg_nbd():
    n, weeks = 200_000, (13, 39)
    crowd = populate(shop_of(CDNOW), n)
    for week in range(1, max(weeks) + 1):
        step(crowd, 0)
        if week in weeks:
            seen = frequency_histogram(crowd.read("frequency")[:, 0])
            expected = CDNOW.expected_histogram(np.full(n, float(week)))
            z = (seen - expected) / np.sqrt(expected * (1 - expected / n))
            assert np.abs(z).max() < Z, (week, z)
            assert stats.chisquare(seen, expected).pvalue > 1e-4


def test_the_mean_of_purchases_follows_bg_nbd_over_two_years():
    n = 100_000
    crowd = populate(shop_of(CDNOW), n)
    for week in range(1, 105):
        step(crowd, 0)
        if week % 26 == 0:
            bought = crowd.read("frequency")[:, 0].astype(np.float64)
            error = bought.std() / math.sqrt(n)
            expected = CDNOW.expected_purchases(week).item()
            assert abs(bought.mean() - expected) < Z * error, week


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
    assert withdrawn > 200


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

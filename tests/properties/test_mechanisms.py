"""What holds for each equation of the customer model whatever its arguments are.

The properties run the plain Python of the equations; that the compiled code gives the same bits is
tested beside the values worked out by hand.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nba_gym import compiled
from nba_gym.arithmetic import log
from tests.equations import EQUATIONS

Scalar = Callable[..., float]


def plain(name: str) -> Scalar:
    """An equation as plain Python, by name."""
    [found] = [getattr(module, name) for module in EQUATIONS if name in vars(module)]
    return compiled.plain(found)


# ---------------------------------------------------------------------------- valid arguments

unit = st.floats(0.0, 1.0)
yes_or_no = st.sampled_from([0.0, 1.0])
coefficient = st.floats(0.0, 50.0)
odds = st.floats(-100.0, 100.0)
amount = st.floats(0.0, 1e3)
positive = st.floats(1e-30, 1e30)  # as far as single precision goes
discounts = st.floats(0.0, 0.99)
EVERYWHERE = {
    "added": st.floats(-1e33, 1e33),
    "alive": yes_or_no,
    "arisen": yes_or_no,
    "base": odds,
    "basket": yes_or_no,
    "below": amount,
    "bought": yes_or_no,
    "counted": yes_or_no,
    "discount": discounts,
    "excitement": st.floats(0.0, 1e3),
    "fatigue": st.floats(0.0, 1e6),
    "gain": st.floats(0.0, 10.0),
    "intrusion": amount,
    "log_price": st.floats(math.log(0.01), 0.0),
    "log_reference": st.floats(math.log(0.01), 0.0),
    "loss": st.floats(0.0, 1e33),
    "loss_aversion": st.floats(1.0, 10.0),
    "luck": st.floats(2.0**-33, 1 - 2.0**-33),
    "n_needs": st.integers(1, 8).map(float),
    "noticed": yes_or_no,
    "outbound": yes_or_no,
    "possible": yes_or_no,
    "problem": yes_or_no,
    "propensity": st.floats(-1e3, 1e3),
    "rate": st.floats(0.0, 1e9),
    "reference": discounts,
    "season": st.floats(0.0, 1e5),
    "share": amount,
    "solved": yes_or_no,
    "strain_felt": st.floats(0.0, 1e31),
    "tolerance": positive,
    "total": st.floats(0.0, 1e305),
    "utility": st.floats(-1e3, 1e3),
    "weight": amount,
}
ONLY_IN = {
    "base_utility": {"season": st.floats(-50.0, 50.0), **dict.fromkeys(["by_need"], coefficient)},
    "basket_probability": {"rate": unit},
    "referral_probability": {"rate": unit},
    "response_probability": {"base": unit, "slope": unit},
}
SHARES = ("loyalty_gain", "loyalty_loss", "update_awareness")
"""Equations whose coefficients are shares in [0, 1]; elsewhere they are log-odds or utility."""


def domain(name: str, argument: str) -> st.SearchStrategy[float]:
    if argument in ONLY_IN.get(name, {}):
        return ONLY_IN[name][argument]
    if argument.startswith("by_"):
        return unit if name in SHARES else coefficient
    return EVERYWHERE.get(argument, unit)


def arguments(name: str) -> st.SearchStrategy[dict[str, float]]:
    names = plain(name).__code__.co_varnames[: plain(name).__code__.co_argcount]
    return st.fixed_dictionaries({argument: domain(name, argument) for argument in names})


# ------------------------------------------------------------------------------------- ranges

PROBABILITIES = [
    "notice_probability",
    "opt_out_probability",
    "purchase_probability",
    "arrival_probability",
    "leaving_probability",
    "problem_probability",
    "visit_probability",
    "basket_probability",
    "referral_probability",
    "is_chosen",
    "advance_probability",
    "volunteer_probability",
]
LEVELS = ["add_relevance", "update_loyalty", "update_need", "update_awareness", "reading"]


@pytest.mark.parametrize("name", PROBABILITIES + LEVELS)
@given(data=st.data())
def test_probabilities_and_levels_lie_between_zero_and_one(name, data):
    assert 0.0 <= plain(name)(**data.draw(arguments(name))) <= 1.0


@given(arguments("response_probability"))
def test_the_response_is_a_probability_if_base_and_slope_together_are(values):
    assume(values["base"] + values["slope"] <= 1.0)  # which the scenario makes sure of
    assert 0.0 <= plain("response_probability")(**values) <= 1.0


@given(arguments("signal_probability"))
def test_the_browsing_signal_is_a_probability_between_its_two_rates(values):
    assume(values["false_rate"] <= values["true_rate"])
    chance = plain("signal_probability")(**values | {"alive": 1.0})
    assert values["false_rate"] <= chance <= math.nextafter(values["true_rate"], 2.0)
    assert plain("signal_probability")(**values | {"alive": 0.0}) == 0.0


@given(arguments("update_reference"))
def test_the_remembered_discount_stays_below_one(values):
    following = plain("update_reference")(**values)
    most = max(values["reference"], values["discount"])
    assert 0.0 <= following <= most + 2.0**-52 < 1.0


@pytest.mark.parametrize("name", ["update_fatigue", "loyalty_gain", "loyalty_loss", "wake_up"])
@given(data=st.data())
def test_fatigue_gains_losses_and_waking_up_are_never_negative(name, data):
    value = plain(name)(**data.draw(arguments(name)))
    assert value >= 0.0
    assert math.isfinite(value)


@given(st.floats(1e-6, 20.0), unit)
def test_no_more_purchases_are_expected_than_the_rate_and_no_fewer_than_one_if_any(total, dropout):
    at_least_one = plain("purchase_probability")(total, 1.0)
    expected = plain("expected_purchases")(total, dropout, 1.0)
    assert at_least_one * (1 - 1e-12) <= expected <= total * (1 + 1e-9)
    assert plain("expected_purchases")(total, dropout, 0.0) == plain("purchase_probability")(
        total, 0.0
    )


# --------------------------------------------------------------------------------- directions


def leaving_chance(values: dict[str, float]) -> float:
    """Equations 19 to 21 one after the other."""
    unhappy = plain("discontent")(
        *(values[name] for name in ("by_loyalty", "by_strain", "by_problem")),
        *(values[name] for name in ("loyalty", "strain_felt", "problem")),
    )
    woken = plain("wake_up")(values["by_wake_up"], values["outbound"], values["loyalty"])
    return plain("leaving_probability")(
        values["scale"], values["base"], values["propensity"], unhappy + woken, values["possible"]
    )


def leaving_arguments() -> st.SearchStrategy[dict[str, float]]:
    names = ("discontent", "wake_up", "leaving_probability")
    return st.tuples(*map(arguments, names)).map(lambda parts: parts[0] | parts[1] | parts[2])


def leaves_at(chances: list[float], patience: float) -> float:
    """The first period, counted from 0, in which a customer leaves; infinite if in none."""
    for period, chance in enumerate(chances):
        left = plain("runs_out")(patience, 1.0 - chance)
        patience = plain("patience_left")(patience, 1.0 - chance, left)
        assert 0.0 <= patience <= 1.0
        if left:
            assert plain("runs_out")(patience, 0.0) == 0.0  # nobody leaves twice
            return period
    return math.inf


CHANCES = st.lists(st.tuples(unit, unit), min_size=1, max_size=30)


@given(CHANCES, st.floats(2.0**-24, 1.0))
def test_a_higher_chance_of_leaving_never_lets_a_customer_stay_longer(pairs, luck):
    milder = [min(pair) for pair in pairs]
    harsher = [max(pair) for pair in pairs]
    assert leaves_at(harsher, luck) <= leaves_at(milder, luck)


@given(CHANCES, st.floats(2.0**-24, 1.0))
def test_a_customer_leaves_once_the_chance_of_still_being_there_falls_below_their_luck(pairs, luck):
    chances = [first for first, _ in pairs]
    there = np.cumprod([1.0 - chance for chance in chances])
    assume(np.abs(there - luck).min() > 1e-12)
    below = np.flatnonzero(there < luck)
    assert leaves_at(chances, luck) == (below[0] if len(below) else math.inf)


def lower_and_higher(
    values: dict[str, float], argument: str, other: float, function: Callable[..., float]
) -> tuple[float, float]:
    """The function at the lower and at the higher of two values of one argument."""
    low, high = sorted([values[argument], other])
    return function(values | {argument: low}), function(values | {argument: high})


@given(leaving_arguments(), unit)
def test_more_loyalty_never_raises_churn(values, other):
    less_loyal, more_loyal = lower_and_higher(values, "loyalty", other, leaving_chance)
    assert more_loyal <= less_loyal


@given(leaving_arguments(), EVERYWHERE["strain_felt"])
def test_more_strain_never_lowers_churn(values, other):
    rested, strained = lower_and_higher(values, "strain_felt", other, leaving_chance)
    assert strained >= rested


@given(leaving_arguments())
def test_an_open_problem_or_a_contact_never_lowers_churn(values):
    for argument in ("problem", "outbound"):
        without = leaving_chance(values | {argument: 0.0})
        assert leaving_chance(values | {argument: 1.0}) >= without


NEVER_FALLS = [
    ("strain", "fatigue"),
    ("add_relevance", "need"),
    ("response_probability", "relevance"),
    ("opt_out_probability", "strain_felt"),
    ("persuasion", "pressure"),
    ("base_utility", "need"),
    ("base_utility", "awareness"),
    ("base_utility", "loyalty"),
    ("arrival_probability", "excitement"),
    ("arrival_probability", "season"),
    ("visit_probability", "strongest_need"),
    ("visit_probability", "loyalty"),
    ("loyalty_gain", "relevance"),
    ("loyalty_loss", "pressure"),
    ("loyalty_loss", "intrusion"),
    ("update_awareness", "information"),
    ("update_fatigue", "fatigue"),
    ("update_fatigue", "intrusion"),
    ("discontent", "strain_felt"),
    ("purchase_weight", "utility"),
    ("stage_gap", "missing"),
    ("advance_probability", "push"),
    ("advance_probability", "strongest_need"),
    ("volunteer_probability", "loyalty"),
    ("volunteer_probability", "invitation"),
    ("loyalty_gain", "volunteered"),
    ("loyalty_loss", "unanswered"),
]
NEVER_RISES = [
    ("strain", "tolerance"),
    ("notice_probability", "strain_felt"),
    ("opt_out_probability", "loyalty"),
    ("discontent", "loyalty"),
    ("wake_up", "loyalty"),
    ("loyalty_loss", "relevance"),
    ("loyalty_loss", "tolerance"),
    ("update_fatigue", "relevance"),
]


@pytest.mark.parametrize(
    ("name", "argument", "sign"),
    [(*pair, 1) for pair in NEVER_FALLS] + [(*pair, -1) for pair in NEVER_RISES],
)
@given(data=st.data())
def test_equations_go_one_way(name, argument, sign, data):
    values = data.draw(arguments(name))
    other = data.draw(domain(name, argument))
    low, high = lower_and_higher(values, argument, other, lambda v: plain(name)(**v))
    assert sign * high >= sign * low


@given(arguments("notice_probability"), EVERYWHERE["fatigue"], EVERYWHERE["fatigue"], positive)
def test_more_fatigue_never_raises_attention_and_leaves_inbound_contact_alone(
    values, fatigue, other, tolerance
):
    def attention(fatigue, outbound):
        felt = plain("strain")(fatigue, tolerance)
        return plain("notice_probability")(**values | {"strain_felt": felt, "outbound": outbound})

    rested, tired = sorted([fatigue, other])
    assert attention(tired, 1.0) <= attention(rested, 1.0)
    assert attention(tired, 0.0) == attention(rested, 0.0)


@given(arguments("wake_up"))
def test_only_the_disloyal_are_woken_up_and_only_by_outbound_contact(values):
    values["by_wake_up"] += 1e-3
    woken = plain("wake_up")(**values)
    assert (woken > 0.0) == (values["loyalty"] < 0.5 and values["outbound"] == 1.0)
    assert woken <= values["by_wake_up"]


# -------------------------------------------------------------------------------------- price


def utility(discount: float, reference: float, psi: float, loss_aversion: float) -> float:
    """Equations 6 and 7 with a discount as the scenario packs it."""
    log_price = float(np.float32(math.log1p(-discount)))
    felt = plain("price_term")(log_price, log(1.0 - reference), loss_aversion)
    return -psi * felt


sensitivity = st.floats(0.0, 100.0)
aversion = EVERYWHERE["loss_aversion"]


@given(discounts, discounts, discounts, sensitivity, aversion)
def test_a_deeper_discount_never_lowers_the_utility_of_buying(one, other, rho, psi, averse):
    shallow, deep = sorted([one, other])
    assert utility(deep, rho, psi, averse) >= utility(shallow, rho, psi, averse)


@given(discounts, discounts, discounts, sensitivity, aversion)
def test_a_larger_remembered_discount_never_raises_the_utility_of_buying(
    one, other, discount, psi, averse
):
    little, much = sorted([one, other])
    assert utility(discount, much, psi, averse) <= utility(discount, little, psi, averse)


@given(st.floats(1e-6, 0.99), st.floats(1e-3, 100.0), st.floats(1.001, 10.0))
def test_the_full_price_after_a_discount_is_felt_as_a_loss_the_more_averse_the_worse(
    rho, psi, averse
):
    neutral = utility(0.0, rho, psi, 1.0)
    assert neutral < utility(0.0, 0.0, psi, averse) == 0.0
    assert utility(0.0, rho, psi, averse) == pytest.approx(averse * neutral, rel=1e-12)
    assert utility(0.0, rho, psi, averse) < neutral


@given(arguments("price_term"))
def test_the_price_term_has_the_sign_of_what_is_felt(values):
    felt, x = plain("price_term")(**values), values["log_price"] - values["log_reference"]
    assert math.copysign(1.0, felt) == math.copysign(1.0, x)
    assert (felt == x) if x <= 0.0 else (felt >= x)
    assert plain("price_term")(**values | {"loss_aversion": 1.0}) == x


# ----------------------------------------------------------------------------------- switches

# with the coefficient off, the equation does not depend on these arguments
OFF: list[tuple[str, dict[str, float], list[str]]] = [
    ("opt_out_probability", {"by_strain": 0.0}, ["strain_felt"]),
    ("opt_out_probability", {"by_loyalty": 0.0}, ["loyalty"]),
    ("response_probability", {"slope": 0.0}, ["relevance"]),
    ("base_utility", {"by_need": 0.0}, ["need"]),
    ("base_utility", {"by_awareness": 0.0}, ["awareness"]),
    ("base_utility", {"by_loyalty": 0.0}, ["loyalty"]),
    ("base_utility", {"by_basket": 0.0}, ["basket"]),
    ("persuasion", {"by_pressure": 0.0}, ["pressure", "basket"]),
    ("persuasion", {"by_offer": 0.0, "pressure": 0.0}, ["speaks_to"]),
    ("expected_purchases", {"counted": 0.0}, ["dropout"]),
    ("loyalty_gain", {"by_purchase": 0.0}, ["purchased"]),
    ("loyalty_gain", {"by_solution": 0.0}, ["solved"]),
    ("loyalty_gain", {"by_care": 0.0}, ["care"]),
    ("loyalty_gain", {"by_information": 0.0}, ["information", "relevance"]),
    ("loyalty_loss", {"by_irrelevance": 0.0}, ["intrusion", "relevance", "tolerance"]),
    ("loyalty_loss", {"by_pressure": 0.0}, ["pressure"]),
    ("loyalty_loss", {"by_problem": 0.0}, ["problem"]),
    ("loyalty_loss", {"by_silence": 0.0}, ["unanswered"]),
    ("loyalty_gain", {"by_volunteering": 0.0}, ["volunteered"]),
    ("stage_gap", {"by_stage": 0.0}, ["missing"]),
    ("advance_probability", {"by_need": 0.0}, ["strongest_need"]),
    ("advance_probability", {"by_contact": 0.0}, ["push"]),
    ("volunteer_probability", {"by_loyalty": 0.0}, ["loyalty"]),
    ("volunteer_probability", {"by_invitation": 0.0}, ["invitation"]),
    ("update_loyalty", {"drift": 0.0}, ["baseline"]),
    ("update_fatigue", {"decay": 0.0}, ["fatigue"]),
    ("update_fatigue", {"relief": 0.0}, ["relevance"]),
    ("update_fatigue", {"intrusion": 0.0}, ["relief", "relevance"]),
    ("update_need", {"satisfaction": 0.0}, ["bought"]),
    ("update_need", {"decay": 0.0}, ["need", "bought"]),
    ("update_awareness", {"by_information": 0.0}, ["information"]),
    ("update_awareness", {"by_purchase": 0.0}, ["bought"]),
    ("discontent", {"by_loyalty": 0.0}, ["loyalty"]),
    ("discontent", {"by_strain": 0.0}, ["strain_felt"]),
    ("discontent", {"by_problem": 0.0}, ["problem"]),
    ("visit_probability", {"by_need": 0.0}, ["strongest_need"]),
    ("visit_probability", {"by_problem": 0.0}, ["problem"]),
    ("visit_probability", {"by_loyalty": 0.0}, ["loyalty"]),
    ("reading", {"noise": 0.0}, ["luck"]),
]


@pytest.mark.parametrize(("name", "off", "inputs"), OFF, ids=str)
@settings(max_examples=30)
@given(data=st.data())
def test_a_coefficient_at_zero_switches_its_mechanism_off_exactly(name, off, inputs, data):
    values = data.draw(arguments(name)) | off
    others = {argument: data.draw(domain(name, argument)) for argument in inputs}
    assert plain(name)(**values | others) == plain(name)(**values)


GAINS = ("by_purchase", "by_solution", "by_care", "by_information", "by_volunteering")
LOSSES = ("by_irrelevance", "by_pressure", "by_problem", "by_silence")
NOTHING: list[tuple[str, dict[str, float]]] = [
    ("purchase_weight", {"alive": 0.0}),
    ("notice_probability", {"reach": 0.0}),
    ("notice_probability", {"alive": 0.0}),
    ("opt_out_probability", {"scale": 0.0}),
    ("opt_out_probability", {"outbound": 0.0}),
    ("persuasion", {"by_offer": 0.0, "by_pressure": 0.0}),
    ("persuasion", {"speaks_to": 0.0}),
    ("loyalty_gain", dict.fromkeys(GAINS, 0)),
    ("loyalty_loss", dict.fromkeys(LOSSES, 0.0)),
    ("advance_probability", {"scale": 0.0}),
    ("advance_probability", {"possible": 0.0}),
    ("volunteer_probability", {"scale": 0.0}),
    ("volunteer_probability", {"alive": 0.0}),
    ("arrival_probability", {"rate": 0.0}),
    ("arrival_probability", {"alive": 0.0}),
    ("signal_probability", {"false_rate": 0.0, "true_rate": 0.0}),
    ("discontent", {"by_loyalty": 0.0, "by_strain": 0.0, "by_problem": 0.0}),
    ("wake_up", {"by_wake_up": 0.0}),
    ("leaving_probability", {"scale": 0.0}),
    ("leaving_probability", {"possible": 0.0}),
    ("problem_probability", {"hazard": 0.0, "problem": 0.0}),
    ("problem_probability", {"alive": 0.0, "problem": 0.0}),
    ("visit_probability", {"scale": 0.0}),
    ("basket_probability", {"rate": 0.0}),
    ("referral_probability", {"rate": 0.0}),
]


@pytest.mark.parametrize(("name", "off"), NOTHING, ids=str)
@settings(max_examples=30)
@given(data=st.data())
def test_a_mechanism_that_is_off_does_exactly_nothing(name, off, data):
    assert plain(name)(**data.draw(arguments(name)) | off) == 0.0


UNCHANGED: list[tuple[str, str, dict[str, float]]] = [
    ("update_loyalty", "loyalty", {"drift": 0.0, "gain": 0.0, "loss": 0.0}),
    ("update_reference", "reference", {"learn": 0.0, "forget": 0.0}),
    ("update_reference", "reference", {"forget": 0.0, "noticed": 0.0}),
    ("update_need", "need", {"decay": 1.0, "bought": 0.0, "arisen": 0.0}),
    ("update_awareness", "awareness", {"decay": 1.0, "by_information": 0.0, "by_purchase": 0.0}),
    ("add_relevance", "relevance", {"speaks_to": 0.0}),
    ("reading", "truth", {"noise": 0.0}),
]


@pytest.mark.parametrize(("name", "state", "off"), UNCHANGED, ids=str)
@settings(max_examples=30)
@given(data=st.data())
def test_a_state_without_its_mechanisms_stays_exactly_as_it_is(name, state, off, data):
    values = data.draw(arguments(name)) | off
    assert plain(name)(**values) == values[state]


# ------------------------------------------------------------------------------------- choice


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=8), EVERYWHERE["luck"])
def test_exactly_one_need_is_chosen_and_never_one_without_weight(weights: list[float], luck: Any):
    total = 0.0
    for weight in weights:
        total += weight
    assume(total > 0.0)
    share, below = luck * total, 0.0
    chosen: list[float] = []
    for weight in weights:
        if plain("is_chosen")(share, below, weight) > 0.0:
            chosen.append(weight)
        below += weight
    assert len(chosen) == 1
    assert chosen[0] > 0.0


@given(st.floats(1e-3, 20.0))
def test_poisson_points_sum_to_one(total):
    point = 1.0 - plain("purchase_probability")(total, 1.0)
    points = [point]
    for n in range(1, 120):
        point = plain("poisson_point")(n, total, point)
        points.append(point)
    assert min(points) >= 0.0
    # the first point is one minus a rounded probability: known to 2**-53, not relatively
    assert math.fsum(points) == pytest.approx(1.0, abs=2.0**-52 * math.exp(total) + 1e-13)

"""Which way every mechanism goes."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.properties.mechanisms import (
    EVERYWHERE,
    arguments,
    discounts,
    domain,
    plain,
    positive,
    unit,
    utility,
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

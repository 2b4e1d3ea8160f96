"""Ranges of every mechanism, and what switches it off."""

import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.properties.mechanisms import (
    EVERYWHERE,
    arguments,
    domain,
    plain,
    unit,
)

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

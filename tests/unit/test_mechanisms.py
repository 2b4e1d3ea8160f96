"""Each equation of the customer model gives the value worked out by hand, compiled or not."""

import inspect
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numba
import numpy as np
import pytest
from scipy import stats

import nba_gym
from nba_gym.compiled import plain
from nba_gym.customer import purchase, relationship
from nba_gym.lanes import MAX_NEEDS
from tests.equations import EQUATIONS


def functions(module: ModuleType) -> dict[str, Any]:
    """The compiled equations that a module defines."""
    found = {name: f for name, f in vars(module).items() if inspect.isroutine(plain(f))}
    return {name: f for name, f in found.items() if plain(f).__module__ == module.__name__}


ALL = {name: f for module in EQUATIONS for name, f in functions(module).items()}
COMPILED = any(hasattr(f, "py_func") for f in ALL.values())
CHECKOUT = str(Path(nba_gym.__file__).parents[1])
LN2, LN3 = math.log(2.0), math.log(3.0)


def by_hand(equation: str, expected: float, **arguments: float):
    """What the equation in the docstring gives for some arguments."""
    return pytest.param(equation, arguments, expected, id=equation)


BY_HAND = [
    by_hand("strain", 1.5, fatigue=3.0, tolerance=2.0),
    by_hand(
        "notice_probability",
        0.5 * 0.8 / 2,
        reach=0.5,
        attention=0.8,
        strain_felt=LN2,
        outbound=1.0,
        alive=1.0,
    ),
    by_hand(
        "notice_probability",
        0.5,
        reach=0.5,
        attention=0.8,
        strain_felt=LN2,
        outbound=0.0,
        alive=1.0,
    ),
    by_hand(
        "notice_probability",
        0.0,
        reach=0.5,
        attention=0.8,
        strain_felt=LN2,
        outbound=0.0,
        alive=0.0,
    ),
    by_hand("add_relevance", 0.5, relevance=0.2, speaks_to=0.5, need=0.6),
    by_hand("add_relevance", 1.0, relevance=0.8, speaks_to=0.5, need=0.6),
    by_hand("response_probability", 0.3, base=0.1, slope=0.4, relevance=0.5),
    # odds -1 + 2 * 1 - 4 * 1/4 = 0
    by_hand(
        "opt_out_probability",
        0.25,
        scale=0.5,
        base=-1.0,
        by_strain=2.0,
        by_loyalty=4.0,
        strain_felt=1.0,
        loyalty=0.75,
        outbound=1.0,
    ),
    by_hand(
        "opt_out_probability",
        0.0,
        scale=0.5,
        base=-1.0,
        by_strain=2.0,
        by_loyalty=4.0,
        strain_felt=1.0,
        loyalty=0.75,
        outbound=0.0,
    ),
    # 10 % off where 20 % are remembered is a loss
    by_hand(
        "price_term",
        1.5 * math.log(0.9 / 0.8),
        log_price=math.log(0.9),
        log_reference=math.log(0.8),
        loss_aversion=1.5,
    ),
    # 20 % off where 10 % are remembered is a gain
    by_hand(
        "price_term",
        math.log(0.8 / 0.9),
        log_price=math.log(0.8),
        log_reference=math.log(0.9),
        loss_aversion=1.5,
    ),
    # a small loss is a loss
    by_hand("price_term", 0.03, log_price=-0.02, log_reference=-0.04, loss_aversion=1.5),
    by_hand("price_term", 0.0, log_price=-0.5, log_reference=-0.5, loss_aversion=1.5),
    by_hand(
        "base_utility",
        -2.0 + 1.0 + 0.25 + 1.0 + 0.5 + 0.125,
        propensity=-2.0,
        by_need=2.0,
        by_awareness=1.0,
        by_loyalty=4.0,
        by_basket=0.5,
        need=0.5,
        awareness=0.25,
        loyalty=0.75,
        basket=1.0,
        season=0.125,
    ),
    by_hand(
        "persuasion",
        0.5 * (1.0 + 2.0 * 0.25),
        by_offer=1.0,
        by_pressure=2.0,
        speaks_to=0.5,
        pressure=0.25,
        basket=1.0,
    ),
    by_hand(
        "persuasion", 0.5, by_offer=1.0, by_pressure=2.0, speaks_to=0.5, pressure=0.25, basket=0.0
    ),
    by_hand("purchase_weight", 3.0, alive=1.0, utility=math.log(3.0)),
    by_hand("purchase_weight", 0.0, alive=0.0, utility=math.log(3.0)),
    by_hand("purchase_probability", 0.75, total=3.0, counted=0.0),
    by_hand("purchase_probability", 0.5, total=LN2, counted=1.0),
    by_hand("poisson_point", 0.75, n=2, total=3.0, point_before=0.5),
    by_hand("is_chosen", 1.0, share=0.5, below=0.25, weight=0.5),
    by_hand("is_chosen", 1.0, share=0.25, below=0.25, weight=0.5),
    by_hand("is_chosen", 0.0, share=0.75, below=0.25, weight=0.5),
    by_hand("is_chosen", 0.0, share=0.125, below=0.25, weight=0.5),
    by_hand("expected_purchases", 0.75, total=3.0, dropout=0.5, counted=0.0),
    # sum_n P(N >= n) (1 - p)^(n - 1) = (1 - exp(-p T)) / p
    by_hand("expected_purchases", 0.5, total=0.5, dropout=0.0, counted=1.0),
    by_hand("expected_purchases", 0.5, total=LN2, dropout=1.0, counted=1.0),
    by_hand("expected_purchases", 1.0, total=2 * LN2, dropout=0.5, counted=1.0),
    by_hand(
        "loyalty_gain",
        0.1 + 0.2 + 0.15 + 0.05 + 0.125,
        by_purchase=0.1,
        by_solution=0.2,
        by_care=0.3,
        by_information=0.4,
        by_volunteering=0.125,
        purchased=1.0,
        solved=1.0,
        care=0.5,
        information=0.5,
        relevance=0.25,
        volunteered=1.0,
    ),
    by_hand(
        "loyalty_loss",
        0.4 * 0.5 * 0.25 / 2.0 + 0.1 + 0.1 + 0.0625,
        by_irrelevance=0.4,
        by_pressure=0.2,
        by_problem=0.1,
        by_silence=0.0625,
        intrusion=0.5,
        relevance=0.75,
        tolerance=2.0,
        pressure=0.5,
        problem=1.0,
        unanswered=1.0,
    ),
    by_hand("stage_gap", 1.5, by_stage=0.5, missing=3.0),
    by_hand(
        "advance_probability",
        0.5 * 0.75,
        scale=0.5,
        base=LN3 - 1.25,
        by_need=1.0,
        by_contact=2.0,
        strongest_need=0.25,
        push=0.5,
        possible=1.0,
    ),
    by_hand(
        "advance_probability",
        0.0,
        scale=0.5,
        base=0.0,
        by_need=1.0,
        by_contact=2.0,
        strongest_need=0.25,
        push=0.5,
        possible=0.0,
    ),
    by_hand("stage_move", 1.0, luck=0.25, advances=0.5, cools=0.25),
    by_hand("stage_move", 0.0, luck=0.5, advances=0.5, cools=0.25),
    by_hand("stage_move", -1.0, luck=0.75, advances=0.5, cools=0.25),
    by_hand("stage_move", 1.0, luck=0.75, advances=0.875, cools=0.5),
    by_hand(
        "volunteer_probability",
        0.5 * 0.75,
        scale=0.5,
        base=LN3 - 1.5,
        by_loyalty=2.0,
        by_invitation=1.0,
        loyalty=1.0,
        invitation=0.5,
        alive=1.0,
    ),
    by_hand(
        "volunteer_probability",
        0.0,
        scale=0.5,
        base=0.0,
        by_loyalty=2.0,
        by_invitation=1.0,
        loyalty=1.0,
        invitation=0.5,
        alive=0.0,
    ),
    by_hand(
        "update_loyalty",
        0.5 + 0.05 + 0.05 - 0.15,
        loyalty=0.5,
        baseline=0.75,
        drift=0.2,
        gain=0.1,
        loss=0.3,
    ),
    by_hand("update_loyalty", 0.0, loyalty=0.5, baseline=0.5, drift=0.2, gain=0.0, loss=2.0),
    by_hand(
        "update_fatigue",
        1.0 + 0.4 * 0.75,
        fatigue=2.0,
        decay=0.5,
        intrusion=0.4,
        relief=0.5,
        relevance=0.5,
    ),
    # a small discount is remembered as well
    by_hand(
        "update_reference", 0.13, reference=0.2, learn=0.5, forget=0.25, discount=0.06, noticed=1.0
    ),
    by_hand(
        "update_reference", 0.3, reference=0.2, learn=0.5, forget=0.25, discount=0.4, noticed=1.0
    ),
    by_hand(
        "update_reference", 0.15, reference=0.2, learn=0.5, forget=0.25, discount=0.4, noticed=0.0
    ),
    by_hand(
        "update_reference", 0.15, reference=0.2, learn=0.5, forget=0.25, discount=0.0, noticed=1.0
    ),
    by_hand("arrival_probability", 0.5, rate=LN2, season=1.0, excitement=0.0, alive=1.0),
    by_hand("arrival_probability", 7 / 8, rate=LN2, season=2.0, excitement=0.5, alive=1.0),
    by_hand("arrival_probability", 0.0, rate=LN2, season=1.0, excitement=0.0, alive=0.0),
    by_hand(
        "update_need",
        0.8 * 0.5 * 0.25,
        need=0.8,
        decay=0.5,
        satisfaction=0.75,
        bought=1.0,
        arisen=0.0,
    ),
    by_hand("update_need", 0.4, need=0.8, decay=0.5, satisfaction=0.75, bought=0.0, arisen=0.0),
    by_hand("update_need", 1.0, need=0.8, decay=0.5, satisfaction=0.75, bought=1.0, arisen=1.0),
    # push 1/4 + 1/4 on 0.4 left
    by_hand(
        "update_awareness",
        0.4 + 0.5 * 0.6,
        awareness=0.5,
        decay=0.8,
        by_information=0.5,
        by_purchase=0.25,
        information=0.5,
        bought=1.0,
    ),
    by_hand("signal_probability", 0.3, false_rate=0.1, true_rate=0.5, need=0.5, alive=1.0),
    by_hand(
        "discontent",
        -0.5 + 1.0 + 0.25,
        by_loyalty=2.0,
        by_strain=0.5,
        by_problem=0.25,
        loyalty=0.75,
        strain_felt=2.0,
        problem=1.0,
    ),
    by_hand("wake_up", 2.0, by_wake_up=4.0, outbound=1.0, loyalty=0.25),
    by_hand("wake_up", 0.0, by_wake_up=4.0, outbound=1.0, loyalty=0.5),
    by_hand("wake_up", 0.0, by_wake_up=4.0, outbound=1.0, loyalty=0.501),
    by_hand("wake_up", 0.0, by_wake_up=4.0, outbound=1.0, loyalty=0.75),
    by_hand("wake_up", 0.0, by_wake_up=4.0, outbound=0.0, loyalty=0.25),
    by_hand(
        "leaving_probability", 0.25, scale=0.5, base=-1.0, propensity=0.25, added=0.75, possible=1.0
    ),
    by_hand(
        "leaving_probability", 0.0, scale=0.5, base=-1.0, propensity=0.25, added=0.75, possible=0.0
    ),
    by_hand("runs_out", 1.0, patience=0.5, stays=0.25),
    by_hand("runs_out", 0.0, patience=0.5, stays=0.5),
    by_hand("runs_out", 0.0, patience=1.0, stays=1.0),
    by_hand("runs_out", 0.0, patience=0.0, stays=0.0),
    by_hand("patience_left", 0.625, patience=0.5, stays=0.8, left=0.0),
    by_hand("patience_left", 0.0, patience=0.5, stays=0.25, left=1.0),
    by_hand("patience_left", 0.0, patience=0.5, stays=0.0, left=1.0),
    by_hand("patience_left", 0.0, patience=0.0, stays=0.0, left=0.0),
    by_hand("problem_probability", 0.1, hazard=0.1, problem=0.0, alive=1.0),
    by_hand("problem_probability", 1.0, hazard=0.1, problem=1.0, alive=1.0),
    by_hand("problem_probability", 0.0, hazard=0.1, problem=0.0, alive=0.0),
    by_hand("problem_probability", 1.0, hazard=0.1, problem=1.0, alive=0.0),
    # odds -2 + 1/2 + 2 - 4 * 1/8 = 0
    by_hand(
        "visit_probability",
        0.25,
        scale=0.5,
        base=-2.0,
        by_need=1.0,
        by_problem=2.0,
        by_loyalty=4.0,
        strongest_need=0.5,
        problem=1.0,
        loyalty=0.375,
        alive=1.0,
    ),
    by_hand("basket_probability", 0.05, rate=0.4, need=0.5, n_needs=4.0, alive=1.0),
    by_hand("referral_probability", 0.02, rate=0.04, loyalty=0.5),
    by_hand("reading", 0.6, truth=0.5, noise=0.2, luck=0.75),
    by_hand("reading", 0.0, truth=0.05, noise=0.2, luck=0.125),
    by_hand("reading", 1.0, truth=0.95, noise=0.2, luck=0.875),
]


def test_every_equation_has_a_value_worked_out_by_hand():
    assert {case.id for case in BY_HAND} == set(ALL)


@pytest.mark.parametrize(("name", "arguments", "expected"), BY_HAND)
def test_equations_give_the_values_worked_out_by_hand(name, arguments, expected):
    assert list(arguments) == list(inspect.signature(plain(ALL[name])).parameters)
    values = list(arguments.values())
    assert ALL[name](*values) == pytest.approx(expected, rel=1e-14, abs=1e-15)
    assert plain(ALL[name])(*values) == ALL[name](*values)


def answers() -> dict[str, list[str]]:
    """Bits of every equation at the same points; also run by a second interpreter."""
    generator = np.random.default_rng(11)
    bits: dict[str, list[str]] = {}
    for name, equation in ALL.items():
        size = (20, len(inspect.signature(plain(equation)).parameters))
        points = generator.uniform(0.01, 1.0, size).tolist()
        if name == "poisson_point":
            points = [[2, *point[1:]] for point in points]
        bits[name] = [float(equation(*point)).hex() for point in points]
    return bits


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled here")
def test_equations_give_the_same_bits_compiled_and_uncompiled():
    uncompiled = subprocess.run(
        [sys.executable, "-W", "error", __file__],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": CHECKOUT},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(uncompiled.stdout) == answers()


# ------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("total", [1e-9, 0.1, 1.0, 5.0, 30.0])
def test_poisson_points_are_those_of_the_distribution_and_sum_to_one(total):
    points = [math.exp(-total)]
    for n in range(1, 150):
        points.append(purchase.poisson_point(n, total, points[-1]))
    assert math.fsum(points) == pytest.approx(1.0, abs=1e-14)
    np.testing.assert_allclose(points, stats.poisson.pmf(range(150), total), rtol=1e-11)


def test_more_purchases_than_counted_are_as_unlikely_as_the_docstring_says():
    assert stats.poisson.sf(purchase.MOST_PURCHASES, 1.0) == pytest.approx(1e-15, rel=0.15, abs=0)


@pytest.mark.parametrize("total", [1e-6, 0.3, 2.0])
@pytest.mark.parametrize("dropout", [1e-3, 0.25, 1.0])
def test_expected_purchases_have_their_closed_form(total, dropout):
    closed = -math.expm1(-dropout * total) / dropout
    assert purchase.expected_purchases(total, dropout, 1.0) == pytest.approx(
        closed, rel=1e-9, abs=0
    )


@pytest.mark.parametrize("every", [1, 2, 3, 7])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.875])
def test_fatigue_under_steady_contact_has_mean_k_q_over_one_minus_phi(every, decay):
    """Contact of size k in every m-th period: q = 1/m, averaged over one round of m periods."""
    size, fatigue = 0.35, 0.0
    path: list[float] = []
    for period in range(every * 400):
        contact = size if period % every == 0 else 0.0
        fatigue = relationship.update_fatigue(fatigue, decay, contact, 0.5, 0.0)
        path.append(fatigue)
    assert np.mean(path[-every:]) == pytest.approx(size / every / (1 - decay), rel=1e-12)


def test_loyalty_left_alone_returns_to_its_baseline_at_the_rate_of_the_drift():
    loyalty = 0.9
    for period in range(1, 50):
        loyalty = relationship.update_loyalty(loyalty, 0.4, 0.1, 0.0, 0.0)
        assert loyalty == pytest.approx(0.4 + 0.5 * 0.9**period, rel=1e-12)


def test_a_remembered_discount_is_smoothed_towards_what_is_noticed_and_fades_otherwise():
    reference = 0.0
    for period in range(1, 20):
        reference = relationship.update_reference(reference, 0.35, 0.06, 0.25, 1.0)
        assert reference == pytest.approx(0.25 * (1 - 0.65**period), rel=1e-12)
    for period in range(1, 20):
        reference = relationship.update_reference(reference, 0.35, 0.06, 0.25, 0.0)
        assert reference == pytest.approx(0.25 * (1 - 0.65**19) * 0.94**period, rel=1e-12)


def test_the_counted_process_is_the_choice_process_where_purchases_are_rare():
    """Both probabilities tend to the sum of the weights: 1/T + 1/2 apart."""
    for total in (1e-3, 1e-5):
        logit = purchase.purchase_probability(total, 0.0)
        counted = purchase.purchase_probability(total, 1.0)
        assert logit < counted < total
        assert counted / logit - 1 == pytest.approx(total / 2, rel=1e-2)


@pytest.mark.skipif(not COMPILED, reason="single precision is chosen by compiled types")
@pytest.mark.parametrize("utility", [50.0, 80.0, 87.0, 1e3, 1e30])
def test_however_large_a_utility_a_purchase_is_certain_and_its_weight_finite(utility):
    most, single = MAX_NEEDS, cast(Any, np.float32)

    def over(weights, chances):
        total = single(0.0)
        for k in range(most):
            weights[k] = purchase.purchase_weight(single(1.0), single(utility))
            total += weights[k]
        chances[0] = purchase.purchase_probability(total, single(0.0))
        chances[1] = purchase.purchase_probability(total, single(1.0))

    weights, chances = np.zeros(most, dtype=np.float32), np.zeros(2, dtype=np.float32)
    cast(Any, numba).njit(error_model="numpy")(over)(weights, chances)
    assert np.isfinite(weights.sum())
    assert chances.tolist() == [1.0, 1.0]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answers()))

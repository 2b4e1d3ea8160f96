"""Elementary functions keep the errors their docstrings claim, and are the same bits uncompiled."""

import json
import math
import os
import re
import subprocess
import sys
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any, cast

import numba
import numpy as np
import pytest
from scipy.special import expit, ndtri

import nba_gym
from nba_gym import arithmetic
from nba_gym.arithmetic import (
    MONEY_QUANTUM,
    clip01,
    count_bits,
    exp,
    indicator,
    larger,
    log,
    logistic,
    normal_quantile,
    round_money,
    smaller,
)

COMPILED = hasattr(exp, "py_func")
CHECKOUT = str(Path(nba_gym.__file__).parents[1])
POINTS = 1_000_000 if COMPILED else 20_000
LAST_BIT = 2.0**-52
"""What a result of NumPy or SciPy may itself be off by."""
LN2 = math.log(2.0)


def over(function: Any):
    """The scalar function applied to every element of an array, in a compiled loop."""

    def apply(xs, out):
        for i in range(xs.size):
            out[i] = function(xs[i])

    compile_ = cast(Any, numba).njit(error_model="numpy")
    loop = compile_(apply)

    def run(xs):
        out = np.empty(len(xs))
        loop(np.ascontiguousarray(xs), out)
        return out

    return run


@pytest.fixture(scope="module")
def many():
    names = ("exp", "log", "logistic", "normal_quantile", "round_money")
    return {name: over(getattr(arithmetic, name)) for name in names}


def claimed(function) -> float:
    """The relative error that a docstring claims."""
    found = re.search(r"relative error below ([0-9.e-]+[0-9])", function.__doc__)
    assert found is not None
    return float(found[1])


def exact_error(xs, ys, reference) -> float:
    """Largest relative error against 40 digits."""
    with localcontext() as context:
        context.prec = 40
        exact = [reference(Decimal(x)) for x in xs.tolist()]
        pairs = zip(ys.tolist(), exact, strict=True)
        return float(max(abs(Decimal(y) / e - 1) for y, e in pairs if e != 0))


def spread(low, high, n=POINTS, seed=1):
    return np.random.default_rng(seed).uniform(low, high, n)


def seams():
    """Where the range reduction of ``exp`` goes from one power of two to the next."""
    at = (np.arange(-1009, 1009) + 0.5) * LN2
    beside = np.arange(-20, 21) * np.spacing(np.abs(at))[:, None]
    return np.clip((at[:, None] + beside).ravel(), -700, 700)


@pytest.mark.parametrize("reach", [0.01, 0.3466, 1.1, 40.0, 700.0])
def test_exp_is_as_precise_as_claimed(many, reach):
    xs = np.concatenate([spread(-reach, reach, 5000), [-reach, reach]])
    assert exact_error(xs, many["exp"](xs), Decimal.exp) < claimed(exp)


def test_exp_is_as_precise_as_claimed_where_the_power_of_two_changes(many):
    xs = seams()[::7]
    assert exact_error(xs, many["exp"](xs), Decimal.exp) < claimed(exp)


def test_exp_agrees_with_numpy_over_its_whole_range(many):
    xs = np.linspace(-700, 700, POINTS)
    np.testing.assert_allclose(many["exp"](xs), np.exp(xs), rtol=claimed(exp) + LAST_BIT, atol=0)


def test_exp_never_decreases(many):
    assert (np.diff(many["exp"](np.linspace(-710, 710, POINTS))) >= 0).all()
    for low, high in [(-1e-6, 1e-6), (-0.35, 0.35), (-1.1, 1.1), (-30, 30)]:
        xs = spread(low, high)
        assert (many["exp"](np.nextafter(xs, np.inf)) >= many["exp"](xs)).all()
    xs = seams()
    assert (many["exp"](np.nextafter(xs, np.inf)) >= many["exp"](xs)).all()


def test_exp_is_held_within_its_range_and_passes_on_what_is_not_a_number():
    assert exp(0.0) == exp(-0.0) == 1.0
    assert exp(math.inf) == exp(1e308) == exp(700.1) == exp(700.0) < math.inf
    assert exp(-math.inf) == exp(-1e308) == exp(-700.1) == exp(-700.0) > 0.0
    assert math.isnan(exp(math.nan))


def test_log_is_as_precise_as_claimed(many):
    near_one = 1 + spread(-1, 1, 5000) * 10 ** spread(-15, -0.5, 5000, seed=2)
    extremes = [sys.float_info.min, sys.float_info.max, 0.5, 2.0, 2**0.5, 0.5**0.5, 2.0**-33]
    xs = np.concatenate([near_one, np.exp(spread(-708, 709, 5000)), spread(0.5, 2, 5000), extremes])
    assert exact_error(xs, many["log"](xs), Decimal.ln) < claimed(log)
    assert log(1.0) == 0.0


def test_log_agrees_with_numpy_over_its_whole_range(many):
    xs = np.exp(np.linspace(-708, 709, POINTS))
    np.testing.assert_allclose(many["log"](xs), np.log(xs), rtol=claimed(log) + LAST_BIT, atol=0)
    assert (np.diff(many["log"](xs)) >= 0).all()


def test_logistic_is_as_precise_as_claimed(many):
    xs = np.concatenate([spread(-700, 700, 4000), spread(-40, 40, 4000), [0, -700, 700]])
    error = exact_error(xs, many["logistic"](xs), lambda x: 1 / (1 + (-x).exp()))
    assert error < claimed(logistic)
    xs = np.linspace(-40, 40, POINTS)
    tolerance = claimed(logistic) + 4 * LAST_BIT  # expit's own
    np.testing.assert_allclose(many["logistic"](xs), expit(xs), rtol=tolerance, atol=0)


def test_logistic_is_a_probability_that_never_decreases(many):
    ys = many["logistic"](np.concatenate([[-np.inf], np.linspace(-800, 800, POINTS), [np.inf]]))
    assert (np.diff(ys) >= 0).all()
    assert ys[0] > 0
    assert ys[-1] == 1
    assert logistic(0.0) == 0.5


def test_normal_quantile_is_as_precise_as_claimed_for_every_uniform_the_generator_gives(many):
    every = (np.linspace(0, 2**32 - 1, POINTS).astype(np.uint64) + 0.5) / 2**32
    tails = 10.0 ** spread(-300, -1, POINTS // 10)
    for us in (every, tails, np.array([0.02425, 0.97575, 0.4999999, 0.5000001])):
        error = np.abs(many["normal_quantile"](us) / ndtri(us) - 1)
        assert error.max() < claimed(normal_quantile)
    assert normal_quantile(0.5) == 0.0


def test_normal_quantile_increases_from_each_uniform_to_the_next(many):
    for u in (2.0**-33, 0.02425, 0.5, 0.97575, 1 - 2.0**-14):
        words = math.floor(u * 2**32) + np.arange(-50_000, 50_000)
        words = words[(words >= 0) & (words < 2**32)]
        assert (np.diff(many["normal_quantile"]((words + 0.5) / 2**32)) > 0).all()


def test_normal_quantile_is_symmetric(many):
    us = (np.arange(0, 2**31, 4099) + 0.5) / 2**32
    np.testing.assert_array_equal(many["normal_quantile"](1 - us), -many["normal_quantile"](us))


def test_money_is_rounded_to_the_nearest_multiple_of_the_quantum(many):
    most = 2.0**51 * MONEY_QUANTUM
    halves = (np.arange(-1000, 1000) + 0.5) * MONEY_QUANTUM  # ties go to the even multiple
    for amounts in (spread(-most, most), spread(-1000, 1000), halves, np.array([-0.9, 0.9]) * most):
        expected = np.rint(amounts / MONEY_QUANTUM) * MONEY_QUANTUM
        np.testing.assert_array_equal(many["round_money"](amounts), expected)
    assert round_money(0.0) == 0.0
    assert math.log2(MONEY_QUANTUM).is_integer()


def test_sums_of_rounded_money_are_exact_in_any_order(many):
    amounts = many["round_money"](spread(-1e5, 1e5))
    total = math.fsum(amounts)
    for order in (amounts, amounts[::-1], np.sort(amounts)):
        assert np.add.accumulate(order)[-1] == total


def test_bits_are_counted_among_the_lowest_32():
    words = np.random.default_rng(3).integers(0, 1 << 64, 500, dtype=np.uint64, endpoint=False)
    for word in [0, 1, (1 << 32) - 1, 1 << 32, (1 << 64) - 1, 1 << 31, *map(int, words)]:
        assert int(count_bits(np.uint64(word))) == (word & 0xFFFFFFFF).bit_count()


def test_clip01_holds_within_zero_and_one_and_passes_on_what_is_not_a_number():
    given = [-math.inf, -1e-300, 0.0, 1e-9, 0.25, 1 - 1e-9, 1.0, 1.0 + LAST_BIT, math.inf]
    assert [clip01(x) for x in given] == [0.0, 0.0, 0.0, 1e-9, 0.25, 1 - 1e-9, 1.0, 1.0, 1.0]
    assert math.isnan(clip01(math.nan))


def over_single(function: Any, xs: Any) -> Any:
    """The function applied to numbers in single precision, in a compiled loop."""

    def apply(xs, out):
        for i in range(xs.size):
            out[i] = function(xs[i])

    out = np.empty(len(xs), dtype=np.float32)
    cast(Any, numba).njit(error_model="numpy")(apply)(np.ascontiguousarray(xs), out)
    return out


def claimed_single(function) -> float:
    found = re.search(r"Single: (?:relative error )?below ([0-9.e-]+[0-9])", function.__doc__)
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize(
    ("name", "low", "high", "reference"),
    [
        ("exp", -87.0, 87.0, np.exp),
        ("exp", -1.0, 1.0, np.exp),
        ("log", 0.3, 1.7, np.log),
        ("log", 1e-30, 1e30, np.log),
        ("logistic", -80.0, 80.0, lambda x: 1 / (1 + np.exp(-x))),
    ],
)
def test_single_precision_is_as_precise_as_claimed(name, low, high, reference):
    function = getattr(arithmetic, name)
    xs = np.unique(spread(low, high, 400_000).astype(np.float32))
    got, exact = over_single(function, xs), reference(xs.astype(np.float64))
    known = exact != 0.0
    assert np.abs(got[known] / exact[known] - 1).max() < claimed_single(function)
    assert (np.diff(got) >= 0).all()


def test_single_precision_is_held_within_its_range_and_passes_on_what_is_not_a_number():
    xs = np.array([87.0, 88.0, np.inf, -87.0, -np.inf, 0.0, np.nan], dtype=np.float32)
    top, over, infinite, bottom, least, one, nothing = over_single(exp, xs)
    assert top == over == infinite < math.inf
    assert bottom == least > 0.0
    assert one == 1.0
    assert math.isnan(nothing)


def test_literals_take_the_precision_of_what_they_meet():
    xs = spread(-5, 5, 100).astype(np.float32)
    single, double = over_single(logistic, xs), 1 / (1 + np.exp(-xs.astype(np.float64)))
    assert (single != double).any()  # computed in single precision, not in double
    assert logistic(0.3) == pytest.approx(1 / (1 + math.exp(-0.3)), rel=4e-16, abs=0)


def test_larger_smaller_and_indicator_choose():
    assert (larger(1.0, 2.0), larger(2.0, 1.0), larger(-1.0, -2.0)) == (2.0, 2.0, -1.0)
    assert (smaller(1.0, 2.0), smaller(2.0, 1.0), smaller(-1.0, -2.0)) == (1.0, 1.0, -2.0)
    assert (indicator(True), indicator(False)) == (1.0, 0.0)


def answers() -> dict[str, list[str]]:
    """Bits of every function at the same points; also run by a second interpreter."""
    points = {
        "exp": [*spread(-710, 710, 300), *spread(-1, 1, 300), math.inf, -math.inf, math.nan],
        "log": [*np.exp(spread(-700, 700, 300)), *spread(0.5, 2, 300)],
        "logistic": [*spread(-50, 50, 300), 800.0, -800.0],
        "clip01": [*spread(-1, 2, 100)],
        "round_money": [*spread(-1e6, 1e6, 300)],
        "normal_quantile": [*spread(0, 1, 300), *10 ** spread(-30, -2, 100), 2.0**-33],
    }
    return {
        name: [float(getattr(arithmetic, name)(float(x))).hex() for x in xs]
        for name, xs in points.items()
    }


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled here")
def test_functions_give_the_same_bits_compiled_and_uncompiled():
    uncompiled = subprocess.run(
        [sys.executable, "-W", "error", __file__],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": CHECKOUT},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(uncompiled.stdout) == answers()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answers()))

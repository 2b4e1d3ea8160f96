"""Elementary functions made of plain additions and multiplications.

``math.exp`` calls the C library, whose last bit differs between versions and processors, and which
LLVM cannot vectorise. These functions use only IEEE-754 additions, multiplications, divisions and
integer operations, so they give the same bits everywhere and run several customers at a time.

Source: range reduction after Cody & Waite, *Software Manual for the Elementary Functions* (1980);
normal quantile after Acklam (2003). The stated errors are measured in the tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nba_gym.compiled import by_precision, scalar, set_bits, single

LOG2_E = 1.4426950408889634
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
ROUND_SHIFT = 6755399441055744.0  # 1.5 * 2**52: adding and subtracting it rounds to an integer
MONEY_QUANTUM = 1.0 / 65536.0
"""Smallest amount in the ledger, in currency units; a power of two, so that sums are exact."""

_MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
_ONE = np.uint64(0x3FF0000000000000)
# the same in single precision; ln 2 = 0.693359375 - 2.1219e-4, the first part exact in 12 bits
_SINGLE_ROUND_SHIFT = single(12582912.0)  # 1.5 * 2**23
_LOG2_E = single(LOG2_E)
_SINGLE_LN2_HIGH, _SINGLE_LN2_LOW = single(0.693359375), single(-2.12194440e-4)
_E3, _E4, _E5 = single(1 / 6), single(1 / 24), single(1 / 120)
_E6, _E7 = single(1 / 720), single(1 / 5040)
_THIRD, _FIFTH = single(1 / 3), single(1 / 5)
_SEVENTH, _NINTH = single(1 / 7), single(1 / 9)
_ROOT_TWO = single(1.4142135)
_SINGLE_MANTISSA, _SINGLE_ONE = np.uint32(0x007FFFFF), np.uint32(0x3F800000)
_SINGLE_SHIFT, _SHIFT_LESS_BIAS = np.uint32(23), np.uint32(0x4B400000 - 127)
_EXPONENT_SHIFT = np.uint64(52)
# the bits of ROUND_SHIFT less the bias of an exponent: one difference that never falls below zero
_ROUND_BITS_LESS_BIAS = np.uint64(0x4338000000000000 - 1023)


@scalar
def _exp_double(x: float) -> float:
    x = 700.0 if x > 700.0 else x
    x = -700.0 if x < -700.0 else x
    shifted = x * LOG2_E + ROUND_SHIFT
    n = shifted - ROUND_SHIFT
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    # exp(r) = 1 + (r + r**2 q(r)): with the large terms added last, only they are rounded coarsely.
    # q is a minimax polynomial on |r| <= ln(2)/2; its truncation is below 8e-18
    q = 2.511003829684323e-08
    q = q * r + 2.7632640675581065e-07
    q = q * r + 2.755724236744935e-06
    q = q * r + 2.4801487366025275e-05
    q = q * r + 0.00019841269886563802
    q = q * r + 0.0013888888947785523
    q = q * r + 0.008333333333322215
    q = q * r + 0.041666666666522106
    q = q * r + 0.16666666666666674
    q = q * r + 0.500000000000001
    p = 1.0 + (r + r * r * q)
    power = (np.float64(shifted).view(np.uint64) - _ROUND_BITS_LESS_BIAS) << _EXPONENT_SHIFT
    return p * np.uint64(power).view(np.float64)


@scalar
def _exp_single(x: float) -> float:
    x = 87.0 if x > 87.0 else x
    x = -87.0 if x < -87.0 else x
    shifted = x * _LOG2_E + _SINGLE_ROUND_SHIFT
    n = shifted - _SINGLE_ROUND_SHIFT
    r = (x - n * _SINGLE_LN2_HIGH) - n * _SINGLE_LN2_LOW
    q = _E7
    q = q * r + _E6
    q = q * r + _E5
    q = q * r + _E4
    q = q * r + _E3
    q = q * r + 0.5
    p = 1.0 + (r + r * r * q)
    power: Any = np.uint32(
        (np.float32(shifted).view(np.uint32) - _SHIFT_LESS_BIAS) << _SINGLE_SHIFT
    )
    return p * power.view(np.float32)


_exp = by_precision(_exp_single, _exp_double)


@scalar
def exp(x: float) -> float:
    """Natural exponential, in the precision of ``x``.

    Double: relative error below 2e-16 and never decreasing; ``x`` is held within [-700, 700].
    Single: relative error below 1.2e-7; ``x`` is held within [-87, 87]. What is not a number stays
    so.
    """
    return _exp(x)


@scalar
def _log_double(x: float) -> float:
    bits = np.float64(x).view(np.uint64)
    mantissa = np.uint64((bits & _MANTISSA) | _ONE).view(np.float64)
    exponent = np.float64(np.int64(bits >> _EXPONENT_SHIFT)) - 1023.0
    large = mantissa > 1.4142135623730951
    mantissa = mantissa * 0.5 if large else mantissa
    exponent = exponent + 1.0 if large else exponent
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    # atanh series to s**21; |s| <= 0.1716, so the truncation is below 1e-17
    p = 1.0 / 21.0
    p = p * z + 1.0 / 19.0
    p = p * z + 1.0 / 17.0
    p = p * z + 1.0 / 15.0
    p = p * z + 1.0 / 13.0
    p = p * z + 1.0 / 11.0
    p = p * z + 1.0 / 9.0
    p = p * z + 1.0 / 7.0
    p = p * z + 1.0 / 5.0
    p = p * z + 1.0 / 3.0
    p = p * z + 1.0
    return exponent * LN2_HIGH + (2.0 * s * p + exponent * LN2_LOW)


@scalar
def _log_single(x: float) -> float:
    bits = np.float32(x).view(np.uint32)
    mantissa: Any = np.uint32((bits & _SINGLE_MANTISSA) | _SINGLE_ONE).view(np.float32)
    exponent: Any = np.float32(np.int32(bits >> _SINGLE_SHIFT)) - 127.0
    large = mantissa > _ROOT_TWO
    mantissa = mantissa * 0.5 if large else mantissa
    exponent = exponent + 1.0 if large else exponent
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    # atanh series to s**9; |s| <= 0.1716, so the truncation is below 1e-9
    p = _NINTH
    p = p * z + _SEVENTH
    p = p * z + _FIFTH
    p = p * z + _THIRD
    p = p * z + 1.0
    return exponent * _SINGLE_LN2_HIGH + (2.0 * s * p + exponent * _SINGLE_LN2_LOW)


_log = by_precision(_log_single, _log_double)


@scalar
def log(x: float) -> float:
    """Natural logarithm of a positive, normal number, in the precision of ``x``.

    Double: relative error below 5e-16. Single: below 3e-7.
    """
    return _log(x)


@scalar
def logistic(x: float) -> float:
    """Probability with log-odds ``x``: 1 / (1 + exp(-x)), in the precision of ``x``.

    Double: relative error below 4e-16. Single: below 2e-7.
    """
    return 1.0 / (1.0 + exp(-x))


@scalar
def clip01(x: float) -> float:
    """``x`` held within [0, 1]; what is not a number stays so, to be seen."""
    x = 0.0 if x < 0.0 else x
    return 1.0 if x > 1.0 else x


@scalar
def larger(a: float, b: float) -> float:
    """The larger of two numbers, without a branch."""
    return a if a > b else b


@scalar
def smaller(a: float, b: float) -> float:
    """The smaller of two numbers, without a branch."""
    return a if a < b else b


@scalar
def indicator(condition: bool) -> float:
    """1.0 where the condition holds, else 0.0."""
    return 1.0 if condition else 0.0


@scalar
def round_money(amount: float) -> float:
    """The nearest multiple of ``MONEY_QUANTUM`` (1/65536 unit), for |amount| < 2**35."""
    return (amount * 65536.0 + ROUND_SHIFT - ROUND_SHIFT) * MONEY_QUANTUM


@scalar
def normal_quantile(u: float) -> float:
    """Standard normal quantile of ``u`` in (0, 1); relative error below 1.2e-9."""
    tail = u if u < 0.5 else 1.0 - u
    q = u - 0.5
    r = q * q
    centre = (
        (
            (
                ((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r
                + 138.3577518672690
            )
            * r
            - 30.66479806614716
        )
        * r
        + 2.506628277459239
    ) * q
    centre = centre / (
        (
            (
                ((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r
                + 66.80131188771972
            )
            * r
            - 13.28068155288572
        )
        * r
        + 1.0
    )
    s = np.sqrt(-2.0 * log(tail))
    edge = (
        (
            ((-0.007784894002430293 * s - 0.3223964580411365) * s - 2.400758277161838) * s
            - 2.549732539343734
        )
        * s
        + 4.374664141464968
    ) * s + 2.938163982698783
    edge = edge / (
        (
            ((0.007784695709041462 * s + 0.3224671290700398) * s + 2.445134137142996) * s
            + 3.754408661907416
        )
        * s
        + 1.0
    )
    edge = edge if u < 0.5 else -edge
    return edge if tail < 0.02425 else centre


@scalar
def count_bits(word: np.uint64) -> float:
    """Number of set bits among the lowest 32 (a window of past periods), in single precision."""
    count: Any = np.float32(np.int32(set_bits(np.uint32(word))))
    return count

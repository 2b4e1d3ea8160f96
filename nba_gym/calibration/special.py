"""The typed edge to ``scipy.special``, whose functions carry no types without separate stubs.

Every fitter imports these functions, so the untyped calls stay in this file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

_scipy = cast("Any", special)
_gammaln: Callable[..., FloatArray] = _scipy.gammaln
_betaln: Callable[..., FloatArray] = _scipy.betaln
_betainc: Callable[..., FloatArray] = _scipy.betainc
_hyp2f1: Callable[..., FloatArray] = _scipy.hyp2f1
_exprel: Callable[..., FloatArray] = _scipy.exprel

_DIGITS = 1e-17  # what a continued fraction may leave out, relative to the whole
_MOST_PAIRS = 4_000  # of its terms; reached where z is above 1 - 6e-6


def log_gamma(x: ArrayLike) -> FloatArray:
    """Logarithm of the gamma function, for ``x > 0``."""
    return _gammaln(x)


def log_beta(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Logarithm of the beta function, for ``a > 0`` and ``b > 0``."""
    return _betaln(a, b)


def beta_cdf(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> FloatArray:
    """Regularised incomplete beta function I_x(a, b), for ``x`` in [0, 1]."""
    return _betainc(a, b, x)


def hypergeometric(a: ArrayLike, b: ArrayLike, c: ArrayLike, z: ArrayLike) -> FloatArray:
    """Gaussian hypergeometric function 2F1(a, b; c; z), for ``z`` in [0, 1)."""
    return _hyp2f1(a, b, c, z)


def hypergeometric_from_one(b: ArrayLike, c: ArrayLike, z: ArrayLike) -> FloatArray:
    """Gaussian hypergeometric function 2F1(1, b; c; z), for ``0 < b < c`` and ``z`` in [0, 1).

    Gauss's continued fraction (DLMF 15.7.1), which ends in 1 where a parameter is 1. It gives
    eleven digits up to z = 1 - 6e-6, where SciPy's function overflows for c > 171 and z > 0.9.
    """
    b, c, z = (np.asarray(value, dtype=np.float64) for value in (b, c, z))
    root = np.sqrt(1 - np.max(z))
    shrinks = -2 * np.log1p(-2 * root / (1 + root)) if root < 1 else np.inf  # per pair of terms
    n_pairs = int(min(-np.log(_DIGITS) // max(shrinks, 1e-300) + 2, _MOST_PAIRS))
    tail = np.ones(np.broadcast_shapes(b.shape, c.shape, z.shape))
    for m in range(n_pairs, 0, -1):
        tail = 1 - m * (c - b - 1 + m) / ((c + 2 * m - 2) * (c + 2 * m - 1)) * z / tail
        if m > 1:
            tail = 1 - (b + m - 1) * (c + m - 2) / ((c + 2 * m - 3) * (c + 2 * m - 2)) * z / tail
    return 1 / (1 - b / c * z / tail)


def relative_exponential(x: ArrayLike) -> FloatArray:
    """(exp(x) - 1) / x, and its limit 1 where ``x`` is 0."""
    return _exprel(x)


def log_difference(greater: FloatArray, less: FloatArray) -> FloatArray:
    """Logarithm of ``exp(greater) - exp(less)``, for ``greater >= less``; -inf where equal."""
    share = -np.expm1(less - greater)
    log_share = np.log(share, out=np.full_like(share, -np.inf), where=share > 0)
    return greater + log_share

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

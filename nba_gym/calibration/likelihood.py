"""Maximum likelihood for models whose parameters are all positive.

The search runs over the logarithms of the parameters, so no bound is ever touched, on the mean
log-likelihood per customer, so tolerances mean the same for a hundred customers and a million.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

from nba_gym.calibration.special import FloatArray
from nba_gym.errors import DataError

_STEP = 1e-3  # of the differences in log-parameters: truncation near 1e-6, rounding near 1e-9
_FLATTEST = 1e-6  # least curvature per customer; flatter than this, a parameter is unidentified
_SHORTFALL = 1e-9  # mean log-likelihood that the search may leave between itself and the top


@dataclass(frozen=True, eq=False)
class Maximum:
    """Where a log-likelihood is highest.

    Attributes:
        estimates: The maximum likelihood estimates, in the order of the names. All positive.
        standard_errors: Their asymptotic standard errors, from the inverse of the observed
            information (the Hessian by central differences).
        log_likelihood: Total log-likelihood at the maximum, in nats.
    """

    estimates: FloatArray  # (n_parameters,)
    standard_errors: FloatArray  # (n_parameters,)
    log_likelihood: float


def maximise(
    model: str,
    names: tuple[str, ...],
    log_likelihood: Callable[[FloatArray], FloatArray],
    start: tuple[float, ...],
    counts: FloatArray,
) -> Maximum:
    """Maximise a log-likelihood over positive parameters.

    Args:
        model: Name of the model, for the error message.
        names: Names of the parameters, for the error message.
        log_likelihood: Maps the parameters, shape ``(n_parameters,)``, to the log-likelihood of
            one customer of each group, shape ``(n_groups,)``.
        start: Where the search starts; positive.
        counts: Customers of each group, > 0; see :func:`~nba_gym.calibration.grouping.group_rows`.
            Shape ``(n_groups,)``.

    Returns:
        Estimates, standard errors and the log-likelihood reached.

    Raises:
        DataError: If the data have no interior maximum (a parameter runs to zero or infinity), so
            the model says more than the data can tell.
    """
    n_customers = float(counts.sum())

    def mean_loss(log_parameters: FloatArray) -> float:
        value = -float(counts @ log_likelihood(np.exp(log_parameters))) / n_customers
        return value if np.isfinite(value) else np.inf

    # a line search may step far out, where the likelihood overflows; it then steps back
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        top = _minimise(mean_loss, np.log(start))
        gradient, hessian = _derivatives(mean_loss, top)
        interior = _is_interior_minimum(gradient, hessian) and _is_held(mean_loss, top, hessian)
        estimates = np.exp(top)
    if not interior:
        pairs = zip(names, estimates, strict=True)
        values = ", ".join(f"{name}={value:.3g}" for name, value in pairs)
        raise DataError(f"{model} has no interior maximum of its likelihood here: got {values}")
    # d theta = theta d log(theta), so the errors of the logarithms scale by the estimates
    errors = estimates * np.sqrt(np.diag(np.linalg.inv(hessian)) / n_customers)
    return Maximum(estimates, errors, float(counts @ log_likelihood(estimates)))


def _minimise(function: Callable[[FloatArray], float], start: FloatArray) -> FloatArray:
    """Where a smooth function is lowest; the caller judges whether that is a minimum."""
    search = cast("Any", optimize).minimize  # SciPy has no types without separate stubs
    found = search(function, start, method="BFGS", jac="3-point", options={"gtol": 1e-8})
    return np.asarray(found.x, dtype=np.float64)


def _derivatives(
    function: Callable[[FloatArray], float], at: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Gradient and Hessian of a function by central differences.

    Returns:
        The gradient, shape ``(n,)``, and the symmetric Hessian, shape ``(n, n)``.
    """
    steps = _STEP * np.eye(at.size)
    gradient = np.array([function(at + s) - function(at - s) for s in steps]) / (2 * _STEP)
    hessian = np.empty((at.size, at.size))
    for i, s in enumerate(steps):
        for j, t in enumerate(steps[: i + 1]):
            rise = function(at + s + t) - function(at + s - t)
            fall = function(at - s + t) - function(at - s - t)
            hessian[i, j] = hessian[j, i] = (rise - fall) / (4 * _STEP**2)
    return gradient, hessian


def _is_interior_minimum(gradient: FloatArray, hessian: FloatArray) -> bool:
    """Whether the function curves upwards everywhere here, and a Newton step gains nothing."""
    if not (np.isfinite(gradient).all() and np.isfinite(hessian).all()):
        return False
    if float(np.linalg.eigvalsh(hessian)[0]) < _FLATTEST:
        return False
    newton_gain = 0.5 * float(gradient @ np.linalg.solve(hessian, gradient))
    return newton_gain < _SHORTFALL


def _is_held(function: Callable[[FloatArray], float], at: FloatArray, hessian: FloatArray) -> bool:
    """Whether the function is higher a factor of e to either side, where it is flattest.

    Out on a plain that falls for ever, differences over a small step are rounding, and rounding
    may look like a curve; over a long step the plain still falls.
    """
    flattest = np.linalg.eigh(hessian)[1][:, 0]
    beside = min(function(at + flattest), function(at - flattest))
    return beside - function(at) > _SHORTFALL

"""What a silence means under Pareto/NBD: did the customer leave, or just not buy yet?

Every function here averages over lambda, which is Gamma(r, rate alpha), and mu, which is
Gamma(s, rate beta): the purchase and the dropout rate, in closed form.

Source: Fader, P. S. and Hardie, B. G. S. (2005), "A Note on Deriving the Pareto/NBD Model and
Related Expressions", http://www.brucehardie.com/notes/009/. "FH" below.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nba_gym.calibration.special import FloatArray, hypergeometric_from_one, log_gamma

# of Gauss-Legendre quadrature on [-1, 1]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(128)


class RateShapes(NamedTuple):
    """Parameters of Pareto/NBD, all > 0; alpha and beta in weeks."""

    r: float
    alpha: float
    s: float
    beta: float


def log_active(rates: RateShapes, frequency: FloatArray, weeks: FloatArray) -> FloatArray:
    """Log-density of purchases at given moments by a customer who is still there.

    Args:
        rates: Parameters.
        frequency: Purchases x, >= 0. Shape ``(n,)``.
        weeks: Weeks t within which they fell, >= 0. Shape ``(n,)``.

    Returns:
        The mean of lambda^x exp(-(lambda + mu) t) in logarithms, shape ``(n,)``.

    Source: FH equation 18, first term.
    """
    r, alpha, s, beta = rates
    buying = log_gamma(r + frequency) - log_gamma(r) + r * np.log(alpha)
    buying = buying - (r + frequency) * np.log(alpha + weeks)
    return buying + s * (np.log(beta) - np.log(beta + weeks))


def share_that_left(rates: RateShapes, frequency: FloatArray, weeks: FloatArray) -> FloatArray:
    """Share of the customers with this past who leave before they buy again.

    Args:
        rates: Parameters.
        frequency: Purchases x so far, >= 0. Shape ``(n,)``.
        weeks: Weeks t after which the customer is known to be active, >= 0. Shape ``(n,)``.

    Returns:
        The mean of mu / (lambda + mu) given the past, in (0, 1), shape ``(n,)``.

    Source: FH equations 19 and 20, in which it is the factor A_0 (each of its two terms) with the
    power of alpha + t and beta + t taken out (Euler's and Pfaff's transformations, DLMF 15.8.1),
    so that both cases stay small: 2F1 has an argument |alpha - beta| / (max(alpha, beta) + t).
    """
    r, alpha, s, beta = rates
    shape = r + s + frequency
    if alpha >= beta:
        argument = (alpha - beta) / (alpha + weeks)
        return s / shape * hypergeometric_from_one(r + frequency, shape + 1, argument)
    argument = (beta - alpha) / (beta + weeks)
    series = hypergeometric_from_one(s + 1, shape + 1, argument)
    return s / shape * (alpha + weeks) / (beta + weeks) * series


def count_probability(rates: RateShapes, frequency: int, weeks: FloatArray) -> FloatArray:
    """Probability of exactly so many purchases of a new customer, P(X(t) = x).

    Args:
        rates: Parameters.
        frequency: Purchases x, >= 0.
        weeks: Weeks t, >= 0. Shape ``(n,)``.

    Returns:
        Probabilities in [0, 1], shape ``(n,)``: still active with x purchases, or left with them.

    The closed form of Fader & Hardie (2006, http://www.brucehardie.com/notes/012/) is a difference
    of sums of 2F1, which loses its digits, and overflows for frequent buyers. The integral over
    the week of leaving has positive terms only; it is smooth where weeks are counted in
    logarithms, since rates differ between customers.
    """
    scale = min(rates.alpha, rates.beta)
    span = np.log1p(weeks / scale)
    probability = _active_with(rates, frequency, weeks)
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        leaving = scale * np.expm1((1 + node) / 2 * span)
        hazard = rates.s / (rates.beta + leaving)
        density = _active_with(rates, frequency, leaving) * hazard
        probability = probability + weight / 2 * span * (scale + leaving) * density
    return probability


def _active_with(rates: RateShapes, frequency: int, weeks: FloatArray) -> FloatArray:
    """Probability to be still there with exactly so many purchases."""
    x = np.full_like(weeks, frequency)
    logs = np.log(weeks, out=np.full_like(weeks, -np.inf), where=weeks > 0)
    times = frequency * logs if frequency > 0 else np.zeros_like(weeks)
    return np.exp(log_active(rates, x, weeks) + times - log_gamma(x + 1))

"""How a contact is met: attention, relevance, response and opting out (equations 1-5)."""

from __future__ import annotations

from nba_gym.arithmetic import clip01, exp, logistic
from nba_gym.compiled import scalar


@scalar
def strain(fatigue: float, tolerance: float) -> float:
    """Equation 1: felt contact pressure, fatigue over tolerance, f / tau >= 0."""
    return fatigue / tolerance


@scalar
def notice_probability(
    reach: float, attention: float, strain_felt: float, outbound: float, alive: float
) -> float:
    """Equation 2: probability that a contact is noticed.

    Outbound ``q = reach * alpha_c * exp(-f / tau)``; inbound ``q = reach``, for they came to us.
    Attention that decays with pressure follows the wear-out curves of Naik, Mantrala & Sawyer
    (1998) in their simplest form.

    Args:
        reach: Share of contacts on the channel that can be noticed at all [0, 1].
        attention: alpha_c [0, 1].
        strain_felt: f / tau >= 0.
        outbound: 1 if the firm starts the contact, else 0.
        alive: 1 until the customer has left.
    """
    out = attention * exp(-strain_felt)
    chance = out if outbound > 0.0 else 1.0
    return alive * reach * chance


@scalar
def add_relevance(relevance: float, speaks_to: float, need: float) -> float:
    """Equation 3: relevance r = min(1, sum_k M_jk n_k), added up need by need."""
    return clip01(relevance + speaks_to * need)


@scalar
def response_probability(base: float, slope: float, relevance: float) -> float:
    """Equation 4: probability of a click, answer or talk, given a noticed contact."""
    return base + slope * relevance


@scalar
def opt_out_probability(
    scale: float,
    base: float,
    by_strain: float,
    by_loyalty: float,
    strain_felt: float,
    loyalty: float,
    outbound: float,
) -> float:
    """Equation 5: probability of withdrawing consent, given a noticed outbound contact.

    ``scale * logistic(base + by_strain * f / tau - by_loyalty * (l - 1/2))``; never inbound.
    """
    odds = base + by_strain * strain_felt - by_loyalty * (loyalty - 0.5)
    return outbound * scale * logistic(odds)

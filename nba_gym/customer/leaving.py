"""When and why a customer leaves (equations 19-21b)."""

from __future__ import annotations

from nba_gym.arithmetic import indicator, logistic
from nba_gym.compiled import scalar


@scalar
def discontent(
    by_loyalty: float,
    by_strain: float,
    by_problem: float,
    loyalty: float,
    strain_felt: float,
    problem: float,
) -> float:
    """Equation 19: log-odds of leaving that the relationship adds.

    ``-k_l (l - 1/2) + k_f f / tau + k_g g``
    """
    return by_strain * strain_felt - by_loyalty * (loyalty - 0.5) + by_problem * problem


@scalar
def wake_up(by_wake_up: float, outbound: float, loyalty: float) -> float:
    """Equation 20: log-odds of leaving added when a disloyal customer notices an outbound contact.

    ``k_w * max(0, 1 - 2 l)``: the call reminds them that they could leave. With it, contact can
    cause churn, as in the field experiment of Ascarza, Iyengar & Schleicher (2016).
    """
    disloyalty = (1.0 - 2.0 * loyalty) * indicator(loyalty < 0.5)
    return by_wake_up * outbound * disloyalty


@scalar
def leaving_probability(
    scale: float, base: float, propensity: float, added: float, possible: float
) -> float:
    """Equation 21: probability of leaving, ``scale * logistic(base + h + added)``.

    With ``scale`` 1, everything else 0 and ``logistic(h)`` Beta distributed, this is beta-geometric
    (per period: sBG, Fader & Hardie 2007; after each purchase: BG/NBD, Fader, Hardie & Lee 2005).

    Args:
        scale: 1 on, 0 off.
        base: Log-odds for everybody.
        propensity: h, this customer's log-odds.
        added: Log-odds by relationship, wake-up and retention.
        possible: 1 if alive and free to leave (a contract may forbid it), else 0.
    """
    return possible * scale * logistic(base + propensity + added)


@scalar
def runs_out(patience: float, stays: float) -> float:
    """Equation 21b: 1 if a patience does not outlast a chance of staying, else 0.

    Everybody is born with one uniform number u and leaves as soon as the product of all their
    chances of staying falls below it (inversion of the survival function). So a higher chance of
    leaving never lets a customer stay longer, and two policies between which it hardly differs lose
    the customer at the same point: common random numbers at their strongest.

    Args:
        patience: u, divided by all chances of staying before; uniform (0, 1] for who is still here.
        stays: 1 - P(leave), of (21).
    """
    return indicator(stays < patience)


@scalar
def patience_left(patience: float, stays: float, left: float) -> float:
    """Equation 21b: what is left of the patience; 0 once gone, which never runs out."""
    share = stays if stays > 0.0 else 1.0
    return (1.0 - left) * patience / share

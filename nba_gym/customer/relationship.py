"""How loyalty falls and grows, how contact tires, how prices are remembered (equations 12-14)."""

from __future__ import annotations

from nba_gym.arithmetic import clip01
from nba_gym.compiled import scalar


@scalar
def loyalty_gain(
    by_purchase: float,
    by_solution: float,
    by_care: float,
    by_information: float,
    by_volunteering: float,
    purchased: float,
    solved: float,
    care: float,
    information: float,
    relevance: float,
    volunteered: float,
) -> float:
    """Equation 12a: share of the distance to full loyalty that is won in a period, >= 0.

    Needs met, problems solved, care, relevant information, and time given.
    """
    return (
        by_purchase * purchased
        + by_solution * solved
        + by_care * care
        + by_information * information * relevance
        + by_volunteering * volunteered
    )


@scalar
def loyalty_loss(
    by_irrelevance: float,
    by_pressure: float,
    by_problem: float,
    by_silence: float,
    intrusion: float,
    relevance: float,
    tolerance: float,
    pressure: float,
    problem: float,
    unanswered: float,
) -> float:
    """Equation 12b: share of loyalty that is lost in a period, >= 0.

    Irrelevant contact, ``intrusiveness * (1 - r) / tau``; pressure right after an abandoned basket;
    an unsolved problem; and a visit that nobody answers.

    Args:
        by_irrelevance: Coefficient; 0 switches the mechanism off.
        by_pressure: Coefficient.
        by_problem: Coefficient.
        by_silence: Coefficient.
        intrusion: Intrusiveness of the contact, 0 without one.
        relevance: r [0, 1].
        tolerance: tau > 0.
        pressure: Pressure of a noticed action while a basket is open, else 0.
        problem: 1 while a problem is open.
        unanswered: 1 if the customer is here and waits in vain.
    """
    return (
        by_irrelevance * intrusion * (1.0 - relevance) / tolerance
        + by_pressure * pressure
        + by_problem * problem
        + by_silence * unanswered
    )


@scalar
def update_loyalty(
    loyalty: float, baseline: float, drift: float, gain: float, loss: float
) -> float:
    """Equation 12: next loyalty [0, 1].

    ``l' = l + drift (lbar - l) + gain (1 - l) - loss l``, held within [0, 1].
    """
    return clip01(loyalty + drift * (baseline - loyalty) + gain * (1.0 - loyalty) - loss * loyalty)


@scalar
def update_fatigue(
    fatigue: float, decay: float, intrusion: float, relief: float, relevance: float
) -> float:
    """Equation 13: next fatigue, ``f' = phi f + intrusiveness (1 - k r)``, k in [0, 1].

    A relevant contact tires less. With Bernoulli(q) contact of size k: mean k q / (1 - phi).
    """
    return decay * fatigue + intrusion * (1.0 - relief * relevance)


@scalar
def update_reference(
    reference: float, learn: float, forget: float, discount: float, noticed: float
) -> float:
    """Equation 14: next remembered discount rho [0, 1).

    Exponential smoothing towards a discount that was noticed; fades otherwise (Lattin & Bucklin
    1989; Mazumdar, Raj & Sinha 2005).
    """
    seen = reference + learn * (discount - reference)
    faded = (1.0 - forget) * reference
    return seen if noticed * discount > 0.0 else faded

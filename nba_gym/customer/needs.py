"""How needs come and go, and how awareness of the firm does (equations 15-18)."""

from __future__ import annotations

from nba_gym.arithmetic import clip01, exp
from nba_gym.compiled import scalar


@scalar
def arrival_probability(rate: float, season: float, excitement: float, alive: float) -> float:
    """Equation 15: probability that need k arises in the period.

    ``1 - exp(-beta_k * season_k(t) * (1 + sum_j X_jk n_j))``: a Poisson stream of occasions, busier
    in season and while a neighbouring need is awake.
    """
    return alive * (1.0 - exp(-rate * season * (1.0 + excitement)))


@scalar
def update_need(
    need: float, decay: float, satisfaction: float, bought: float, arisen: float
) -> float:
    """Equation 16: next need n_k [0, 1].

    Fades by ``decay``, is met by a purchase to the share ``satisfaction``, then jumps to 1 if it
    arises: ``n' = arisen + (1 - arisen) * decay * n * (1 - satisfaction * bought)``.
    """
    left_over = decay * need * (1.0 - satisfaction * bought)
    return left_over + arisen * (1.0 - left_over)


@scalar
def update_awareness(
    awareness: float,
    decay: float,
    by_information: float,
    by_purchase: float,
    information: float,
    bought: float,
) -> float:
    """Equation 17: next awareness w_k [0, 1]: rises when informed or served, fades otherwise."""
    push = clip01(by_information * information + by_purchase * bought)
    faded = decay * awareness
    return faded + push * (1.0 - faded)


@scalar
def signal_probability(false_rate: float, true_rate: float, need: float, alive: float) -> float:
    """Equation 18: probability that browsing points at need k, false positives included."""
    return alive * (false_rate + (true_rate - false_rate) * need)

"""Whether, what and how much the customer buys (equations 6-11).

Buying without any contact is part of it: an offer only changes the odds, so there are "sure
things", and the effect of a contact is incremental.
"""

from __future__ import annotations

from nba_gym.arithmetic import exp, indicator, smaller
from nba_gym.compiled import scalar

MOST_PURCHASES = 16
"""Purchases counted in one period at most; more than 16 has probability 1e-15 at a rate of 1."""


@scalar
def price_term(log_price: float, log_reference: float, loss_aversion: float) -> float:
    """Equation 6: how a price feels against the remembered one.

    ``x = log((1 - d) / (1 - rho))``; a gain (x <= 0) counts as it is, a loss is felt
    ``loss_aversion`` times as much.

    Source: Kahneman & Tversky (1979); reference price in choice models, Hardie, Johnson & Fader
    (1993).

    Args:
        log_price: log(1 - d), the price now.
        log_reference: log(1 - rho), the price remembered.
        loss_aversion: About 1.5; 1 switches the asymmetry off.
    """
    x = log_price - log_reference
    loss = loss_aversion * x
    return x if x <= 0.0 else loss


@scalar
def base_utility(
    propensity: float,
    by_need: float,
    by_awareness: float,
    by_loyalty: float,
    by_basket: float,
    need: float,
    awareness: float,
    loyalty: float,
    basket: float,
    season: float,
) -> float:
    """Equation 7: utility of buying for need k, before price and persuasion.

    ``b + k_n n_k + k_w w_k + k_l (l - 1/2) + k_b [basket is k] + season_k(t)``
    """
    return (
        propensity
        + by_need * need
        + by_awareness * awareness
        + by_loyalty * (loyalty - 0.5)
        + by_basket * basket
        + season
    )


@scalar
def persuasion(
    by_offer: float, by_pressure: float, speaks_to: float, pressure: float, basket: float
) -> float:
    """Equation 8: utility added by a noticed offer that speaks to the need.

    ``M_jk (k_o + k_p * pressure * [basket is k])``: a hard offer after an abandoned basket sells
    more now; what it costs is in ``relationship.py``.
    """
    return speaks_to * (by_offer + by_pressure * pressure * basket)


@scalar
def purchase_weight(alive: float, utility: float) -> float:
    """Weight of buying for need k in equations 9 to 11, ``exp(U_k)``; 0 once gone.

    A utility is held below 80, so that the sum over all needs stays finite in single precision; at
    80 a purchase is as certain as at any more.
    """
    return alive * exp(smaller(utility, 80.0))


@scalar
def purchase_probability(total: float, counted: float) -> float:
    """Equation 9: probability of at least one purchase, from the sum of the weights exp(U_k).

    One choice a period: multinomial logit with an outside option of utility 0, ``T / (1 + T)``
    (McFadden 1974). Counted: a Poisson number with rate T, ``1 - exp(-T)``, which nests BG/NBD.
    """
    logit = total / (1.0 + total)
    poisson = 1.0 - exp(-total)
    return poisson if counted > 0.0 else logit


@scalar
def poisson_point(n: float, total: float, point_before: float) -> float:
    """Equation 10: P(N = n) of a Poisson number with mean T, from P(N = n - 1)."""
    return point_before * total / n


@scalar
def is_chosen(share: float, below: float, weight: float) -> float:
    """Equation 11: 1 if need k is the one bought for, the choice falling at ``share`` of the total.

    The needs lie side by side on [0, T): need k covers [below, below + exp(U_k)).
    """
    return indicator(share >= below) * indicator(share < below + weight)


@scalar
def expected_purchases(total: float, dropout: float, counted: float) -> float:
    """Equation 11b: mean number of purchases in a period, leaving after each with ``dropout``.

    ``sum_n P(N >= n) (1 - p)^(n - 1)``; one choice a period has only the first term.
    """
    most = MOST_PURCHASES if counted > 0.0 else 1
    at_least = purchase_probability(total, counted)
    point = exp(-total)
    stays = 1.0
    mean = 0.0
    n = 0.0
    for _ in range(most):
        n += 1.0
        mean += at_least * stays
        stays *= 1.0 - dropout
        point = poisson_point(n, total, point)
        at_least -= point
    return mean

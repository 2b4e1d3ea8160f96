"""What a purchase is worth: gamma-gamma spend of simulated customers.

Every test runs the simulator itself, a million customers at a pinned seed; see ``closed_forms``.
"""

import numpy as np
from scipy import special, stats

from nba_gym.calibration import read_cdnow, summarise
from tests.closed_forms import MILLION, mean_agrees, shares_agree, variance_agrees
from tests.worlds import constant, populate, smallest, step

P, Q, V = 6.25, 3.74, 15.45
"""Gamma-gamma on the 946 CDNOW customers who bought again; Fader & Hardie (2013)."""
BINS = 20


def shop(**settings):
    """A shop where everybody buys once in every period, at list price 1."""
    return smallest(
        purchase__process="one",
        purchase__intercept=50.0,
        purchase__transaction_shape=P,
        needs__bread__price=1.0,
        horizon=64,
        **settings,
    )


def test_one_purchase_is_gamma_distributed_round_the_spend_level():
    """``z / m ~ Gamma(p, p)``: mean 1, variance 1 / p; Colombo & Jiang (1999)."""
    level = 30.0
    crowd = populate(shop(traits__spend=constant(level)), MILLION, seed=1)
    step(crowd, 0)
    assert (crowd.read("frequency") == 1).all()
    factor = crowd.read("spend")[:, 0].astype(np.float64) / level
    mean_agrees("mean of the factor on a purchase", factor, 1.0)
    variance_agrees("variance of the factor on a purchase", factor, 1.0, 1.0 / P)
    rank = stats.gamma.cdf(factor, P, scale=1.0 / P)
    seen = np.histogram(rank, bins=BINS, range=(0.0, 1.0))[0]
    shares_agree("twentieths of Gamma(p, p)", seen, MILLION, np.full(BINS, 1.0 / BINS))


def test_the_mean_spend_of_cdnows_repeaters_follows_gamma_gamma():
    """``x zbar / v ~ BetaPrime(p x, q)`` after x purchases, mean of zbar ``p v / (q - 1)``.

    That is the marginal of x purchases worth Gamma(p, nu) each, nu ~ Gamma(q, v): Fader & Hardie
    (2013), equation 1a. The level ``m = p / nu`` is inverse gamma with shape q and scale ``p v``.
    """
    frequency = summarise(read_cdnow(), calibration_weeks=39).frequency
    repeats = np.sort(frequency[frequency > 0]).astype(int)
    assert len(repeats) == 946
    copies = -(-MILLION // len(repeats))
    world = shop(traits__spend={"family": "inverse_gamma", "shape": Q, "scale": P * V})
    x, spent = np.repeat(repeats, copies), np.zeros(len(repeats) * copies)
    for often in np.unique(repeats).tolist():
        who = np.flatnonzero(x == often)
        crowd = populate(world, len(who), seed=often)
        for _ in range(often):
            step(crowd, 0)
        assert (crowd.read("frequency") == often).all()
        spent[who] = crowd.read("spend")[:, 0]
    mean_agrees("mean spend a customer", spent / x, P * V / (Q - 1.0))
    rank = special.betainc(P * x, Q, spent / (V + spent))  # of BetaPrime(p x, q)
    for label, some in (("all", x > 0), ("x = 1", x == 1), ("x = 2", x == 2), ("x = 7", x == 7)):
        seen = np.histogram(rank[some], bins=BINS, range=(0.0, 1.0))[0]
        equally = np.full(BINS, 1.0 / BINS)
        shares_agree(f"twentieths of gamma-gamma, {label}", seen, int(some.sum()), equally)

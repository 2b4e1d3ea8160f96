"""States that theory knows the distribution of: fatigue and needs.

Every test runs the simulator itself at a pinned seed; see ``closed_forms``.
"""

import math

import numpy as np

from tests.closed_forms import MILLION, mean_agrees, variance_agrees
from tests.worlds import constant, populate, smallest, step


def test_fatigue_under_random_contact_has_the_mean_and_variance_of_theory():
    """Mean ``k q / (1 - phi)``, variance ``k^2 q (1 - q) / (1 - phi^2)``: equation 13.

    Contact of size k with probability q in each period: the moments of a sum of independent terms
    ``k phi^i [contact]``, a first-order autoregression (Hamilton 1994, chapter 3).
    """
    q, size, phi, periods = 0.3, 0.8, 0.5, 24  # 0.5 ** 24 is 6e-8 of the way from stationary
    scenario = smallest(
        attention__fatigue_decay=phi,
        traits__tolerance=constant(1e9),
        channels__email__intrusiveness=size,
        actions__email_offer_bread__intrusiveness=1.0,
    )
    contact = [a.name for a in scenario.actions].index("email_offer_bread")
    crowd, generator = populate(scenario, MILLION), np.random.default_rng(3)
    for _ in range(periods):
        step(crowd, contact * (generator.random(MILLION) < q))
    fatigue = crowd.read("fatigue")[:, 0].astype(np.float64)
    mean, variance = size * q / (1 - phi), size**2 * q * (1 - q) / (1 - phi**2)
    mean_agrees("mean of fatigue", fatigue, mean)
    variance_agrees("variance of fatigue", fatigue, mean, variance)


def test_needs_settle_at_the_share_that_arrivals_and_decay_imply():
    """``p / (1 - decay (1 - p))`` with ``p = 1 - exp(-beta)``: the fixed point of equation 16."""
    rate, decay = 0.07, 0.6
    scenario = smallest(
        need_dynamics__decay=decay,
        traits__arrival__bread=constant(rate),
        purchase__intercept=-50.0,  # nobody buys
    )
    crowd = populate(scenario, MILLION)
    for _ in range(24):  # 0.6 ** 24 is 5e-6 of the way
        step(crowd, 0)
    need = crowd.read("need")[:, 0]
    arises = 1 - math.exp(-rate)
    mean = arises / (1 - decay * (1 - arises))
    mean_agrees("mean of a need", need, mean)

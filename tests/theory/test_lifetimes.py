"""How long customers stay, and what staying is worth: constant retention, sBG, halved periods.

Every test runs the simulator itself, a million customers at a pinned seed; see ``closed_forms``.
"""

import math

import numpy as np
import pytest
from scipy.special import betaln

from nba_gym.evaluation import rollout
from nba_gym.policies import NoContact
from tests.closed_forms import MILLION, agree, mean_agrees, shares_agree
from tests.worlds import constant, populate, smallest, step


@pytest.mark.parametrize(
    ("retention", "margin", "rate", "horizon", "n"),
    [(0.6, 10.0, 0.1, 12, MILLION), (0.9, 3.5, 0.25, 40, 100_000)],
)
def test_constant_retention_is_worth_its_annuity(retention, margin, rate, horizon, n):
    """Value ``m (1 + d) / (1 + d - r)``, the first margin at once.

    Source: Gupta & Lehmann (2003), "Customers as assets", Journal of Interactive Marketing 17(1),
    ``m r / (1 + d - r)`` without the margin of the first period. The second case is smaller, since
    the evaluator takes long for a million customers over 40 periods.
    """
    scenario = smallest(
        horizon=horizon,
        discount=1.0 / (1.0 + rate),
        purchase__intercept=-50.0,  # nothing is earned but the contract
        contract__enabled=True,
        contract__recurring_margin=margin,
        leaving__period_scale=1.0,
        traits__leaving=constant(1.0 - retention),
    )
    values = rollout(NoContact(), scenario, n, seed=1, threads=1).value
    beyond = (retention / (1.0 + rate)) ** horizon  # share of the value that the horizon cuts off
    assert beyond < 1e-3
    annuity = margin * (1.0 + rate) / (1.0 + rate - retention)
    mean_agrees(f"value at retention {retention}", values, annuity * (1.0 - beyond))


SBG = [(0.668, 3.806), (0.704, 1.182)]
"""High End and Regular customers of Fader & Hardie (2007), estimated from seven years."""


def sbg_survival(a, b, t):
    """``S(t) = B(a, b + t) / B(a, b)``; Fader & Hardie (2007), equation 6."""
    return np.exp(betaln(a, b + np.asarray(t)) - betaln(a, b))


def sbg_agrees(a, b, alive):
    """Survival and retention by period of a million customers of whom ``alive`` still were."""
    t = np.arange(1, len(alive) + 1)
    shares_agree(f"sBG survival, {a} {b}", alive, MILLION, sbg_survival(a, b, t))
    before = np.array([MILLION, *alive[:-1]])
    retention = (b + t - 1) / (a + b + t - 1)  # their equation 8
    error = np.sqrt(retention * (1.0 - retention) / before)
    agree(f"sBG retention, {a} {b}", alive / before, retention, error, MILLION)


@pytest.mark.parametrize(("a", "b"), SBG)
def test_silent_survival_and_retention_are_shifted_beta_geometric(a, b):
    """``S(t) = B(a, b + t) / B(a, b)``, ``r_t = (b + t - 1) / (a + b + t - 1)``.

    Source: Fader & Hardie (2007), equations 6 and 8.
    """
    mixed = {"family": "beta", "a": a, "b": b}
    scenario = smallest(leaving__period_scale=1.0, traits__leaving=mixed)
    crowd, alive = populate(scenario, MILLION), []
    for _ in range(24):
        out = step(crowd, 0)
        alive.append(crowd.read("alive").sum())
        assert not out.terminated.any()  # nobody is told
    sbg_agrees(a, b, np.array(alive))


def test_a_rolling_contract_ends_as_shifted_beta_geometric_and_is_told():
    """The same where leaving is a cancellation: Fader & Hardie (2007), equations 6 and 8."""
    a, b = SBG[0]
    scenario = smallest(
        contract__enabled=True,
        leaving__period_scale=1.0,
        traits__leaving={"family": "beta", "a": a, "b": b},
    )
    crowd, alive = populate(scenario, MILLION, seed=1), []
    told = np.zeros(MILLION, dtype=int)
    for _ in range(12):
        told += step(crowd, 0).terminated
        alive.append(int((told == 0).sum()))
        assert np.array_equal(told == 0, crowd.read("alive")[:, 0] > 0)
    assert told.max() == 1  # and only once
    sbg_agrees(a, b, np.array(alive))


def test_halving_the_period_leaves_lifetimes_as_they_were():
    """``(1 - h)^t`` is ``(1 - h')^(2t)`` with ``h' = 1 - sqrt(1 - h)``: a survivor function."""
    hazard, periods = 0.15, 12
    alive = {}
    for steps, share in ((1, hazard), (2, 1.0 - math.sqrt(1.0 - hazard))):
        world = smallest(leaving__period_scale=1.0, traits__leaving=constant(share))
        crowd = populate(world, MILLION, seed=steps)
        alive[steps] = []
        for _ in range(periods):
            for _ in range(steps):
                step(crowd, 0)
            alive[steps].append(float(crowd.read("alive").sum()))
    survival = (1.0 - hazard) ** np.arange(1, periods + 1)
    shares_agree("survival in whole periods", alive[1], MILLION, survival)
    shares_agree("survival in halved periods", alive[2], MILLION, survival)
    both = np.sqrt(2.0 * survival * (1.0 - survival) / MILLION)
    apart = (np.array(alive[2]) - np.array(alive[1])) / MILLION
    agree("halved less whole periods", apart, 0.0, both, MILLION)

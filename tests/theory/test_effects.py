"""What was planted into simulated campaigns is found again in their logs.

The seeds are pinned: in one log of four, one of five intervals at 95 % misses by chance. How often
intervals contain the truth over many logs is measured in docs/contacts.md.
"""

import pytest

from nba_gym.calibration import fit_effects
from nba_gym.calibration.coefficients import coefficient
from nba_gym.scenario import load_scenario
from tests.campaigns import on_disk, simulated

PLANTED = {
    "retail": {
        "purchase.intercept": -3.0,
        "purchase.by_offer": 1.6,
        "channels.email.response": 0.05,
        "channels.sms.response": 0.1,
        "attention.opt_out_base": -4.6,
    },
    "telecom": {
        "purchase.intercept": -2.4,
        "purchase.by_offer": 2.0,
        "channels.call.response": 0.35,
        "channels.sms.response": 0.08,
        "attention.opt_out_base": -4.4,
    },
}
LOGS = {"retail": (4_400, 52, 7), "telecom": (1_500, 24, 200)}
"""Customers, periods, seed. With 1,000 customers of retail, by_offer has an error of up to 1.2."""


@pytest.mark.slow
@pytest.mark.parametrize("world", ["retail", "telecom"])
def test_planted_effects_lie_in_their_intervals(world, tmp_path):
    n, horizon, seed = LOGS[world]
    truth = load_scenario(world, PLANTED[world] | {"horizon": horizon})
    fit = fit_effects(on_disk(tmp_path, simulated(truth, n, seed=seed)), world)
    found = {each.name: each for each in fit.effects}
    for name, planted in PLANTED[world].items():
        assert found[name].low <= planted <= found[name].high, name
        assert found[name].base != planted
    # the others, which are those of the base: 4 errors, so that luck alone never fails
    z = {e.name: (e.value - coefficient(truth, e.name).value) / e.error for e in fit.effects}
    assert max(abs(x) for x in z.values()) < 4.0
    assert fit.p_value > 0.001
    assert found["purchase.by_offer"].error < 0.7


@pytest.mark.slow
def test_the_interval_of_an_effect_that_is_not_there_contains_0(tmp_path):
    truth = load_scenario("telecom", {"purchase.by_offer": 0.0, "horizon": 24})
    log = on_disk(tmp_path, simulated(truth, 1_500, seed=72))
    names = ("purchase.intercept", "purchase.by_offer")
    offer = fit_effects(log, "telecom", parameters=names).effects[1]
    assert offer.low == 0.0
    assert offer.high < offer.base

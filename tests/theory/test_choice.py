"""What customers buy for: shares of the multinomial logit, and its independence.

Every test runs the simulator itself, a million draws at a pinned seed; see ``closed_forms``.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from tests.closed_forms import agree, shares_agree
from tests.worlds import (
    constant,
    draw_often,
    event,
    look_again,
    nothing_but,
    populate,
    with_only,
)

CROWD, TIMES = 2**17, 8  # 1,048,576 draws


def utility(scenario, state, k, action, *, noticed):
    """Utility of buying for need ``k``: equations 6 to 8, written out once more."""
    buy, offer = scenario.purchase, scenario.actions[action]
    u = state["propensity"] + buy.intercept + buy.by_need * state["need"][k]
    u += buy.by_awareness * state["awareness"][k] + buy.by_loyalty * (state["loyalty"] - 0.5)
    here = state["basket"] == k
    u += buy.by_basket * here
    speaks = offer.needs.get(scenario.needs[k].name, 0.0) if noticed else 0.0
    u += speaks * (buy.by_offer + buy.by_pressure * offer.pressure * here)
    discount = offer.discount if speaks else 0.0
    x = math.log((1 - discount) / (1 - state["remembered"]))
    return u - state["sensitivity"] * (x if x < 0 else scenario.price.loss_aversion * x)


SETTINGS = {
    "purchase__process": "one",
    "purchase__intercept": -2.2,
    "purchase__by_need": 1.7,
    "purchase__by_awareness": 0.6,
    "purchase__by_loyalty": 0.9,
    "purchase__by_offer": 1.1,
    "purchase__by_pressure": 0.8,
    "purchase__by_basket": 0.5,
    "price__loss_aversion": 1.6,
    "traits__purchase": {"family": "normal", "mean": 0.25, "sd": 0.0},
    "traits__price_sensitivity": constant(1.5),
    "traits__tolerance": constant(2.0),
    "traits__attention__email": constant(0.7),
    "traits__attention__sms": constant(0.7),
    "channels__email__reach": 0.9,
    "channels__sms__reach": 0.9,
}
STATE: dict[str, Any] = {
    "propensity": 0.25,
    "need": [0.2, 0.9, 0.5, 0.0],
    "awareness": [0.3, 0.1, 0.6, 1.0],
    "loyalty": 0.7,
    "basket": 1,
    "remembered": 0.125,
    "sensitivity": 1.5,
}


def choices(scenario, state, action=0):
    """How many of a million customers in one state buy for each need, ``(n_needs,)``."""
    crowd = populate(scenario, CROWD, record=True)
    for name in ("need", "awareness", "loyalty"):
        crowd.write(name, state[name])
    crowd.write("reference_discount", state["remembered"])
    crowd.write("open_basket", state["basket"] + 1)
    crowd.write("fatigue", 0.8)
    look_again(crowd)
    bought = np.zeros(scenario.n_needs)
    for out in draw_often(crowd, action, TIMES):
        need = event(crowd, out, "need_bought")
        bought += [(need == k).sum() for k in range(scenario.n_needs)]
    return bought


def weights(scenario, state, action=0, *, noticed=False):
    """exp(U_k) of every need, ``(n_needs,)``."""
    needs = range(scenario.n_needs)
    return np.exp([utility(scenario, state, k, action, noticed=noticed) for k in needs])


@pytest.mark.parametrize("action", ["wait", "email_offer_shoes", "sms_basket_last_call"])
def test_choice_shares_are_those_of_the_logit(action):
    """``P(k) = exp(U_k) / (1 + sum_j exp(U_j))``, mixed over who notices; McFadden (1974)."""
    scenario = nothing_but("retail", **SETTINGS)
    at = [a.name for a in scenario.actions].index(action)
    q = 0.9 * 0.7 * math.exp(-0.8 / 2.0) if at else 0.0
    shares = np.zeros(scenario.n_needs)
    for noticed, part in ((True, q), (False, 1 - q)):
        weight = weights(scenario, STATE, at, noticed=noticed)
        shares += part * weight / (1 + weight.sum())
    shares_agree(f"logit, {action}", choices(scenario, STATE, at), CROWD * TIMES, shares)


def test_without_one_alternative_the_others_keep_their_ratios():
    """``P(j) / P(k) = exp(U_j - U_k)`` whatever else there is, buying nothing included.

    Source: independence of irrelevant alternatives, McFadden (1974). The need most often bought
    for is taken out of the world, with all actions that were for it.
    """
    everything = nothing_but("retail", **SETTINGS)
    names = [need.name for need in everything.needs]
    kept = [k for k, name in enumerate(names) if name != "shoes"]
    fewer = with_only(everything, [names[k] for k in kept])
    state: dict[str, Any] = STATE | {"basket": -1}
    smaller = {name: [state[name][k] for k in kept] for name in ("need", "awareness")}
    n, exact = CROWD * TIMES, [*weights(everything, state)[kept], 1.0]
    counts = []
    for scenario, those, of in ((everything, kept, state), (fewer, [0, 1, 2], state | smaller)):
        bought = choices(scenario, of)
        counts.append(np.array([*bought[those], n - bought.sum()]))  # the last: nothing
    assert (counts[1] > 1.1 * counts[0]).all()  # so everything else is chosen more often
    ratios, errors, between, apart = [], [], [], []
    for j, k in itertools.combinations(range(4), 2):
        logs = [math.log(count[j] / count[k] / (exact[j] / exact[k])) for count in counts]
        error = [math.sqrt(1 / count[j] + 1 / count[k]) for count in counts]
        ratios += logs
        errors += error
        between.append(logs[1] - logs[0])
        apart.append(math.hypot(*error))
    agree("log ratios of shares, with and without", ratios, 0.0, np.array(errors), n)
    agree("log ratios without, less those with", between, 0.0, np.array(apart), n)

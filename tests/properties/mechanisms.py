"""Valid arguments of every mechanism."""

import math
from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from nba_gym import compiled
from nba_gym.arithmetic import log
from tests.equations import EQUATIONS

Scalar = Callable[..., float]


def plain(name: str) -> Scalar:
    """An equation as plain Python, by name."""
    [found] = [getattr(module, name) for module in EQUATIONS if name in vars(module)]
    return compiled.plain(found)


# ---------------------------------------------------------------------------- valid arguments

unit = st.floats(0.0, 1.0)


yes_or_no = st.sampled_from([0.0, 1.0])


coefficient = st.floats(0.0, 50.0)


odds = st.floats(-100.0, 100.0)


amount = st.floats(0.0, 1e3)


positive = st.floats(1e-30, 1e30)  # as far as single precision goes


discounts = st.floats(0.0, 0.99)


EVERYWHERE = {
    "added": st.floats(-1e33, 1e33),
    "alive": yes_or_no,
    "arisen": yes_or_no,
    "base": odds,
    "basket": yes_or_no,
    "below": amount,
    "bought": yes_or_no,
    "counted": yes_or_no,
    "discount": discounts,
    "excitement": st.floats(0.0, 1e3),
    "fatigue": st.floats(0.0, 1e6),
    "gain": st.floats(0.0, 10.0),
    "intrusion": amount,
    "log_price": st.floats(math.log(0.01), 0.0),
    "log_reference": st.floats(math.log(0.01), 0.0),
    "loss": st.floats(0.0, 1e33),
    "loss_aversion": st.floats(1.0, 10.0),
    "luck": st.floats(2.0**-33, 1 - 2.0**-33),
    "n_needs": st.integers(1, 8).map(float),
    "noticed": yes_or_no,
    "outbound": yes_or_no,
    "possible": yes_or_no,
    "problem": yes_or_no,
    "propensity": st.floats(-1e3, 1e3),
    "rate": st.floats(0.0, 1e9),
    "reference": discounts,
    "season": st.floats(0.0, 1e5),
    "share": amount,
    "solved": yes_or_no,
    "strain_felt": st.floats(0.0, 1e31),
    "tolerance": positive,
    "total": st.floats(0.0, 1e305),
    "utility": st.floats(-1e3, 1e3),
    "weight": amount,
}


ONLY_IN = {
    "base_utility": {"season": st.floats(-50.0, 50.0), **dict.fromkeys(["by_need"], coefficient)},
    "basket_probability": {"rate": unit},
    "referral_probability": {"rate": unit},
    "response_probability": {"base": unit, "slope": unit},
}


SHARES = ("loyalty_gain", "loyalty_loss", "update_awareness")
"""Equations whose coefficients are shares in [0, 1]; elsewhere they are log-odds or utility."""


def domain(name: str, argument: str) -> st.SearchStrategy[float]:
    if argument in ONLY_IN.get(name, {}):
        return ONLY_IN[name][argument]
    if argument.startswith("by_"):
        return unit if name in SHARES else coefficient
    return EVERYWHERE.get(argument, unit)


def arguments(name: str) -> st.SearchStrategy[dict[str, float]]:
    names = plain(name).__code__.co_varnames[: plain(name).__code__.co_argcount]
    return st.fixed_dictionaries({argument: domain(name, argument) for argument in names})


# -------------------------------------------------------------------------------------- price


def utility(discount: float, reference: float, psi: float, loss_aversion: float) -> float:
    """Equations 6 and 7 with a discount as the scenario packs it."""
    log_price = float(np.float32(math.log1p(-discount)))
    felt = plain("price_term")(log_price, log(1.0 - reference), loss_aversion)
    return -psi * felt

"""Quantities that targets are set for, each a named function from simulations to an interval."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nba_gym.errors import DataError, ScenarioError, nearest
from nba_gym.evaluation.card.bench import Bench
from nba_gym.evaluation.card.exact import measure_best_share, measure_optimum, measure_value_of
from nba_gym.evaluation.card.targets import Target, check_known
from nba_gym.statistics import Interval, mean_interval, ratio_interval
from nba_gym.truth.optimal import exact
from nba_gym.truth.twins import ActionTwins, action_twins

Unit = Literal["share", "points", "ratio", "money"]
Measure = Callable[[Bench, Target], Interval]

MONTHS = {"day": 12.0 / 365.25, "week": 84.0 / 365.25, "month": 1.0, "year": 12.0}
"""Months in a period."""
_ROUNDING = 1e-9
"""What sums of discounted money may differ by; money itself comes in steps of 1.5e-5."""


@dataclass(frozen=True)
class Quantity:
    """What can be measured.

    Attributes:
        measure: The function.
        meaning: What exactly is measured, on whom.
        unit: How it is shown: a share in %, a difference of shares in percentage points, a plain
            ratio, or money per customer.
        policy: Who acts where the target does not say.
        needs: Fields of a target that it cannot do without.
    """

    measure: Measure
    meaning: str
    unit: Unit = "share"
    policy: str = ""
    needs: tuple[str, ...] = ()


def _actor(target: Target) -> str:
    return target.policy or QUANTITIES[target.quantity].policy


def _channel(bench: Bench, target: Target) -> int:
    names = [channel.name for channel in bench.scenario.channels]
    check_known("channel", target.channel, names)
    return names.index(target.channel)


def _rate(top: str, bottom: str) -> Measure:
    """A rate of contacts on a channel."""

    def measure(bench: Bench, target: Target) -> Interval:
        c = _channel(bench, target)
        counts = bench.watched(_actor(target), target.channel).counts
        return ratio_interval(counts[top][:, c], counts[bottom][:, c])

    return measure


def _opt_out_growth(bench: Bench, target: Target) -> Interval:
    """Ratio of two rates on the same customers; its error by the delta method, on the logarithm."""
    c, parts = _channel(bench, target), np.zeros(0)
    logarithm = 0.0
    for name, sign in ((_actor(target), 1.0), ("rested", -1.0)):
        counts = bench.watched(name, target.channel).counts
        n = bench.sizes.targets
        top, bottom = (counts[kind][:n, c] for kind in ("opted_out", "reached"))
        if not top.sum():
            raise DataError(f"opting out must occur under {name}, got none in {bottom.sum():,.0f}")
        logarithm += sign * float(np.log(top.sum() / bottom.sum()))
        part = sign * (top / top.mean() - bottom / bottom.mean())
        parts = part if not len(parts) else parts + part
    spread = mean_interval(parts)
    error = spread.high - spread.mean
    ends = (float(np.exp(logarithm + step)) for step in (0.0, -error, error))
    return Interval(*ends)


def _monthly_churn(bench: Bench, target: Target) -> Interval:
    """Leavers per month of being a customer; the last period shows nobody who leaves in it."""
    run = bench.watched(_actor(target)).run
    last = bench.scenario.horizon - 1
    end = min(target.window or last, last)
    months = np.minimum(run.lifetime, end) * MONTHS[bench.scenario.period]
    return ratio_interval((run.lifetime <= end).astype(np.float64), months)


def _never_again(bench: Bench, target: Target) -> Interval:
    bought = bench.watched(_actor(target)).bought_by
    window = target.window or len(bought)
    if not 0 <= target.period < window <= len(bought):
        raise ScenarioError(
            f"window must be above period and at most the horizon of {len(bought)}, got {window}"
        )
    n = bought.shape[1]
    ages = np.rint(np.linspace(window - target.period, window, n)).astype(np.int64)
    return mean_interval(bought[ages - 1, np.arange(n)] == 0)


def _won(bench: Bench, target: Target) -> Interval:
    return mean_interval(bench.watched(_actor(target)).run.purchases > 0)


def _cost_per_acquisition(bench: Bench, target: Target) -> Interval:
    run = bench.watched(_actor(target)).run
    return ratio_interval(run.courtship, (run.purchases > 0).astype(np.float64))


def _inbound_share(bench: Bench, target: Target) -> Interval:
    counts = bench.watched(_actor(target)).counts
    met, sent = (counts[kind].sum(axis=1) for kind in ("met", "sent"))
    return ratio_interval(met, met + sent)


def _of_optimum(bench: Bench, target: Target) -> Interval:
    found = mean_interval(bench.watched(_actor(target)).run.value)
    best = exact(bench.scenario).schedule.value
    return Interval(found.mean / best, found.low / best, found.high / best)


def _effect_on_churn(bench: Bench, target: Target) -> Interval:
    return _twins(bench, target, target.window).left.interval()


def _carry_over(bench: Bench, target: Target) -> Interval:
    """Effect of a contact on all that comes after its period: whole effect less that at once."""
    whole, at_once = (_twins(bench, target, window) for window in (target.window, 1))
    later = whole.value.effect - at_once.value.effect
    return mean_interval(np.where(np.abs(later) < _ROUNDING, 0.0, later))


def _twins(bench: Bench, target: Target, window: int | None) -> ActionTwins:
    return action_twins(
        bench.scenario,
        target.action,
        customers=bench.customers(bench.sizes.targets),
        seed=bench.seed,
        period=target.period,
        horizon=window,
        policy=bench.policy(_actor(target), target.channel),
    )


def _gain_over_no_contact(bench: Bench, target: Target) -> Interval:
    mine, base = (bench.watched(name).run.value for name in (_actor(target), "no_contact"))
    return ratio_interval(mine - base, base)


def _gain_over_practice(bench: Bench, target: Target) -> Interval:
    file = None if bench.folder is None else bench.folder / "gains.json"
    if file is None or not file.is_file():
        raise DataError("gains.json must lie beside the cards, got none: not measured yet")
    gains = json.loads(file.read_text())
    if bench.scenario.name not in gains:
        raise DataError(f"gains.json must hold {bench.scenario.name}, got none: not measured yet")
    found = gains[bench.scenario.name]
    return Interval(*(float(found[end]) for end in ("mean", "low", "high")))


ACTING = {
    "no_contact": "customers otherwise left alone",
    "random": "uniform random contact on all channels",
    "practice": "business as usual: tuned greedy practice",
    "oracle": "the myopic oracle",
    "optimum": "the exact optimum",
    "relevant": "relevant contact on this channel alone, every 4th period",
    "broadcast": "a broadcast on this channel alone, every 4th period, about anything",
    "rested": "at rest: relevant contact on this channel alone, every 8th period",
}
"""Who acts while something is measured, for people."""

QUANTITIES: dict[str, Quantity] = {
    "click_rate": Quantity(
        _rate("responded", "reached"),
        "responses per contact sent to customers who have not left",
        policy="broadcast",
        needs=("channel",),
    ),
    "notice_rate": Quantity(
        _rate("noticed", "reached"),
        "contacts noticed, of those with customers who have not left",
        policy="relevant",
        needs=("channel",),
    ),
    "opt_out_rate": Quantity(
        _rate("opted_out", "reached"),
        "consents withdrawn per contact sent to customers who have not left",
        policy="rested",
        needs=("channel",),
    ),
    "opt_out_growth": Quantity(
        _opt_out_growth,
        "consents withdrawn per contact with customers who have not left, divided by those at rest",
        unit="ratio",
        policy="random",
        needs=("channel",),
    ),
    "monthly_churn": Quantity(
        _monthly_churn,
        "customers who left, seen or not, per month of being a customer",
        policy="practice",
    ),
    "never_again": Quantity(
        _never_again,
        "customers without a purchase after the one that acquired them, observed for `window` "
        "periods less when they came, evenly within the first `period`",
        policy="no_contact",
    ),
    "contact_effect_on_churn": Quantity(
        _effect_on_churn,
        "customers gone `window` periods after one contact in period `period`, less the same "
        "customers without it",
        unit="points",
        policy="no_contact",
        needs=("action",),
    ),
    "carry_over": Quantity(
        _carry_over,
        "effect of one contact in period `period` on the profit of all later periods",
        unit="money",
        policy="no_contact",
        needs=("action",),
    ),
    "gain_over_no_contact": Quantity(
        _gain_over_no_contact, "value above that of no contact, as a share of it", policy="practice"
    ),
    "gain_over_practice": Quantity(
        _gain_over_practice,
        "value of a learned agent above tuned greedy practice (measured elsewhere, see gains.json)",
    ),
    "won": Quantity(
        _won, "customers who buy at least once within the horizon", policy="practice"
    ),
    "cost_per_acquisition": Quantity(
        _cost_per_acquisition,
        "cost of all leads, and of contacts and service until the first purchase or the end, per "
        "customer who buys",
        unit="money",
        policy="practice",
    ),
    "inbound_share": Quantity(
        _inbound_share,
        "share of all contacts that answer a visit, which the customer began",
        policy="practice",
    ),
    "of_optimum": Quantity(
        _of_optimum, "mean value as a share of the exact optimum V*", policy="oracle"
    ),
    "optimum": Quantity(measure_optimum, "exact value of the best policy", unit="money"),
    "value_of_actions": Quantity(
        measure_value_of,
        "exact value of the given action in each state",
        unit="money",
        needs=("actions",),
    ),
    "best_action_share": Quantity(
        measure_best_share,
        "share of the named states in which the named action is best, exactly",
        needs=("states", "action"),
    ),
}
"""All quantities by name."""


def measure(bench: Bench, target: Target) -> Interval:
    """What a world comes to.

    Raises:
        NbaGymError: If it cannot be measured there; the message says why.
    """
    if target.quantity not in QUANTITIES:
        hint = nearest(target.quantity, QUANTITIES)
        raise ScenarioError(f"quantity must be a known one, got {target.quantity!r}{hint}")
    quantity = QUANTITIES[target.quantity]
    for field in quantity.needs:
        if not getattr(target, field):
            raise ScenarioError(f"{field} must be given for {target.quantity}, got none")
    return quantity.measure(bench, target)

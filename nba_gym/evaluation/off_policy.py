"""Off-policy evaluation: what a policy would have earned, from the journeys of another.

A firm has journeys under the policy it runs, and a policy that it thinks of running. As long as the
first drew its actions with known propensities, and gave each action that the second wants a chance,
the log tells what the second is worth. How well it tells depends on how different they are: the
weights of a journey are products over its periods, and after many of them a few customers carry all
the weight. So every answer comes with the effective number of customers behind it, by period.

With rho_t = pi(a_t | x_t) / b(a_t | x_t), w_t = rho_0 ... rho_t, rewards r_t and discount g, over n
customers (Precup, Sutton & Singh 2000; Jiang & Li 2016; Thomas & Brunskill 2016):

* importance: mean of sum_t g^t w_t r_t;
* weighted: the same with w_t divided by its mean over the customers;
* direct: mean of V(x_0), with V fitted to the log (:mod:`nba_gym.evaluation.fitted_values`);
* doubly robust: mean of sum_t g^t [w_t (r_t - Q(x_t, a_t)) + w_(t-1) V(x_t)];
* weighted doubly robust: the same with w_t divided by its mean.

Importance and doubly robust have no bias, whatever is hidden from both policies: propensities
depend on what the policy was shown and on nothing else. The weighted forms trade a small bias,
which vanishes with the number of customers, for much less spread. The direct method is only as
good as its regression, which sees records and not customers; it has no interval, for none would
cover that. Where few customers are in effect, intervals are too short: whoever carries the weight
shows little of what others might have done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import DataError, PolicyError, check_least
from nba_gym.evaluation.fitted_values import fit_values
from nba_gym.policies.asking import chances_of
from nba_gym.policies.checks import check_policies
from nba_gym.policies.protocol import Policy
from nba_gym.records.events import event_columns
from nba_gym.records.log import PROPENSITY, EventLog
from nba_gym.replay import replay
from nba_gym.scenario.schema import Scenario
from nba_gym.statistics import Interval, mean_interval, ratio_interval

Floats = NDArray[np.float64]
ESTIMATORS = ("importance", "weighted", "direct", "doubly robust", "weighted doubly robust")
"""Ways to judge a policy by another's log, by name."""
SURE = Interval(1.0, 1.0, 1.0)
HEAVIEST = 1e100
"""Weights beyond it are refused: their squares would be no numbers."""
ROUNDING = 1e-9
"""By how much a probability may exceed 1."""
AS_LOGGED = "as logged"
"""What the policy that acted is called in the answer."""


class LoggedJourneys(NamedTuple):
    """Journeys with the propensities of what was done in them.

    Attributes:
        observations: What the policy was shown, ``(periods, n, n_features)`` float32.
        masks: 1 where an action was allowed, ``(periods, n, n_actions)`` int8.
        actions: What was done; waiting, where something forbidden was chosen, ``(periods, n)``.
        propensities: Probability that the policy which acted gave it, in (0, 1], ``(periods, n)``.
        rewards: Profit of the period, in currency, not discounted, ``(periods, n)``.
        running: Whether the journey had not ended before the period, ``(periods, n)``.
        discount: Discount factor of a period, in (0, 1].
    """

    observations: NDArray[np.float32]
    masks: NDArray[np.int8]
    actions: NDArray[np.int64]
    propensities: Floats
    rewards: Floats
    running: NDArray[np.bool_]
    discount: float

    def first(self, periods: int) -> LoggedJourneys:
        """The same journeys, cut off after so many periods."""
        return LoggedJourneys(
            self.observations[:periods],
            self.masks[:periods],
            self.actions[:periods],
            self.propensities[:periods],
            self.rewards[:periods],
            self.running[:periods],
            self.discount,
        )


@dataclass(frozen=True)
class Judged:
    """What a log says of a policy.

    Attributes:
        name: What the policy was called.
        estimates: Value per customer by estimator, with 95 % intervals; of ``direct`` they are NaN.
        parts: What each customer adds to an estimate: numbers whose mean it is, and whose spread
            is its error, ``(n,)``; without ``direct``. The difference of two policies by the same
            estimator has the interval of the difference of their parts.
        effective: Customers in effect, (sum w)^2 / sum w^2, by period, ``(periods,)``.
        heaviest: Share of all weight that the heaviest customer carries, by period, ``(periods,)``.
        covered: Share of what the policy would do, over the decisions of the log, that the policy
            which acted might have done, too, as estimated: the mean of rho. An interval that ends
            below 1 says that it would do what was never tried, and no estimate is of this policy.
    """

    name: str
    estimates: dict[str, Interval]
    parts: dict[str, Floats]
    effective: Floats
    heaviest: Floats
    covered: Interval

    def less(self, other: Judged, estimator: str = "weighted doubly robust") -> Interval:
        """How much more than another policy it is worth, by the same log, with 95 % interval."""
        return mean_interval(self.parts[estimator] - other.parts[estimator])


def logged_journeys(log: EventLog, scenario: Scenario) -> LoggedJourneys:
    """Journeys to judge by, from an event log with propensities.

    Args:
        log: The journeys, as the firm saw them.
        scenario: Their world: catalogue, rules and money.

    Raises:
        DataError: If there are no propensities or one is none, something was done that was not
            allowed, or the log cannot have come about in this world.
    """
    periods, n, _ = log.events.shape
    if log.propensities is None:
        raise DataError(
            f"log must have the column {PROPENSITY!r}, how likely what was done was, got none: "
            "the policy that acts must draw and say with which probability"
        )
    if log.propensities.shape != (periods, n):
        shape = log.propensities.shape
        raise DataError(f"{PROPENSITY} must have shape {(periods, n)}, got {shape}")
    replayed, columns = replay(log, scenario), event_columns(scenario)
    actions = log.events[..., columns.index("action")].astype(np.int64)
    over = np.cumsum(log.events[..., columns.index("cancelled")] > 0.0, axis=0) > 0
    running = np.ones((periods, n), dtype=np.bool_)
    running[1:] = ~over[:-1]
    masks = replayed.masks[:periods]
    allowed = np.take_along_axis(masks, actions[..., None], axis=2)[..., 0] > 0
    for what, wrong, rule in (
        ("action", running & ~allowed, "one that was allowed"),
        (PROPENSITY, running & ~_is_chance(log.propensities), "in (0, 1]"),
    ):
        if wrong.any():
            t, i = np.argwhere(wrong)[0].tolist()
            name, chance = scenario.actions[actions[t, i]].name, log.propensities[t, i]
            got = repr(name) if what == "action" else f"{chance:g} for {name!r}"
            who = f"customer {log.customers[i]}, period {t}"
            raise DataError(f"{what} must be {rule}, got {got} ({who})")
    return LoggedJourneys(
        observations=replayed.observations[:periods],
        masks=masks,
        actions=actions,
        propensities=np.where(running, log.propensities, 1.0),
        rewards=replayed.rewards,
        running=running,
        discount=scenario.discount,
    )


def _is_chance(numbers: Floats) -> NDArray[np.bool_]:
    return (numbers > 0.0) & (numbers <= 1.0 + ROUNDING)


def judge_by_log(
    policies: Mapping[str, Policy],
    journeys: LoggedJourneys,
    *,
    periods: int | None = None,
    folds: int = 2,
) -> dict[str, Judged]:
    """What policies would have earned, by journeys that another policy lived.

    Memory: the log, and a number an action for every customer and period.

    Args:
        policies: Whom to judge, by name; one that never draws is given probabilities of 0 and 1.
        journeys: The journeys, of at least 2 customers a fold.
        periods: Judge only the first so many periods of the journeys; by default all.
        folds: Parts of the customers; the values of each are fitted to the others.

    Returns:
        By name; ``AS_LOGGED`` is what was earned by the policy that acted.

    Raises:
        PolicyError: If a policy is privileged, or draws without saying probabilities, or is called
            as the log is.
        DataError: If there are too few customers, or none of them was treated as a policy would.
    """
    check_policies(policies)
    check_least(2, folds=folds)
    if AS_LOGGED in policies:
        raise PolicyError(f"policies must not be called {AS_LOGGED!r}, which is the log itself")
    total, n = journeys.actions.shape
    if n < 2 * folds:
        raise DataError(f"journeys must be of at least {2 * folds} customers, got {n}")
    length = total if periods is None else periods
    if not 1 <= length <= total:
        raise PolicyError(f"periods must be in [1, {total}], as long as the log, got {length}")
    cut = journeys.first(length)
    earned = _discounts(cut) @ cut.rewards
    parts = {name: earned for name in ESTIMATORS if name != "direct"}
    everybody = np.full(length, float(n))
    found = {AS_LOGGED: _judged(AS_LOGGED, parts, everybody, 1.0 / everybody, SURE)}
    for name, policy in policies.items():
        found[name] = _judge(name, policy, cut, folds)
    return found


def _judge(name: str, policy: Policy, log: LoggedJourneys, folds: int) -> Judged:
    periods, n = log.actions.shape
    seen = zip(log.observations, log.masks, strict=True)
    chances = np.stack([chances_of(policy, shown, masks) for shown, masks in seen])
    of_done = np.take_along_axis(chances, log.actions[..., None], axis=2)[..., 0]
    with np.errstate(over="ignore"):
        ratios: Floats = of_done / log.propensities
    with np.errstate(over="ignore", invalid="ignore"):
        weights: Floats = np.cumprod(np.where(log.running, ratios, 1.0), axis=0, dtype=np.float64)
    beyond = np.argwhere(~(weights < HEAVIEST))
    if len(beyond):
        t, i = beyond[0]
        raise DataError(
            f"propensity must not be so small that weights exceed {HEAVIEST:g}, got "
            f"{log.propensities[t, i]:g} (journey {i}, period {t})"
        )
    possible = (log.running & (weights > 0.0)).any(axis=1) | ~log.running.any(axis=1)
    if not possible.all():
        lost = int(np.argmin(possible))
        raise DataError(
            f"journeys must include some that {name} could have lived, got none of {lost + 1} "
            f"periods: judge fewer, or log more customers"
        )
    done, onwards = fit_values(
        log.observations,
        log.actions,
        log.rewards,
        log.running,
        chances,
        discount=log.discount,
        folds=folds,
    )
    none, shares = np.zeros((periods, n)), weights / weights.sum(axis=1)[:, None]
    parts = {
        "importance": _sum(log, weights, none, none),
        "weighted": _ratio(log, n * shares, none, none),
        "doubly robust": _sum(log, weights, done, onwards),
        "weighted doubly robust": _ratio(log, n * shares, done, onwards),
    }
    judged = _judged(
        name,
        parts,
        1.0 / (shares**2).sum(axis=1),
        shares.max(axis=1),
        ratio_interval(np.where(log.running, ratios, 0.0).sum(axis=0), log.running.sum(axis=0)),
    )
    judged.estimates["direct"] = Interval(float(onwards[0].mean()), float("nan"), float("nan"))
    return judged


def _judged(
    name: str, parts: dict[str, Floats], effective: Floats, heaviest: Floats, covered: Interval
) -> Judged:
    estimates = {each: mean_interval(part) for each, part in parts.items()}
    return Judged(name, estimates, parts, effective, heaviest, covered)


def _discounts(log: LoggedJourneys) -> Floats:
    return np.power(log.discount, np.arange(len(log.actions), dtype=np.float64))


def _before(weights: Floats) -> Floats:
    """Weights before each period: 1 before the first."""
    return np.concatenate([np.ones((1, weights.shape[1])), weights[:-1]])


def _sum(log: LoggedJourneys, weights: Floats, done: Floats, onwards: Floats) -> Floats:
    """What each customer adds, by weights of mean 1 in expectation, ``(n,)``."""
    surprise = weights * (log.rewards - done)
    return _discounts(log) @ (surprise + _before(weights) * onwards)


def _ratio(log: LoggedJourneys, weights: Floats, done: Floats, onwards: Floats) -> Floats:
    """What each customer adds, by weights of mean 1 over these customers, ``(n,)``.

    The mean over the customers is the estimate; the spread is that of the linearised ratio, since
    who has more weight takes it from the others (Cochran 1977, section 6.4).
    """
    before, surprise = _before(weights), log.rewards - done
    plain = _sum(log, weights, done, onwards)
    typical = (weights * surprise).mean(axis=1), (before * onwards).mean(axis=1)
    taken = weights * typical[0][:, None] + before * typical[1][:, None]
    return plain - _discounts(log) @ taken + plain.mean()

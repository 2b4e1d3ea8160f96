"""Counterfactual twins: one customer lived twice with the same luck, under two actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba_gym.errors import PolicyError
from nba_gym.policies.checks import check_customers
from nba_gym.policies.protocol import Policy
from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario
from nba_gym.truth.crowd import CHUNK, find_action
from nba_gym.truth.lives import Lives, Plan, live_with, plan_contact
from nba_gym.truth.pairs import QUANTILES, Groups, Pair, count_groups

WAIT = 0


@dataclass(frozen=True, eq=False)
class ActionTwins:
    """What one action did to each customer; the first twin got it, the second got ``against``.

    Attributes:
        action: Name of the action.
        against: Name of what the second twin got instead, usually waiting.
        period: Period of the contact, from 0 on.
        horizon: Periods followed, that of the contact included.
        customers: Numbers of the customers who could get it, ``(n,)``.
        bought: Who bought within the periods followed.
        left: Who was gone at their end, for the firm to see or silently (which includes who had
            left silently before the contact, in both lives).
        value: Profit of the periods followed, discounted to the period of the contact, in currency.
        forbidden: Customers left out because a rule forbade one of the two actions.
        ended: Customers left out because their journey was over before the contact.
    """

    action: str
    against: str
    period: int
    horizon: int
    customers: NDArray[np.uint64]
    bought: Pair
    left: Pair
    value: Pair
    forbidden: int
    ended: int

    @property
    def purchase_groups(self) -> Groups:
        """The four groups by who buys."""
        return count_groups(self.bought.first, self.bought.second)

    @property
    def staying_groups(self) -> Groups:
        """The four groups by who stays; a sleeping dog stays only if left alone."""
        return count_groups(~self.left.first, ~self.left.second)

    @property
    def summary(self) -> pl.DataFrame:
        """Mean effect on purchase, churn and value with its 95 % interval, and quantiles."""
        rows: list[dict[str, Any]] = []
        pairs = {"purchase": self.bought, "churn": self.left, "value": self.value}
        for outcome, pair in pairs.items():
            quantiles = zip(QUANTILES, pair.quantiles().tolist(), strict=True)
            spread = {f"q{round(100 * q):02d}": value for q, value in quantiles}
            rows.append({"outcome": outcome} | pair.interval()._asdict() | spread)
        return pl.DataFrame(rows)


def action_twins(
    scenario: str | Path | Scenario,
    action: str | int,
    *,
    customers: int | NDArray[Any] = 10_000,
    seed: int = 0,
    period: int = 0,
    horizon: int | None = None,
    policy: Policy | None = None,
    against: str | int = WAIT,
    threads: int | None = None,
    chunk: int = CHUNK,
) -> ActionTwins:
    """Live every customer twice, with and without one action in one period.

    Until then, and afterwards, both twins are under the policy, which sees what becomes of each.

    Args:
        scenario: The world.
        action: What the first twin gets, by name or number.
        customers: Numbers of the customers, or how many from number 0 on.
        seed: Seed of the world.
        period: When, in [0, horizon of the scenario).
        horizon: Periods followed, that of the contact included; ``None`` for all that are left.
        policy: Who acts in all other periods; by default customers are left alone.
        against: What the second twin gets, by default waiting.
        threads: Threads of the kernel.
        chunk: Customers simulated side by side; it does not change any journey (but of a policy
            that draws from its generator instead of saying probabilities).

    Returns:
        The individual effects on those who may get both, in the order of ``customers``.

    Raises:
        ActionError: If the scenario has no such action.
        PolicyError: If no customer may get it then, or customers, seed, period, horizon, policy,
            threads or chunk are out of range.

    Source: potential outcomes, Rubin (1974); with common random numbers both are seen. Which of
    them share their luck is a choice of the model: see the section on randomness of its page.
    """
    scenario = load_scenario(scenario)
    numbers = check_customers(customers)
    plan = plan_contact(scenario, seed, period, horizon, policy, threads, chunk)
    first, second = find_action(scenario, action), find_action(scenario, against, "against")
    lives = [live_with(plan, numbers, each) for each in (first, second)]
    twins = _pair_up(plan, numbers, (first, second), (lives[0], lives[1]))
    if not len(twins.customers):
        raise PolicyError(
            f"action and against must both be allowed for some customer in period {period}, "
            f"got {twins.action!r} and {twins.against!r} (of {len(numbers)} customers forbidden "
            f"for {twins.forbidden}, {twins.ended} journeys over)"
        )
    return twins


def groups_table(
    scenario: str | Path | Scenario,
    actions: Sequence[str | int] | None = None,
    *,
    customers: int | NDArray[Any] = 10_000,
    seed: int = 0,
    period: int = 0,
    horizon: int | None = None,
    policy: Policy | None = None,
    threads: int | None = None,
    chunk: int = CHUNK,
) -> pl.DataFrame:
    """The four groups and the mean effects of many actions, each against waiting.

    Args:
        scenario: The world.
        actions: Which, by name or number; by default all but waiting.
        customers: As for :func:`action_twins`, like all that follow.
        seed: Seed of the world.
        period: When.
        horizon: Periods followed.
        policy: Who acts in all other periods.
        threads: Threads of the kernel.
        chunk: Customers simulated side by side.

    Returns:
        A row an action: its name; ``n``, those who may get it; the shares of the groups by purchase
        (``persuadable``, ...) and by staying (``staying_persuadable``, ...); the mean effects on
        ``purchase``, ``churn`` and ``value`` with ``_low`` and ``_high``. Where nobody may get the
        action, ``n`` is 0 and the rest is null.

    Raises:
        ActionError: If the scenario has no such action.
        PolicyError: As for :func:`action_twins`, except that an action may be forbidden to all.
    """
    scenario = load_scenario(scenario)
    numbers = check_customers(customers)
    plan = plan_contact(scenario, seed, period, horizon, policy, threads, chunk)
    wanted = range(1, scenario.n_actions) if actions is None else actions
    found = [find_action(scenario, each, f"actions[{i}]") for i, each in enumerate(wanted)]
    if not found:
        raise PolicyError(f"actions must name at least one action, got {actions!r}")
    waiting = live_with(plan, numbers, WAIT)
    rows: list[dict[str, Any]] = []
    for each in found:
        lives = (live_with(plan, numbers, each), waiting)
        rows.append(_row(_pair_up(plan, numbers, (each, WAIT), lives)))
    return pl.DataFrame(rows, infer_schema_length=None).fill_nan(None)


def _pair_up(
    plan: Plan,
    customers: NDArray[np.uint64],
    actions: tuple[int, int],
    lives: tuple[Lives, Lives],
) -> ActionTwins:
    """Put the two lives side by side, of those who may get both actions."""
    first, second = lives
    allowed = first.allowed[:, list(actions)].all(axis=1)
    who = first.running & allowed
    names = [plan.scenario.actions[each].name for each in actions]
    return ActionTwins(
        action=names[0],
        against=names[1],
        period=plan.period,
        horizon=plan.horizon,
        customers=customers[who],
        bought=Pair(first.bought[who], second.bought[who]),
        left=Pair(first.left[who], second.left[who]),
        value=Pair(first.value[who], second.value[who]),
        forbidden=int((first.running & ~allowed).sum()),
        ended=int((~first.running).sum()),
    )


def _row(twins: ActionTwins) -> dict[str, Any]:
    """One action in the table of groups."""
    row: dict[str, Any] = {"action": twins.action, "n": len(twins.customers)}
    row |= twins.purchase_groups.shares
    row |= {f"staying_{name}": share for name, share in twins.staying_groups.shares.items()}
    pairs = {"purchase": twins.bought, "churn": twins.left, "value": twins.value}
    for outcome, pair in pairs.items():
        mean, low, high = pair.interval()
        row |= {outcome: mean, f"{outcome}_low": low, f"{outcome}_high": high}
    return row

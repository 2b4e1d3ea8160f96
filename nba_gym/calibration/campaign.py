"""The campaign of a log, and the same campaign played with simulated customers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba_gym.calibration.contacts import WAIT, ContactLog
from nba_gym.calibration.transactions import refuse_rows
from nba_gym.customer import kernel
from nba_gym.customer.population import Population
from nba_gym.errors import DataError, nearest
from nba_gym.policies.asking import choose
from nba_gym.policies.protocol import Policy
from nba_gym.policies.simple import ByLot
from nba_gym.scenario import Scenario, load_scenario
from nba_gym.truth.chances import chances

Floats = NDArray[np.float64]
OUTCOMES = ("bought", "responded", "opted_out")
_RARE = 20
"""Rows of an action that a simulation may miss."""
_ROUNDS = 6
"""How often a lottery is corrected: shares are then met to their own noise."""


class Cells(NamedTuple):
    """What came of the actions that customers got, counted by customer and action.

    Attributes:
        rows: How often a customer got an action, ``(n, n_actions)``.
        events: What came of it, by the names of ``OUTCOMES`` that are known, ``(n, n_actions)``
            each: counts in a log, sums of chances in a simulation.
    """

    rows: Floats
    events: dict[str, Floats]


class Campaign(NamedTuple):
    """A log of contacts in the terms of a scenario.

    Attributes:
        cells: What came of its actions.
        scheduled: Whether an action was drawn for a customer at an age, in periods since
            acquisition, ``(n, periods)``.
    """

    cells: Cells
    scheduled: NDArray[np.bool_]


def campaign_of(log: ContactLog, scenario: Scenario) -> Campaign:
    """Count a log by customer and action, and see at what ages actions were drawn.

    Raises:
        DataError: If an action is unknown to the scenario, or a customer has two rows in one
            period: the scenario knows one action a period.
    """
    names = [WAIT, *(action.name for action in scenario.actions[1:])]
    given = log.table["action"]
    unknown = ~given.is_in(names)
    hint = nearest(str(given[int(unknown.arg_true()[0])]), names) if unknown.any() else ""
    refuse_rows(log.source, given, unknown, f"an action of {scenario.name}{hint}")
    number = {name: i for i, name in enumerate(names)}
    actions = given.replace_strict(number, return_dtype=pl.Int64).to_numpy()
    who = (log.table["customer"].rank("dense") - 1).cast(pl.Int64).to_numpy()
    ages = _ages(log.table["since"], log.table["date"], scenario.period)
    keys = pl.Series("date", who * (int(ages.max()) + 1) + ages)
    twice = ~keys.is_first_distinct()
    rule = f"the only one of the customer in its {scenario.period}"
    refuse_rows(log.source, log.table["date"], twice, rule)
    n, wide = int(who.max()) + 1, len(names)
    at = who * wide + actions

    def count(weights: NDArray[Any] | None = None) -> Floats:
        return np.bincount(at, weights, n * wide).reshape(n, wide).astype(np.float64)

    known = [name for name in OUTCOMES if name in log.table.columns]
    events = {name: count(log.table[name].to_numpy()) for name in known}
    return Campaign(Cells(count(), events), _schedule(log, scenario, who, ages))


def _ages(since: pl.Series, date: pl.Series, period: str) -> NDArray[np.int64]:
    """Whole periods from acquisition to the contact; months and years are those of the calendar."""
    if period in ("month", "year"):
        months = [(day.dt.year().cast(pl.Int64) * 12 + day.dt.month()) for day in (since, date)]
        years = [day.dt.year().cast(pl.Int64) for day in (since, date)]
        born, now = months if period == "month" else years
        return (now - born).to_numpy()
    return (date - since).dt.total_days().to_numpy() // {"day": 1, "week": 7}[period]


def _schedule(
    log: ContactLog, scenario: Scenario, who: NDArray[np.int64], ages: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """At what ages an action was drawn, or would have been had the customer not cancelled.

    Where leaving is seen, rows end with the contract. A simulated customer may stay longer than the
    actual one they stand for, so their rows go on in the same rhythm until the log ends.
    """
    rows = pl.DataFrame({"who": who, "age": ages, "since": log.table["since"]})
    of = rows.group_by("who").agg(
        pl.col("since").first(), first=pl.min("age"), last=pl.max("age"), count=pl.len()
    )
    of = of.sort("who")
    end = pl.Series([log.table["date"].max()]).new_from_index(0, of.height)
    until = _ages(of["since"], end, scenario.period)
    scheduled = np.zeros((of.height, int(max(ages.max(), until.max())) + 1), dtype=np.bool_)
    scheduled[who, ages] = True
    several = of["count"].to_numpy() > 1
    if scenario.contract.enabled and several.any():
        first, last = of["first"].to_numpy(), of["last"].to_numpy()
        gap = np.rint((last - first) / np.maximum(of["count"].to_numpy() - 1, 1)).astype(np.int64)
        gap = np.where(several, gap, int(np.median(gap[several])))[:, None]
        later = np.arange(scheduled.shape[1]) - last[:, None]
        room = later <= (until - last)[:, None]
        scheduled |= (later > 0) & room & (later % np.maximum(gap, 1) == 0)
    return scheduled[:, : int(np.flatnonzero(scheduled.any(axis=0)).max()) + 1]


class Lottery(ByLot):
    """Who draws actions by lot: waits with one chance, else draws among what is allowed.

    Args:
        wait: Probability of waiting although something is allowed, in [0, 1].
        weights: Relative chance of every action, ``(n_actions,)``; that of waiting is not used.
    """

    def __init__(self, wait: float, weights: Floats) -> None:
        self.name = f"lottery, {wait:.0%} wait"
        self.wait = wait
        self.weights = weights

    def probabilities(self, observations: NDArray[np.float32], masks: NDArray[Any]) -> Floats:
        """Probability of every action, ``(n, n_actions)``."""
        shares = (masks > 0) * self.weights
        shares[:, 0] = 0.0
        total = shares.sum(axis=1, keepdims=True)
        shares *= (1.0 - self.wait) / np.where(total > 0.0, total, 1.0)
        shares[:, 0] = 1.0 - shares.sum(axis=1)
        return np.maximum(shares, 0.0)


def play(
    scenario: Scenario, scheduled: NDArray[np.bool_], policy: Policy, seed: int, n: int
) -> Cells:
    """Play a campaign with ``n`` simulated customers, each on the schedule of an actual one.

    What comes of an action is counted by its chance, not by its draw: the same mean with less
    noise, and smooth in the coefficients. What follows from it is drawn, with the same luck in
    every call.

    Args:
        scenario: The world; customers are born into it and left alone where nothing is scheduled.
        scheduled: See :class:`Campaign`.
        policy: Draws an action among those allowed wherever one is scheduled.
        seed: Seed of the world.
        n: Simulated customers.
    """
    n_actual, periods = scheduled.shape
    whose: NDArray[np.int64] = np.arange(n) % n_actual
    if n < n_actual:  # evenly from all of them
        whose = np.arange(n) * n_actual // n
    population = Population(load_scenario(scenario, {"horizon": periods + 1}), n)
    numbers = np.arange(n, dtype=np.uint64)
    population.begin(np.ones(n, dtype=np.bool_), np.full(n, seed, dtype=np.uint64), numbers)
    cells = [np.zeros((n, scenario.n_actions)) for _ in range(4)]
    generator = np.random.default_rng(seed)
    for t in range(periods):
        rows = np.flatnonzero(scheduled[whose, t] & (population.state.ended[:n] == 0))
        actions = np.zeros(n, dtype=np.int64)
        if len(rows):
            shown, masks = population.out.observations[rows], population.out.masks[rows]
            chosen = choose(policy, shown, masks, numbers[rows], seed, t, generator)
            actions[rows] = np.where(masks[np.arange(len(rows)), chosen] > 0, chosen, 0)
            chance = chances(population, actions)[rows]
            cells[0][rows, actions[rows]] += 1.0
            for i in range(3):
                cells[i + 1][rows, actions[rows]] += chance[:, i]
        population.step(actions, kernel.DISABLED)
    return Cells(cells[0], dict(zip(OUTCOMES, cells[1:], strict=True)))


def match_lottery(scenario: Scenario, campaign: Campaign, seed: int, n: int) -> Lottery:
    """A lottery with which simulated customers get every action as often as in the log.

    Raises:
        DataError: If an action of the log is never allowed in the scenario.
    """
    rows = campaign.cells.rows.sum(axis=0)
    wanted = rows / rows.sum()
    lottery = Lottery(float(wanted[0]), np.where(wanted > 0, 1.0, 0.0))
    for attempt in range(_ROUNDS):
        given = play(scenario, campaign.scheduled, lottery, seed, n).rows.sum(axis=0)
        got = given / given.sum()
        if attempt == 0:
            for a in np.flatnonzero((given == 0) & (wanted * given.sum() > _RARE)):
                name = scenario.actions[int(a)].name
                raise DataError(
                    f"action must be allowed at times in {scenario.name}, got {name!r} in "
                    f"{rows[a]:,.0f} rows, which never is"
                )
        alone = (got[0] - lottery.wait) / max(1e-9, 1.0 - lottery.wait)
        wait = float(np.clip((wanted[0] - alone) / max(1e-9, 1.0 - alone), 0.0, 1.0))
        ratio = np.where(got > 0, wanted / np.maximum(got, 1e-12), 1.0)
        lottery = Lottery(wait, lottery.weights * ratio)
    return lottery

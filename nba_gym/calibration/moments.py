"""Rates by arm of a campaign, and how precisely so many customers show them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.calibration.campaign import Cells, Floats
from nba_gym.errors import DataError
from nba_gym.scenario import Scenario

LEAST = 20.0
"""Events that a rate must let expect, so that its error is nearly normal."""


class Moment(NamedTuple):
    """A rate that the world is fitted to.

    Attributes:
        outcome: One of ``OUTCOMES``.
        arm: What people call the arm: an action or a channel.
        actions: Numbers of its actions.
    """

    outcome: str
    arm: str
    actions: tuple[int, ...]


def choose_moments(cells: Cells, scenario: Scenario) -> list[Moment]:
    """The rates that a log shows well enough.

    Purchases and responses by action, opting out by channel. Which arms count depends on how often
    they were drawn and on the rate over all arms (responses: all on the channel), not on what came
    of the arm itself: choosing by that would favour arms that were lucky.

    Raises:
        DataError: If there are no controls, no contacts, or too few of what came of them.
    """
    rows = cells.rows.sum(axis=0)
    if not rows[1:].any():
        raise DataError(
            f"action must be a contact in some rows, got {rows[0]:,.0f} rows of waiting: what "
            "contacts do cannot be learned without any"
        )
    if not rows[0]:
        raise DataError(
            "action must be 'wait' or empty in some rows, got contacts only: what contacts do "
            "cannot be learned without customers who were left alone by lot"
        )
    every = [(a,) for a in range(len(rows))]
    shown = [("bought", a) for a in _shown(cells, "bought", every)]
    if "responded" in cells.events:
        for channel in scenario.channels:
            arms = [(a,) for (a,) in every if scenario.actions[a].channel == channel.name]
            shown += [("responded", arms[i][0]) for i in _shown(cells, "responded", arms)]
    found = [Moment(outcome, scenario.actions[a].name, (a,)) for outcome, a in shown]
    if "opted_out" in cells.events:
        found += _by_channel(cells, scenario)
    arms = [moment.actions[0] for moment in found if moment.outcome == "bought"]
    if 0 not in arms or len(found) < 2:
        raise DataError(
            f"outcome must let expect {LEAST:g} purchases among controls and in one other arm, got "
            f"{cells.events['bought'].sum():,.0f} purchases in {rows.sum():,.0f} rows"
        )
    return found


def _by_channel(cells: Cells, scenario: Scenario) -> list[Moment]:
    """Opting out by channel; channels that were hardly used count as one."""
    outbound = [channel.name for channel in scenario.channels if channel.direction == "outbound"]
    used = {action.channel for action in scenario.actions}
    channels = [name for name in outbound if name in used]
    groups = [
        tuple(a for a, action in enumerate(scenario.actions) if action.channel == name)
        for name in channels
    ]
    shown = _shown(cells, "opted_out", groups)
    rest = tuple(a for i, group in enumerate(groups) if i not in shown for a in group)
    found = [Moment("opted_out", channels[i], groups[i]) for i in shown]
    if rest and _shown(cells, "opted_out", [rest]):
        names = [channels[i] for i in range(len(channels)) if i not in shown]
        found.append(Moment("opted_out", " + ".join(names), rest))
    return found


def _shown(cells: Cells, outcome: str, groups: list[tuple[int, ...]]) -> list[int]:
    """Which groups of actions let expect enough events, at the rate over all of them."""
    rows, events = cells.rows.sum(axis=0), cells.events[outcome].sum(axis=0)
    together = [a for group in groups for a in group]
    rate = events[together].sum() / max(rows[together].sum(), 1.0)
    return [i for i, group in enumerate(groups) if rows[list(group)].sum() * rate >= LEAST]


def rates(cells: Cells, moments: list[Moment]) -> tuple[Floats, Floats]:
    """The rates, and how many rows each is from, ``(n_moments,)`` each."""
    events = {name: counts.sum(axis=0) for name, counts in cells.events.items()}
    rows = cells.rows.sum(axis=0)
    over = np.array([rows[list(moment.actions)].sum() for moment in moments])
    counts = np.array([events[m.outcome][list(m.actions)].sum() for m in moments])
    return counts / np.maximum(over, 1.0), over


def covariance(
    cells: Cells, moments: list[Moment], expected: Floats | None = None
) -> NDArray[np.float64]:
    """Covariance of the rates, ``(n_moments, n_moments)``: customers are independent, rows are not.

    A frequent buyer is one in every period, so the rows of a customer count together (a ratio of
    sums, linearised).

    Args:
        cells: What came of the actions.
        moments: The rates.
        expected: Rates that a world expects. No variance is then smaller than that of single rows
            with these rates, or than that of one event: an arm of which nothing came by luck is not
            known exactly, not even by a world that expects nothing of it.
    """
    level, over = rates(cells, moments)
    score = np.stack(
        [
            cells.events[m.outcome][:, list(m.actions)].sum(axis=1)
            - level[i] * cells.rows[:, list(m.actions)].sum(axis=1)
            for i, m in enumerate(moments)
        ],
        axis=1,
    ) / np.maximum(over, 1.0)
    found = score.T @ score
    if expected is not None:
        rows = np.maximum(over, 1.0)
        least = np.maximum(expected * (1.0 - expected), 1.0 / rows) / rows
        found += np.diag(np.maximum(least - np.diag(found), 0.0))
    return found

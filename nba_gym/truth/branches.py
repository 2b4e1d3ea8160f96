"""Everything that can happen in one period, with its probability: real customers, chosen luck.

No equation is written a second time. A period runs as always (``probe.py``), except that the luck
on the worktable is not drawn but chosen, one lane for each combination of events: half the
probability makes an event happen, half of what is above it makes it fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.records.ledger import LINES
from nba_gym.scenario.schema import Scenario
from nba_gym.truth.probe import EVENTS, ODDS, WHOLE, Probe
from nba_gym.truth.snapshot import Columns, Snapshot, rows_of_tiles

Floats = NDArray[np.float64]

_STAYS, _GOES = 1e-30, 1.0
"""Patience (21b) that outlasts every chance of staying above 1e-30, and one that outlasts none."""
_ODDS = (
    "p_notice",
    "p_respond",
    "p_opt_out",
    "p_dropout",
    "p_problem",
    "p_arrival",
    "p_basket",
    "p_visit",
)
_LATER = ("p_buy", "p_leave")


class Outcomes(NamedTuple):
    """What may happen to some customers in a period; one row a combination of events.

    Attributes:
        of: Whose it is: index of the customer, ``(n,)``.
        weight: Its probability, ``(n,)``; those of a customer sum to 1.
        rewards: What it earns, in currency, ``(n,)``.
        contact_cost: Cost of the contact in it, in currency, >= 0, ``(n,)``.
        after: The customers after it, ``(n,)`` rows.
    """

    of: NDArray[np.int64]
    weight: Floats
    rewards: Floats
    contact_cost: Floats
    after: Snapshot


class _Lanes(NamedTuple):
    """Combinations of events as far as they are chosen.

    Attributes:
        of: Index of the customer, ``(n,)``.
        weight: Probability so far, ``(n,)``.
        luck: Chosen luck by name, ``(n,)`` each.
    """

    of: NDArray[np.int64]
    weight: Floats
    luck: dict[str, Floats]

    def split(self, name: str, ways: Sequence[tuple[Any, Any]]) -> _Lanes:
        """One lane more for each way, given as (probability, luck), that may happen to it."""
        n = len(self.of)
        chances = np.stack([np.broadcast_to(chance, n) for chance, _ in ways])
        lucks = np.stack([np.broadcast_to(luck, n) for _, luck in ways])
        way, lane = np.nonzero(chances > 0.0)
        luck = {known: values[lane] for known, values in self.luck.items()}
        luck[name] = lucks[way, lane]
        return _Lanes(self.of[lane], self.weight[lane] * chances[way, lane], luck)

    def happens(self, name: str, chance: Floats, possible: Any = True) -> _Lanes:
        """Split in yes and no; where it does not matter, because not ``possible``, only no."""
        yes = np.where(possible, chance, 0.0)
        return self.split(name, [(yes, 0.5 * chance), (1.0 - yes, 0.5 * (1.0 + chance))])


class Branching:
    """Unfolds periods of the customers of one world; which worlds: ``scenario.enumerable``.

    Args:
        scenario: The world.

    Attributes:
        blocked_by: Conditions that forbid each action, ``(n_actions,)``.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._probe = Probe(scenario)
        self.blocked_by = self._probe.rules.blocked_by
        self._columns = Columns(scenario)
        self._world = self._probe.rules.world[0]
        shares = [channel.visit_share for channel in scenario.channels]
        self._visit_shares = np.asarray(shares, dtype=np.float32).astype(np.float64)

    def unfold(self, before: Snapshot, actions: NDArray[np.int64]) -> Outcomes:
        """Everything that may happen to each customer who gets an action.

        Args:
            before: Customers, ``(n,)`` rows.
            actions: What each gets, allowed or not, ``(n,)``.
        """
        n = len(actions)
        lanes = _Lanes(np.arange(n), np.ones(n), {})
        odds = self._probe.live(ODDS, before, actions, {}, _ODDS).shown
        lanes = self._contact(lanes, odds)
        # what is bought, and who leaves, depends on what was noticed: look before choosing
        noticed = before.take(lanes.of), actions[lanes.of], lanes.luck
        lanes = self._purchase(lanes, odds, self._probe.live(EVENTS, *noticed, _LATER).shown)
        lanes = self._service(lanes, odds, before)
        start = before.take(lanes.of)
        self._columns.write(start, "patience", lanes.luck["patience"])
        lived = self._probe.live(WHOLE, start, actions[lanes.of], lanes.luck)
        costs = -lived.ledger[:, LINES.index("contact_cost")]
        after = rows_of_tiles(lived.state, len(lanes.of))
        return Outcomes(lanes.of, lanes.weight, lived.rewards, costs, after)

    def _contact(self, lanes: _Lanes, odds: dict[str, Floats]) -> _Lanes:
        lanes = lanes.happens("luck_notice", odds["p_notice"])
        for name, chance in (("luck_respond", "p_respond"), ("luck_opt_out", "p_opt_out")):
            noticed = lanes.luck["luck_notice"] < odds["p_notice"][lanes.of]
            lanes = lanes.happens(name, odds[chance][lanes.of], noticed)
        return lanes

    def _purchase(self, lanes: _Lanes, odds: dict[str, Floats], mid: dict[str, Floats]) -> _Lanes:
        """Buying; then leaving, after a purchase or at the end of the period."""
        leave = 1.0 - (np.float32(1.0) - mid["p_leave"].astype(np.float32)).astype(np.float64)
        lanes = lanes._replace(luck=lanes.luck | {"_buy": mid["p_buy"], "_leave": leave})
        lanes = lanes.happens("luck_buy", mid["p_buy"])
        bought = lanes.luck["luck_buy"] < lanes.luck["_buy"]
        dropout = np.where(bought, odds["p_dropout"][lanes.of], 0.0)
        stays = (1.0 - lanes.luck["_leave"]) * (1.0 - dropout)
        return lanes.split("patience", [(1.0 - stays, _GOES), (stays, _STAYS)])

    def _service(self, lanes: _Lanes, odds: dict[str, Floats], before: Snapshot) -> _Lanes:
        """Problems and their telling, needs, baskets and visits."""
        problem = self._columns.read(before, "problem") > 0.0
        alive = self._columns.read(before, "alive").astype(np.float64)
        world = self._world
        ends = np.float64(world.problem_end) * alive
        changes = np.where(problem, ends, odds["p_problem"])
        lanes = lanes.happens("luck_problem", changes[lanes.of])
        tells = np.full(len(lanes.of), np.float64(world.complain_probability))
        troubled = problem[lanes.of] | (world.problem_hazard > 0.0)
        lanes = lanes.happens("luck_complain", tells, troubled)
        here = lanes.luck["patience"] < _GOES
        lanes = lanes.happens("luck_arrival", odds["p_arrival"][lanes.of], here)
        quiet = (lanes.luck["patience"] < _GOES) & (lanes.luck["luck_buy"] >= lanes.luck["_buy"])
        lanes = lanes.happens("luck_basket", odds["p_basket"][lanes.of], quiet)
        here = lanes.luck["patience"] < _GOES
        visit, below = odds["p_visit"][lanes.of], 0.0
        ways: list[tuple[Any, Any]] = []
        for share in self._visit_shares:
            ways.append((np.where(here, share * visit, 0.0), (below + 0.5 * share) * visit))
            below += share
        nowhere = np.where(here, 1.0 - below * visit, 1.0)
        return lanes.split("luck_visit", [*ways, (nowhere, 0.5 * (1.0 + below * visit))])

"""Everything that can happen in one period, with its probability: real customers, chosen luck.

No equation is written a second time. The steps of a period (``customer/story.py``) run on a tile as
always, except that the luck on the worktable is not drawn but chosen, one lane for each combination
of events: half the probability makes an event happen, half of what is above it makes it fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import entry
from nba_gym.customer import places as hidden_half
from nba_gym.customer.arrays import Rules, State
from nba_gym.customer.draw import draw_events
from nba_gym.customer.live_on import live_on
from nba_gym.customer.look_up import look_up
from nba_gym.customer.population import Population
from nba_gym.customer.respond import respond
from nba_gym.engagement.rules import update_conditions
from nba_gym.lanes import LANES, Scratch
from nba_gym.records import places as visible_half
from nba_gym.records.history import update_history
from nba_gym.records.ledger import LINES, settle, write_ledger
from nba_gym.records.places import ACTION
from nba_gym.scenario.parameters import Array
from nba_gym.scenario.schema import Scenario
from nba_gym.truth.snapshot import Columns, Snapshot, rows_of_tiles, tiles_of_rows

Floats = NDArray[np.float64]
ODDS, EVENTS, WHOLE = 0, 1, 2
"""How far a period is lived: to the odds (step 3), the events (step 4) or its end (step 6)."""

_STAYS, _GOES = 1e-30, 1.0
"""Patience (21b) that outlasts every chance of staying above 1e-30, and one that outlasts none."""
_ONLY_NEED = 0


def _make_live(digest: str) -> Callable[..., None]:
    def live_tiles(
        until: int,
        actions: Array,
        luck: Array,
        luck_at: Array,
        shown: Array,
        shown_at: Array,
        ledger: Array,
        rewards: Array,
        state: State,
        rules: Rules,
        table: Array,
        purse: Array,
        tray: Array,
    ) -> None:
        _ = digest  # part of the cache key
        world, needs, channels = rules.world[0], rules.needs, rules.channels
        n_needs, n_channels, width = needs.shape[0], channels.shape[0], LANES
        n_lines = ledger.shape[0] // max(1, rewards.shape[0])
        for t in range(state.values.shape[0]):
            kept, born, bits = state.values[t], state.constants[t], state.bits[t]
            first = t * LANES
            for j in range(LANES):
                table[ACTION + j] = np.float32(actions[first + j])
            look_up(table, kept, born, rules.cards, rules.season_cards, tray, n_needs, width)
            respond(table, kept, born, rules.excitation, world, n_needs, width)
            if until >= EVENTS:
                for i in range(luck_at.shape[0]):
                    for j in range(LANES):
                        table[luck_at[i] + j] = luck[t, i, j]
                draw_events(
                    table,
                    purse,
                    kept,
                    born,
                    state.identity[t],
                    needs,
                    channels,
                    rules.spend_noise,
                    world,
                    n_needs,
                    n_channels,
                    width,
                )
            if until >= WHOLE:
                settle(table, purse, kept, needs, world, width)
                live_on(table, kept, born, world, n_needs, width)
                update_history(
                    table, purse, kept, bits, channels, world, n_needs, n_channels, width
                )
                update_conditions(
                    kept,
                    bits,
                    state.conditions[first : first + LANES],
                    channels,
                    rules.windows,
                    rules.shut,
                    world,
                    n_needs,
                    n_channels,
                    width,
                )
                write_ledger(purse, ledger[first * n_lines :], rewards[first:], LANES)
            for i in range(shown_at.shape[0]):
                for j in range(LANES):
                    shown[t, i, j] = table[shown_at[i] + j]

    return live_tiles


_live_tiles = entry(_make_live)


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
        self._rules = Population(scenario, 1, threads=1).rules
        self.blocked_by = self._rules.blocked_by
        self._columns = Columns(scenario)
        self._world = self._rules.world[0]
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
        odds = self._run(ODDS, before, actions, {}, _ODDS)[0]
        lanes = self._contact(lanes, odds)
        # what is bought, and who leaves, depends on what was noticed: look before choosing
        mid = self._run(EVENTS, before.take(lanes.of), actions[lanes.of], lanes.luck, _LATER)[0]
        lanes = self._purchase(lanes, odds, mid)
        lanes = self._service(lanes, odds, before)
        start, chosen = before.take(lanes.of), actions[lanes.of]
        self._columns.write(start, "patience", lanes.luck["patience"])
        _, state, ledger, rewards = self._run(WHOLE, start, chosen, lanes.luck, ())
        count = len(lanes.of)
        return Outcomes(
            lanes.of,
            lanes.weight,
            rewards[:count],
            -ledger.reshape(-1, len(LINES))[:count, LINES.index("contact_cost")],
            rows_of_tiles(state, count),
        )

    def odds(self, name: str, before: Snapshot, actions: NDArray[np.int64]) -> Floats:
        """One of the probabilities of step 3 by its name on the worktable, ``(n,)``."""
        return self._run(ODDS, before, actions, {}, (name,))[0][name]

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

    def _run(
        self,
        until: int,
        before: Snapshot,
        actions: NDArray[np.int64],
        luck: dict[str, Floats],
        names: Sequence[str],
    ) -> tuple[dict[str, Floats], State, Floats, Floats]:
        """Live a period as far as told.

        Returns:
            Quantities of the worktable by name, the tiles after it, ledger and rewards.
        """
        n, state, scratch = len(actions), tiles_of_rows(before), Scratch()
        lanes = len(state.conditions)
        chosen = [name for name in _LUCK if name in luck]
        lucks = np.full((len(chosen), lanes), 0.5, dtype=np.float32)
        for i, name in enumerate(chosen):
            lucks[i, :n] = luck[name]
        shown = np.zeros((lanes // LANES, len(names), LANES), dtype=np.float32)
        ledger, rewards = np.zeros(lanes * len(LINES)), np.zeros(lanes)
        _live_tiles(
            until,
            np.pad(actions, (0, lanes - n)),
            np.ascontiguousarray(lucks.reshape(len(chosen), len(shown), LANES).transpose(1, 0, 2)),
            np.array([_place(name) for name in chosen], dtype=np.int64),
            shown,
            np.array([_place(name) for name in names], dtype=np.int64),
            ledger,
            rewards,
            state,
            self._rules,
            scratch.table,
            scratch.purse,
            scratch.tray,
        )
        found = shown.transpose(1, 0, 2).reshape(len(names), lanes)[:, :n].astype(np.float64)
        return dict(zip(names, found, strict=True)), state, ledger, rewards


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
_LUCK = (
    "luck_notice",
    "luck_respond",
    "luck_opt_out",
    "luck_buy",
    "luck_problem",
    "luck_complain",
    "luck_arrival",
    "luck_basket",
    "luck_visit",
)


def _place(name: str) -> int:
    """Where a quantity lies on the worktable; one by need where it lies for the first need."""
    for book in (hidden_half.BOOK, hidden_half.NEEDS, visible_half.BOOK, visible_half.NEEDS):
        if name in book.places:
            return book.places[name].absolute(1, 0)[_ONLY_NEED]
    raise KeyError(name)

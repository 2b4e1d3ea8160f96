"""Live a period of real customers with chosen luck, as far as asked, and read the worktable.

The steps are those of ``customer/story.py``, in their order; no equation is written a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import entry, sequence
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
from nba_gym.truth.snapshot import Snapshot, tiles_of_rows

Floats = NDArray[np.float64]
ODDS, EVENTS, WHOLE = 0, 1, 2
"""How far a period is lived: to the odds (step 3), the events (step 4) or its end (step 6)."""
N_LINES = len(LINES)


@sequence
def _draw(t: int, table: Array, purse: Array, state: State, rules: Rules) -> None:
    """Step 4, with the luck that lies on the worktable."""
    draw_events(
        table,
        purse,
        state.values[t],
        state.constants[t],
        state.identity[t],
        rules.needs,
        rules.channels,
        rules.spend_noise,
        rules.world[0],
        rules.needs.shape[0],
        rules.channels.shape[0],
        LANES,
    )


@sequence
def _move_on(t: int, table: Array, purse: Array, state: State, rules: Rules) -> None:
    """Steps 5 and 6, and the rules that are broken after them."""
    kept, born, bits = state.values[t], state.constants[t], state.bits[t]
    world, channels = rules.world[0], rules.channels
    n_needs, n_channels = rules.needs.shape[0], channels.shape[0]
    settle(table, purse, kept, rules.needs, world, LANES)
    live_on(table, kept, born, world, n_needs, LANES)
    update_history(
        table, purse, kept, bits, channels, rules.needs, world, n_needs, n_channels, LANES
    )
    update_conditions(
        kept,
        bits,
        state.conditions[t * LANES : (t + 1) * LANES],
        channels,
        rules.needs,
        rules.windows,
        rules.shut,
        world,
        n_needs,
        n_channels,
        LANES,
    )


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
        world, n_needs = rules.world[0], rules.needs.shape[0]
        for t in range(state.values.shape[0]):
            kept, born, first = state.values[t], state.constants[t], t * LANES
            for j in range(LANES):
                table[ACTION + j] = np.float32(actions[first + j])
            look_up(table, kept, born, rules.cards, rules.season_cards, tray, n_needs, LANES)
            respond(table, kept, born, rules.excitation, rules.needs, world, n_needs, LANES)
            for i in range(luck_at.shape[0]):
                for j in range(LANES):
                    table[luck_at[i] + j] = luck[t, i, j]
            if until >= EVENTS:
                _draw(t, table, purse, state, rules)
            if until >= WHOLE:
                _move_on(t, table, purse, state, rules)
                write_ledger(purse, ledger[first * N_LINES :], rewards[first:], LANES)
            for i in range(shown_at.shape[0]):
                for j in range(LANES):
                    shown[t, i, j] = table[shown_at[i] + j]

    return live_tiles


_live_tiles = entry(_make_live)


class Lived(NamedTuple):
    """What became of some customers.

    Attributes:
        shown: What was asked for of the worktable, by name, ``(n,)`` each.
        state: The customers after it, in tiles.
        ledger: Lines of the ledger, ``(n, N_LINES)``; zeros unless the period was lived whole.
        rewards: Their sums, ``(n,)``.
    """

    shown: dict[str, Floats]
    state: State
    ledger: Floats
    rewards: Floats


class Probe:
    """Lives periods of one world with chosen luck.

    Args:
        scenario: The world.

    Attributes:
        rules: The world as arrays.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.rules = Population(scenario, 1, threads=1).rules

    def live(
        self,
        until: int,
        before: Snapshot,
        actions: NDArray[np.int64],
        luck: dict[str, Floats],
        names: Sequence[str] = (),
    ) -> Lived:
        """Live a period.

        Args:
            until: ``ODDS``, ``EVENTS`` or ``WHOLE``.
            before: The customers, ``(n,)`` rows; they are not changed.
            actions: What each gets, allowed or not, ``(n,)``.
            luck: Chosen luck by its name on the worktable, ``(n,)`` each; 1/2 elsewhere.
            names: What to show of the worktable.
        """
        n, state, scratch = len(actions), tiles_of_rows(before), Scratch()
        lanes = len(state.conditions)
        lucks = np.full((len(LUCK), lanes), 0.5, dtype=np.float32)
        for i, name in enumerate(LUCK):
            if name in luck:
                lucks[i, :n] = luck[name]
        shown = np.zeros((lanes // LANES, len(names), LANES), dtype=np.float32)
        ledger, rewards = np.zeros(lanes * N_LINES), np.zeros(lanes)
        _live_tiles(
            until,
            np.pad(actions, (0, lanes - n)),
            np.ascontiguousarray(lucks.reshape(len(LUCK), -1, LANES).transpose(1, 0, 2)),
            _LUCK_AT,
            shown,
            np.array([_place(name) for name in names], dtype=np.int64),
            ledger,
            rewards,
            state,
            self.rules,
            scratch.table,
            scratch.purse,
            scratch.tray,
        )
        found = shown.transpose(1, 0, 2).reshape(len(names), lanes)[:, :n].astype(np.float64)
        lines = ledger.reshape(lanes, N_LINES)[:n]
        return Lived(dict(zip(names, found, strict=True)), state, lines, rewards[:n])


def _place(name: str) -> int:
    """Where a quantity lies on the worktable; one by need where it lies for the first need."""
    for book in (hidden_half.BOOK, hidden_half.NEEDS, visible_half.BOOK, visible_half.NEEDS):
        if name in book.places:
            return book.places[name].absolute(1, 0)[0]
    raise KeyError(name)


LUCK = (
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
"""Luck that can be chosen. That of buyers, and of who is helped or answers, is drawn as always."""
_LUCK_AT = np.array([_place(name) for name in LUCK], dtype=np.int64)

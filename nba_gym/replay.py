"""Replay an event log: the same history, observations, masks and rewards as in the simulation.

Only records, ledger and engagement rules are at work here, the very functions the simulation uses;
the hidden half is not even loaded. So a real firm's log goes through the code that the agent was
trained on, and training and serving cannot disagree on a feature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import entry
from nba_gym.engagement.rules import compile_rules, update_conditions, write_masks
from nba_gym.lanes import LANES, Array, Scratch, rows_of
from nba_gym.records.catalogue import action_cards, look_up_records
from nba_gym.records.events import BIRTH_EVENTS, event_places
from nba_gym.records.features import feature_table, observe_history
from nba_gym.records.history import begin_history, update_history
from nba_gym.records.ledger import LINES, settle, write_ledger
from nba_gym.records.log import EventLog, check_log
from nba_gym.scenario.parameters import pack
from nba_gym.scenario.schema import Scenario
from nba_gym.turning import read_events, write_rows

_N_LINES = len(LINES)


class Replayed(NamedTuple):
    """What the records say at the beginning of each period, and what each period earned.

    Attributes:
        observations: ``(periods + 1, n, n_features)`` float32; the first is at acquisition.
        masks: ``(periods + 1, n, n_actions)`` int8.
        ledger: ``(periods, n, n_lines)``.
        rewards: ``(periods, n)``.
    """

    observations: NDArray[np.float32]
    masks: NDArray[np.int8]
    ledger: NDArray[np.float64]
    rewards: NDArray[np.float64]


class Tables(NamedTuple):
    """The scenario as arrays, as far as records and rules need it."""

    world: Array
    cards: Array
    channels: Array
    needs: Array
    waves: Array
    blocked_padded: Array
    windows: Array
    shut: Array
    births: Array
    events: Array
    features: Array

    @staticmethod
    def of(scenario: Scenario) -> Tables:
        """The tables of a scenario."""
        world, book = pack(scenario), compile_rules(scenario)

        def whole(values: Any) -> NDArray[np.int64]:
            return np.array(values, dtype=np.int64)

        return Tables(
            world=world.world,
            cards=action_cards(world.actions),
            channels=world.channels,
            needs=world.needs,
            waves=world.waves,
            blocked_padded=book.padded,
            windows=book.windows,
            shut=book.shut,
            births=whole(event_places(scenario, BIRTH_EVENTS)),
            events=whole(event_places(scenario)),
            features=whole([place for _, place in feature_table(scenario)]),
        )


class Room(NamedTuple):
    """Where one tile of customers is worked on."""

    kept: Array
    bits: Array
    conditions: Array
    table: Array
    purse: Array
    shown: Array
    tray: Array

    @staticmethod
    def of(scenario: Scenario) -> Room:
        """Room for the customers of a scenario."""
        k, c, scratch = scenario.n_needs, scenario.n_channels, Scratch()
        return Room(
            np.zeros(rows_of("kept", k, c) * LANES, dtype=np.float32),
            np.zeros(rows_of("bits", k, c) * LANES, dtype=np.uint32),
            np.zeros(LANES, dtype=np.uint64),
            scratch.table,
            scratch.purse,
            scratch.view,
            scratch.tray,
        )


def _make_replay(digest: str) -> Callable[..., None]:
    def replay_tiles(
        births: Array,
        events: Array,
        tables: Tables,
        out: Replayed,
        room: Room,
    ) -> None:
        _ = digest  # part of the cache key
        world, channels, table, purse = tables.world[0], tables.channels, room.table, room.purse
        kept, bits, conditions = room.kept, room.bits, room.conditions
        ledger, rewards = out.ledger.reshape(-1), out.rewards.reshape(-1)
        n, n_needs, n_channels = births.shape[0], tables.needs.shape[0], channels.shape[0]
        n_actions = out.masks.shape[2]
        for t in range(-(-n // LANES)):
            first = t * LANES
            count = min(LANES, n - first)
            read_events(births, tables.births, table, purse, first, count)
            for j in range(LANES):
                begin_history(table, kept, bits, world, j, n_needs, n_channels)
            for period in range(events.shape[0] + 1):
                if period > 0:
                    read_events(events[period - 1], tables.events, table, purse, first, count)
                    look_up_records(table, tables.cards, room.tray, n_needs, LANES)
                    settle(table, purse, kept, tables.needs, world, LANES)
                    at = (period - 1) * n + first
                    write_ledger(purse, ledger[at * _N_LINES :], rewards[at:], count)
                    update_history(
                        table,
                        purse,
                        kept,
                        bits,
                        channels,
                        tables.needs,
                        world,
                        n_needs,
                        n_channels,
                        LANES,
                    )
                observe_history(
                    kept,
                    bits,
                    room.shown,
                    channels,
                    tables.waves,
                    world,
                    n_needs,
                    n_channels,
                    LANES,
                )
                update_conditions(
                    kept,
                    bits,
                    conditions,
                    channels,
                    tables.needs,
                    tables.windows,
                    tables.shut,
                    world,
                    n_needs,
                    n_channels,
                    LANES,
                )
                write_rows(room.shown, tables.features, out.observations[period], first, count)
                masks = out.masks[period].reshape(-1)[first * n_actions :]
                write_masks(conditions, tables.blocked_padded, masks, n_actions, count)

    return replay_tiles


_replay_tiles = entry(_make_replay)


def replay(log: EventLog, scenario: Scenario) -> Replayed:
    """Rebuild observations, masks and money from an event log.

    Args:
        log: Birth records and events of some customers.
        scenario: The world whose catalogue, rules and money apply.

    Returns:
        The same numbers, to the bit, that the simulation gave when the log was written.

    Raises:
        DataError: If the log cannot have come about in this world.
    """
    check_log(log, scenario)
    tables = Tables.of(scenario)
    periods, n = log.events.shape[0], len(log.customers)
    out = Replayed(
        observations=np.empty((periods + 1, n, len(tables.features)), dtype=np.float32),
        masks=np.empty((periods + 1, n, scenario.n_actions), dtype=np.int8),
        ledger=np.empty((periods, n, _N_LINES)),
        rewards=np.empty((periods, n)),
    )
    _replay_tiles(log.births, log.events, tables, out, Room.of(scenario))
    return out

"""Fold events into histories, customer by customer, with the functions that the simulator uses.

A history lies in one row a customer, so that it can be kept between calls; for the equations it is
laid out on a tile as in the simulation. Customers of a tile may have lived different numbers of
periods: each is copied back when its own last period is over.
"""

from __future__ import annotations

from collections.abc import Callable

from nba_gym.compiled import entry, scalar
from nba_gym.engagement.rules import update_conditions, write_masks
from nba_gym.lanes import LANES, Array, lanes_for
from nba_gym.records.catalogue import look_up_records
from nba_gym.records.features import observe_history
from nba_gym.records.history import begin_history, update_history
from nba_gym.replay import Room, Tables
from nba_gym.turning import lay_ragged, read_events, write_rows


@scalar
def lay_out(rows: Array, sheet: Array, first: int, count: int) -> None:
    """Rows of customers onto a tile; lanes that nobody has are 0."""
    for r in range(rows.shape[1]):
        for j in range(LANES):
            sheet[r * LANES + j] = rows[first + j, r] if j < count else 0


@scalar
def take_back(sheet: Array, rows: Array, first: int, j: int) -> None:
    """One lane of a tile into the row of its customer."""
    for r in range(rows.shape[1]):
        rows[first + j, r] = sheet[r * LANES + j]


def _make_fold(digest: str) -> Callable[..., None]:
    def fold_tiles(
        births: Array,
        born: Array,
        events: Array,
        ends: Array,
        tables: Tables,
        room: Room,
        kept: Array,
        bits: Array,
    ) -> None:
        _ = digest  # part of the cache key
        world, channels, table, purse = tables.world[0], tables.channels, room.table, room.purse
        n, n_needs, n_channels = kept.shape[0], tables.needs.shape[0], channels.shape[0]
        for t in range(-(-n // LANES)):
            first = t * LANES
            count = min(LANES, n - first)
            width = lanes_for(count)
            lay_out(kept, room.kept, first, count)
            lay_out(bits, room.bits, first, count)
            read_events(births, tables.births, table, purse, first, count)
            longest = 0
            for j in range(count):
                if born[first + j]:
                    begin_history(table, room.kept, room.bits, world, j, n_needs, n_channels)
                lived = ends[first + j + 1] - ends[first + j]
                longest = max(longest, lived)
                if lived == 0:
                    take_back(room.kept, kept, first, j)
                    take_back(room.bits, bits, first, j)
            for period in range(longest):
                lay_ragged(events, ends, period, tables.events, table, purse, first, count)
                look_up_records(table, tables.cards, room.tray, n_needs, width)
                update_history(
                    table,
                    purse,
                    room.kept,
                    room.bits,
                    channels,
                    tables.needs,
                    world,
                    n_needs,
                    n_channels,
                    width,
                )
                for j in range(count):
                    if ends[first + j + 1] - ends[first + j] == period + 1:
                        take_back(room.kept, kept, first, j)
                        take_back(room.bits, bits, first, j)

    return fold_tiles


fold_tiles = entry(_make_fold)
"""Fold events into histories.

Args:
    births: Birth records, ``(n, n_birth_columns)``; read where ``born``.
    born: Whether a history begins now, ``(n,)`` bool.
    events: Events of all customers, one customer after the other, ``(rows, n_columns)`` float64.
    ends: Where the rows of each begin, and where the last end, ``(n + 1,)`` int64.
    tables: The scenario.
    room: Where to work.
    kept: Histories, ``(n, n_kept)`` float32; changed.
    bits: Histories of yes and no, ``(n, n_bits)`` uint32; changed.
"""


def _make_look(digest: str) -> Callable[..., None]:
    def look_tiles(
        kept: Array,
        bits: Array,
        tables: Tables,
        room: Room,
        observations: Array,
        masks: Array,
        conditions: Array,
    ) -> None:
        _ = digest  # part of the cache key
        world, channels = tables.world[0], tables.channels
        n, n_needs, n_channels = kept.shape[0], tables.needs.shape[0], channels.shape[0]
        n_actions, flat = masks.shape[1], masks.reshape(-1)
        for t in range(-(-n // LANES)):
            first = t * LANES
            count = min(LANES, n - first)
            width = lanes_for(count)
            lay_out(kept, room.kept, first, count)
            lay_out(bits, room.bits, first, count)
            observe_history(
                room.kept,
                room.bits,
                room.shown,
                channels,
                tables.waves,
                world,
                n_needs,
                n_channels,
                width,
            )
            update_conditions(
                room.kept,
                room.bits,
                room.conditions,
                channels,
                tables.needs,
                tables.windows,
                tables.shut,
                world,
                n_needs,
                n_channels,
                width,
            )
            write_rows(room.shown, tables.features, observations, first, count)
            write_masks(
                room.conditions, tables.blocked_padded, flat[first * n_actions :], n_actions, count
            )
            for j in range(count):
                conditions[first + j] = room.conditions[j]

    return look_tiles


look_tiles = entry(_make_look)
"""What the histories show, and which actions are allowed.

Args:
    kept: Histories, ``(n, n_kept)``.
    bits: Histories of yes and no, ``(n, n_bits)``.
    tables: The scenario.
    room: Where to work.
    observations: Written, ``(n, n_features)`` float32.
    masks: Written, ``(n, n_actions)`` int8.
    conditions: Written, broken rules as bits, ``(n,)`` uint64.
"""

"""The compiled loop over tiles: live one period, end journeys, observe.

The state of the customers is kept in tiles (``(n_tiles, quantities * LANES)``, single precision),
so a tile is one contiguous piece of memory. Every customer is computed in the same way whether they
are alone or among a million: lanes that nobody uses are computed too and thrown away.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from nba_gym.compiled import address_of, call_at, entry, line_on, scalar, sequence, stage
from nba_gym.customer.arrays import (
    SLOT,
    Outcome,
    Rules,
    State,
    open_outcome,
    open_rules,
    open_scratch,
    open_state,
)
from nba_gym.customer.luck import CUSTOMER_ROW, SEED_ROW
from nba_gym.customer.story import live_one_period, observe
from nba_gym.customer.traits import draw_birth
from nba_gym.engagement.rules import write_masks
from nba_gym.fetching import clear_order, fetch_some, order
from nba_gym.lanes import LANES, STEP, lanes_for, row, used
from nba_gym.records.history import begin_history
from nba_gym.records.ledger import LINES, write_ledger
from nba_gym.records.places import ACTION, CANCELLED, TENURE
from nba_gym.scenario.parameters import Array
from nba_gym.sharing import (
    LEADER,
    NO_PART,
    TASK,
    await_job,
    await_parts,
    finish_part,
    post,
    take_part,
)
from nba_gym.turning import write_events, write_observations

__all__ = ["DISABLED", "NEXT_STEP", "SAME_STEP", "Outcome", "Rules", "State"]

N_LINES = len(LINES)
_ZERO = np.uint64(0)

DISABLED, NEXT_STEP, SAME_STEP = 0, 1, 2
"""What a step does with journeys that end: nothing, begin anew in the next step, or at once."""
BEGIN = 3
"""Instead of a step: let customers be born, and observe everybody."""

PARTS_EACH, MOST_TILES = 4, 128
"""Several threads get so many parts each, of so many tiles at most. A part begins with a tile that
nobody asked memory for."""
_NUMBERS = 5 * SLOT
TASK_WORDS = _NUMBERS + 5
"""Words of a task: five arrays (begun anew, chosen, rules, state, outcome) and five numbers."""


class Tile(NamedTuple):
    """A tile of customers, or a group of its lanes, and what they are worked on with.

    Attributes:
        first: Place of the first customer among all.
        customers: How many, at most ``LANES``.
        width: Lanes to compute, see ``lanes_for``.
        kept: State and history, worked on where they are stored.
        born: Traits.
        bits: Bit histories.
        identity: Seeds and customer numbers.
        conditions: Broken rules.
        table: Worktable.
        seen: Features.
        purse: Money of the period.
        tray: Scratch.
        sheet: Scratch.
        cradle: Scratch.
        ahead: Memory of the next tile, to be asked for little by little.
    """

    first: int
    customers: int
    width: int
    kept: Array
    born: Array
    bits: Array
    identity: Array
    conditions: Array
    table: Array
    purse: Array
    seen: Array
    tray: Array
    sheet: Array
    cradle: Array
    ahead: Array


@scalar
def _open_tile(t: int, n: int, state: State, scratch_at: Array) -> Tile:
    first = t * LANES
    count = min(LANES, n - first)
    table, purse, view, tray, sheet, cradle, ahead = open_scratch(scratch_at)
    return Tile(
        first,
        count,
        lanes_for(count),
        state.values[t],
        state.constants[t],
        state.bits[t],
        state.identity[t],
        state.conditions[first : first + LANES],
        table,
        purse,
        view,
        tray,
        sheet,
        cradle,
        ahead,
    )


@scalar
def _group(tile: Tile, at: int) -> Tile:
    """The ``STEP`` lanes from ``at`` on as a tile of their own."""
    return Tile(
        tile.first + at,
        min(STEP, tile.customers - at),
        STEP,
        tile.kept[at:],
        tile.born[at:],
        tile.bits[at:],
        tile.identity[at:],
        tile.conditions[at:],
        tile.table[at:],
        tile.purse[at:],
        tile.seen[at:],
        tile.tray,
        tile.sheet,
        tile.cradle,
        tile.ahead,
    )


@scalar
def _order_rows(ahead: Array, desk: Array, slot: int, first: int, count: int, width: int) -> None:
    """Order rows of array ``slot``, each ``width`` bytes."""
    order(ahead, desk[SLOT * slot] + first * width, count * width)


@stage
def _order_tile(
    ahead: Array,
    t: int,
    last: int,
    n: int,
    n_features: int,
    n_actions: int,
    state_at: Array,
    out_at: Array,
) -> None:
    """Order the memory of tile ``t``, unless it is the ``last``."""
    clear_order(ahead)
    if t < last:
        first = t * LANES
        count = min(LANES, n - first)
        _order_rows(ahead, state_at, 3, t, 1, 2 * LANES * 8)
        _order_rows(ahead, state_at, 4, first, LANES, 8)
        for slot in range(3):
            _order_rows(ahead, state_at, slot, t, 1, state_at[SLOT * slot + 2] * 4)
        _order_rows(ahead, out_at, 2, first, count, N_LINES * 8)
        _order_rows(ahead, out_at, 3, first, count, 8)
        _order_rows(ahead, out_at, 0, first, count, n_features * 4)
        _order_rows(ahead, out_at, 1, first, count, n_actions)


@stage
def _decide(
    chosen: Array,
    conditions: Array,
    blocked_by: Array,
    table: Array,
    forbidden: Array,
    count: int,
    width: int,
) -> None:
    """Put the chosen actions on the worktable; a forbidden one becomes waiting."""
    for j in range(used(width)):
        table[ACTION + j] = 0.0
    for j in range(count):
        a = chosen[j]
        blocked = (conditions[j] & blocked_by[np.uint64(a)]) != _ZERO
        forbidden[j] = blocked
        table[ACTION + j] = 0.0 if blocked else np.float32(a)


@stage
def _report_ends(
    table: Array, kept: Array, horizon: float, terminated: Array, truncated: Array, count: int
) -> int:
    """Say whose journey is over; returns how many are."""
    ended = 0
    for j in range(count):
        gone = table[CANCELLED + j] > 0.0
        late = kept[TENURE + j] >= horizon
        terminated[j] = gone
        truncated[j] = late and not gone
        ended += 1 if gone or late else 0
    return ended


@stage
def _show_hidden(stored: Array, places: Array, view: Array, width: int) -> None:
    """Copy rows of the hidden half among the features."""
    for q in range(places.shape[0]):
        source, shown = row(stored, places[q, 0]), row(view, places[q, 1])
        for j in range(used(width)):
            shown[j] = source[j]


@stage
def _write_final(
    view: Array,
    conditions: Array,
    features: Array,
    blocked_by: Array,
    observation: Array,
    mask: Array,
    j: int,
) -> None:
    """Report the last observation and mask of lane ``j``."""
    word = conditions[j]
    for f in range(features.shape[0]):
        observation[f] = view[features[f] + j]
    for a in range(blocked_by.shape[0]):
        mask[a] = (word & blocked_by[a]) == _ZERO


@sequence
def _clear_row(i: int, out: Outcome) -> None:
    """Report nothing for a customer who was only begun anew (NEXT_STEP autoreset)."""
    out.ledger[i, :] = 0.0
    out.rewards[i] = 0.0
    out.terminated[i] = False
    out.truncated[i] = False
    out.forbidden[i] = False


@sequence
def _observe_tile(tile: Tile, rules: Rules) -> None:
    """Write the features and the broken rules of a tile."""
    kept, born, view, width = tile.kept, tile.born, tile.seen, tile.width
    n_needs, n_channels = rules.needs.shape[0], rules.channels.shape[0]
    world = rules.world[0]
    observe(kept, tile.bits, tile.conditions, view, rules, world, n_needs, n_channels, width)
    _show_hidden(kept, rules.hidden_kept, view, width)
    _show_hidden(born, rules.hidden_born, view, width)


@sequence
def _begin_lane(tile: Tile, j: int, state: State, rules: Rules) -> None:
    """Let the customer named in the identity of lane ``j`` be born."""
    n_needs, n_channels = rules.needs.shape[0], rules.channels.shape[0]
    draw_birth(
        tile.table,
        tile.kept,
        tile.born,
        tile.cradle,
        j,
        tile.identity[SEED_ROW + j],
        tile.identity[CUSTOMER_ROW + j],
        rules.personas,
        rules.traits,
        rules.links,
        rules.channels,
        rules.world[0],
        n_needs,
        n_channels,
    )
    begin_history(tile.table, tile.kept, tile.bits, rules.world[0], j, n_needs, n_channels)
    state.ended[tile.first + j] = 0


@scalar
def _begin_marked(tile: Tile, newborn: Array, state: State, rules: Rules) -> None:
    """Let the customers marked in ``newborn`` be born."""
    for j in range(tile.customers):
        if newborn[tile.first + j]:
            _begin_lane(tile, j, state, rules)


@scalar
def _treat_ends(tile: Tile, n: int, mode: int, state: State, rules: Rules, out: Outcome) -> None:
    """Treat the journeys of a tile that ended: what ``mode`` says.

    SAME_STEP: report the last of each and begin the next customer's. NEXT_STEP: note who ended now,
    begin anew where a journey had ended before. DISABLED: only note.
    """
    for j in range(tile.customers):
        i = tile.first + j
        over = out.terminated[i] or out.truncated[i]
        again = over if mode == SAME_STEP else mode == NEXT_STEP and state.ended[i] > 0
        if over and mode == SAME_STEP:
            at = j // STEP * STEP
            _observe_tile(_group(tile, at), rules)
            _write_final(
                tile.seen,
                tile.conditions,
                rules.features,
                rules.blocked_by,
                out.final_observations[i],
                out.final_masks[i],
                j,
            )
        if again:
            tile.identity[CUSTOMER_ROW + j] += np.uint64(n)
            _begin_lane(tile, j, state, rules)
            if mode == NEXT_STEP:
                _clear_row(i, out)
        elif over:
            state.ended[i] = 1


@scalar
def _live_tile(
    tile: Tile, n: int, mode: int, chosen: Array, state: State, rules: Rules, out: Outcome
) -> None:
    """Live one period, report it, and treat journeys that end."""
    first, count, width = tile.first, tile.customers, tile.width
    table, kept, world = tile.table, tile.kept, rules.world[0]
    n_needs, n_channels = rules.needs.shape[0], rules.channels.shape[0]
    forbidden = out.forbidden[first:]
    _decide(chosen[first:], tile.conditions, rules.blocked_by, table, forbidden, count, width)
    live_one_period(
        tile.ahead,
        table,
        tile.purse,
        tile.tray,
        kept,
        tile.born,
        tile.bits,
        tile.identity,
        rules,
        world,
        n_needs,
        n_channels,
        width,
    )
    write_ledger(tile.purse, out.ledger.reshape(-1)[first * N_LINES :], out.rewards[first:], count)
    fetch_some(tile.ahead)
    terminated, truncated = out.terminated[first:], out.truncated[first:]
    ended = _report_ends(table, kept, world.horizon, terminated, truncated, count)
    if out.events.shape[0] > 0:
        write_events(table, tile.purse, rules.event_offsets, out.events, first, count)
    if ended > 0 or mode == NEXT_STEP:
        _treat_ends(tile, n, mode, state, rules, out)


@scalar
def _show_tile(tile: Tile, rules: Rules, out: Outcome) -> None:
    """Write the observations and masks of a tile."""
    _observe_tile(tile, rules)
    fetch_some(tile.ahead)
    n_actions = rules.blocked_by.shape[0]
    places, rows, first = rules.features, out.observations, tile.first
    write_observations(tile.seen, places, tile.sheet, rows, first, tile.customers, tile.width)
    fetch_some(tile.ahead)
    masks = out.masks.reshape(-1)[first * n_actions :]
    write_masks(tile.conditions, rules.blocked_padded, masks, n_actions, tile.customers)


def _make_run(digest: str) -> Callable[..., None]:
    def run_tiles(
        first: int,
        last: int,
        n: int,
        mode: int,
        newborn: Array,
        chosen: Array,
        rules_at: Array,
        state_at: Array,
        out_at: Array,
        scratch_at: Array,
    ) -> None:
        _ = digest  # part of the cache key
        rules, state, out = open_rules(rules_at), open_state(state_at), open_outcome(out_at)
        n_features, n_actions = rules.features.shape[0], rules.blocked_by.shape[0]
        for t in range(first, last):
            tile = _open_tile(t, n, state, scratch_at)
            _order_tile(tile.ahead, t + 1, last, n, n_features, n_actions, state_at, out_at)
            if mode == BEGIN:
                _begin_marked(tile, newborn, state, rules)
            else:
                _live_tile(tile, n, mode, chosen, state, rules, out)
            _show_tile(tile, rules, out)

    return run_tiles


@cache
def run_tiles_at() -> Any:
    """Where the code that runs tiles lies in this process; compiled the first time."""
    desk, marks = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
    return address_of(entry(_make_run), 0, 0, 0, 0, marks, desk, desk, desk, desk, desk)


@scalar
def _lay_out(task: Array, slot: int, array: Array) -> None:
    task[SLOT * slot], task[SLOT * slot + 1] = array.ctypes.data, array.shape[0]


def _make_post(digest: str) -> Callable[..., None]:
    def post_tiles(
        board: Array,
        threads: int,
        n: int,
        mode: int,
        newborn: Array,
        chosen: Array,
        rules_at: Array,
        state_at: Array,
        out_at: Array,
    ) -> None:
        _ = digest  # part of the cache key
        task = board[TASK:]
        _lay_out(task, 0, newborn)
        _lay_out(task, 1, chosen)
        _lay_out(task, 2, rules_at)
        _lay_out(task, 3, state_at)
        _lay_out(task, 4, out_at)
        n_tiles = (n + LANES - 1) // LANES
        share = n_tiles
        if threads > 1:
            share = min(MOST_TILES, max(1, n_tiles // (threads * PARTS_EACH)))
        parts = (n_tiles + share - 1) // share
        numbers = task[_NUMBERS:]
        numbers[0], numbers[1], numbers[2], numbers[3], numbers[4] = n, mode, n_tiles, share, parts
        post(board, parts)

    return post_tiles


post_tiles = entry(_make_post)
"""Post the tiles of all customers as a job; nobody may be at work on another."""


def _make_take(digest: str) -> Callable[..., int]:
    def take_tiles(run_at: Any, board: Array, known: int, scratch_at: Array) -> int:
        _ = digest  # part of the cache key
        task = board[TASK:]
        numbers = task[_NUMBERS:]
        job = await_job(board, known)
        while job != known:
            part = take_part(board, job)
            while part != NO_PART:  # from here on the task stays what it is until the part is done
                n, mode, n_tiles = numbers[0], numbers[1], numbers[2]
                share, parts = numbers[3], numbers[4]
                first = (parts - 1 - part) * share
                newborn, chosen = line_on(task, 0, np.bool_), line_on(task, 1, np.int64)
                rules_at, state_at = line_on(task, 2, np.int64), line_on(task, 3, np.int64)
                out_at, last = line_on(task, 4, np.int64), min(first + share, n_tiles)
                desks = (newborn, chosen, rules_at, state_at, out_at, scratch_at)
                call_at(run_at, (first, last, n, mode, *desks))
                finish_part(board)
                part = take_part(board, job)
            if known == LEADER:
                return job if await_parts(board, numbers[4]) else LEADER
            known, job = job, await_job(board, job)
        return known

    return take_tiles


take_tiles = entry(_make_take)
"""Take parts of the job that is posted, and of all that follow until none comes for a while.

``known`` is the number of the last job that a helper knows, and what is returned is that of the
last it saw. ``LEADER`` in its place takes part in one job only, and is returned again as long as
others still have parts of it in hand.
"""

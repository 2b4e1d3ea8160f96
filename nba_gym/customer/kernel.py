"""The compiled loop over tiles: load, live one period, end journeys, observe, store.

The state of the customers is kept in tiles (``(n_tiles, quantities * LANES)``, single precision),
so a tile is one contiguous piece of memory. Every customer is computed in the same way whether they
are alone or among a million: lanes that nobody uses are computed too and thrown away.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nba_gym.compiled import entry, fetch_to_write, scalar, sequence, stage
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
from nba_gym.lanes import LANES, lanes_for, used
from nba_gym.records.history import begin_history
from nba_gym.records.ledger import LINES, write_ledger
from nba_gym.records.places import ACTION, CANCELLED, CONDITIONS, TENURE
from nba_gym.scenario.parameters import Array
from nba_gym.turning import write_observations, write_rows

__all__ = ["DISABLED", "NEXT_STEP", "SAME_STEP", "Outcome", "Rules", "State"]

N_LINES = len(LINES)
_ZERO = np.uint64(0)

DISABLED, NEXT_STEP, SAME_STEP = 0, 1, 2
"""What a step does with journeys that end: nothing, begin anew in the next step, or at once."""
BEGIN = 3
"""Instead of a step: let customers be born, and observe everybody."""


@stage
def _load(kept: Array, runs: Array, table: Array) -> None:
    for r in range(runs.shape[0]):
        rows = table[runs[r, 0] : runs[r, 0] + runs[r, 2]]
        stored = kept[runs[r, 1] : runs[r, 1] + runs[r, 2]]
        for i in range(stored.shape[0]):
            rows[i] = stored[i]


@stage
def _store(kept: Array, runs: Array, table: Array) -> None:
    for r in range(runs.shape[0]):
        rows = table[runs[r, 0] : runs[r, 0] + runs[r, 2]]
        stored = kept[runs[r, 1] : runs[r, 1] + runs[r, 2]]
        for i in range(stored.shape[0]):
            stored[i] = rows[i]
        for i in range(stored.shape[0]):
            rows[i] = stored[i]


@sequence
def load_tile(t: int, state: State, rules: Rules, table: Array, words: Array) -> None:
    """Copy the stored quantities of tile ``t`` onto the worktable."""
    _load(state.values[t], rules.runs, table)
    _load(state.constants[t], rules.constant_runs, table)
    _load(state.bits[t], rules.bit_run, words)


@sequence
def store_tile(t: int, state: State, rules: Rules, table: Array, words: Array) -> None:
    """Copy what may have changed in tile ``t`` from the worktable back.

    The worktable then shows what was kept, in single precision: what is observed now is what would
    be observed from the stored state, or from a replayed log.
    """
    _store(state.values[t], rules.runs, table)
    _store(state.bits[t], rules.bit_run, words)


@sequence
def _begin_lane(
    t: int, j: int, state: State, rules: Rules, table: Array, words: Array, tray: Array
) -> None:
    """Let the customer named in the identity of lane ``j`` be born."""
    n_needs, n_channels = rules.needs.shape[0], rules.channels.shape[0]
    draw_birth(
        table,
        tray,
        j,
        state.identity[t, SEED_ROW + j],
        state.identity[t, CUSTOMER_ROW + j],
        rules.personas,
        rules.traits,
        rules.links,
        rules.channels,
        rules.world[0],
        n_needs,
        n_channels,
    )
    begin_history(table, words, j, n_needs, n_channels)
    state.ended[t * LANES + j] = 0


@scalar
def _fetch_rows(desk: Array, slot: int, first: int, count: int, width: int) -> None:
    """Ask for rows of array ``slot`` to write, each ``width`` bytes."""
    fetch_to_write(desk[SLOT * slot] + first * width, count * width)


@stage
def _fetch_tile(
    t: int, n: int, n_features: int, n_actions: int, state_at: Array, out_at: Array
) -> None:
    """Ask for the memory of tile ``t``, so that it is near by the time it is needed."""
    first = t * LANES
    count = min(LANES, n - first)
    for slot in range(2):
        _fetch_rows(state_at, slot, t, 1, state_at[SLOT * slot + 2] * 4)
    _fetch_rows(state_at, 2, t, 1, state_at[SLOT * 2 + 2] * 4)
    _fetch_rows(state_at, 3, t, 1, 2 * LANES * 8)
    _fetch_rows(state_at, 4, first, LANES, 8)
    _fetch_rows(out_at, 0, first, count, n_features * 4)
    _fetch_rows(out_at, 1, first, count, n_actions)
    _fetch_rows(out_at, 2, first, count, N_LINES * 8)
    _fetch_rows(out_at, 3, first, count, 8)


@stage
def _keep_conditions(words: Array, conditions: Array, width: int) -> None:
    for j in range(used(width)):
        conditions[j] = words[CONDITIONS + j]


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
        table[ACTION + j] = 0.0 if blocked else np.float64(a)


@stage
def _report_ends(
    table: Array, horizon: float, terminated: Array, truncated: Array, count: int
) -> int:
    """Say whose journey is over; returns how many are."""
    ended = 0
    for j in range(count):
        gone = table[CANCELLED + j] > 0.0
        late = table[TENURE + j] >= horizon
        terminated[j] = gone
        truncated[j] = late and not gone
        ended += 1 if gone or late else 0
    return ended


@stage
def _write_final(
    table: Array,
    words: Array,
    features: Array,
    blocked_by: Array,
    observation: Array,
    mask: Array,
    j: int,
) -> None:
    """Report the last observation and mask of lane ``j``."""
    conditions = words[CONDITIONS + j]
    for f in range(features.shape[0]):
        observation[f] = table[features[f] + j]
    for a in range(blocked_by.shape[0]):
        mask[a] = (conditions & blocked_by[a]) == _ZERO


@sequence
def _clear_row(i: int, out: Outcome) -> None:
    """Report nothing for a customer who was only begun anew (NEXT_STEP autoreset)."""
    out.ledger[i, :] = 0.0
    out.rewards[i] = 0.0
    out.terminated[i] = False
    out.truncated[i] = False
    out.forbidden[i] = False


@scalar
def _begin_marked(
    t: int,
    count: int,
    newborn: Array,
    state: State,
    rules: Rules,
    table: Array,
    words: Array,
    tray: Array,
) -> int:
    """Let the customers marked in ``newborn`` be born; returns how many."""
    births = 0
    for j in range(count):
        if newborn[t * LANES + j]:
            _begin_lane(t, j, state, rules, table, words, tray)
            births += 1
    return births


@scalar
def _begin_next(
    t: int, j: int, n: int, state: State, rules: Rules, table: Array, words: Array, tray: Array
) -> None:
    """Let the next customer of lane ``j`` be born."""
    state.identity[t, CUSTOMER_ROW + j] += np.uint64(n)
    _begin_lane(t, j, state, rules, table, words, tray)


@scalar
def _begin_at_once(
    t: int,
    count: int,
    n: int,
    width: int,
    state: State,
    rules: Rules,
    out: Outcome,
    table: Array,
    words: Array,
    tray: Array,
) -> int:
    """SAME_STEP: report the last of each ended journey and begin the next; returns how many."""
    first, births = t * LANES, 0
    n_needs, n_channels = rules.needs.shape[0], rules.channels.shape[0]
    store_tile(t, state, rules, table, words)
    observe(table, words, rules, rules.world[0], n_needs, n_channels, width)
    for j in range(count):
        i = first + j
        if out.terminated[i] or out.truncated[i]:
            _write_final(
                table,
                words,
                rules.features,
                rules.blocked_by,
                out.final_observations[i],
                out.final_masks[i],
                j,
            )
            _begin_next(t, j, n, state, rules, table, words, tray)
            births += 1
    return births


@scalar
def _begin_after(
    t: int,
    count: int,
    n: int,
    mode: int,
    state: State,
    rules: Rules,
    out: Outcome,
    table: Array,
    words: Array,
    tray: Array,
) -> int:
    """NEXT_STEP and DISABLED: note who ended now, begin anew whoever ended before; how many."""
    first, births = t * LANES, 0
    for j in range(count):
        i = first + j
        if mode == NEXT_STEP and state.ended[i] > 0:
            _begin_next(t, j, n, state, rules, table, words, tray)
            _clear_row(i, out)
            births += 1
        elif out.terminated[i] or out.truncated[i]:
            state.ended[i] = 1
    return births


@scalar
def _live_tile(
    t: int,
    count: int,
    n: int,
    mode: int,
    width: int,
    chosen: Array,
    state: State,
    rules: Rules,
    out: Outcome,
    table: Array,
    words: Array,
    tray: Array,
) -> int:
    """Live one period, report it, and treat journeys that end; returns how many began anew."""
    first, world = t * LANES, rules.world[0]
    n_needs, n_channels = rules.needs.shape[0], rules.channels.shape[0]
    _decide(
        chosen[first:],
        state.conditions[first:],
        rules.blocked_by,
        table,
        out.forbidden[first:],
        count,
        width,
    )
    live_one_period(table, words, tray, state.identity[t], rules, world, n_needs, n_channels, width)
    write_ledger(table, out.ledger.reshape(-1)[first * N_LINES :], out.rewards[first:], count)
    ended = _report_ends(table, world.horizon, out.terminated[first:], out.truncated[first:], count)
    if out.events.shape[0] > 0:
        write_rows(table, rules.event_offsets, out.events, first, count)
    if mode == NEXT_STEP or (mode == DISABLED and ended > 0):
        return _begin_after(t, count, n, mode, state, rules, out, table, words, tray)
    if ended > 0:
        return _begin_at_once(t, count, n, width, state, rules, out, table, words, tray)
    return 0


@scalar
def _show_tile(
    t: int,
    count: int,
    width: int,
    state: State,
    rules: Rules,
    out: Outcome,
    table: Array,
    words: Array,
    sheet: Array,
) -> None:
    """Write the observations and masks of a tile, and keep its conditions."""
    first = t * LANES
    n_needs, n_channels = rules.needs.shape[0], rules.channels.shape[0]
    observe(table, words, rules, rules.world[0], n_needs, n_channels, width)
    _keep_conditions(words, state.conditions[first:], width)
    write_observations(
        table, rules.features, rules.pieces, sheet, out.observations, first, count, width
    )
    write_masks(words, rules.blocked_by, out.masks, first, count)


def _make_run(digest: str) -> Callable[..., None]:
    def run_tiles(
        first_tile: int,
        last_tile: int,
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
        table, words, tray, sheet = open_scratch(scratch_at)
        n_features, n_actions = rules.features.shape[0], rules.blocked_by.shape[0]
        for t in range(first_tile, last_tile):
            count = min(LANES, n - t * LANES)
            width = lanes_for(count)
            if t + 1 < last_tile:
                _fetch_tile(t + 1, n, n_features, n_actions, state_at, out_at)
            load_tile(t, state, rules, table, words)
            if mode == BEGIN:
                births = _begin_marked(t, count, newborn, state, rules, table, words, tray)
            else:
                births = _live_tile(
                    t, count, n, mode, width, chosen, state, rules, out, table, words, tray
                )
            if births > 0:
                _store(state.constants[t], rules.constant_runs, table)
            store_tile(t, state, rules, table, words)
            _show_tile(t, count, width, state, rules, out, table, words, sheet)

    return run_tiles


run_tiles = entry(_make_run)

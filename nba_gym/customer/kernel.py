"""The compiled loop over tiles: load, live one period, end journeys, observe, store.

The state of the customers is kept in tiles (``(n_tiles, quantities, LANES)``, single precision), so
a tile is one contiguous piece of memory. Every customer is computed in the same way whether they
are alone or among a million: lanes that nobody uses are computed too and thrown away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nba_gym.compiled import entry, scalar, stage
from nba_gym.customer.luck import CUSTOMER_ROW, SEED_ROW
from nba_gym.customer.story import live_one_period, observe
from nba_gym.customer.traits import draw_birth
from nba_gym.engagement.rules import write_masks
from nba_gym.lanes import LANES, row
from nba_gym.records.features import write_rows
from nba_gym.records.history import begin_history
from nba_gym.records.ledger import LINE_PLACES, LINES, profit
from nba_gym.records.places import ACTION, CANCELLED, CONDITIONS, TENURE
from nba_gym.scenario.parameters import Array, World

N_LINES = len(LINES)
_FIRST_LINE = LINE_PLACES[0]
_ZERO = np.uint64(0)

DISABLED, NEXT_STEP, SAME_STEP = 0, 1, 2
"""What a step does with journeys that end: nothing, begin anew in the next step, or at once."""


class Rules(NamedTuple):
    """The scenario as arrays; see ``Parameters`` and ``RuleBook`` for their shapes."""

    world: Array
    actions: Array
    channels: Array
    needs: Array
    excitation: Array
    seasons: Array
    waves: Array
    spend_noise: Array
    personas: Array
    traits: Array
    links: Array
    blocked_by: Array
    windows: Array
    shut: Array
    offsets: Array
    bit_offsets: Array
    features: Array
    event_offsets: Array


class State(NamedTuple):
    """The customers: all that is kept from one period to the next.

    Attributes:
        values: Stored quantities, ``(n_tiles, n_values, LANES)``, float32.
        bits: Bit histories, ``(n_tiles, n_bits, LANES)``, uint32.
        identity: Seed and customer number, ``(n_tiles, 2 * LANES)``, uint64.
        conditions: Broken rules, ``(n_tiles * LANES,)``, uint64.
        ended: 1 once a journey is over, ``(n_tiles * LANES,)``, uint8.
    """

    values: Array
    bits: Array
    identity: Array
    conditions: Array
    ended: Array


class Outcome(NamedTuple):
    """What a step reports, one row a customer.

    Attributes:
        observations: Features, ``(n, n_features)``, float32.
        masks: Allowed actions, ``(n, n_actions)``, int8.
        ledger: Ledger lines of the period, ``(n, n_lines)``, float64.
        rewards: Their sums, ``(n,)``, float64.
        terminated: The customer was seen to leave, ``(n,)``, bool.
        truncated: The horizon was reached, ``(n,)``, bool.
        forbidden: The chosen action was not allowed and waiting took its place, ``(n,)``, bool.
        final_observations: Last observation of journeys begun anew, ``(n, n_features)``.
        final_masks: Last action masks of journeys begun anew, ``(n, n_actions)``.
        events: Events of the period, ``(n or 0, n_events)``, float64.
    """

    observations: Array
    masks: Array
    ledger: Array
    rewards: Array
    terminated: Array
    truncated: Array
    forbidden: Array
    final_observations: Array
    final_masks: Array
    events: Array


@stage
def load_tile(
    values: Array, bits: Array, offsets: Array, bit_offsets: Array, table: Array, words: Array
) -> None:
    """Copy the stored quantities of one tile onto the worktable."""
    for q in range(offsets.shape[0]):
        stored, lanes = values[q], row(table, offsets[q])
        for j in range(stored.shape[0]):
            lanes[j] = stored[j]
    for q in range(bit_offsets.shape[0]):
        kept, register = bits[q], row(words, bit_offsets[q])
        for j in range(kept.shape[0]):
            register[j] = kept[j]


@stage
def store_tile(
    values: Array, bits: Array, offsets: Array, bit_offsets: Array, table: Array, words: Array
) -> None:
    """Copy the stored quantities of one tile from the worktable back."""
    for q in range(offsets.shape[0]):
        stored, lanes = values[q], row(table, offsets[q])
        for j in range(stored.shape[0]):
            stored[j] = lanes[j]
    for q in range(bit_offsets.shape[0]):
        kept, register = bits[q], row(words, bit_offsets[q])
        for j in range(kept.shape[0]):
            kept[j] = register[j]


@scalar
def begin_lane(t: int, j: int, state: State, rules: Rules, table: Array, words: Array) -> None:
    """Let the customer named in the identity of lane ``j`` be born."""
    n_needs, n_channels = rules.needs.shape[0], rules.channels.shape[0]
    draw_birth(
        table,
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
def observe_tile(
    t: int,
    count: int,
    state: State,
    rules: Rules,
    table: Array,
    words: Array,
    observations: Array,
    masks: Array,
) -> None:
    """Write the observations and masks of one tile, and keep its conditions."""
    n_needs, n_channels = rules.needs.shape[0], rules.channels.shape[0]
    observe(
        table,
        words,
        rules.channels,
        rules.windows,
        rules.shut,
        rules.waves,
        rules.world[0],
        n_needs,
        n_channels,
    )
    first = t * LANES
    for j in range(LANES):
        state.conditions[first + j] = words[CONDITIONS + j]
    write_rows(table, rules.features, observations, first, count)
    write_masks(words, rules.blocked_by, masks, first, count)


@scalar
def decide_tile(
    t: int, count: int, state: State, rules: Rules, chosen: Array, table: Array, forbidden: Array
) -> None:
    """Put the chosen actions on the worktable; a forbidden one becomes waiting."""
    first = t * LANES
    for j in range(LANES):
        table[ACTION + j] = 0.0
    for j in range(count):
        a = chosen[first + j]
        blocked = (state.conditions[first + j] & rules.blocked_by[a]) != _ZERO
        forbidden[first + j] = blocked
        table[ACTION + j] = 0.0 if blocked else np.float64(a)


@scalar
def report_tile(t: int, count: int, horizon: float, out: Outcome, table: Array) -> int:
    """Write rewards, ledger and flags of one tile; returns how many journeys ended."""
    ended = 0
    first = t * LANES
    for j in range(count):
        i = first + j
        for line in range(N_LINES):
            out.ledger[i, line] = table[_FIRST_LINE + line * LANES + j]
        out.rewards[i] = profit(table, j)
        gone = table[CANCELLED + j] > 0.0
        late = table[TENURE + j] >= horizon
        out.terminated[i] = gone
        out.truncated[i] = late and not gone
        ended += 1 if gone or late else 0
    return ended


@scalar
def clear_row(i: int, out: Outcome) -> None:
    """Report nothing for a customer who was only begun anew (NEXT_STEP autoreset)."""
    out.ledger[i, :] = 0.0
    out.rewards[i] = 0.0
    out.terminated[i] = False
    out.truncated[i] = False
    out.forbidden[i] = False


def _make_step(digest: str) -> Callable[..., None]:
    def step_tiles(
        first_tile: int,
        last_tile: int,
        n: int,
        mode: int,
        chosen: Array,
        state: State,
        rules: Rules,
        out: Outcome,
        table: Array,
        words: Array,
    ) -> None:
        """Live one period with the tiles ``first_tile`` to ``last_tile`` (exclusive)."""
        digest  # part of the cache key  # noqa: B018
        world = rules.world[0]
        n_needs, n_channels = rules.needs.shape[0], rules.channels.shape[0]
        stride = np.uint64(n)
        for t in range(first_tile, last_tile):
            count = min(LANES, n - t * LANES)
            first = t * LANES
            load_tile(
                state.values[t], state.bits[t], rules.offsets, rules.bit_offsets, table, words
            )
            decide_tile(t, count, state, rules, chosen, table, out.forbidden)
            live_one_period(
                table,
                words,
                state.identity[t],
                rules.actions,
                rules.channels,
                rules.needs,
                rules.excitation,
                rules.seasons,
                rules.spend_noise,
                world,
                n_needs,
                n_channels,
            )
            ended = report_tile(t, count, world.horizon, out, table)
            if out.events.shape[0] > 0:
                write_rows(table, rules.event_offsets, out.events, first, count)
            if mode == NEXT_STEP:
                for j in range(count):
                    if state.ended[first + j] > 0:
                        state.identity[t, CUSTOMER_ROW + j] += stride
                        begin_lane(t, j, state, rules, table, words)
                        clear_row(first + j, out)
            if mode == SAME_STEP and ended > 0:
                observe_tile(
                    t,
                    count,
                    state,
                    rules,
                    table,
                    words,
                    out.final_observations,
                    out.final_masks,
                )
            for j in range(count):
                over = out.terminated[first + j] or out.truncated[first + j]
                if over and mode == SAME_STEP:
                    state.identity[t, CUSTOMER_ROW + j] += stride
                    begin_lane(t, j, state, rules, table, words)
                elif over:
                    state.ended[first + j] = 1
            observe_tile(t, count, state, rules, table, words, out.observations, out.masks)
            store_tile(
                state.values[t], state.bits[t], rules.offsets, rules.bit_offsets, table, words
            )

    return step_tiles


def _make_begin(digest: str) -> Callable[..., None]:
    def begin_tiles(
        first_tile: int,
        last_tile: int,
        n: int,
        newborn: Array,
        state: State,
        rules: Rules,
        observations: Array,
        masks: Array,
        table: Array,
        words: Array,
    ) -> None:
        """Let the customers marked in ``newborn`` be born, and observe everybody."""
        digest  # part of the cache key  # noqa: B018
        for t in range(first_tile, last_tile):
            count = min(LANES, n - t * LANES)
            load_tile(
                state.values[t], state.bits[t], rules.offsets, rules.bit_offsets, table, words
            )
            for j in range(LANES):
                if newborn[t * LANES + j]:
                    begin_lane(t, j, state, rules, table, words)
            observe_tile(t, count, state, rules, table, words, observations, masks)
            store_tile(
                state.values[t], state.bits[t], rules.offsets, rules.bit_offsets, table, words
            )

    return begin_tiles


step_tiles = entry(_make_step)
begin_tiles = entry(_make_begin)

"""The arrays that the compiled kernel works on: a scenario, its customers, what a step reports.

Python hands them over as addresses, in one small array for each of the tuples below. Handing over
the forty arrays themselves would take longer than a period of one customer's life.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import SLOT, cube_on, line_on, scalar, sheet_on
from nba_gym.scenario.parameters import WORLD_TYPE, Array

MOST_SETS = 4
"""Sets of arrays that are kept to be used again."""
N_LEAVING = 7
"""Arrays of a set that leave the environment: the first of ``Outcome``."""


class Rules(NamedTuple):
    """The scenario as arrays; see ``Parameters`` and ``RuleBook`` for most of their shapes.

    Attributes:
        cards: The catalogue as ``look_up.action_cards``.
        season_cards: The seasons as ``look_up.season_cards``.
        blocked_padded: ``blocked_by``, filled up with zeros to a multiple of eight.
        hidden_kept: Rows of ``State.values`` that are shown, place there and among the features,
            ``(n, 2)``.
        hidden_born: The same for ``State.constants``.
        features: Place of each feature on the view, ``(n_features,)``.
        event_offsets: Place of each event, see ``event_places``, ``(n_events,)``.
    """

    world: Array
    cards: Array
    channels: Array
    needs: Array
    excitation: Array
    season_cards: Array
    waves: Array
    spend_noise: Array
    personas: Array
    traits: Array
    links: Array
    blocked_by: Array
    blocked_padded: Array
    windows: Array
    shut: Array
    hidden_kept: Array
    hidden_born: Array
    features: Array
    event_offsets: Array


class State(NamedTuple):
    """The customers: all that is kept from one period to the next, tile by tile.

    Attributes:
        values: Quantities that change, ``(n_tiles, n_values * LANES)``, float32.
        constants: Quantities fixed at birth, ``(n_tiles, n_constants * LANES)``, float32.
        bits: Bit histories, ``(n_tiles, n_bits * LANES)``, uint32.
        identity: Seed and customer number, ``(n_tiles, 2 * LANES)``, uint64.
        conditions: Broken rules, ``(n_tiles * LANES,)``, uint64.
        ended: 1 once a journey is over, ``(n_tiles * LANES,)``, uint8.
    """

    values: Array
    constants: Array
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
        desk: Where all of these lie, see ``addresses``.
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
    desk: Array


def addresses(arrays: tuple[NDArray[Any], ...]) -> NDArray[np.int64]:
    """Where some arrays lie and how large they are, ``(4 * len(arrays),)``.

    Whoever keeps the result must keep the arrays too.
    """
    slots = np.ones((len(arrays), SLOT), dtype=np.int64)
    for slot, array in zip(slots, arrays, strict=True):
        slot[0] = array.__array_interface__["data"][0]
        slot[1 : 1 + array.ndim] = array.shape
    return slots.ravel()


class Shelf:
    """Sets of arrays for what a step reports, given out again once nobody holds any of them.

    Memory that was used before is already there; the system would have to fetch and clear new
    memory at every step, which costs as much as a fifth of a period of life.

    Args:
        first: A set of which nobody else holds an array.
    """

    def __init__(self, first: Outcome) -> None:
        self._sets = [first]
        self._idle = _holders(first)

    def take(self, make: Callable[[], Outcome]) -> Outcome:
        """A set of which nobody holds an array, nor a view of one; its contents are arbitrary.

        Holding the tuple does not count: it is overwritten. Where all are held, ``make`` makes one.
        """
        for kept in self._sets:
            if _holders(kept) == self._idle:
                return kept
        new = make()
        if len(self._sets) < MOST_SETS:
            self._sets.append(new)
        return new


def _holders(out: Outcome) -> list[int]:
    # every view holds the array it was cut from
    return [sys.getrefcount(out[i]) for i in range(N_LEAVING)]


@scalar
def open_rules(desk: Array) -> Rules:
    """The scenario behind some addresses."""
    return Rules(
        line_on(desk, 0, WORLD_TYPE),
        sheet_on(desk, 1, np.float32),
        sheet_on(desk, 2, np.float32),
        sheet_on(desk, 3, np.float64),
        sheet_on(desk, 4, np.float32),
        sheet_on(desk, 5, np.float32),
        sheet_on(desk, 6, np.float32),
        line_on(desk, 7, np.float64),
        line_on(desk, 8, np.float64),
        cube_on(desk, 9, np.float64),
        sheet_on(desk, 10, np.int64),
        line_on(desk, 11, np.uint64),
        line_on(desk, 12, np.uint64),
        line_on(desk, 13, np.uint64),
        line_on(desk, 14, np.uint64),
        sheet_on(desk, 15, np.int64),
        sheet_on(desk, 16, np.int64),
        line_on(desk, 17, np.int64),
        line_on(desk, 18, np.int64),
    )


@scalar
def open_state(desk: Array) -> State:
    """The customers behind some addresses."""
    return State(
        sheet_on(desk, 0, np.float32),
        sheet_on(desk, 1, np.float32),
        sheet_on(desk, 2, np.uint32),
        sheet_on(desk, 3, np.uint64),
        line_on(desk, 4, np.uint64),
        line_on(desk, 5, np.uint8),
    )


@scalar
def open_outcome(desk: Array) -> Outcome:
    """The report behind some addresses."""
    return Outcome(
        sheet_on(desk, 0, np.float32),
        sheet_on(desk, 1, np.int8),
        sheet_on(desk, 2, np.float64),
        line_on(desk, 3, np.float64),
        line_on(desk, 4, np.bool_),
        line_on(desk, 5, np.bool_),
        line_on(desk, 6, np.bool_),
        sheet_on(desk, 7, np.float32),
        sheet_on(desk, 8, np.int8),
        sheet_on(desk, 9, np.float64),
        desk,
    )


@scalar
def open_scratch(desk: Array) -> tuple[Array, Array, Array, Array, Array, Array, Array]:
    """A worktable behind some addresses: table, purse, view, tray, sheet, cradle and ahead."""
    return (
        line_on(desk, 0, np.float32),
        line_on(desk, 1, np.float64),
        line_on(desk, 2, np.float32),
        line_on(desk, 3, np.float32),
        line_on(desk, 4, np.float32),
        line_on(desk, 5, np.float64),
        line_on(desk, 6, np.int64),
    )

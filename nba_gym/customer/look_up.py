"""What the chosen action and the season mean for each customer: picked from tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import sequence, stage
from nba_gym.customer.places import (
    ACT_ATTENTION,
    ACT_REACH,
    ATTENTION,
    SEASON_ARRIVAL,
    SEASON_UTILITY,
)
from nba_gym.lanes import (
    CHANNEL_SIZE,
    LANES,
    channel_blocks,
    need_blocks,
    row,
    used,
)
from nba_gym.records.catalogue import look_up_records
from nba_gym.records.places import ACT_CHANNEL, ACT_OUTBOUND, PHASE, SENT
from nba_gym.scenario.parameters import A_NEED, A_REACH, A_RESPONSE_SLOPE, Array
from nba_gym.turning import CARD_PIECE, draw_cards, pad_cards, turn_to_needs, turn_to_rows

Floats = NDArray[np.float64]

_HIDDEN = A_RESPONSE_SLOPE + 1 - A_REACH
_HIDDEN_ROOM = _HIDDEN + -_HIDDEN % CARD_PIECE


def action_cards(catalogue: Floats) -> Floats:
    """The catalogue in the order of the worktable: seen, needs, hidden, each in whole pieces."""
    parts = catalogue[:, :A_REACH], catalogue[:, A_NEED:], catalogue[:, A_REACH:A_NEED]
    return np.concatenate([pad_cards(part) for part in parts], axis=1)


def season_cards(seasons: Floats) -> Floats:
    """Utility and arrival factor of the needs, ``(2, n_needs, cycle)``, one card a phase."""
    return np.concatenate([pad_cards(part.T) for part in seasons], axis=1)


@sequence
def look_up(
    table: Array, cards: Array, season: Array, tray: Array, n_needs: int, width: int
) -> None:
    """Write everything that depends on each lane's action and season.

    Args:
        table: Worktable; ``ACTION``, ``PHASE`` and the attention traits are read.
        cards: The catalogue, see ``action_cards``.
        season: Utility and arrival factor, see ``season_cards``.
        tray: Scratch.
        n_needs: Needs in use.
        width: Lanes in use.
    """
    look_up_records(table, cards, tray, n_needs, width)
    hidden = tray[(cards.shape[1] - _HIDDEN_ROOM) * LANES :]
    turn_to_rows(hidden, table[ACT_REACH : ACT_REACH + _HIDDEN_ROOM * LANES], width)
    draw_cards(row(table, PHASE), season, tray, width)
    turn_to_needs(tray, need_blocks(table, SEASON_UTILITY), n_needs, width)
    arrivals = tray[season.shape[1] // 2 * LANES :]
    turn_to_needs(arrivals, need_blocks(table, SEASON_ARRIVAL), n_needs, width)
    _meet_channel(table, channel_blocks(table), width)


@stage
def _meet_channel(table: Array, blocks: Array, width: int) -> None:
    for j in range(used(width)):
        channel = np.int64(table[ACT_CHANNEL + j])
        channel = channel if channel > 0 else 0
        table[ACT_ATTENTION + j] = blocks[np.uint64(channel * CHANNEL_SIZE + ATTENTION + j)]
        table[SENT + j] = table[ACT_OUTBOUND + j]

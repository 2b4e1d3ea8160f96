"""What the chosen action and the season mean for each customer: picked from tables."""

from __future__ import annotations

import numpy as np

from nba_gym.compiled import sequence, stage
from nba_gym.customer.places import (
    ACT_ATTENTION,
    ACT_REACH,
    ATTENTION,
    SEASON_ARRIVAL,
    SEASON_UTILITY,
)
from nba_gym.lanes import (
    LANES,
    channels_born,
    need_blocks,
    row,
    used,
)
from nba_gym.records.catalogue import HIDDEN_ROOM, Singles, look_up_records
from nba_gym.records.places import ACT_CHANNEL, ACT_OUTBOUND, PHASE, SENT
from nba_gym.scenario.parameters import Array
from nba_gym.turning import draw_cards, pad_cards, turn_to_needs, turn_to_rows


def season_cards(seasons: Singles) -> Singles:
    """Utility and arrival factor of the needs, ``(2, n_needs, cycle)``, one card a phase."""
    return np.concatenate([pad_cards(part.T) for part in seasons], axis=1)


@sequence
def look_up(
    table: Array,
    kept: Array,
    born: Array,
    cards: Array,
    season: Array,
    tray: Array,
    n_needs: int,
    width: int,
) -> None:
    """Write everything that depends on each lane's action and season.

    Args:
        table: Worktable; ``ACTION`` is read.
        kept: State; ``PHASE`` is read.
        born: Traits; the attention is read.
        cards: The catalogue, see ``catalogue.action_cards``.
        season: Utility and arrival factor, see ``season_cards``.
        tray: Scratch.
        n_needs: Needs in use.
        width: Lanes in use.
    """
    look_up_records(table, cards, tray, n_needs, width)
    hidden = tray[(cards.shape[1] - HIDDEN_ROOM) * LANES :]
    turn_to_rows(hidden, table[ACT_REACH : ACT_REACH + HIDDEN_ROOM * LANES], width)
    draw_cards(row(kept, PHASE), season, tray, width)
    turn_to_needs(tray, need_blocks(table, SEASON_UTILITY), n_needs, width)
    arrivals = tray[season.shape[1] // 2 * LANES :]
    turn_to_needs(arrivals, need_blocks(table, SEASON_ARRIVAL), n_needs, width)
    _meet_channel(table, channels_born(born, n_needs), width)


@stage
def _meet_channel(table: Array, born_channels: Array, width: int) -> None:
    for j in range(used(width)):
        channel = np.int64(table[ACT_CHANNEL + j])
        channel = channel if channel > 0 else 0
        table[ACT_ATTENTION + j] = born_channels[np.uint64(channel * LANES + ATTENTION + j)]
        table[SENT + j] = table[ACT_OUTBOUND + j]

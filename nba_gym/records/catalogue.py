"""The catalogue of actions as cards: what is known of an action, in the order of the worktable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import sequence
from nba_gym.lanes import LANES, need_blocks, row
from nba_gym.records.places import ACT_CHANNEL, ACT_NEED, ACTION
from nba_gym.scenario.parameters import A_CHANNEL, A_NEED, A_REACH, Array
from nba_gym.turning import PIECE, draw_cards, pad_cards, turn_to_needs, turn_to_rows

Singles = NDArray[np.float32]

_SEEN = A_REACH - A_CHANNEL
"""Numbers of an action's card that the records know; its needs follow, then what is hidden."""
_HIDDEN = A_NEED - A_REACH
HIDDEN_ROOM = _HIDDEN + -_HIDDEN % PIECE
"""Numbers at the end of a card that only the hidden half may know."""


def action_cards(catalogue: Singles) -> Singles:
    """The catalogue in the order of the worktable: seen, needs, hidden, each in whole pieces."""
    parts = catalogue[:, :A_REACH], catalogue[:, A_NEED:], catalogue[:, A_REACH:A_NEED]
    return np.concatenate([pad_cards(part) for part in parts], axis=1)


@sequence
def look_up_records(table: Array, cards: Array, tray: Array, n_needs: int, width: int) -> None:
    """Write what the records need to know of each lane's action (its cost, discount, needs)."""
    draw_cards(row(table, ACTION), cards, tray, width)
    turn_to_rows(tray, table[ACT_CHANNEL : ACT_CHANNEL + _SEEN * LANES], width)
    turn_to_needs(tray[_SEEN * LANES :], need_blocks(table, ACT_NEED), n_needs, width)

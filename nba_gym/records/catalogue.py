"""What the records need to know of an action: looked up in the catalogue."""

from __future__ import annotations

from nba_gym.compiled import sequence
from nba_gym.lanes import LANES, need_blocks, row
from nba_gym.records.places import ACT_CHANNEL, ACT_NEED, ACTION
from nba_gym.scenario.parameters import A_CHANNEL, A_REACH, Array
from nba_gym.turning import draw_cards, turn_to_needs, turn_to_rows

_SEEN = A_REACH - A_CHANNEL
"""Numbers at the beginning of an action's card that the records know; its needs follow."""


@sequence
def look_up_records(table: Array, cards: Array, tray: Array, n_needs: int, width: int) -> None:
    """Write what the records need to know of each lane's action (its cost, discount, needs)."""
    draw_cards(row(table, ACTION), cards, tray, width)
    turn_to_rows(tray, table[ACT_CHANNEL : ACT_CHANNEL + _SEEN * LANES], width)
    turn_to_needs(tray[_SEEN * LANES :], need_blocks(table, ACT_NEED), n_needs, width)

"""What the records need to know of an action: looked up in the catalogue."""

from __future__ import annotations

import numpy as np

from nba_gym.compiled import stage
from nba_gym.lanes import LANES, need_block
from nba_gym.records.places import (
    ACT_ASK,
    ACT_CHANNEL,
    ACT_COST,
    ACT_DISCOUNT,
    ACT_FULFIL_COST,
    ACT_INBOUND,
    ACT_INFORM,
    ACT_NEED,
    ACT_OUTBOUND,
    ACTION,
)
from nba_gym.scenario.parameters import (
    A_ASK,
    A_CHANNEL,
    A_COST,
    A_DISCOUNT,
    A_FULFIL_COST,
    A_INBOUND,
    A_INFORM,
    A_NEED,
    A_OUTBOUND,
    Array,
)


@stage
def look_up_records(table: Array, actions: Array, n_needs: int) -> None:
    """Write what the records need to know of each lane's action (its cost, discount, needs)."""
    for j in range(LANES):
        a = np.int64(table[ACTION + j])
        table[ACT_CHANNEL + j] = actions[a, A_CHANNEL]
        table[ACT_OUTBOUND + j] = actions[a, A_OUTBOUND]
        table[ACT_INBOUND + j] = actions[a, A_INBOUND]
        table[ACT_COST + j] = actions[a, A_COST]
        table[ACT_FULFIL_COST + j] = actions[a, A_FULFIL_COST]
        table[ACT_DISCOUNT + j] = actions[a, A_DISCOUNT]
        table[ACT_INFORM + j] = actions[a, A_INFORM]
        table[ACT_ASK + j] = actions[a, A_ASK]
        for k in range(n_needs):
            need_block(table, k)[ACT_NEED + j] = actions[a, A_NEED + k]

"""What the chosen action and the season mean for each customer: gathered from tables."""

from __future__ import annotations

import numpy as np

from nba_gym.compiled import stage
from nba_gym.customer.places import (
    ACT_ATTENTION,
    ACT_CARE,
    ACT_INTRUSIVENESS,
    ACT_LOG_PRICE,
    ACT_OFFER,
    ACT_PRESSURE,
    ACT_REACH,
    ACT_RESPONSE_BASE,
    ACT_RESPONSE_SLOPE,
    ACT_RETAIN,
    ACT_SERVICE,
    ATTENTION,
    SEASON_ARRIVAL,
    SEASON_UTILITY,
)
from nba_gym.lanes import LANES, channel_block, need_block
from nba_gym.records.catalogue import look_up_records
from nba_gym.records.places import (
    ACTION,
    PHASE,
    SENT,
)
from nba_gym.scenario.parameters import (
    A_CARE,
    A_CHANNEL,
    A_INTRUSIVENESS,
    A_LOG_PRICE,
    A_OFFER,
    A_OUTBOUND,
    A_PRESSURE,
    A_REACH,
    A_RESPONSE_BASE,
    A_RESPONSE_SLOPE,
    A_RETAIN,
    A_SERVICE,
    Array,
)


@stage
def look_up(table: Array, actions: Array, seasons: Array, n_needs: int) -> None:
    """Write everything that depends on each lane's action and season.

    Args:
        table: Worktable; ``ACTION``, ``PHASE`` and the attention traits are read.
        actions: The catalogue.
        seasons: Utility and arrival factor, ``(2, n_needs, cycle)``.
        n_needs: Needs in use.
    """
    look_up_records(table, actions, n_needs)
    for j in range(LANES):
        a = np.int64(table[ACTION + j])
        channel = np.int64(actions[a, A_CHANNEL])
        channel = channel if channel > 0 else 0
        table[ACT_REACH + j] = actions[a, A_REACH]
        table[ACT_ATTENTION + j] = channel_block(table, channel)[ATTENTION + j]
        table[ACT_INTRUSIVENESS + j] = actions[a, A_INTRUSIVENESS]
        table[ACT_LOG_PRICE + j] = actions[a, A_LOG_PRICE]
        table[ACT_OFFER + j] = actions[a, A_OFFER]
        table[ACT_CARE + j] = actions[a, A_CARE]
        table[ACT_SERVICE + j] = actions[a, A_SERVICE]
        table[ACT_RETAIN + j] = actions[a, A_RETAIN]
        table[ACT_PRESSURE + j] = actions[a, A_PRESSURE]
        table[ACT_RESPONSE_BASE + j] = actions[a, A_RESPONSE_BASE]
        table[ACT_RESPONSE_SLOPE + j] = actions[a, A_RESPONSE_SLOPE]
        table[SENT + j] = actions[a, A_OUTBOUND]
    for k in range(n_needs):
        of_need = need_block(table, k)
        for j in range(LANES):
            phase = np.int64(table[PHASE + j])
            of_need[SEASON_UTILITY + j] = seasons[0, k, phase]
            of_need[SEASON_ARRIVAL + j] = seasons[1, k, phase]

"""Step 6, hidden: events to the next hidden state, for a tile of customers."""

from __future__ import annotations

import numpy as np

from nba_gym.arithmetic import indicator
from nba_gym.compiled import sequence, stage
from nba_gym.customer.needs import update_awareness, update_need
from nba_gym.customer.places import (
    ACT_CARE,
    ACT_INTRUSIVENESS,
    ACT_PRESSURE,
    ALIVE,
    ARISEN,
    AWARENESS,
    BASELINE_LOYALTY,
    FATIGUE,
    LEFT,
    LOYALTY,
    NEED,
    NOTICED,
    PROBLEM,
    PROBLEM_AFTER,
    PROBLEM_SOLVED,
    REFERENCE,
    RELEVANCE,
    TOLERANCE,
)
from nba_gym.customer.relationship import (
    loyalty_gain,
    loyalty_loss,
    update_fatigue,
    update_loyalty,
    update_reference,
)
from nba_gym.lanes import need_block, need_kept, used
from nba_gym.records.places import (
    ACT_DISCOUNT,
    ACT_INBOUND,
    ACT_INFORM,
    ACT_NEED,
    NEED_BOUGHT,
    OPEN_BASKET,
    PURCHASES,
    SENT,
    VISITING,
    VOLUNTEERED,
)
from nba_gym.scenario.parameters import Array, World


@sequence
def live_on(table: Array, kept: Array, born: Array, world: World, n_needs: int, width: int) -> None:
    """Write the next hidden state; the visible history must not have moved on yet."""
    _update_loyalty(table, kept, born, world, width)
    _update_memory(table, kept, world, width)
    for k in range(n_needs):
        _update_needs(table, need_block(table, k), need_kept(kept, k), world, k, width)


@stage
def _update_loyalty(table: Array, kept: Array, born: Array, world: World, width: int) -> None:
    drift = world.drift
    by_purchase, by_solution = world.gain_purchase, world.gain_solution
    by_care, by_information = world.gain_care, world.gain_information
    by_irrelevance, by_pressure = world.loss_irrelevance, world.loss_pressure
    by_problem, by_silence = world.loss_problem, world.loss_silence
    by_volunteering = world.gain_volunteering
    for j in range(used(width)):
        noticed, relevance = table[NOTICED + j], table[RELEVANCE + j]
        basket = indicator(kept[OPEN_BASKET + j] > 0.0)
        gain = loyalty_gain(
            by_purchase,
            by_solution,
            by_care,
            by_information,
            by_volunteering,
            indicator(table[PURCHASES + j] > 0.0),
            table[PROBLEM_SOLVED + j],
            noticed * table[ACT_CARE + j],
            noticed * table[ACT_INFORM + j],
            relevance,
            table[VOLUNTEERED + j],
        )
        loss = loyalty_loss(
            by_irrelevance,
            by_pressure,
            by_problem,
            by_silence,
            table[SENT + j] * table[ACT_INTRUSIVENESS + j],
            relevance,
            born[TOLERANCE + j],
            noticed * table[ACT_PRESSURE + j] * basket,
            kept[PROBLEM + j],
            indicator(kept[VISITING + j] > 0.0) * (1.0 - table[ACT_INBOUND + j]),
        )
        kept[LOYALTY + j] = update_loyalty(
            kept[LOYALTY + j], born[BASELINE_LOYALTY + j], drift, gain, loss
        )


@stage
def _update_memory(table: Array, kept: Array, world: World, width: int) -> None:
    decay, relief = world.fatigue_decay, world.fatigue_relief
    learn, forget = world.reference_learn, world.reference_forget
    for j in range(used(width)):
        intrusion = table[SENT + j] * table[ACT_INTRUSIVENESS + j]
        kept[FATIGUE + j] = update_fatigue(
            kept[FATIGUE + j], decay, intrusion, relief, table[RELEVANCE + j]
        )
        kept[REFERENCE + j] = update_reference(
            kept[REFERENCE + j], learn, forget, table[ACT_DISCOUNT + j], table[NOTICED + j]
        )
        kept[PROBLEM + j] = table[PROBLEM_AFTER + j]
        kept[ALIVE + j] = kept[ALIVE + j] * (1.0 - table[LEFT + j])


@stage
def _update_needs(
    table: Array, of_need: Array, kept_need: Array, world: World, k: int, width: int
) -> None:
    here = np.float32(k)
    decay, satisfaction = world.need_decay, world.need_satisfaction
    fade, by_information = world.awareness_decay, world.awareness_information
    by_purchase = world.awareness_purchase
    for j in range(used(width)):
        bought = indicator(table[NEED_BOUGHT + j] == here)
        informed = table[NOTICED + j] * table[ACT_INFORM + j] * of_need[ACT_NEED + j]
        kept_need[NEED + j] = update_need(
            kept_need[NEED + j], decay, satisfaction, bought, of_need[ARISEN + j]
        )
        kept_need[AWARENESS + j] = update_awareness(
            kept_need[AWARENESS + j], fade, by_information, by_purchase, informed, bought
        )

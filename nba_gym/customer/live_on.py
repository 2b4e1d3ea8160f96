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
from nba_gym.lanes import need_block, used
from nba_gym.records.places import (
    ACT_DISCOUNT,
    ACT_INFORM,
    ACT_NEED,
    NEED_BOUGHT,
    OPEN_BASKET,
    PURCHASES,
    SENT,
)
from nba_gym.scenario.parameters import Array, World


@sequence
def live_on(table: Array, world: World, n_needs: int, width: int) -> None:
    """Write the next hidden state; the visible history must not have moved on yet."""
    _update_loyalty(table, world, width)
    _update_memory(table, world, width)
    for k in range(n_needs):
        _update_needs(table, need_block(table, k), world, k, width)


@stage
def _update_loyalty(table: Array, world: World, width: int) -> None:
    drift = world.drift
    by_purchase, by_solution = world.gain_purchase, world.gain_solution
    by_care, by_information = world.gain_care, world.gain_information
    by_irrelevance, by_pressure = world.loss_irrelevance, world.loss_pressure
    by_problem = world.loss_problem
    for j in range(used(width)):
        noticed, relevance = table[NOTICED + j], table[RELEVANCE + j]
        basket = indicator(table[OPEN_BASKET + j] > 0.0)
        gain = loyalty_gain(
            by_purchase,
            by_solution,
            by_care,
            by_information,
            indicator(table[PURCHASES + j] > 0.0),
            table[PROBLEM_SOLVED + j],
            noticed * table[ACT_CARE + j],
            noticed * table[ACT_INFORM + j],
            relevance,
        )
        loss = loyalty_loss(
            by_irrelevance,
            by_pressure,
            by_problem,
            table[SENT + j] * table[ACT_INTRUSIVENESS + j],
            relevance,
            table[TOLERANCE + j],
            noticed * table[ACT_PRESSURE + j] * basket,
            table[PROBLEM + j],
        )
        table[LOYALTY + j] = update_loyalty(
            table[LOYALTY + j], table[BASELINE_LOYALTY + j], drift, gain, loss
        )


@stage
def _update_memory(table: Array, world: World, width: int) -> None:
    decay, relief = world.fatigue_decay, world.fatigue_relief
    learn, forget = world.reference_learn, world.reference_forget
    for j in range(used(width)):
        intrusion = table[SENT + j] * table[ACT_INTRUSIVENESS + j]
        table[FATIGUE + j] = update_fatigue(
            table[FATIGUE + j], decay, intrusion, relief, table[RELEVANCE + j]
        )
        table[REFERENCE + j] = update_reference(
            table[REFERENCE + j], learn, forget, table[ACT_DISCOUNT + j], table[NOTICED + j]
        )
        table[PROBLEM + j] = table[PROBLEM_AFTER + j]
        table[ALIVE + j] *= 1.0 - table[LEFT + j]


@stage
def _update_needs(table: Array, of_need: Array, world: World, k: int, width: int) -> None:
    here = np.float64(k)
    decay, satisfaction = world.need_decay, world.need_satisfaction
    fade, by_information = world.awareness_decay, world.awareness_information
    by_purchase = world.awareness_purchase
    for j in range(used(width)):
        bought = indicator(table[NEED_BOUGHT + j] == here)
        informed = table[NOTICED + j] * table[ACT_INFORM + j] * of_need[ACT_NEED + j]
        of_need[NEED + j] = update_need(
            of_need[NEED + j], decay, satisfaction, bought, of_need[ARISEN + j]
        )
        of_need[AWARENESS + j] = update_awareness(
            of_need[AWARENESS + j], fade, by_information, by_purchase, informed, bought
        )

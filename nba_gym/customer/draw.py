"""Step 4: probabilities and this customer's luck to events, for a tile of customers."""

from __future__ import annotations

import numpy as np

from nba_gym.arithmetic import indicator, round_money
from nba_gym.compiled import stage
from nba_gym.customer.places import (
    ACT_RETAIN,
    ACT_SERVICE,
    ARISEN,
    BASKET_SUM,
    BUYS,
    LEFT,
    LOYALTY,
    LUCK_ANSWER,
    LUCK_ARRIVAL,
    LUCK_BASKET,
    LUCK_BUY,
    LUCK_CHOICE,
    LUCK_COMPLAIN,
    LUCK_DROPOUT,
    LUCK_LEAVE,
    LUCK_NOTICE,
    LUCK_OPT_OUT,
    LUCK_PROBLEM,
    LUCK_READING,
    LUCK_REFERRAL,
    LUCK_RESPOND,
    LUCK_SIGNAL,
    LUCK_SOLVE,
    LUCK_SPEND,
    LUCK_VISIT,
    NEED,
    NOTICED,
    P_ARRIVAL,
    P_BASKET,
    P_DROPOUT,
    P_LEAVE_ACCEPTED,
    P_LEAVE_NOTICED,
    P_LEAVE_QUIET,
    P_NOTICE,
    P_OPT_OUT,
    P_PROBLEM,
    P_REFERRAL,
    P_RESPOND,
    P_SIGNAL,
    P_VISIT,
    PROBLEM,
    PROBLEM_AFTER,
    PROBLEM_SOLVED,
    SPEND_LEVEL,
    TOTAL_NOTICED,
    TOTAL_QUIET,
    WEIGHT_NOTICED,
    WEIGHT_QUIET,
)
from nba_gym.customer.purchase import (
    MOST_PURCHASES,
    is_chosen,
    poisson_point,
    purchase_probability,
)
from nba_gym.customer.service import reading
from nba_gym.customer.traits import tabulated_quantile
from nba_gym.lanes import LANES, need_block
from nba_gym.records.places import (
    ACCEPTED,
    ACT_ASK,
    ACT_DISCOUNT,
    ACT_NEED,
    ANSWERED,
    BASKET,
    CANCELLED,
    COMPLAINED,
    COMPLAINT,
    LIST_SPEND,
    NEED_BOUGHT,
    OPTED_OUT,
    PURCHASES,
    READING,
    READING_LOYALTY,
    REDEEMED,
    REFERRED,
    RESPONDED,
    SIGNAL,
    SOLVED,
    VISIT,
)
from nba_gym.scenario.parameters import NEED_PRICE, VISIT_SHARE, Array, World


@stage
def draw_events(
    table: Array,
    needs: Array,
    channels: Array,
    spend_noise: Array,
    world: World,
    n_needs: int,
    n_channels: int,
) -> None:
    """Write the events of the period; ``respond`` and ``draw_luck`` must have run."""
    _draw_contact(table, world)
    _draw_purchases(table, needs, spend_noise, world, n_needs)
    _draw_leaving(table, world)
    _draw_service(table, channels, world, n_channels)
    _draw_needs(table, world, n_needs)


@stage
def _draw_contact(table: Array, world: World) -> None:
    noise = world.answer_noise
    for j in range(LANES):
        noticed = indicator(table[LUCK_NOTICE + j] < table[P_NOTICE + j])
        responded = noticed * indicator(table[LUCK_RESPOND + j] < table[P_RESPOND + j])
        answered = responded * table[ACT_ASK + j]
        stated = reading(table[LOYALTY + j], noise, table[LUCK_READING + j])
        table[NOTICED + j] = noticed
        table[RESPONDED + j] = responded
        table[ACCEPTED + j] = responded * table[ACT_RETAIN + j]
        table[ANSWERED + j] = answered
        table[READING_LOYALTY + j] = np.float64(np.float32(answered * stated))
        opted_out = indicator(table[LUCK_OPT_OUT + j] < table[P_OPT_OUT + j])
        table[OPTED_OUT + j] = noticed * opted_out


@stage
def _draw_purchases(
    table: Array, needs: Array, spend_noise: Array, world: World, n_needs: int
) -> None:
    counted, noisy = world.counted, world.transaction_noise
    for k in range(n_needs):
        of_need = need_block(table, k)
        for j in range(LANES):
            of_need[BUYS + j] = 0.0
    for j in range(LANES):
        loud, quiet = table[TOTAL_NOTICED + j], table[TOTAL_QUIET + j]
        total = loud if table[NOTICED + j] > 0.0 else quiet
        chance = purchase_probability(total, counted)
        table[PURCHASES + j] = indicator(table[LUCK_BUY + j] < chance)
        table[NEED_BOUGHT + j] = -1.0
        table[LIST_SPEND + j] = 0.0
        table[REDEEMED + j] = 0.0
        table[LEFT + j] = 0.0
    for j in range(LANES):
        if table[PURCHASES + j] > 0.0:
            _count_purchases(table, j, counted)
            _choose_need(table, needs, j, n_needs)
            if noisy > 0.0:
                factor = tabulated_quantile(spend_noise, table[LUCK_SPEND + j])
                table[LIST_SPEND + j] *= factor
            table[LIST_SPEND + j] = round_money(table[LIST_SPEND + j])


@stage
def _count_purchases(table: Array, j: int, counted: float) -> None:
    """How many purchases the buyer in lane ``j`` makes until leaving, by inversion."""
    total = table[TOTAL_NOTICED + j] if table[NOTICED + j] > 0.0 else table[TOTAL_QUIET + j]
    most = MOST_PURCHASES if counted > 0.0 else 1
    at_least = purchase_probability(total, counted)
    point = 1.0 - at_least
    stays = 1.0
    count = 0
    while count < most and table[LUCK_BUY + j] < at_least and table[LEFT + j] <= 0.0:
        count += 1
        stays *= 1.0 - table[P_DROPOUT + j]
        table[LEFT + j] = indicator(table[LUCK_DROPOUT + j] < 1.0 - stays)
        point = poisson_point(count, total, point)
        at_least -= point
    table[PURCHASES + j] = np.float64(count)


@stage
def _choose_need(table: Array, needs: Array, j: int, n_needs: int) -> None:
    """Which need the buyer in lane ``j`` buys for, and the list value before noise."""
    loud = table[NOTICED + j] > 0.0
    total = table[TOTAL_NOTICED + j] if loud else table[TOTAL_QUIET + j]
    weights = WEIGHT_NOTICED if loud else WEIGHT_QUIET
    share = table[LUCK_CHOICE + j] * total
    below = 0.0
    chosen = n_needs - 1  # rounding at the upper end of the last need cannot leave nobody chosen
    for k in range(n_needs):
        weight = need_block(table, k)[weights + j]
        if is_chosen(share, below, weight) > 0.0:
            chosen = k
        below += weight
    of_need = need_block(table, chosen)
    of_need[BUYS + j] = 1.0
    table[NEED_BOUGHT + j] = np.float64(chosen)
    price = needs[chosen, NEED_PRICE]
    table[LIST_SPEND + j] = table[SPEND_LEVEL + j] * price * table[PURCHASES + j]
    deal = table[NOTICED + j] * table[ACT_DISCOUNT + j] * of_need[ACT_NEED + j]
    table[REDEEMED + j] = indicator(deal > 0.0)


@stage
def _draw_leaving(table: Array, world: World) -> None:
    contract = world.contract
    for j in range(LANES):
        quiet, noticed = table[P_LEAVE_QUIET + j], table[P_LEAVE_NOTICED + j]
        accepted = table[P_LEAVE_ACCEPTED + j]
        chance = noticed if table[NOTICED + j] > 0.0 else quiet
        chance = accepted if table[ACCEPTED + j] > 0.0 else chance
        goes = indicator(table[LUCK_LEAVE + j] < chance)
        left = table[LEFT + j] + (1.0 - table[LEFT + j]) * goes
        table[LEFT + j] = left
        table[CANCELLED + j] = contract * left
        buys = indicator(table[PURCHASES + j] > 0.0)
        refers = indicator(table[LUCK_REFERRAL + j] < table[P_REFERRAL + j])
        table[REFERRED + j] = buys * refers


@stage
def _draw_service(table: Array, channels: Array, world: World, n_channels: int) -> None:
    end, complain = world.problem_end, world.complain_probability
    for j in range(LANES):
        before = table[PROBLEM + j]
        solved = before * table[NOTICED + j]
        solved = solved * indicator(table[LUCK_SOLVE + j] < table[ACT_SERVICE + j])
        ends = before * indicator(table[LUCK_PROBLEM + j] < end)
        open_now = indicator(table[LUCK_PROBLEM + j] < table[P_PROBLEM + j])
        after = open_now * (1.0 - solved) * (1.0 - ends)
        told = table[COMPLAINT + j]
        tells = indicator(table[LUCK_COMPLAIN + j] < complain)
        table[PROBLEM_SOLVED + j] = solved
        table[PROBLEM_AFTER + j] = after
        table[SOLVED + j] = told * before * (1.0 - after)
        table[COMPLAINED + j] = (1.0 - told) * after * tells
        table[VISIT + j] = 0.0
    below = 0.0
    for c in range(n_channels):
        share = channels[c, VISIT_SHARE]
        if share > 0.0:
            here = np.float64(c + 1)
            for j in range(LANES):
                stays = 1.0 - table[LEFT + j]
                low, high = below * table[P_VISIT + j], (below + share) * table[P_VISIT + j]
                luck = table[LUCK_VISIT + j]
                comes = indicator(luck >= low) * indicator(luck < high) * stays
                table[VISIT + j] += here * comes
            below += share


@stage
def _draw_needs(table: Array, world: World, n_needs: int) -> None:
    noise = world.answer_noise
    for j in range(LANES):
        table[BASKET + j] = 0.0
        table[BASKET_SUM + j] = 0.0
    for k in range(n_needs):
        _draw_need(table, noise, k)


@stage
def _draw_need(table: Array, noise: float, k: int) -> None:
    of_need = need_block(table, k)
    here = np.float64(k + 1)
    for j in range(LANES):
        stated = reading(of_need[NEED + j], noise, of_need[LUCK_ANSWER + j])
        of_need[ARISEN + j] = indicator(of_need[LUCK_ARRIVAL + j] < of_need[P_ARRIVAL + j])
        of_need[SIGNAL + j] = indicator(of_need[LUCK_SIGNAL + j] < of_need[P_SIGNAL + j])
        of_need[READING + j] = np.float64(np.float32(table[ANSWERED + j] * stated))
    for j in range(LANES):
        low = table[BASKET_SUM + j]
        high = low + of_need[P_BASKET + j]
        luck = table[LUCK_BASKET + j]
        leaves = indicator(luck >= low) * indicator(luck < high)
        quiet = indicator(table[PURCHASES + j] <= 0.0) * (1.0 - table[LEFT + j])
        table[BASKET + j] += here * leaves * quiet
        table[BASKET_SUM + j] = high

"""Step 4: probabilities and this customer's luck to events, for a tile of customers."""

from __future__ import annotations

import numpy as np

from nba_gym.arithmetic import exp, indicator, larger, round_money
from nba_gym.compiled import scalar, sequence, stage
from nba_gym.customer.leaving import leaving_probability, patience_left, runs_out
from nba_gym.customer.luck import (
    answer_luck,
    draw_buyer_luck,
    draw_courtship_luck,
    draw_service_luck,
)
from nba_gym.customer.pipeline import stage_move
from nba_gym.customer.places import (
    ACT_GIFT,
    ACT_OFFER,
    ACT_RETAIN,
    ACT_SERVICE,
    ALIVE,
    ARISEN,
    BASKET_SUM,
    LEAVING_PROPENSITY,
    LEFT,
    LOYALTY,
    LUCK_ARRIVAL,
    LUCK_BASKET,
    LUCK_BUY,
    LUCK_CHOICE,
    LUCK_COMPLAIN,
    LUCK_NOTICE,
    LUCK_OPT_OUT,
    LUCK_PROBLEM,
    LUCK_READING,
    LUCK_REFERRAL,
    LUCK_RESPOND,
    LUCK_SIGNAL,
    LUCK_SOLVE,
    LUCK_SPEND,
    LUCK_STAGE,
    LUCK_VISIT,
    LUCK_VOLUNTEER,
    NEED,
    NOTICED,
    P_ADVANCE_NOTICED,
    P_ADVANCE_QUIET,
    P_ARRIVAL,
    P_BASKET,
    P_BUY,
    P_DROPOUT,
    P_LEAVE,
    P_NOTICE,
    P_OPT_OUT,
    P_PROBLEM,
    P_REFERRAL,
    P_RESPOND,
    P_SIGNAL,
    P_VISIT,
    P_VOLUNTEER_NOTICED,
    P_VOLUNTEER_QUIET,
    PATIENCE,
    PROBLEM,
    PROBLEM_AFTER,
    PROBLEM_SOLVED,
    SPEND_LEVEL,
    TOTAL,
    UNHAPPY,
    UTILITY_NOTICED,
    UTILITY_QUIET,
    WEIGHT,
    WOKEN,
)
from nba_gym.customer.purchase import (
    MOST_PURCHASES,
    is_chosen,
    poisson_point,
    purchase_probability,
    purchase_weight,
)
from nba_gym.customer.service import reading
from nba_gym.customer.traits import tabulated_quantile
from nba_gym.lanes import need_block, need_kept, used
from nba_gym.records.places import (
    ACCEPTED,
    ACT_ASK,
    ACT_DISCOUNT,
    ACT_NEED,
    ANSWERED,
    BASKET,
    CANCELLED,
    COMMITMENT,
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
    STAGE,
    STAGE_MOVE,
    VISIT,
    VOLUNTEERED,
)
from nba_gym.scenario.parameters import NEED_PRICE, VISIT_SHARE, Array, World


@sequence
def draw_events(
    table: Array,
    purse: Array,
    kept: Array,
    born: Array,
    identity: Array,
    needs: Array,
    channels: Array,
    spend_noise: Array,
    world: World,
    n_needs: int,
    n_channels: int,
    width: int,
) -> None:
    """Write the events of the period, and use up patience (equation 21b).

    ``respond`` and ``draw_luck`` must have run.
    """
    _draw_contact(table, width)
    weigh_purchases(table, kept, n_needs, width)
    _draw_purchases(table, purse, kept, born, identity, needs, spend_noise, world, width)
    if world.leave_scale > 0.0:
        _draw_leaving(table, kept, born, world, width)
    _draw_cancellation(table, world, width)
    _draw_service(table, kept, identity, width)
    _draw_problem(table, kept, world, width)
    if world.appointment > 0.0:
        _keep_appointments(table, world, width)
    below = 0.0
    for c in range(n_channels):
        share = channels[c, VISIT_SHARE]
        if share > 0.0:
            _draw_visit(table, below, share, c, width)
            below += share
    for k in range(n_needs):
        _draw_need(table, need_block(table, k), k, width)
    _draw_answers(table, kept, identity, world, n_needs, width)
    if world.stages > 0.0 or world.volunteer_scale > 0.0:
        draw_courtship_luck(table, kept, identity, width)
        _draw_courtship(table, kept, world, width)


@stage
def _draw_contact(table: Array, width: int) -> None:
    for j in range(used(width)):
        noticed = indicator(table[LUCK_NOTICE + j] < table[P_NOTICE + j])
        responded = noticed * indicator(table[LUCK_RESPOND + j] < table[P_RESPOND + j])
        answered = responded * table[ACT_ASK + j]
        table[NOTICED + j] = noticed
        table[RESPONDED + j] = responded
        table[ACCEPTED + j] = responded * table[ACT_RETAIN + j]
        table[ANSWERED + j] = answered
        table[READING_LOYALTY + j] = 0.0
        opted_out = indicator(table[LUCK_OPT_OUT + j] < table[P_OPT_OUT + j])
        table[OPTED_OUT + j] = noticed * opted_out


@sequence
def weigh_purchases(table: Array, kept: Array, n_needs: int, width: int) -> None:
    """Write the weights exp(U_k) and their total, given what ``NOTICED`` says."""
    for k in range(n_needs):
        _weigh_need(table, need_block(table, k), kept, k, width)


@stage
def _weigh_need(table: Array, of_need: Array, kept: Array, k: int, width: int) -> None:
    first = k == 0
    for j in range(used(width)):
        quiet, loud = of_need[UTILITY_QUIET + j], of_need[UTILITY_NOTICED + j]
        utility = loud if table[NOTICED + j] > 0.0 else quiet
        weight = purchase_weight(kept[ALIVE + j], utility)
        before = table[TOTAL + j]
        before = 0.0 if first else before
        of_need[WEIGHT + j] = weight
        table[TOTAL + j] = before + weight


@scalar
def _draw_purchases(
    table: Array,
    purse: Array,
    kept: Array,
    born: Array,
    identity: Array,
    needs: Array,
    spend_noise: Array,
    world: World,
    width: int,
) -> None:
    _draw_buyers(table, purse, world.counted, width)
    for j in range(used(width)):
        if table[PURCHASES + j] > 0.0:
            draw_buyer_luck(table, kept, identity, j)
            _draw_purchase(table, purse, kept, born, needs, spend_noise, world, j)


@stage
def _draw_buyers(table: Array, purse: Array, counted: float, width: int) -> None:
    for j in range(used(width)):
        chance = purchase_probability(table[TOTAL + j], counted)
        table[P_BUY + j] = chance
        table[PURCHASES + j] = indicator(table[LUCK_BUY + j] < chance)
        table[NEED_BOUGHT + j] = -1.0
        purse[LIST_SPEND + j] = 0.0
        table[REDEEMED + j] = 0.0
        table[LEFT + j] = 0.0
        table[REFERRED + j] = 0.0


@stage
def _draw_purchase(
    table: Array,
    purse: Array,
    kept: Array,
    born: Array,
    needs: Array,
    spend_noise: Array,
    world: World,
    j: int,
) -> None:
    """Everything about the purchases of the buyer in lane ``j``."""
    _count_purchases(table, kept, j, world.counted)
    _choose_need(table, purse, born, needs, j)
    if world.transaction_noise > 0.0:
        purse[LIST_SPEND + j] *= tabulated_quantile(spend_noise, np.float64(table[LUCK_SPEND + j]))
    purse[LIST_SPEND + j] = round_money(purse[LIST_SPEND + j])
    table[REFERRED + j] = indicator(table[LUCK_REFERRAL + j] < table[P_REFERRAL + j])


@scalar
def _count_purchases(table: Array, kept: Array, j: int, counted: float) -> None:
    """How many purchases the buyer in lane ``j`` makes until leaving, by inversion."""
    total = table[TOTAL + j]
    most = MOST_PURCHASES if counted > 0.0 else 1
    at_least = purchase_probability(total, counted)
    point = exp(-total)
    stays = 1.0 - table[P_DROPOUT + j]
    count = 0.0
    while count < most and table[LUCK_BUY + j] < at_least and table[LEFT + j] <= 0.0:
        count += 1.0
        left = runs_out(kept[PATIENCE + j], stays)
        kept[PATIENCE + j] = patience_left(kept[PATIENCE + j], stays, left)
        table[LEFT + j] = left
        point = poisson_point(count, total, point)
        at_least -= point
    table[PURCHASES + j] = count


@scalar
def _choose_need(table: Array, purse: Array, born: Array, needs: Array, j: int) -> None:
    """Which need the buyer in lane ``j`` buys for, and the list value before noise."""
    n_needs = needs.shape[0]
    share = table[LUCK_CHOICE + j] * table[TOTAL + j]
    below = 0.0
    chosen = n_needs - 1  # rounding at the upper end of the last need cannot leave nobody chosen
    for k in range(n_needs):
        weight = need_block(table, k)[WEIGHT + j]
        if is_chosen(share, below, weight) > 0.0:
            chosen = k
        below += weight
    table[NEED_BOUGHT + j] = np.float32(chosen)
    purse[LIST_SPEND + j] = born[SPEND_LEVEL + j] * needs[chosen, NEED_PRICE] * table[PURCHASES + j]
    spoken_to = table[NOTICED + j] * need_block(table, chosen)[ACT_NEED + j]
    table[REDEEMED + j] = indicator(spoken_to * table[ACT_DISCOUNT + j] > 0.0)
    if spoken_to * table[ACT_OFFER + j] > 0.0:
        purse[LIST_SPEND + j] *= table[ACT_GIFT + j]


@stage
def _draw_leaving(table: Array, kept: Array, born: Array, world: World, width: int) -> None:
    scale, base, retained = world.leave_scale, world.leave_base, world.leave_retained
    contract = world.contract
    for j in range(used(width)):
        unhappy, woken = table[UNHAPPY + j], table[WOKEN + j]
        added = woken if table[NOTICED + j] > 0.0 else unhappy
        stays = woken - retained
        added = stays if table[ACCEPTED + j] > 0.0 else added
        bound = contract * indicator(kept[COMMITMENT + j] > 0.0)
        free = kept[ALIVE + j] * (1.0 - bound)
        chance = leaving_probability(scale, base, born[LEAVING_PROPENSITY + j], added, free)
        table[P_LEAVE + j] = chance
        stays = 1.0 - chance
        goes = runs_out(kept[PATIENCE + j], stays)
        kept[PATIENCE + j] = patience_left(kept[PATIENCE + j], stays, goes)
        table[LEFT + j] = table[LEFT + j] + goes


@stage
def _draw_cancellation(table: Array, world: World, width: int) -> None:
    contract = world.contract
    for j in range(used(width)):
        table[CANCELLED + j] = contract * table[LEFT + j]


@stage
def _draw_service(table: Array, kept: Array, identity: Array, width: int) -> None:
    """Whether the few whose problem is worked on are rid of it."""
    for j in range(used(width)):
        worked_on = kept[PROBLEM + j] * table[NOTICED + j] * table[ACT_SERVICE + j]
        table[PROBLEM_SOLVED + j] = 0.0
        if worked_on > 0.0:
            draw_service_luck(table, kept, identity, j)
            solves = indicator(table[LUCK_SOLVE + j] < table[ACT_SERVICE + j])
            table[PROBLEM_SOLVED + j] = solves


@stage
def _draw_problem(table: Array, kept: Array, world: World, width: int) -> None:
    end, complain = world.problem_end, world.complain_probability
    for j in range(used(width)):
        before = kept[PROBLEM + j]
        alive = kept[ALIVE + j]
        ends = before * alive * indicator(table[LUCK_PROBLEM + j] < end)
        open_now = indicator(table[LUCK_PROBLEM + j] < table[P_PROBLEM + j])
        after = open_now * (1.0 - table[PROBLEM_SOLVED + j]) * (1.0 - ends)
        told = kept[COMPLAINT + j]
        tells = alive * indicator(table[LUCK_COMPLAIN + j] < complain)
        table[PROBLEM_AFTER + j] = after
        table[SOLVED + j] = told * before * (1.0 - after)
        table[COMPLAINED + j] = (1.0 - told) * after * tells
        table[VISIT + j] = 0.0
        table[BASKET + j] = 0.0
        table[BASKET_SUM + j] = 0.0


@stage
def _keep_appointments(table: Array, world: World, width: int) -> None:
    """Who bought comes in, at least with the probability of an appointment."""
    appointment = world.appointment
    for j in range(used(width)):
        booked = appointment * indicator(table[PURCHASES + j] > 0.0)
        table[P_VISIT + j] = larger(table[P_VISIT + j], booked)


@stage
def _draw_courtship(table: Array, kept: Array, world: World, width: int) -> None:
    """Where a prospect moves in the pipeline, and who gives time."""
    cool = world.cool
    for j in range(used(width)):
        noticed = table[NOTICED + j] > 0.0
        loud, quiet = table[P_ADVANCE_NOTICED + j], table[P_ADVANCE_QUIET + j]
        advances = loud if noticed else quiet
        cools = 0.0 if noticed else cool
        cools *= indicator(kept[STAGE + j] > 0.0)
        table[STAGE_MOVE + j] = stage_move(table[LUCK_STAGE + j], advances, cools)
        loud, quiet = table[P_VOLUNTEER_NOTICED + j], table[P_VOLUNTEER_QUIET + j]
        chance = loud if noticed else quiet
        table[VOLUNTEERED + j] = indicator(table[LUCK_VOLUNTEER + j] < chance)


@stage
def _draw_visit(table: Array, below: float, share: float, c: int, width: int) -> None:
    here = np.float32(c + 1)
    for j in range(used(width)):
        stays = 1.0 - table[LEFT + j]
        low, high = below * table[P_VISIT + j], (below + share) * table[P_VISIT + j]
        luck = table[LUCK_VISIT + j]
        comes = indicator(luck >= low) * indicator(luck < high) * stays
        table[VISIT + j] += here * comes


@stage
def _draw_need(table: Array, of_need: Array, k: int, width: int) -> None:
    here = np.float32(k + 1)
    for j in range(used(width)):
        of_need[ARISEN + j] = indicator(of_need[LUCK_ARRIVAL + j] < of_need[P_ARRIVAL + j])
        of_need[SIGNAL + j] = indicator(of_need[LUCK_SIGNAL + j] < of_need[P_SIGNAL + j])
        of_need[READING + j] = 0.0
        low = table[BASKET_SUM + j]
        high = low + of_need[P_BASKET + j]
        luck = table[LUCK_BASKET + j]
        leaves = indicator(luck >= low) * indicator(luck < high)
        quiet = indicator(table[PURCHASES + j] <= 0.0) * (1.0 - table[LEFT + j])
        table[BASKET + j] += here * leaves * quiet
        table[BASKET_SUM + j] = high


@stage
def _draw_answers(
    table: Array, kept: Array, identity: Array, world: World, n_needs: int, width: int
) -> None:
    """What the few who answered a question say of their needs."""
    for j in range(used(width)):
        if table[ANSWERED + j] > 0.0:
            draw_service_luck(table, kept, identity, j)
            luck = table[LUCK_READING + j]
            table[READING_LOYALTY + j] = reading(kept[LOYALTY + j], world.answer_noise, luck)
            for k in range(n_needs):
                luck = answer_luck(kept, identity, k, j)
                stated = reading(need_kept(kept, k)[NEED + j], world.answer_noise, luck)
                need_block(table, k)[READING + j] = stated

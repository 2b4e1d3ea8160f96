"""Step 3: hidden state and action to odds, in closed form, for a tile of customers.

What happens only to one of two branches (noticed or not) is left as a utility or log-odds; step 4
turns the one that comes true into a probability.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nba_gym.arithmetic import indicator, larger, log
from nba_gym.compiled import sequence, stage
from nba_gym.customer.leaving import discontent, leaving_probability, wake_up
from nba_gym.customer.needs import arrival_probability, signal_probability
from nba_gym.customer.pipeline import advance_probability, stage_gap
from nba_gym.customer.places import (
    ACT_ATTENTION,
    ACT_INVITE,
    ACT_LOG_PRICE,
    ACT_OFFER,
    ACT_PRESSURE,
    ACT_REACH,
    ACT_RESPONSE_BASE,
    ACT_RESPONSE_SLOPE,
    ACT_STRENGTH,
    ALIVE,
    ARRIVAL_RATE,
    AWARENESS,
    EXCITEMENT,
    FATIGUE,
    LEAVING_PROPENSITY,
    LOG_REFERENCE,
    LOYALTY,
    NEED,
    P_ADVANCE_NOTICED,
    P_ADVANCE_QUIET,
    P_ARRIVAL,
    P_BASKET,
    P_DROPOUT,
    P_NOTICE,
    P_OPT_OUT,
    P_PROBLEM,
    P_REFERRAL,
    P_RESPOND,
    P_SIGNAL,
    P_VISIT,
    P_VOLUNTEER_NOTICED,
    P_VOLUNTEER_QUIET,
    PRICE_SENSITIVITY,
    PROBLEM,
    PURCHASE_PROPENSITY,
    REFERENCE,
    RELEVANCE,
    SEASON_ARRIVAL,
    SEASON_UTILITY,
    STRAIN,
    STRONGEST_NEED,
    STRONGEST_STAGED,
    TOLERANCE,
    UNHAPPY,
    UTILITY_NOTICED,
    UTILITY_QUIET,
    WOKEN,
)
from nba_gym.customer.purchase import base_utility, persuasion, price_term
from nba_gym.customer.response import (
    add_relevance,
    notice_probability,
    opt_out_probability,
    response_probability,
    strain,
)
from nba_gym.customer.service import (
    basket_probability,
    problem_probability,
    referral_probability,
    visit_probability,
)
from nba_gym.customer.volunteering import volunteer_probability
from nba_gym.lanes import need_block, need_born, need_kept, used
from nba_gym.records.places import (
    ACT_NEED,
    ACT_OUTBOUND,
    COMMITMENT,
    FREQUENCY,
    OPEN_BASKET,
    STAGE,
)
from nba_gym.scenario.parameters import NEED_OWNED, NEED_STAGED, Array, World

NOT_FOR_SALE = 1000.0
"""Utility taken from what only owners buy; nothing is left of the odds."""


@sequence
def respond(
    table: Array,
    kept: Array,
    born: Array,
    excitation: Array,
    needs: Array,
    world: World,
    n_needs: int,
    width: int,
) -> None:
    """Write the odds of everything in the period; ``look_up`` must have run."""
    for k in range(n_needs):
        _sum_up_need(table, need_block(table, k), need_kept(kept, k), k, width)
    _excite_needs(table, kept, excitation, n_needs, width)
    _meet_contact(table, kept, born, world, width)
    _consider_leaving(table, kept, born, world, width)
    _expect_service(table, kept, world, width)
    for k in range(n_needs):
        kept_need, born_need = need_kept(kept, k), need_born(born, k)
        _expect_need(
            table, need_block(table, k), kept, kept_need, born, born_need, world, k, n_needs, width
        )
    if world.stages > 0.0:
        for k in range(n_needs):
            staged, owned = needs[k, NEED_STAGED], needs[k, NEED_OWNED]
            of_need, kept_need = need_block(table, k), need_kept(kept, k)
            _hold_back(table, of_need, kept, kept_need, world, staged, owned, k, width)
        _expect_advance(table, kept, world, width)
    if world.volunteer_scale > 0.0:
        _expect_volunteering(table, kept, world, width)


@stage
def _hold_back(
    table: Array,
    of_need: Array,
    kept: Array,
    kept_need: Array,
    world: World,
    staged: float,
    owned: float,
    k: int,
    width: int,
) -> None:
    """What is missing on the way to a need that is bought through the pipeline, or by owners."""
    last, by_stage = world.stages, world.by_stage
    in_pipeline, for_owners = np.float32(staged), np.float32(owned)
    first = k == 0
    for j in range(used(width)):
        gap = in_pipeline * stage_gap(by_stage, last - kept[STAGE + j])
        gap += for_owners * indicator(kept[FREQUENCY + j] <= 0.0) * NOT_FOR_SALE
        of_need[UTILITY_QUIET + j] -= gap
        of_need[UTILITY_NOTICED + j] -= gap
        strongest = table[STRONGEST_STAGED + j]
        strongest = 0.0 if first else strongest
        table[STRONGEST_STAGED + j] = larger(strongest, in_pipeline * kept_need[NEED + j])


@stage
def _expect_advance(table: Array, kept: Array, world: World, width: int) -> None:
    last, scale, base = world.stages, world.advance_scale, world.advance_base
    by_need, by_contact = world.advance_need, world.advance_contact
    for j in range(used(width)):
        possible = kept[ALIVE + j] * indicator(kept[STAGE + j] < last)
        strongest = table[STRONGEST_STAGED + j]
        push = table[ACT_STRENGTH + j] * table[RELEVANCE + j]
        table[P_ADVANCE_QUIET + j] = advance_probability(
            scale, base, by_need, by_contact, strongest, 0.0, possible
        )
        table[P_ADVANCE_NOTICED + j] = advance_probability(
            scale, base, by_need, by_contact, strongest, push, possible
        )


@stage
def _expect_volunteering(table: Array, kept: Array, world: World, width: int) -> None:
    scale, base = world.volunteer_scale, world.volunteer_base
    by_loyalty, by_invitation = world.volunteer_loyalty, world.volunteer_invitation
    for j in range(used(width)):
        loyalty, alive, invited = kept[LOYALTY + j], kept[ALIVE + j], table[ACT_INVITE + j]
        table[P_VOLUNTEER_QUIET + j] = volunteer_probability(
            scale, base, by_loyalty, by_invitation, loyalty, 0.0, alive
        )
        table[P_VOLUNTEER_NOTICED + j] = volunteer_probability(
            scale, base, by_loyalty, by_invitation, loyalty, invited, alive
        )


@stage
def _sum_up_need(table: Array, of_need: Array, kept_need: Array, k: int, width: int) -> None:
    first = k == 0
    for j in range(used(width)):
        need = kept_need[NEED + j]
        relevance, strongest = table[RELEVANCE + j], table[STRONGEST_NEED + j]
        relevance = 0.0 if first else relevance
        strongest = 0.0 if first else strongest
        table[RELEVANCE + j] = add_relevance(relevance, of_need[ACT_NEED + j], need)
        table[STRONGEST_NEED + j] = larger(strongest, need)
        of_need[EXCITEMENT + j] = 0.0


@sequence
def _excite_needs(table: Array, kept: Array, excitation: Array, n_needs: int, width: int) -> None:
    for k in range(n_needs):
        for source in range(n_needs):
            weight = excitation[source, k]
            if weight > 0.0:
                _excite_need(need_block(table, k), need_kept(kept, source), weight, width)


@stage
def _excite_need(of_need: Array, kept_source: Array, weight: float, width: int) -> None:
    for j in range(used(width)):
        of_need[EXCITEMENT + j] += weight * kept_source[NEED + j]


@stage
def _meet_contact(table: Array, kept: Array, born: Array, world: World, width: int) -> None:
    scale, base = world.opt_out_scale, world.opt_out_base
    by_strain, by_loyalty = world.opt_out_strain, world.opt_out_loyalty
    for j in range(used(width)):
        outbound = table[ACT_OUTBOUND + j]
        felt = strain(kept[FATIGUE + j], born[TOLERANCE + j])
        table[STRAIN + j] = felt
        table[P_NOTICE + j] = notice_probability(
            table[ACT_REACH + j], table[ACT_ATTENTION + j], felt, outbound, kept[ALIVE + j]
        )
        table[P_RESPOND + j] = response_probability(
            table[ACT_RESPONSE_BASE + j], table[ACT_RESPONSE_SLOPE + j], table[RELEVANCE + j]
        )
        table[P_OPT_OUT + j] = opt_out_probability(
            scale, base, by_strain, by_loyalty, felt, kept[LOYALTY + j], outbound
        )
        table[LOG_REFERENCE + j] = log(1.0 - kept[REFERENCE + j])


@stage
def _consider_leaving(table: Array, kept: Array, born: Array, world: World, width: int) -> None:
    by_loyalty, by_strain = world.leave_loyalty, world.leave_strain
    by_problem, by_wake_up = world.leave_problem, world.leave_wake_up
    scale, base = world.dropout_scale, world.dropout_base
    contract = world.contract
    for j in range(used(width)):
        loyalty = kept[LOYALTY + j]
        unhappy = discontent(
            by_loyalty, by_strain, by_problem, loyalty, table[STRAIN + j], kept[PROBLEM + j]
        )
        table[UNHAPPY + j] = unhappy
        table[WOKEN + j] = unhappy + wake_up(by_wake_up, table[ACT_OUTBOUND + j], loyalty)
        bound = contract * indicator(kept[COMMITMENT + j] > 0.0)
        free = kept[ALIVE + j] * (1.0 - bound)
        table[P_DROPOUT + j] = leaving_probability(
            scale, base, born[LEAVING_PROPENSITY + j], unhappy, free
        )


@stage
def _expect_service(table: Array, kept: Array, world: World, width: int) -> None:
    hazard = world.problem_hazard
    scale, base, by_need = world.visit_scale, world.visit_base, world.visit_need
    by_problem, by_loyalty = world.visit_problem, world.visit_loyalty
    referral_rate = world.referral_rate
    for j in range(used(width)):
        problem, loyalty = kept[PROBLEM + j], kept[LOYALTY + j]
        alive = kept[ALIVE + j]
        table[P_PROBLEM + j] = problem_probability(hazard, problem, alive)
        table[P_VISIT + j] = visit_probability(
            scale,
            base,
            by_need,
            by_problem,
            by_loyalty,
            table[STRONGEST_NEED + j],
            problem,
            loyalty,
            alive,
        )
        table[P_REFERRAL + j] = referral_probability(referral_rate, loyalty)


@stage
def _expect_need(
    table: Array,
    of_need: Array,
    kept: Array,
    kept_need: Array,
    born: Array,
    born_need: Array,
    world: World,
    k: int,
    n_needs: int,
    width: int,
) -> None:
    here = np.float32(k + 1)
    count: Any = np.float32(n_needs)
    intercept = world.purchase_intercept
    by_need, by_awareness, by_loyalty = world.by_need, world.by_awareness, world.by_loyalty
    by_offer, by_pressure, by_basket = world.by_offer, world.by_pressure, world.by_basket
    loss_aversion = world.loss_aversion
    false_rate, true_rate, rate = world.signal_false, world.signal_true, world.basket_rate
    for j in range(used(width)):
        need, alive = kept_need[NEED + j], kept[ALIVE + j]
        basket = indicator(kept[OPEN_BASKET + j] == here)
        utility = base_utility(
            born[PURCHASE_PROPENSITY + j] + intercept,
            by_need,
            by_awareness,
            by_loyalty,
            by_basket,
            need,
            kept_need[AWARENESS + j],
            kept[LOYALTY + j],
            basket,
            of_need[SEASON_UTILITY + j],
        )
        psi = born[PRICE_SENSITIVITY + j]
        speaks_to = of_need[ACT_NEED + j] * table[ACT_OFFER + j]
        deal = table[ACT_LOG_PRICE + j]
        log_price = deal if speaks_to > 0.0 else 0.0
        remembered = table[LOG_REFERENCE + j]
        full = price_term(0.0, remembered, loss_aversion)
        offered = price_term(log_price, remembered, loss_aversion)
        push = persuasion(by_offer, by_pressure, speaks_to, table[ACT_PRESSURE + j], basket)
        of_need[UTILITY_QUIET + j] = utility - psi * full
        of_need[UTILITY_NOTICED + j] = utility - psi * offered + push
        of_need[P_ARRIVAL + j] = arrival_probability(
            born_need[ARRIVAL_RATE + j],
            of_need[SEASON_ARRIVAL + j],
            of_need[EXCITEMENT + j],
            alive,
        )
        of_need[P_SIGNAL + j] = signal_probability(false_rate, true_rate, need, alive)
        of_need[P_BASKET + j] = basket_probability(rate, need, count, alive)

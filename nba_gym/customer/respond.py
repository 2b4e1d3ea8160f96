"""Step 3: hidden state and action to probabilities, in closed form, for a tile of customers."""

from __future__ import annotations

import numpy as np

from nba_gym.arithmetic import exp, indicator, larger, log
from nba_gym.compiled import stage
from nba_gym.customer.leaving import discontent, leaving_probability, wake_up
from nba_gym.customer.needs import arrival_probability, signal_probability
from nba_gym.customer.places import (
    ACT_ATTENTION,
    ACT_LOG_PRICE,
    ACT_OFFER,
    ACT_PRESSURE,
    ACT_REACH,
    ACT_RESPONSE_BASE,
    ACT_RESPONSE_SLOPE,
    ALIVE,
    ARRIVAL_RATE,
    AWARENESS,
    EXCITEMENT,
    FATIGUE,
    LEAVING_PROPENSITY,
    LOG_REFERENCE,
    LOYALTY,
    NEED,
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
    PRICE_SENSITIVITY,
    PROBLEM,
    PURCHASE_PROPENSITY,
    REFERENCE,
    RELEVANCE,
    SEASON_ARRIVAL,
    SEASON_UTILITY,
    STRAIN,
    STRONGEST_NEED,
    TOLERANCE,
    TOTAL_NOTICED,
    TOTAL_QUIET,
    WEIGHT_NOTICED,
    WEIGHT_QUIET,
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
from nba_gym.lanes import LANES, need_block
from nba_gym.records.places import ACT_NEED, ACT_OUTBOUND, COMMITMENT, OPEN_BASKET
from nba_gym.scenario.parameters import Array, World


@stage
def respond(table: Array, excitation: Array, world: World, n_needs: int) -> None:
    """Write all probabilities of the period; ``look_up`` must have run."""
    _sum_up_needs(table, n_needs)
    _meet_contact(table, world)
    _weigh_purchases(table, world, n_needs)
    _consider_leaving(table, world)
    _expect_service(table, world)
    _expect_needs(table, excitation, world, n_needs)


@stage
def _sum_up_needs(table: Array, n_needs: int) -> None:
    for j in range(LANES):
        table[RELEVANCE + j] = 0.0
        table[STRONGEST_NEED + j] = 0.0
    for k in range(n_needs):
        of_need = need_block(table, k)
        for j in range(LANES):
            need = of_need[NEED + j]
            table[RELEVANCE + j] = add_relevance(table[RELEVANCE + j], of_need[ACT_NEED + j], need)
            table[STRONGEST_NEED + j] = larger(table[STRONGEST_NEED + j], need)


@stage
def _meet_contact(table: Array, world: World) -> None:
    scale, base = world.opt_out_scale, world.opt_out_base
    by_strain, by_loyalty = world.opt_out_strain, world.opt_out_loyalty
    for j in range(LANES):
        outbound = table[ACT_OUTBOUND + j]
        felt = strain(table[FATIGUE + j], table[TOLERANCE + j])
        table[STRAIN + j] = felt
        table[P_NOTICE + j] = notice_probability(
            table[ACT_REACH + j], table[ACT_ATTENTION + j], felt, outbound, table[ALIVE + j]
        )
        table[P_RESPOND + j] = response_probability(
            table[ACT_RESPONSE_BASE + j], table[ACT_RESPONSE_SLOPE + j], table[RELEVANCE + j]
        )
        table[P_OPT_OUT + j] = opt_out_probability(
            scale, base, by_strain, by_loyalty, felt, table[LOYALTY + j], outbound
        )
        table[LOG_REFERENCE + j] = log(1.0 - table[REFERENCE + j])


@stage
def _weigh_purchases(table: Array, world: World, n_needs: int) -> None:
    for j in range(LANES):
        table[TOTAL_QUIET + j] = 0.0
        table[TOTAL_NOTICED + j] = 0.0
    for k in range(n_needs):
        _weigh_need(table, world, k)


@stage
def _weigh_need(table: Array, world: World, k: int) -> None:
    of_need = need_block(table, k)
    here = np.float64(k + 1)
    intercept = world.purchase_intercept
    by_need, by_awareness, by_loyalty = world.by_need, world.by_awareness, world.by_loyalty
    by_offer, by_pressure, by_basket = world.by_offer, world.by_pressure, world.by_basket
    loss_aversion = world.loss_aversion
    for j in range(LANES):
        basket = indicator(table[OPEN_BASKET + j] == here)
        utility = base_utility(
            table[PURCHASE_PROPENSITY + j] + intercept,
            by_need,
            by_awareness,
            by_loyalty,
            by_basket,
            of_need[NEED + j],
            of_need[AWARENESS + j],
            table[LOYALTY + j],
            basket,
            of_need[SEASON_UTILITY + j],
        )
        psi = table[PRICE_SENSITIVITY + j]
        speaks_to = of_need[ACT_NEED + j] * table[ACT_OFFER + j]
        deal = table[ACT_LOG_PRICE + j]
        log_price = deal if speaks_to > 0.0 else 0.0
        remembered = table[LOG_REFERENCE + j]
        full = price_term(0.0, remembered, loss_aversion)
        offered = price_term(log_price, remembered, loss_aversion)
        push = persuasion(by_offer, by_pressure, speaks_to, table[ACT_PRESSURE + j], basket)
        alive = table[ALIVE + j]
        quiet = alive * exp(utility - psi * full)
        noticed = alive * exp(utility - psi * offered + push)
        of_need[WEIGHT_QUIET + j] = quiet
        of_need[WEIGHT_NOTICED + j] = noticed
    for j in range(LANES):
        table[TOTAL_QUIET + j] += of_need[WEIGHT_QUIET + j]
        table[TOTAL_NOTICED + j] += of_need[WEIGHT_NOTICED + j]


@stage
def _consider_leaving(table: Array, world: World) -> None:
    by_loyalty, by_strain = world.leave_loyalty, world.leave_strain
    by_problem, by_wake_up = world.leave_problem, world.leave_wake_up
    scale, base, retained = world.leave_scale, world.leave_base, world.leave_retained
    dropout_scale, dropout_base = world.dropout_scale, world.dropout_base
    contract = world.contract
    for j in range(LANES):
        alive, loyalty = table[ALIVE + j], table[LOYALTY + j]
        bound = contract * indicator(table[COMMITMENT + j] > 0.0)
        free = alive * (1.0 - bound)
        h = table[LEAVING_PROPENSITY + j]
        unhappy = discontent(
            by_loyalty, by_strain, by_problem, loyalty, table[STRAIN + j], table[PROBLEM + j]
        )
        woken = unhappy + wake_up(by_wake_up, table[ACT_OUTBOUND + j], loyalty)
        table[P_LEAVE_QUIET + j] = leaving_probability(scale, base, h, unhappy, free)
        table[P_LEAVE_NOTICED + j] = leaving_probability(scale, base, h, woken, free)
        table[P_LEAVE_ACCEPTED + j] = leaving_probability(scale, base, h, woken - retained, free)
        table[P_DROPOUT + j] = leaving_probability(dropout_scale, dropout_base, h, unhappy, alive)


@stage
def _expect_service(table: Array, world: World) -> None:
    hazard = world.problem_hazard
    scale, base, by_need = world.visit_scale, world.visit_base, world.visit_need
    by_problem, by_loyalty = world.visit_problem, world.visit_loyalty
    referral_rate = world.referral_rate
    for j in range(LANES):
        problem, loyalty, alive = table[PROBLEM + j], table[LOYALTY + j], table[ALIVE + j]
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
def _expect_needs(table: Array, excitation: Array, world: World, n_needs: int) -> None:
    false_rate, true_rate, rate = world.signal_false, world.signal_true, world.basket_rate
    count = np.float64(n_needs)
    for k in range(n_needs):
        of_need = need_block(table, k)
        for j in range(LANES):
            table[EXCITEMENT + j] = 0.0
        for source in range(n_needs):
            weight = excitation[source, k]
            if weight > 0.0:
                awake = need_block(table, source)
                for j in range(LANES):
                    table[EXCITEMENT + j] += weight * awake[NEED + j]
        for j in range(LANES):
            need, alive = of_need[NEED + j], table[ALIVE + j]
            of_need[P_ARRIVAL + j] = arrival_probability(
                of_need[ARRIVAL_RATE + j],
                of_need[SEASON_ARRIVAL + j],
                table[EXCITEMENT + j],
                alive,
            )
            of_need[P_SIGNAL + j] = signal_probability(false_rate, true_rate, need, alive)
            of_need[P_BASKET + j] = basket_probability(rate, need, count, alive)

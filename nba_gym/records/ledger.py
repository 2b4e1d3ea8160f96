"""Money: step 5, from the events of a period to the lines of the ledger (equation 34)."""

from __future__ import annotations

from nba_gym.arithmetic import indicator, larger, round_money
from nba_gym.compiled import scalar, stage
from nba_gym.lanes import LANES
from nba_gym.records.places import (
    ACCEPTED,
    ACT_COST,
    ACT_DISCOUNT,
    ACT_FULFIL_COST,
    ACT_INBOUND,
    CONTACT_COST,
    CUSTOMER,
    DISCOUNTS,
    LIST_SPEND,
    MARGIN,
    MARGIN_RATE,
    NEED_BOUGHT,
    PURCHASES,
    RECURRING,
    REDEEMED,
    REFERRALS,
    REFERRED,
    RESPONDED,
    SENT,
    SERVICE_COST,
)
from nba_gym.scenario.parameters import NEED_MARGIN, Array, World

LINES = ("margin", "discounts", "recurring", "referrals", "contact_cost", "service_cost")
"""Lines of the ledger, in the order in which they are stored."""

LINE_PLACES = (MARGIN, DISCOUNTS, RECURRING, REFERRALS, CONTACT_COST, SERVICE_COST)


@stage
def settle(table: Array, needs: Array, world: World, n_needs: int) -> None:
    """Step 5: write the ledger lines of a tile of customers from their events.

    Every line is a multiple of ``MONEY_QUANTUM``, a power of two, so sums of lines are exact in any
    order and the reward of a period equals its lines without rounding.
    """
    for j in range(LANES):
        table[MARGIN_RATE + j] = 0.0
    for k in range(n_needs):
        rate = needs[k, NEED_MARGIN]
        for j in range(LANES):
            here = indicator(table[NEED_BOUGHT + j] == float(k))
            table[MARGIN_RATE + j] += rate * here
    recurring, referral = world.recurring_margin, world.referral_value
    for j in range(LANES):
        bought = indicator(table[PURCHASES + j] > 0.0)
        spend = table[LIST_SPEND + j]
        granted = table[ACT_DISCOUNT + j] * table[REDEEMED + j] * spend
        table[MARGIN + j] = round_money(table[MARGIN_RATE + j] * spend * bought)
        table[DISCOUNTS + j] = 0.0 - round_money(granted)
        table[RECURRING + j] = round_money(recurring * table[CUSTOMER + j])
        table[REFERRALS + j] = round_money(referral * table[REFERRED + j])
        contacted = larger(table[SENT + j], table[ACT_INBOUND + j])
        table[CONTACT_COST + j] = 0.0 - round_money(table[ACT_COST + j] * contacted)
        fulfilled = larger(table[RESPONDED + j], table[ACCEPTED + j])
        table[SERVICE_COST + j] = 0.0 - round_money(table[ACT_FULFIL_COST + j] * fulfilled)


@scalar
def profit(table: Array, j: int) -> float:
    """The reward of lane ``j``: the exact sum of its ledger lines, in currency."""
    return (
        table[MARGIN + j]
        + table[DISCOUNTS + j]
        + table[RECURRING + j]
        + table[REFERRALS + j]
        + table[CONTACT_COST + j]
        + table[SERVICE_COST + j]
    )

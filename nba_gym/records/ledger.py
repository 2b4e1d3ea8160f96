"""Money: step 5, from the events of a period to the lines of the ledger (equation 34)."""

from __future__ import annotations

import numpy as np

from nba_gym.arithmetic import indicator, larger, round_money
from nba_gym.compiled import stage
from nba_gym.lanes import used
from nba_gym.records.places import (
    ACCEPTED,
    ACQUISITION,
    ACT_COST,
    ACT_DISCOUNT,
    ACT_FULFIL_COST,
    ACT_INBOUND,
    CONTACT_COST,
    CUSTOMER,
    DISCOUNTS,
    LIST_SPEND,
    MARGIN,
    NEED_BOUGHT,
    PURCHASES,
    RECURRING,
    REDEEMED,
    REFERRALS,
    REFERRED,
    RESPONDED,
    SENT,
    SERVICE_COST,
    TENURE,
    TIME_GIVEN,
    VOLUNTEERED,
)
from nba_gym.scenario.parameters import NEED_MARGIN, Array, World

LINES = (
    "margin",
    "discounts",
    "recurring",
    "referrals",
    "volunteering",
    "acquisition",
    "contact_cost",
    "service_cost",
)
"""Lines of the ledger, in the order in which they are stored."""

LINE_PLACES = (
    MARGIN,
    DISCOUNTS,
    RECURRING,
    REFERRALS,
    TIME_GIVEN,
    ACQUISITION,
    CONTACT_COST,
    SERVICE_COST,
)


@stage
def settle(table: Array, purse: Array, kept: Array, needs: Array, world: World, width: int) -> None:
    """Step 5: write the ledger lines of a tile of customers from their events.

    Every line is a multiple of ``MONEY_QUANTUM``, a power of two, so sums of lines are exact in any
    order and the reward of a period equals its lines without rounding.
    """
    recurring, referral = world.recurring_margin, world.referral_value
    time_given, lead = world.volunteer_value, world.lead_cost
    for j in range(used(width)):
        bought = indicator(table[PURCHASES + j] > 0.0)
        need = np.int64(table[NEED_BOUGHT + j])
        need = need if need > 0 else 0
        rate = needs[np.uint64(need), NEED_MARGIN]
        spend = purse[LIST_SPEND + j]
        granted = table[ACT_DISCOUNT + j] * table[REDEEMED + j] * spend
        purse[MARGIN + j] = round_money(rate * spend * bought)
        purse[DISCOUNTS + j] = 0.0 - round_money(granted)
        purse[RECURRING + j] = round_money(recurring * kept[CUSTOMER + j])
        purse[REFERRALS + j] = round_money(referral * table[REFERRED + j])
        purse[TIME_GIVEN + j] = round_money(time_given * table[VOLUNTEERED + j])
        new = indicator(kept[TENURE + j] <= 0.0)
        purse[ACQUISITION + j] = 0.0 - round_money(lead * new)
        contacted = larger(table[SENT + j], table[ACT_INBOUND + j])
        purse[CONTACT_COST + j] = 0.0 - round_money(np.float64(table[ACT_COST + j]) * contacted)
        fulfilled = larger(table[RESPONDED + j], table[ACCEPTED + j])
        purse[SERVICE_COST + j] = 0.0 - round_money(
            np.float64(table[ACT_FULFIL_COST + j]) * fulfilled
        )


@stage
def write_ledger(purse: Array, ledger: Array, rewards: Array, count: int) -> None:
    """Write the lines of ``count`` customers, one after the other, and the rewards: their sums."""
    n = np.uint64(len(LINE_PLACES))
    for j in range(count):
        margin, discounts = purse[MARGIN + j], purse[DISCOUNTS + j]
        recurring, referrals = purse[RECURRING + j], purse[REFERRALS + j]
        time_given, lead = purse[TIME_GIVEN + j], purse[ACQUISITION + j]
        contact, service = purse[CONTACT_COST + j], purse[SERVICE_COST + j]
        at = np.uint64(j) * n
        ledger[at] = margin
        ledger[at + np.uint64(1)] = discounts
        ledger[at + np.uint64(2)] = recurring
        ledger[at + np.uint64(3)] = referrals
        ledger[at + np.uint64(4)] = time_given
        ledger[at + np.uint64(5)] = lead
        ledger[at + np.uint64(6)] = contact
        ledger[at + np.uint64(7)] = service
        income = margin + discounts + recurring + referrals + time_given
        rewards[j] = income + lead + contact + service

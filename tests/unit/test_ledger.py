"""The money of a period, worked out by hand."""

import numpy as np
import pytest

from nba_gym.lanes import LANES, ROOM, STEP, TABLE_SIZE
from nba_gym.records import places
from nba_gym.records.ledger import LINES, settle, write_ledger
from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.parameters import pack

NOTHING = dict.fromkeys(LINES, 0.0)

# events of one customer, and what they are worth where shoes (need 0) earn 40 % and gifts 50 % of
# the list price, a referral 8, and a contract 5 a period
CASES = {
    "nothing happens": ({}, {}),
    "a contract runs": ({"customer_active": 1}, {"recurring": 5.0}),
    "bought at list price": (
        {"purchases": 1, "need_bought": 0, "list_spend": 50.0},
        {"margin": 20.0},
    ),
    "bought with the discount of the offer": (
        {
            "purchases": 2,
            "need_bought": 1,
            "list_spend": 80.0,
            "act_discount": 0.25,
            "redeemed": 1,
            "sent": 1,
            "act_cost": 0.5,
        },
        {"margin": 40.0, "discounts": -20.0, "contact_cost": -0.5},
    ),
    "bought something else than what was offered": (
        {"purchases": 1, "need_bought": 1, "list_spend": 80.0, "act_discount": 0.25},
        {"margin": 40.0},
    ),
    "an outbound contact that is answered": (
        {"sent": 1, "act_cost": 0.5, "responded": 1, "act_fulfil_cost": 3.0},
        {"contact_cost": -0.5, "service_cost": -3.0},
    ),
    "an inbound contact": ({"act_inbound": 1, "act_cost": 0.25}, {"contact_cost": -0.25}),
    "an offer to stay that is accepted": (
        {"sent": 1, "act_cost": 2.0, "accepted": 1, "act_fulfil_cost": 30.0},
        {"contact_cost": -2.0, "service_cost": -30.0},
    ),
    "waiting costs nothing": ({"act_cost": 0.5, "act_fulfil_cost": 3.0}, {}),
    "somebody is brought in": ({"referred": 1}, {"referrals": 8.0}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_lines_of_a_period_are_those_worked_out_by_hand(case, small_file):
    happened, worth = CASES[case]
    contract = {"contract.enabled": True, "contract.recurring_margin": 5.0}
    scenario = pack(load_scenario(small_file, contract | {"purchase.referral_value": 8.0}))
    table, purse = np.zeros(TABLE_SIZE, np.float32), np.zeros(ROOM["purse"]["customer"] * LANES)
    kept = np.zeros(ROOM["kept"]["customer"] * LANES, np.float32)
    j = 5
    table[places.NEED_BOUGHT + j] = -1.0
    for name, value in happened.items():
        for book, sheet in ((places.BOOK, table), (places.PURSE, purse), (places.KEPT, kept)):
            if name in book.places:
                sheet[book.places[name].absolute(2, 2)[0] + j] = value
                break
        else:
            raise KeyError(name)
    settle(table, purse, kept, scenario.needs, scenario.world[0], STEP)
    ledger, rewards = np.full(STEP * len(LINES), np.nan), np.full(STEP, np.nan)
    write_ledger(purse, ledger, rewards, STEP)
    written = dict(zip(LINES, ledger.reshape(STEP, -1)[j].tolist(), strict=True))
    assert written == NOTHING | worth
    assert rewards[j] == sum(worth.values())
    assert not np.delete(rewards, j).any()  # the neighbours earned nothing

"""The expected immediate profit of every action, in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.arithmetic import larger
from nba_gym.compiled import entry, stage
from nba_gym.customer.kernel import Rules, State, load_tile
from nba_gym.customer.look_up import look_up
from nba_gym.customer.places import (
    P_DROPOUT,
    P_NOTICE,
    P_REFERRAL,
    P_RESPOND,
    SPEND_LEVEL,
    TOTAL_NOTICED,
    TOTAL_QUIET,
    WEIGHT_NOTICED,
    WEIGHT_QUIET,
)
from nba_gym.customer.population import Population
from nba_gym.customer.purchase import expected_purchases, purchase_probability
from nba_gym.customer.respond import respond
from nba_gym.lanes import LANES, Scratch, need_block
from nba_gym.records.places import (
    ACT_COST,
    ACT_DISCOUNT,
    ACT_FULFIL_COST,
    ACT_INBOUND,
    ACT_NEED,
    ACT_OUTBOUND,
    ACTION,
    CUSTOMER,
)
from nba_gym.scenario.parameters import NEED_MARGIN, NEED_PRICE, Array, World


@stage
def _expected_margin(table: Array, needs: Array, world: World, j: int, noticed: bool) -> float:
    """Expected margin after discounts plus referral value of lane ``j``, noticed or not."""
    total = table[TOTAL_NOTICED + j] if noticed else table[TOTAL_QUIET + j]
    weights = WEIGHT_NOTICED if noticed else WEIGHT_QUIET
    margin = 0.0
    for k in range(needs.shape[0]):
        of_need = need_block(table, k)
        deal = table[ACT_DISCOUNT + j] if noticed and of_need[ACT_NEED + j] > 0.0 else 0.0
        worth = needs[k, NEED_PRICE] * (needs[k, NEED_MARGIN] - deal)
        margin += of_need[weights + j] * worth
    margin = margin / total if total > 0.0 else 0.0
    count = expected_purchases(total, table[P_DROPOUT + j], world.counted)
    buys = purchase_probability(total, world.counted)
    referral = buys * table[P_REFERRAL + j] * world.referral_value
    return count * table[SPEND_LEVEL + j] * margin + referral


@stage
def _expected_lane(table: Array, needs: Array, world: World, j: int) -> float:
    """Equation 38: expected profit of the action on lane ``j``.

    Each purchase is worth ``m * price_k * (margin_k - d)`` on average; noticed and unnoticed
    contacts are weighed by their probability; costs are certain or follow a response.
    """
    notice = table[P_NOTICE + j]
    quiet = _expected_margin(table, needs, world, j, False)
    loud = _expected_margin(table, needs, world, j, True)
    contacted = larger(table[ACT_OUTBOUND + j], table[ACT_INBOUND + j])
    responds = notice * table[P_RESPOND + j]
    return (
        notice * loud
        + (1.0 - notice) * quiet
        + world.recurring_margin * table[CUSTOMER + j]
        - table[ACT_COST + j] * contacted
        - table[ACT_FULFIL_COST + j] * responds
    )


def _make_expected(digest: str) -> Callable[..., None]:
    def expected_tiles(
        n: int, state: State, rules: Rules, out: Array, table: Array, words: Array
    ) -> None:
        _ = digest  # part of the cache key
        world = rules.world[0]
        n_needs = rules.needs.shape[0]
        for t in range(state.values.shape[0]):
            load_tile(
                state.values[t], state.bits[t], rules.offsets, rules.bit_offsets, table, words
            )
            for a in range(rules.actions.shape[0]):
                for j in range(LANES):
                    table[ACTION + j] = np.float64(a)
                look_up(table, rules.actions, rules.seasons, n_needs)
                respond(table, rules.excitation, world, n_needs)
                for j in range(min(LANES, n - t * LANES)):
                    out[t * LANES + j, a] = _expected_lane(table, rules.needs, world, j)

    return expected_tiles


_expected_tiles = entry(_make_expected)


def expected_profit(population: Population) -> NDArray[np.float64]:
    """Expected profit of this period for every customer and action, exactly.

    Forbidden actions are valued as if they were allowed; the mask says which are. The only
    difference to the mean reward is the rounding of money to 1/65536.

    Args:
        population: Customers in their present state, which is not changed.

    Returns:
        ``(n, n_actions)``, in currency.
    """
    out: NDArray[Any] = np.empty((population.n, population.scenario.n_actions))
    scratch = Scratch()
    _expected_tiles(
        population.n, population.state, population.rules, out, scratch.table, scratch.words
    )
    return out

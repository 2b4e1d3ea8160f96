"""The expected immediate profit of every action, in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.arithmetic import larger
from nba_gym.compiled import entry, scalar, stage
from nba_gym.customer.arrays import Rules, State
from nba_gym.customer.draw import weigh_purchases
from nba_gym.customer.look_up import look_up
from nba_gym.customer.places import (
    ACT_GIFT,
    ACT_OFFER,
    NOTICED,
    P_DROPOUT,
    P_NOTICE,
    P_REFERRAL,
    P_RESPOND,
    P_VOLUNTEER_NOTICED,
    P_VOLUNTEER_QUIET,
    SPEND_LEVEL,
    TOTAL,
    WEIGHT,
)
from nba_gym.customer.populate import AnyPopulation
from nba_gym.customer.purchase import expected_purchases, purchase_probability
from nba_gym.customer.respond import respond
from nba_gym.customer.tables import TabularPopulation
from nba_gym.lanes import LANES, Scratch, lanes_for, need_block, used
from nba_gym.records.places import (
    ACT_COST,
    ACT_DISCOUNT,
    ACT_FULFIL_COST,
    ACT_INBOUND,
    ACT_NEED,
    ACT_OUTBOUND,
    ACTION,
    CUSTOMER,
    TENURE,
)
from nba_gym.scenario.parameters import NEED_MARGIN, NEED_PRICE, Array, World


@scalar
def _expected_margin(table: Array, born: Array, needs: Array, world: World, j: int) -> float:
    """Expected margin after discounts plus referral value of lane ``j``, given ``NOTICED``."""
    total = table[TOTAL + j]
    noticed = table[NOTICED + j] > 0.0
    margin = 0.0
    for k in range(needs.shape[0]):
        of_need = need_block(table, k)
        spoken_to = noticed and of_need[ACT_NEED + j] > 0.0
        deal = table[ACT_DISCOUNT + j] if spoken_to else 0.0
        gift = table[ACT_GIFT + j] if spoken_to and table[ACT_OFFER + j] > 0.0 else 1.0
        worth = gift * needs[k, NEED_PRICE] * (needs[k, NEED_MARGIN] - deal)
        margin += of_need[WEIGHT + j] * worth
    margin = margin / total if total > 0.0 else 0.0
    count = expected_purchases(total, table[P_DROPOUT + j], world.counted)
    buys = purchase_probability(total, world.counted)
    referral = buys * table[P_REFERRAL + j] * world.referral_value
    return count * born[SPEND_LEVEL + j] * margin + referral


@scalar
def _expected_time(table: Array, world: World, j: int) -> float:
    """Expected worth of the time that lane ``j`` gives, given ``NOTICED``."""
    loud, quiet = table[P_VOLUNTEER_NOTICED + j], table[P_VOLUNTEER_QUIET + j]
    chance = loud if table[NOTICED + j] > 0.0 else quiet
    return world.volunteer_value * chance if world.volunteer_scale > 0.0 else 0.0


@stage
def _suppose(table: Array, noticed: float, width: int) -> None:
    for j in range(used(width)):
        table[NOTICED + j] = noticed


@stage
def _add_branch(
    table: Array, born: Array, needs: Array, world: World, out: Array, a: int, count: int
) -> None:
    """Equation 38, one branch: what the action on lane ``j`` brings if noticed, or if not.

    Each purchase is worth ``m * price_k * (margin_k - d)`` on average.
    """
    for j in range(count):
        notice = table[P_NOTICE + j]
        share = notice if table[NOTICED + j] > 0.0 else 1.0 - notice
        earned = _expected_margin(table, born, needs, world, j) + _expected_time(table, world, j)
        out[j, a] += share * earned


@stage
def _add_certain(table: Array, kept: Array, world: World, out: Array, a: int, count: int) -> None:
    """Equation 38, the rest: recurring margin, the lead, and costs certain or after a response."""
    for j in range(count):
        contacted = larger(table[ACT_OUTBOUND + j], table[ACT_INBOUND + j])
        responds = table[P_NOTICE + j] * table[P_RESPOND + j]
        out[j, a] = (
            out[j, a]
            + world.recurring_margin * kept[CUSTOMER + j]
            - world.lead_cost * (1.0 if kept[TENURE + j] <= 0.0 else 0.0)
            - table[ACT_COST + j] * contacted
            - table[ACT_FULFIL_COST + j] * responds
        )


def _make_expected(digest: str) -> Callable[..., None]:
    def expected_tiles(
        n: int, state: State, rules: Rules, out: Array, table: Array, tray: Array
    ) -> None:
        _ = digest  # part of the cache key
        world = rules.world[0]
        n_needs = rules.needs.shape[0]
        for t in range(state.values.shape[0]):
            count = min(LANES, n - t * LANES)
            width = lanes_for(count)
            kept, born = state.values[t], state.constants[t]
            rows = out[t * LANES :]
            for a in range(rules.blocked_by.shape[0]):
                for j in range(LANES):
                    table[ACTION + j] = np.float32(a)
                look_up(table, kept, born, rules.cards, rules.season_cards, tray, n_needs, width)
                respond(table, kept, born, rules.excitation, rules.needs, world, n_needs, width)
                for noticed in (1.0, 0.0):
                    _suppose(table, noticed, width)
                    weigh_purchases(table, kept, n_needs, width)
                    _add_branch(table, born, rules.needs, world, rows, a, count)
                _add_certain(table, kept, world, rows, a, count)

    return expected_tiles


_expected_tiles = entry(_make_expected)


def expected_profit(population: AnyPopulation) -> NDArray[np.float64]:
    """Expected profit of this period for every customer and action, exactly.

    Forbidden actions are valued as if they were allowed; the mask says which are. The only
    difference to the mean reward is the rounding of money to 1/65536.

    Args:
        population: Customers in their present state, which is not changed.

    Returns:
        ``(n, n_actions)``, in currency.
    """
    if isinstance(population, TabularPopulation):
        return population.problem.rewards[population.read("state")[:, 0].astype(np.int64)]
    out: NDArray[Any] = np.zeros((population.n, population.scenario.n_actions))
    scratch = Scratch()
    _expected_tiles(
        population.n,
        population.state,
        population.rules,
        out,
        scratch.table,
        scratch.tray,
    )
    return out

"""The chances of what a contact leads to in its own period, in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.compiled import entry, stage
from nba_gym.customer.arrays import Rules, State
from nba_gym.customer.draw import weigh_purchases
from nba_gym.customer.look_up import look_up
from nba_gym.customer.places import NOTICED, P_NOTICE, P_OPT_OUT, P_RESPOND, TOTAL
from nba_gym.customer.population import Population
from nba_gym.customer.purchase import purchase_probability
from nba_gym.customer.respond import respond
from nba_gym.lanes import LANES, Scratch, lanes_for, used
from nba_gym.records.places import ACTION
from nba_gym.scenario.parameters import Array, World

BUYS, RESPONDS, OPTS_OUT = 0, 1, 2
"""Columns of what ``chances`` returns."""


@stage
def _choose(table: Array, actions: Array, count: int) -> None:
    for j in range(LANES):
        table[ACTION + j] = 0.0
    for j in range(count):
        table[ACTION + j] = np.float32(actions[j])


@stage
def _suppose(table: Array, noticed: float, width: int) -> None:
    for j in range(used(width)):
        table[NOTICED + j] = noticed


@stage
def _add_purchase(table: Array, world: World, out: Array, count: int) -> None:
    """Add one branch of the chance to buy (equation 9): the contact noticed, or not (2)."""
    for j in range(count):
        notice = table[P_NOTICE + j]
        share = notice if table[NOTICED + j] > 0.0 else 1.0 - notice
        out[j, BUYS] += share * purchase_probability(table[TOTAL + j], world.counted)


@stage
def _write_contact(table: Array, out: Array, count: int) -> None:
    """Write the chances to respond (4) and to opt out (5), both of who notices only."""
    for j in range(count):
        out[j, BUYS] = 0.0
        out[j, RESPONDS] = table[P_NOTICE + j] * table[P_RESPOND + j]
        out[j, OPTS_OUT] = table[P_NOTICE + j] * table[P_OPT_OUT + j]


def _make_chances(digest: str) -> Callable[..., None]:
    def chances_tiles(
        n: int, state: State, rules: Rules, actions: Array, out: Array, table: Array, tray: Array
    ) -> None:
        _ = digest  # part of the cache key
        world, n_needs = rules.world[0], rules.needs.shape[0]
        for t in range(state.values.shape[0]):
            first = t * LANES
            count = min(LANES, n - first)
            width = lanes_for(count)
            kept, born, rows = state.values[t], state.constants[t], out[first:]
            _choose(table, actions[first:], count)
            look_up(table, kept, born, rules.cards, rules.season_cards, tray, n_needs, width)
            respond(table, kept, born, rules.excitation, rules.needs, world, n_needs, width)
            _write_contact(table, rows, count)
            for noticed in (1.0, 0.0):
                _suppose(table, noticed, width)
                weigh_purchases(table, kept, n_needs, width)
                _add_purchase(table, world, rows, count)

    return chances_tiles


_chances_tiles = entry(_make_chances)


def chances(population: Population, actions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Chances that customers buy, respond and opt out this period, given what they get.

    Args:
        population: Customers in their present state, which is not changed.
        actions: What each gets, ``(n,)``; taken as allowed.

    Returns:
        Probabilities of at least one purchase, of a response, and of opting out, ``(n, 3)``.

    Source: equations 2, 4, 5 and 9, by the functions that a step calls.
    """
    out: NDArray[Any] = np.empty((population.n, 3))
    scratch = Scratch()
    chosen = np.ascontiguousarray(actions, dtype=np.int64)
    _chances_tiles(
        population.n, population.state, population.rules, chosen, out, scratch.table, scratch.tray
    )
    return out

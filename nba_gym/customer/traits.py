"""How a customer is born: persona, traits and first state (equations 35-37)."""

from __future__ import annotations

import numpy as np

from nba_gym.arithmetic import exp, logistic, normal_quantile
from nba_gym.compiled import scalar, stage
from nba_gym.customer.places import (
    ALIVE,
    ARRIVAL_RATE,
    ATTENTION,
    AWARENESS,
    BASELINE_LOYALTY,
    FATIGUE,
    LOYALTY,
    NEED,
    PERSONA,
    PRICE_SENSITIVITY,
    PROBLEM,
    REFERENCE,
)
from nba_gym.lanes import LANES, channel_block, need_block
from nba_gym.randomness import philox, uniform
from nba_gym.records.places import START_COMMITMENT, START_CONSENT, START_PHASE
from nba_gym.scenario.parameters import (
    COMMON_TRAITS,
    LINK_EXP,
    LINK_LOGISTIC,
    OPT_IN,
    QUANTILE_NODES,
    QUANTILE_REACH,
    Array,
    World,
)

BIRTH = np.uint64(0xFFFFFFFF)
"""The "period" under which birth draws are counted; no journey reaches it."""

_SPACING = 2.0 * QUANTILE_REACH / (QUANTILE_NODES - 1)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_FIRST_ATTENTION = len(COMMON_TRAITS)


@scalar
def tabulated_quantile(nodes: Array, luck: float) -> float:
    """Equation 35: quantile of a tabulated distribution, linear between nodes of the normal scale.

    Args:
        nodes: Quantiles at normal scores from -6.5 to 6.5, ``(QUANTILE_NODES,)``.
        luck: Uniform (0, 1).
    """
    score = normal_quantile(luck)
    at = (score + QUANTILE_REACH) * (1.0 / _SPACING)
    at = at if at > 0.0 else 0.0
    at = at if at < QUANTILE_NODES - 1.000001 else QUANTILE_NODES - 1.000001
    node = np.int64(at)
    share = at - np.float64(node)
    return (1.0 - share) * nodes[node] + share * nodes[node + 1]


@scalar
def linked(level: float, link: int) -> float:
    """Equation 36: from the scale of the table to the trait: as it is, exp or logistic."""
    if link == LINK_EXP:
        return exp(level)
    if link == LINK_LOGISTIC:
        return logistic(level)
    return level


@scalar
def birth_luck(seed: int, customer: int, kind: int) -> float:
    """Uniform number ``kind`` of a customer's birth."""
    word = philox(
        customer & _LOW,
        customer >> _SHIFT,
        BIRTH,
        np.uint64(kind),
        seed & _LOW,
        seed >> _SHIFT,
    )[0]
    return uniform(word)


@stage
def draw_birth(
    table: Array,
    j: int,
    seed: int,
    customer: int,
    personas: Array,
    traits: Array,
    links: Array,
    channels: Array,
    world: World,
    n_needs: int,
    n_channels: int,
) -> None:
    """Draw persona, traits, first state and the birth record of lane ``j``.

    Equation 37: needs start as ``2 * start * u``, awareness at its start, loyalty at its baseline;
    no fatigue, no remembered discount, no problem.
    """
    luck = birth_luck(seed, customer, 0)
    persona = 0
    for p in range(personas.shape[0] - 1):
        if luck >= personas[p]:
            persona = p + 1
    table[PERSONA + j] = np.float64(persona)
    n_traits = _FIRST_ATTENTION + n_channels + n_needs
    for i in range(n_traits):
        level = tabulated_quantile(traits[persona, i], birth_luck(seed, customer, 4 + i))
        _write_trait(table, j, i, linked(level, links[persona, i]), n_channels)
    table[LOYALTY + j] = table[BASELINE_LOYALTY + j]
    table[FATIGUE + j] = 0.0
    table[REFERENCE + j] = 0.0
    table[PROBLEM + j] = 0.0
    table[ALIVE + j] = 1.0
    for k in range(n_needs):
        start = 2.0 * world.need_start * birth_luck(seed, customer, 64 + k)
        of_need = need_block(table, k)
        of_need[NEED + j] = start
        of_need[AWARENESS + j] = world.awareness_start
    phase = np.floor(birth_luck(seed, customer, 1) * world.cycle)
    table[START_PHASE + j] = world.spread_start * phase
    table[START_COMMITMENT + j] = np.floor(birth_luck(seed, customer, 2) * world.first_commitment)
    for c in range(n_channels):
        permits = birth_luck(seed, customer, 96 + c) < channels[c, OPT_IN]
        channel_block(table, c)[START_CONSENT + j] = 1.0 if permits else 0.0


@stage
def _write_trait(table: Array, j: int, i: int, level: float, n_channels: int) -> None:
    """Write trait ``i``, in the order of the trait tables."""
    if i >= _FIRST_ATTENTION + n_channels:
        need_block(table, i - _FIRST_ATTENTION - n_channels)[ARRIVAL_RATE + j] = level
    elif i >= _FIRST_ATTENTION:
        channel_block(table, i - _FIRST_ATTENTION)[ATTENTION + j] = level
    else:
        table[PRICE_SENSITIVITY + i * LANES + j] = level

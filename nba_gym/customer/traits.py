"""How a customer is born: persona, traits and first state (equations 35-37)."""

from __future__ import annotations

import numpy as np

from nba_gym.arithmetic import exp, indicator, logistic, normal_quantile
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
    PATIENCE,
    PERSONA,
    PRICE_SENSITIVITY,
    PROBLEM,
    REFERENCE,
)
from nba_gym.lanes import (
    CRADLE_SIZE,
    LANES,
    MAX_CHANNELS,
    MAX_NEEDS,
    channel_block,
    channels_born,
    lanes_for,
    need_born,
    need_kept,
    used,
)
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
_LUCK_PHASE, _LUCK_COMMITMENT, _LUCK_PATIENCE = 1, 2, 3
_LUCK_TRAIT, _LUCK_NEED = 4, 32
_LUCK_CONSENT = _LUCK_NEED + MAX_NEEDS
BIRTH_SIZE = _LUCK_CONSENT + MAX_CHANNELS


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
    below, above = nodes[np.uint64(node)], nodes[np.uint64(node + 1)]
    return (1.0 - share) * below + share * above


@scalar
def linked(level: float, link: int) -> float:
    """Equation 36: from the scale of the table to the trait: as it is, exp or logistic."""
    positive, share = exp(level), logistic(level)
    trait = positive if link == LINK_EXP else level
    return share if link == LINK_LOGISTIC else trait


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
def _draw_birth_luck(seed: int, customer: int, luck: Array) -> None:
    """All uniforms of a birth: traits from 4, first needs from 32, consent from 40."""
    for i in range(BIRTH_SIZE):
        need = 32 if i >= _LUCK_NEED else 0
        consent = 24 if i >= _LUCK_CONSENT else 0
        luck[i] = birth_luck(seed, customer, i + need + consent)


@stage
def _draw_levels(luck: Array, tables: Array, links: Array, levels: Array, n_traits: int) -> None:
    """Traits of one customer, in the order of the trait tables."""
    for i in range(used(lanes_for(n_traits))):
        known = i if i < n_traits else 0
        level = tabulated_quantile(tables[np.uint64(known)], luck[_LUCK_TRAIT + i])
        levels[i] = linked(level, links[np.uint64(known)])


@stage
def draw_birth(
    table: Array,
    kept: Array,
    born: Array,
    cradle: Array,
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
    luck, levels = cradle[:CRADLE_SIZE], cradle[CRADLE_SIZE:]
    _draw_birth_luck(seed, customer, luck)
    persona = 0
    for p in range(personas.shape[0] - 1):
        if luck[0] >= personas[p]:
            persona = p + 1
    n_traits = _FIRST_ATTENTION + n_channels + n_needs
    _draw_levels(luck, traits[persona], links[persona], levels, n_traits)
    born[PERSONA + j] = np.float64(persona)
    for i in range(_FIRST_ATTENTION):
        born[PRICE_SENSITIVITY + i * LANES + j] = levels[i]
    kept[LOYALTY + j] = born[BASELINE_LOYALTY + j]
    kept[FATIGUE + j] = 0.0
    kept[REFERENCE + j] = 0.0
    kept[PROBLEM + j] = 0.0
    kept[ALIVE + j] = 1.0
    kept[PATIENCE + j] = luck[_LUCK_PATIENCE]
    for k in range(n_needs):
        kept_need = need_kept(kept, k)
        need_born(born, k)[ARRIVAL_RATE + j] = levels[_FIRST_ATTENTION + n_channels + k]
        kept_need[NEED + j] = 2.0 * world.need_start * luck[_LUCK_NEED + k]
        kept_need[AWARENESS + j] = world.awareness_start
    table[START_PHASE + j] = world.spread_start * np.floor(luck[_LUCK_PHASE] * world.cycle)
    table[START_COMMITMENT + j] = np.floor(luck[_LUCK_COMMITMENT] * world.first_commitment)
    for c in range(n_channels):
        channels_born(born, n_needs)[ATTENTION + c * LANES + j] = levels[_FIRST_ATTENTION + c]
        permits = luck[_LUCK_CONSENT + c] < channels[c, OPT_IN]
        channel_block(table, c)[START_CONSENT + j] = indicator(permits)

"""What the firm remembers: history as a pure function of the events (equations 27-31)."""

from __future__ import annotations

from typing import Any

import numpy as np

from nba_gym.arithmetic import indicator, larger
from nba_gym.compiled import scalar, sequence, single, stage
from nba_gym.lanes import (
    channel_bits,
    channel_block,
    channel_kept,
    need_bits,
    need_block,
    need_kept,
    used,
)
from nba_gym.records.places import (
    ACCEPTED,
    ACT_CHANNEL,
    ACT_DISCOUNT,
    ACT_INBOUND,
    ACT_INFORM,
    ACT_NEED,
    ANSWER_AGE,
    ANSWER_LOYALTY,
    ANSWER_NEED,
    ANSWERED,
    ANY_CONTACT_BITS,
    BASKET,
    BASKET_AGE,
    BOUGHT,
    CANCELLED,
    COMMITMENT,
    COMPLAINED,
    COMPLAINT,
    COMPLAINT_AGE,
    CONSENT,
    COUPON,
    CUSTOMER,
    DEAL_SHARE,
    FREQUENCY,
    IGNORED,
    INFORMED,
    LIST_SPEND,
    NEED_BOUGHT,
    OPEN_BASKET,
    OPTED_OUT,
    PAUSE,
    PHASE,
    PURCHASE_BITS,
    PURCHASES,
    READING,
    READING_LOYALTY,
    RECENCY,
    REDEEMED,
    RESPONDED,
    RESPONSE_BITS,
    SENT,
    SIGNAL,
    SIGNALS,
    SINCE_CONTACT,
    SOLVED,
    SPEND,
    STAGE,
    STAGE_MOVE,
    START_COMMITMENT,
    START_CONSENT,
    START_PHASE,
    TENURE,
    VISIT,
    VISITING,
    VOLUNTEERED,
    VOLUNTEERS,
)
from nba_gym.scenario.parameters import (
    IS_OUTBOUND,
    NEED_QUOTA,
    NEED_STAGED,
    PAUSE_AFTER,
    PAUSE_FOR,
    Array,
    World,
)

NEVER = 1000.0
"""Age, in periods, of something that has not happened yet."""

COUPON_MEMORY, DEAL_MEMORY = single(0.85), single(0.7)
"""Smoothing of the discounts offered, by period, and of those used, by purchase."""
BOUGHT_MEMORY, INFORMED_MEMORY = single(0.95), single(0.9)
"""What is left after a period of the counts of purchases and of information, by need."""
VOLUNTEERS_MEMORY = single(0.95)
"""What is left after a period of the count of volunteering."""

NO_QUOTA = 32.0
"""A quota that never binds: no more periods are remembered."""

_WINDOW = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)


@scalar
def smooth(level: float, memory: float, news: float) -> float:
    """Equation 27: exponential smoothing, ``memory * level + (1 - memory) * news``."""
    return memory * level + (1.0 - memory) * news


@scalar
def update_age(age: float, happened: float) -> float:
    """Equation 28: periods since something last happened; 0 right after it."""
    return (age + 1.0) * (1.0 - happened)


@scalar
def update_streak(streak: float, sent: float, responded: float) -> float:
    """Equation 29: contacts in a row that were ignored; a response sets it to 0."""
    ignored = streak + 1.0
    answered = ignored * (1.0 - responded)
    return answered if sent > 0.0 else streak


@scalar
def next_commitment(
    commitment: float, accepted: float, renewal_periods: float, recommit_periods: float
) -> float:
    """Equation 30: periods until the contract may next be ended.

    Counts down; a contract that was free to end (0) and was not ended renews; a retention offer
    that is accepted sets a new term.
    """
    renewed = renewal_periods - 1.0 if commitment <= 0.0 else commitment - 1.0
    return recommit_periods if accepted > 0.0 else renewed


@scalar
def push_bit(word: Any, happened: float) -> Any:
    """Equation 31: a shift register of the last 32 periods, the latest in the lowest bit."""
    bit = np.uint64(np.int64(happened))
    return ((np.uint64(word) << _ONE) | bit) & _WINDOW


@scalar
def update_stage(stage: float, move: float, closed: float) -> float:
    """Equation 41: stage of the pipeline, >= 0; a purchase of a staged need begins it anew."""
    return (stage + move) * (1.0 - closed)


@stage
def begin_history(
    table: Array, kept: Array, bits: Array, world: World, j: int, n_needs: int, n_channels: int
) -> None:
    """Lay out the history of a new customer in lane ``j``, from the birth record.

    A prospect has bought nothing yet; everybody else was acquired by a purchase.
    """
    prospect = indicator(world.stages > 0.0)
    kept[TENURE + j] = 0.0
    kept[PHASE + j] = table[START_PHASE + j]
    kept[CUSTOMER + j] = 1.0
    kept[RECENCY + j] = NEVER * prospect
    kept[FREQUENCY + j] = 0.0
    kept[SPEND + j] = 0.0
    kept[SINCE_CONTACT + j] = NEVER
    kept[COUPON + j] = 0.0
    kept[DEAL_SHARE + j] = 0.0
    kept[COMPLAINT + j] = 0.0
    kept[COMPLAINT_AGE + j] = NEVER
    kept[OPEN_BASKET + j] = 0.0
    kept[BASKET_AGE + j] = NEVER
    kept[VISITING + j] = 0.0
    kept[COMMITMENT + j] = table[START_COMMITMENT + j]
    kept[ANSWER_AGE + j] = NEVER
    kept[ANSWER_LOYALTY + j] = 0.0
    kept[STAGE + j] = 0.0
    kept[VOLUNTEERS + j] = 0.0
    for c in range(n_channels):
        kept_channel = channel_kept(kept, n_needs, c)
        kept_channel[CONSENT + j] = channel_block(table, c)[START_CONSENT + j]
        kept_channel[IGNORED + j] = 0.0
        kept_channel[PAUSE + j] = 0.0
        channel_bits(bits, n_needs, c)[j] = 0
    for k in range(n_needs):
        kept_need = need_kept(kept, k)
        kept_need[SIGNALS + j] = 0.0
        kept_need[BOUGHT + j] = 0.0
        kept_need[INFORMED + j] = 0.0
        kept_need[ANSWER_NEED + j] = 0.0
        need_bits(bits, k)[j] = 0
    bits[RESPONSE_BITS + j] = 0
    bits[PURCHASE_BITS + j] = 0
    bits[ANY_CONTACT_BITS + j] = 0


@sequence
def update_history(
    table: Array,
    purse: Array,
    kept: Array,
    bits: Array,
    channels: Array,
    needs: Array,
    world: World,
    n_needs: int,
    n_channels: int,
    width: int,
) -> None:
    """Step 6, visible: from this period's events to the next history, for a tile of customers."""
    _update_dates(table, kept, bits, world, width)
    _update_purchases(table, purse, kept, width)
    _update_service(table, kept, world, width)
    for c in range(n_channels):
        if channels[c, IS_OUTBOUND] > 0.0:
            past, kept_channel = channel_bits(bits, n_needs, c), channel_kept(kept, n_needs, c)
            pause_after, pause_for = channels[c, PAUSE_AFTER], channels[c, PAUSE_FOR]
            _update_channel(table, kept_channel, past, c, pause_after, pause_for, width)
    for k in range(n_needs):
        _update_need(table, need_block(table, k), need_kept(kept, k), world, k, width)
        if needs[k, NEED_QUOTA] < NO_QUOTA:
            _update_quota(table, need_block(table, k), need_bits(bits, k), width)
    if world.stages > 0.0:
        _update_stage(table, kept, needs, width)
    if world.volunteer_scale > 0.0:
        _update_volunteering(table, kept, width)


@stage
def _update_quota(table: Array, of_need: Array, calls: Array, width: int) -> None:
    """Remember contacts about a need that did more than inform."""
    for j in range(used(width)):
        contacted = larger(table[SENT + j], table[ACT_INBOUND + j])
        calls_on = contacted * indicator(of_need[ACT_NEED + j] > 0.0)
        calls[j] = push_bit(calls[j], calls_on * indicator(table[ACT_INFORM + j] <= 0.0))


@stage
def _update_stage(table: Array, kept: Array, needs: Array, width: int) -> None:
    for j in range(used(width)):
        need = np.int64(table[NEED_BOUGHT + j])
        known = need if need > 0 else 0
        staged = needs[np.uint64(known), NEED_STAGED] * indicator(table[PURCHASES + j] > 0.0)
        kept[STAGE + j] = update_stage(kept[STAGE + j], table[STAGE_MOVE + j], staged)


@stage
def _update_volunteering(table: Array, kept: Array, width: int) -> None:
    for j in range(used(width)):
        kept[VOLUNTEERS + j] = VOLUNTEERS_MEMORY * kept[VOLUNTEERS + j] + table[VOLUNTEERED + j]


@stage
def _update_dates(table: Array, kept: Array, bits: Array, world: World, width: int) -> None:
    cycle = world.cycle
    renewal, recommit = world.renewal_periods, world.recommit_periods
    for j in range(used(width)):
        bought = indicator(table[PURCHASES + j] > 0.0)
        kept[TENURE + j] = kept[TENURE + j] + 1.0
        phase = kept[PHASE + j] + 1.0
        first = phase - cycle
        kept[PHASE + j] = first if phase >= cycle else phase
        kept[CUSTOMER + j] = kept[CUSTOMER + j] * (1.0 - table[CANCELLED + j])
        kept[RECENCY + j] = update_age(kept[RECENCY + j], bought)
        kept[SINCE_CONTACT + j] = update_age(kept[SINCE_CONTACT + j], table[SENT + j])
        kept[COMMITMENT + j] = next_commitment(
            kept[COMMITMENT + j], table[ACCEPTED + j], renewal, recommit
        )
        bits[RESPONSE_BITS + j] = push_bit(bits[RESPONSE_BITS + j], table[RESPONDED + j])
        bits[ANY_CONTACT_BITS + j] = push_bit(bits[ANY_CONTACT_BITS + j], table[SENT + j])
        bits[PURCHASE_BITS + j] = push_bit(bits[PURCHASE_BITS + j], bought)


@stage
def _update_purchases(table: Array, purse: Array, kept: Array, width: int) -> None:
    for j in range(used(width)):
        bought = indicator(table[PURCHASES + j] > 0.0)
        kept[FREQUENCY + j] = kept[FREQUENCY + j] + table[PURCHASES + j]
        kept[SPEND + j] = kept[SPEND + j] + purse[LIST_SPEND + j]
        share = smooth(kept[DEAL_SHARE + j], DEAL_MEMORY, table[REDEEMED + j])
        before = kept[DEAL_SHARE + j]
        kept[DEAL_SHARE + j] = share if bought > 0.0 else before
        contacted = larger(table[SENT + j], table[ACT_INBOUND + j])
        offered = contacted * table[ACT_DISCOUNT + j]
        kept[COUPON + j] = smooth(kept[COUPON + j], COUPON_MEMORY, offered)


@stage
def _update_service(table: Array, kept: Array, world: World, width: int) -> None:
    basket_periods = world.basket_periods
    for j in range(used(width)):
        open_before = kept[COMPLAINT + j]
        news = table[COMPLAINED + j]
        open_after = (open_before + (1.0 - open_before) * news) * (1.0 - table[SOLVED + j])
        kept[COMPLAINT + j] = open_after
        kept[COMPLAINT_AGE + j] = update_age(kept[COMPLAINT_AGE + j], news)
        kept[VISITING + j] = table[VISIT + j]
        kept[ANSWER_AGE + j] = update_age(kept[ANSWER_AGE + j], table[ANSWERED + j])
        stated = table[READING_LOYALTY + j]
        before = kept[ANSWER_LOYALTY + j]
        kept[ANSWER_LOYALTY + j] = stated if table[ANSWERED + j] > 0.0 else before
        abandoned, open_basket = table[BASKET + j], kept[OPEN_BASKET + j]
        age = update_age(kept[BASKET_AGE + j], indicator(abandoned > 0.0))
        kept[BASKET_AGE + j] = age
        still_open = abandoned if abandoned > 0.0 else open_basket
        gone = indicator(table[PURCHASES + j] > 0.0) + indicator(age >= basket_periods)
        kept[OPEN_BASKET + j] = 0.0 if gone > 0.0 else still_open


@stage
def _update_channel(
    table: Array,
    kept_channel: Array,
    contacts: Array,
    c: int,
    pause_after: float,
    pause_for: float,
    width: int,
) -> None:
    this = np.float32(c)
    for j in range(used(width)):
        here = indicator(table[ACT_CHANNEL + j] == this)
        sent = here * table[SENT + j]
        streak = update_streak(kept_channel[IGNORED + j], sent, table[RESPONDED + j])
        tired = indicator(streak >= pause_after)
        resting = kept_channel[PAUSE + j] - 1.0
        resting = resting if resting > 0.0 else 0.0
        kept_channel[PAUSE + j] = pause_for if tired > 0.0 else resting
        kept_channel[IGNORED + j] = streak * (1.0 - tired)
        kept_channel[CONSENT + j] = kept_channel[CONSENT + j] * (1.0 - here * table[OPTED_OUT + j])
        contacts[j] = push_bit(contacts[j], sent)


@stage
def _update_need(
    table: Array, of_need: Array, kept_need: Array, world: World, k: int, width: int
) -> None:
    memory = world.signal_memory
    here = np.float32(k)
    for j in range(used(width)):
        kept_need[SIGNALS + j] = smooth(kept_need[SIGNALS + j], memory, of_need[SIGNAL + j])
        bought = indicator(table[NEED_BOUGHT + j] == here) * table[PURCHASES + j]
        kept_need[BOUGHT + j] = BOUGHT_MEMORY * kept_need[BOUGHT + j] + bought
        contacted = larger(table[SENT + j], table[ACT_INBOUND + j])
        informed = contacted * table[ACT_INFORM + j] * of_need[ACT_NEED + j]
        kept_need[INFORMED + j] = INFORMED_MEMORY * kept_need[INFORMED + j] + informed
        stated, before = of_need[READING + j], kept_need[ANSWER_NEED + j]
        kept_need[ANSWER_NEED + j] = stated if table[ANSWERED + j] > 0.0 else before

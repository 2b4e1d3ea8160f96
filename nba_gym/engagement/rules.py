"""Eligibility, applicability, suitability and contact policy, as bits.

Whether a rule is broken depends on the customer; which rules an action obeys depends on the action.
So a customer's broken rules become one 64-bit word ("conditions"), each action has a word of the
conditions that forbid it, and an action is allowed if the two have no bit in common. The lowest
common bits are the reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.arithmetic import count_bits
from nba_gym.compiled import scalar, sequence, stage
from nba_gym.lanes import MAX_CHANNELS, MAX_NEEDS, channel_bits, channel_kept, need_bits, used
from nba_gym.records.history import NO_QUOTA
from nba_gym.records.places import (
    ANSWER_AGE,
    ANY_CONTACT_BITS,
    COMMITMENT,
    COMPLAINT,
    CONSENT,
    CUSTOMER,
    FREQUENCY,
    OPEN_BASKET,
    PAUSE,
    PHASE,
    RECENCY,
    STAGE,
    VISITING,
)
from nba_gym.scenario.consistency import RULES
from nba_gym.scenario.parameters import CAP, IS_OUTBOUND, NEED_QUOTA, Array, World
from nba_gym.scenario.schema import Action, Scenario

# where the conditions lie in the 64-bit word; MAX_SEASONS of the scenario counts on it
_NO_CONSENT = 0
_CAP_REACHED = _NO_CONSENT + MAX_CHANNELS
_PAUSED = _CAP_REACHED + MAX_CHANNELS
# an inbound channel needs no consent, and nobody visits an outbound one
_NOT_VISITING = _NO_CONSENT
_NO_BASKET_FOR = _PAUSED + MAX_CHANNELS
_QUOTA_REACHED = _NO_BASKET_FOR + MAX_NEEDS
_TOTAL_CAP = _QUOTA_REACHED + MAX_NEEDS
_RULE = _TOTAL_CAP + 1
_SEASON = _RULE + len(RULES)

_ORDER = tuple(RULES)
_CUSTOMER = np.uint64(_RULE + _ORDER.index("customer"))
_NO_COMPLAINT = np.uint64(_RULE + _ORDER.index("no_complaint"))
_COMPLAINT = np.uint64(_RULE + _ORDER.index("complaint"))
_BASKET = np.uint64(_RULE + _ORDER.index("basket"))
_NO_BASKET = np.uint64(_RULE + _ORDER.index("no_basket"))
_PURCHASED = np.uint64(_RULE + _ORDER.index("purchased_before"))
_NO_RECENT_PURCHASE = np.uint64(_RULE + _ORDER.index("no_recent_purchase"))
_NO_RECENT_ANSWER = np.uint64(_RULE + _ORDER.index("no_recent_answer"))
_NEAR_RENEWAL = np.uint64(_RULE + _ORDER.index("near_renewal"))
_PROSPECT = np.uint64(_RULE + _ORDER.index("prospect"))
_INTERESTED = np.uint64(_RULE + _ORDER.index("interested"))
_CLOSING = np.uint64(_RULE + _ORDER.index("closing"))
_TOTAL = np.uint64(_TOTAL_CAP)
_ZERO, _ONE = np.uint64(0), np.uint64(1)
_WHOLE_BYTES = 0xFFFFFF8  # shows the compiler a multiple of eight


@scalar
def bit_if(condition: Any, place: Any) -> Any:
    """A word with one bit set if the condition holds, else 0."""
    return (_ONE if condition else _ZERO) << np.uint64(place)


@scalar
def all_but(number: float, first: int, count: int) -> Any:
    """``count`` bits from place ``first``, all set but the one of ``number``; 0 is none of them."""
    every = (_ONE << np.uint64(count)) - _ONE
    one = _ONE << np.uint64(np.int64(number))
    return (every & ~(one >> _ONE)) << np.uint64(first)


@sequence
def update_conditions(
    kept: Array,
    bits: Array,
    conditions: Array,
    channels: Array,
    needs: Array,
    windows: Array,
    shut: Array,
    world: World,
    n_needs: int,
    n_channels: int,
    width: int,
) -> None:
    """Write the conditions of a tile of customers: one bit for each rule broken now.

    Args:
        kept: History.
        bits: Bit histories.
        conditions: Written: one word a lane.
        channels: Channel table.
        needs: Table of needs.
        windows: Bit masks of the windows of each channel, of all together and of each need, then
            the inbound channels, ``(n_channels + n_needs + 2,)``.
        shut: Conditions of the seasons by phase, ``(cycle,)``.
        world: Parameters.
        n_needs: Needs in use.
        n_channels: Channels in use.
        width: Lanes in use.
    """
    inbound = windows[n_channels + 1 + n_needs]
    _customer_conditions(
        kept,
        bits,
        conditions,
        shut,
        windows[n_channels],
        inbound,
        world,
        n_needs,
        n_channels,
        width,
    )
    for c in range(n_channels):
        if channels[c, IS_OUTBOUND] > 0.0:
            past, cap, window = channel_bits(bits, n_needs, c), channels[c, CAP], windows[c]
            kept_channel = channel_kept(kept, n_needs, c)
            _channel_conditions(kept_channel, past, conditions, c, cap, window, width)
    for k in range(n_needs):
        if needs[k, NEED_QUOTA] < NO_QUOTA:
            quota, window = needs[k, NEED_QUOTA], windows[n_channels + 1 + k]
            _quota_conditions(need_bits(bits, k), conditions, k, quota, window, width)
    if world.stages > 0.0:
        _stage_conditions(kept, conditions, world, width)


@stage
def _quota_conditions(
    calls: Array, conditions: Array, k: int, quota: float, window: int, width: int
) -> None:
    reached = np.uint64(_QUOTA_REACHED + k)
    for j in range(used(width)):
        conditions[j] |= bit_if(count_bits(calls[j] & window) >= quota, reached)


@stage
def _stage_conditions(kept: Array, conditions: Array, world: World, width: int) -> None:
    last = world.stages
    for j in range(used(width)):
        word = bit_if(kept[STAGE + j] <= 0.0, _INTERESTED)
        word |= bit_if(kept[STAGE + j] < last, _CLOSING)
        conditions[j] |= word


@stage
def _channel_conditions(
    kept_channel: Array,
    past: Array,
    conditions: Array,
    c: int,
    cap: float,
    window: int,
    width: int,
) -> None:
    no_consent, capped = np.uint64(_NO_CONSENT + c), np.uint64(_CAP_REACHED + c)
    paused = np.uint64(_PAUSED + c)
    for j in range(used(width)):
        word = conditions[j]
        word |= bit_if(kept_channel[CONSENT + j] <= 0.0, no_consent)
        word |= bit_if(count_bits(past[j] & window) >= cap, capped)
        word |= bit_if(kept_channel[PAUSE + j] > 0.0, paused)
        conditions[j] = word


@stage
def _customer_conditions(
    kept: Array,
    bits: Array,
    conditions: Array,
    shut: Array,
    window: int,
    inbound: int,
    world: World,
    n_needs: int,
    n_channels: int,
    width: int,
) -> None:
    recent, answer = world.recent_periods, world.answer_periods
    near, contract, cap = world.renewal_window, world.contract, world.total_contacts
    for j in range(used(width)):
        complaint, basket = kept[COMPLAINT + j] > 0.0, kept[OPEN_BASKET + j]
        word = shut[np.uint64(np.int64(kept[PHASE + j]))]
        contacts = count_bits(bits[ANY_CONTACT_BITS + j] & window)
        word |= bit_if(contacts >= cap, _TOTAL)
        word |= bit_if(kept[CUSTOMER + j] <= 0.0, _CUSTOMER)
        word |= bit_if(complaint, _NO_COMPLAINT)
        word |= bit_if(not complaint, _COMPLAINT)
        word |= bit_if(basket <= 0.0, _BASKET)
        word |= bit_if(basket > 0.0, _NO_BASKET)
        word |= all_but(basket, _NO_BASKET_FOR, n_needs)
        word |= all_but(kept[VISITING + j], _NOT_VISITING, n_channels) & inbound
        word |= bit_if(kept[FREQUENCY + j] <= 0.0, _PURCHASED)
        word |= bit_if(kept[FREQUENCY + j] > 0.0, _PROSPECT)
        word |= bit_if(kept[RECENCY + j] < recent, _NO_RECENT_PURCHASE)
        word |= bit_if(kept[ANSWER_AGE + j] < answer, _NO_RECENT_ANSWER)
        word |= bit_if(kept[COMMITMENT + j] * contract > near, _NEAR_RENEWAL)
        conditions[j] = word


@stage
def write_masks(
    conditions: Array, blocked_by: Array, masks: Array, n_actions: int, count: int
) -> None:
    """Write the action masks of a tile: 1 where an action is allowed. Waiting always is.

    Args:
        conditions: Broken rules of each lane.
        blocked_by: Conditions that forbid each action, filled up to a multiple of eight.
        masks: The masks of the tile's customers, one after the other.
        n_actions: Number of actions.
        count: Number of customers.
    """
    size, last = np.uint64(n_actions), np.uint64(count - 1)
    padded = np.uint64(blocked_by.shape[0] & _WHOLE_BYTES)
    # what a row writes beyond its end is written again by the next row; the last must not do so
    for j in range(last):
        word = conditions[j]
        for a in range(padded):
            masks[j * size + a] = (word & blocked_by[a]) == _ZERO
    for a in range(size):
        masks[last * size + a] = (conditions[last] & blocked_by[a]) == _ZERO


@dataclass(frozen=True)
class RuleBook:
    """The engagement policy of a scenario, compiled.

    Attributes:
        blocked_by: Conditions that forbid each action, as bits, ``(n_actions,)``.
        windows: Bit masks of each channel's contact window, of all together and of each need's
            quota, then the conditions of the inbound channels, ``(n_channels + n_needs + 2,)``.
        shut: Seasons of validity that are closed, by phase, as bits, ``(cycle,)``.
        reasons: What to say for each bit.
        stages: For each action, the stage of the policy that each bit belongs to.
    """

    blocked_by: NDArray[np.uint64]
    windows: NDArray[np.uint64]
    shut: NDArray[np.uint64]
    reasons: dict[int, str]
    stages: tuple[dict[int, str], ...]

    @property
    def padded(self) -> NDArray[np.uint64]:
        """``blocked_by``, filled up with zeros to a multiple of eight, for ``write_masks``."""
        return np.pad(self.blocked_by, (0, -len(self.blocked_by) % 8))

    def explain(self, conditions: int, action: int) -> list[str]:
        """Why an action is not allowed, as "stage: reason"; empty if it is.

        Args:
            conditions: The customer's word of conditions.
            action: Index of the action.
        """
        common = int(conditions) & int(self.blocked_by[action])
        stages = self.stages[action]
        return [
            f"{stages[bit]}: {self.reasons[bit]}" for bit in sorted(stages) if common >> bit & 1
        ]


def compile_rules(scenario: Scenario) -> RuleBook:
    """Turn the declared engagement policy into words of bits; a loaded scenario's always fits."""
    seasons = sorted({action.valid for action in scenario.actions if action.valid})
    stages = tuple(_stages(action, scenario, seasons) for action in scenario.actions)
    blocked_by = [sum(1 << bit for bit in stage) for stage in stages]
    # the period to be decided belongs to the window: only the others before it are looked back at
    windows = [(1 << (c.window - 1)) - 1 for c in scenario.channels]
    windows.append((1 << (scenario.engagement.total_window - 1)) - 1)
    windows += [(1 << (need.quota_window - 1)) - 1 for need in scenario.needs]
    inbound = [c for c, channel in enumerate(scenario.channels) if channel.direction == "inbound"]
    windows.append(sum(1 << (_NOT_VISITING + c) for c in inbound))
    return RuleBook(
        blocked_by=np.array(blocked_by, dtype=np.uint64),
        windows=np.array(windows, dtype=np.uint64),
        shut=_shut_seasons(seasons, scenario.cycle),
        reasons=_reasons(scenario, seasons),
        stages=stages,
    )


def _stages(action: Action, scenario: Scenario, seasons: list[tuple[int, int]]) -> dict[int, str]:
    """Bits that forbid an action, each with the stage of the policy it belongs to."""
    if action.kind == "wait":
        return {}
    names = [channel.name for channel in scenario.channels]
    c = names.index(action.channel)
    bits: dict[int, str] = {int(_CUSTOMER): "eligibility"}
    if scenario.channels[c].direction == "outbound":
        bits[_NO_CONSENT + c] = "eligibility"
        bits[_CAP_REACHED + c] = "contact policy"
        bits[_PAUSED + c] = "contact policy"
        bits[_TOTAL_CAP] = "contact policy"
    else:
        bits[_NOT_VISITING + c] = "applicability"
    for k, need in enumerate(scenario.needs):
        if action.kind != "inform" and action.needs.get(need.name) and need.quota < NO_QUOTA:
            bits[_QUOTA_REACHED + k] = "contact policy"
    for step in ("eligibility", "applicability", "suitability"):
        for rule in getattr(action, step):
            if rule == "basket" and len(action.needs) == 1:
                needs = [need.name for need in scenario.needs]
                bits[_NO_BASKET_FOR + needs.index(next(iter(action.needs)))] = step
            else:
                bits[_RULE + _ORDER.index(rule)] = step
    if action.valid:
        bits[_SEASON + seasons.index(action.valid)] = "eligibility"
    return bits


def _shut_seasons(seasons: list[tuple[int, int]], cycle: int) -> NDArray[np.uint64]:
    shut = np.zeros(cycle, dtype=np.uint64)
    for i, (first, last) in enumerate(seasons):
        for phase in range(cycle):
            inside = first <= phase <= last if first <= last else phase >= first or phase <= last
            if not inside:
                shut[phase] |= np.uint64(1 << (_SEASON + i))
    return shut


def _reasons(scenario: Scenario, seasons: list[tuple[int, int]]) -> dict[int, str]:
    reasons: dict[int, str] = {}
    for c, channel in enumerate(scenario.channels):
        outbound = channel.direction == "outbound"
        here = f"the customer is not on {channel.name}"
        reasons[_NO_CONSENT + c] = f"no consent for {channel.name}" if outbound else here
        reasons[_CAP_REACHED + c] = (
            f"at most {channel.cap} on {channel.name} in {channel.window} {scenario.period}s"
        )
        reasons[_PAUSED + c] = f"{channel.name} rests after {channel.pause_after} ignored"
    for k, need in enumerate(scenario.needs):
        reasons[_NO_BASKET_FOR + k] = f"no basket is open for {need.name}"
        reasons[_QUOTA_REACHED + k] = (
            f"at most {need.quota} calls to action on {need.name} in {need.quota_window} "
            f"{scenario.period}s"
        )
    policy = scenario.engagement
    reasons[_TOTAL_CAP] = (
        f"at most {policy.total_cap} contacts in {policy.total_window} {scenario.period}s"
    )
    for rule, text in RULES.items():
        reasons[_RULE + _ORDER.index(rule)] = text
    for i, (first, last) in enumerate(seasons):
        reasons[_SEASON + i] = f"only from {scenario.period} {first} to {last} of the year"
    return reasons

"""What an agent sees: the history, scaled to [-1, 1], one named number a feature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nba_gym.arithmetic import count_bits, indicator, larger
from nba_gym.compiled import scalar, sequence, single, stage
from nba_gym.lanes import (
    Kind,
    PlaceBook,
    channel_bits,
    channel_kept,
    channel_view,
    need_kept,
    need_view,
    used,
)
from nba_gym.records.places import (
    ANSWER_AGE,
    ANSWER_LOYALTY,
    ANSWER_NEED,
    ANY_CONTACT_BITS,
    BASKET_AGE,
    BOUGHT,
    COMMITMENT,
    COMPLAINT,
    COMPLAINT_AGE,
    CONSENT,
    COUPON,
    DEAL_SHARE,
    FREQUENCY,
    IGNORED,
    INFORMED,
    OPEN_BASKET,
    PHASE,
    PURCHASE_BITS,
    RECENCY,
    RESPONSE_BITS,
    SIGNALS,
    SINCE_CONTACT,
    SPEND,
    STAGE,
    TENURE,
    VISITING,
    VOLUNTEERS,
)
from nba_gym.scenario.parameters import IS_OUTBOUND, Array, World
from nba_gym.scenario.schema import Scenario

BOOK = PlaceBook("view", "customer")
NEEDS = PlaceBook("view", "need")
CHANNELS = PlaceBook("view", "channel")
SHORT_WINDOW = 4
"""Periods in the short window of counts."""
LONG_WINDOW = 13
"""Periods in the long window of counts."""

_SHORT = np.uint64((1 << SHORT_WINDOW) - 1)
_LONG = np.uint64((1 << LONG_WINDOW) - 1)
_OF_SHORT, _OF_LONG = single(1.0 / SHORT_WINDOW), single(1.0 / LONG_WINDOW)


@dataclass(frozen=True)
class Feature:
    """One number of an observation.

    Attributes:
        name: Unique name, with the channel or need it belongs to after a dot.
        low: Smallest possible value.
        high: Largest possible value.
        unit: Unit of the number after scaling.
        meaning: What it says about the customer.
    """

    name: str
    low: float
    high: float
    unit: str
    meaning: str


_RANGES: dict[str, tuple[float, float, str]] = {}


def _feature(name: str, unit: str, meaning: str, *, low: float = 0.0, per: str = "") -> int:
    _RANGES[name] = (low, 1.0, unit)
    book = {"": BOOK, "need": NEEDS, "channel": CHANNELS}[per]
    return book.place(name, meaning)


F_TENURE = _feature("tenure", "x/(x+26)", "periods since acquisition")
F_SEASON_SIN = _feature("season_sin", "sine", "time of the year", low=-1.0)
F_SEASON_COS = _feature("season_cos", "cosine", "time of the year", low=-1.0)
F_RECENCY = _feature("recency", "x/(x+8)", "periods since the last purchase")
F_FREQUENCY = _feature("frequency", "x/(x+5)", "purchases since acquisition")
F_SPEND = _feature("spend", "x/(x+typical)", "mean list value of a purchase")
F_PURCHASES_SHORT = _feature("purchases_4", "share", "share of the last 4 periods with a purchase")
F_PURCHASES_LONG = _feature("purchases_13", "share", "share of the last 13 periods with a purchase")
F_CONTACTS_SHORT = _feature("contacts_4", "share", "share of the last 4 periods with a contact")
F_CONTACTS_LONG = _feature("contacts_13", "share", "share of the last 13 periods with a contact")
F_RESPONSES = _feature("responses_13", "share", "share of the last 13 periods with a response")
F_SINCE_CONTACT = _feature("since_contact", "x/(x+4)", "periods since the last outbound contact")
F_COUPON = _feature("coupon", "share", "smoothed discount of the offers sent")
F_DEAL_SHARE = _feature("deal_share", "share", "smoothed share of purchases at a discount")
F_COMPLAINT = _feature("complaint", "0/1", "a complaint is open")
F_COMPLAINT_AGE = _feature("complaint_fresh", "1/(1+x/4)", "freshness of the last complaint")
F_COMMITMENT = _feature("commitment", "x/(x+6)", "periods until the contract may be ended")
F_RENEWAL = _feature("renewal_due", "0/1", "the contract may be ended now")
F_ANSWER_FRESH = _feature("answer_fresh", "1/(1+x/8)", "freshness of the last answer")
F_ANSWER_LOYALTY = _feature("answer_satisfaction", "share", "satisfaction stated in it")
F_STAGE = _feature("stage", "share", "stage of the pipeline, as a share of its last")
F_VOLUNTEERS = _feature("volunteered", "x/(x+1)", "fading count of periods of volunteering")
F_CONSENT = _feature("consent", "0/1", "contact is permitted", per="channel")
F_CONTACTS = _feature("sent_4", "share", "share of the last 4 periods", per="channel")
F_IGNORED = _feature("ignored", "x/(x+2)", "contacts in a row without response", per="channel")
F_VISITING = _feature("visiting", "0/1", "the customer is here now", per="channel")
F_SIGNALS = _feature("signals", "share", "smoothed browsing signals", per="need")
F_BOUGHT = _feature("bought", "x/(x+1)", "fading count of purchases", per="need")
F_INFORMED = _feature("informed", "x/(x+1)", "fading count of information sent", per="need")
F_ANSWER_NEED = _feature("answer", "share", "need stated in the last answer", per="need")
F_BASKET = _feature("basket", "1/(1+x)", "freshness of an open basket", per="need")


@scalar
def saturate(x: float, half: float) -> float:
    """Equation 32: a count or age squeezed into [0, 1), ``x / (x + half)``; 1/2 at ``half``."""
    return x / (x + half)


@scalar
def freshness(age: float, half: float) -> float:
    """Equation 33: 1 for something that just happened, ``1 / (1 + age / half)``."""
    return 1.0 / (1.0 + age / half)


@sequence
def observe_history(
    kept: Array,
    bits: Array,
    view: Array,
    channels: Array,
    waves: Array,
    world: World,
    n_needs: int,
    n_channels: int,
    width: int,
) -> None:
    """Step 1: from the history to the features, for a tile of customers.

    Args:
        kept: History.
        bits: Bit histories.
        view: Features are written here.
        channels: Channel table.
        waves: Sine and cosine of the season, ``(cycle, 2)``.
        world: Parameters.
        n_needs: Needs in use.
        n_channels: Channels in use.
        width: Lanes in use.
    """
    _observe_season(kept, view, waves, width)
    _observe_purchases(kept, bits, view, world, width)
    _observe_service(kept, view, width)
    if world.stages > 0.0:
        _observe_stage(kept, view, world, width)
    if world.volunteer_scale > 0.0:
        _observe_volunteering(kept, view, width)
    for c in range(n_channels):
        if channels[c, IS_OUTBOUND] > 0.0:
            past, kept_channel = channel_bits(bits, n_needs, c), channel_kept(kept, n_needs, c)
            _observe_outbound(kept_channel, past, view, channel_view(view, c), width)
        else:
            _observe_inbound(kept, channel_view(view, c), c, width)
    for k in range(n_needs):
        _observe_need(kept, need_kept(kept, k), need_view(view, k), k, width)


@stage
def _observe_season(kept: Array, view: Array, waves: Array, width: int) -> None:
    for j in range(used(width)):
        phase = np.uint64(np.int64(kept[PHASE + j]))
        view[F_SEASON_SIN + j] = waves[phase, 0]
        view[F_SEASON_COS + j] = waves[phase, 1]


@stage
def _observe_purchases(kept: Array, bits: Array, view: Array, world: World, width: int) -> None:
    typical = world.typical_spend
    for j in range(used(width)):
        frequency = kept[FREQUENCY + j]
        mean_spend = kept[SPEND + j] / larger(frequency, 1.0)
        view[F_TENURE + j] = saturate(kept[TENURE + j], 26.0)
        view[F_RECENCY + j] = saturate(kept[RECENCY + j], 8.0)
        view[F_FREQUENCY + j] = saturate(frequency, 5.0)
        view[F_SPEND + j] = saturate(mean_spend, typical)
        view[F_COUPON + j] = kept[COUPON + j]
        view[F_DEAL_SHARE + j] = kept[DEAL_SHARE + j]
        purchases = bits[PURCHASE_BITS + j]
        short, long = count_bits(purchases & _SHORT), count_bits(purchases & _LONG)
        responses = count_bits(bits[RESPONSE_BITS + j] & _LONG)
        view[F_PURCHASES_SHORT + j] = short * _OF_SHORT
        view[F_PURCHASES_LONG + j] = long * _OF_LONG
        contacts = bits[ANY_CONTACT_BITS + j]
        view[F_CONTACTS_SHORT + j] = count_bits(contacts & _SHORT) * _OF_SHORT
        view[F_CONTACTS_LONG + j] = count_bits(contacts & _LONG) * _OF_LONG
        view[F_RESPONSES + j] = responses * _OF_LONG


@stage
def _observe_service(kept: Array, view: Array, width: int) -> None:
    for j in range(used(width)):
        view[F_SINCE_CONTACT + j] = saturate(kept[SINCE_CONTACT + j], 4.0)
        view[F_COMPLAINT + j] = kept[COMPLAINT + j]
        view[F_COMPLAINT_AGE + j] = freshness(kept[COMPLAINT_AGE + j], 4.0)
        view[F_COMMITMENT + j] = saturate(kept[COMMITMENT + j], 6.0)
        view[F_RENEWAL + j] = indicator(kept[COMMITMENT + j] <= 0.0)
        view[F_ANSWER_FRESH + j] = freshness(kept[ANSWER_AGE + j], 8.0)
        view[F_ANSWER_LOYALTY + j] = kept[ANSWER_LOYALTY + j]


@stage
def _observe_stage(kept: Array, view: Array, world: World, width: int) -> None:
    last = world.stages
    for j in range(used(width)):
        view[F_STAGE + j] = kept[STAGE + j] / last


@stage
def _observe_volunteering(kept: Array, view: Array, width: int) -> None:
    for j in range(used(width)):
        view[F_VOLUNTEERS + j] = saturate(kept[VOLUNTEERS + j], 1.0)


@stage
def _observe_outbound(
    kept_channel: Array,
    contacts: Array,
    view: Array,
    view_channel: Array,
    width: int,
) -> None:
    for j in range(used(width)):
        view_channel[F_CONSENT + j] = kept_channel[CONSENT + j]
        view_channel[F_IGNORED + j] = saturate(kept_channel[IGNORED + j], 2.0)
        view_channel[F_CONTACTS + j] = count_bits(contacts[j] & _SHORT) * _OF_SHORT


@stage
def _observe_inbound(kept: Array, view_channel: Array, c: int, width: int) -> None:
    here = np.float32(c + 1)
    for j in range(used(width)):
        view_channel[F_VISITING + j] = indicator(kept[VISITING + j] == here)


@stage
def _observe_need(kept: Array, kept_need: Array, view_need: Array, k: int, width: int) -> None:
    here = np.float32(k + 1)
    for j in range(used(width)):
        fresh, basket = freshness(kept[BASKET_AGE + j], 1.0), kept[OPEN_BASKET + j]
        view_need[F_SIGNALS + j] = kept_need[SIGNALS + j]
        view_need[F_BOUGHT + j] = saturate(kept_need[BOUGHT + j], 1.0)
        view_need[F_INFORMED + j] = saturate(kept_need[INFORMED + j], 1.0)
        view_need[F_ANSWER_NEED + j] = kept_need[ANSWER_NEED + j]
        view_need[F_BASKET + j] = fresh if basket == here else 0.0


def feature_table(scenario: Scenario) -> list[tuple[Feature, int]]:
    """The features of a scenario in the order of the observation, with their places.

    A feature that could never change in this scenario (season without seasons, contract terms
    without contracts, consent on an inbound channel) is left out.
    """
    chosen: list[tuple[Feature, int]] = []
    for book in (BOOK, NEEDS, CHANNELS):
        for name, place in book.places.items():
            low, high, unit = _RANGES[name]
            absolute = place.absolute(scenario.n_needs, scenario.n_channels)
            for suffix, i in _instances(name, place.kind, scenario):
                feature = Feature(name + suffix, low, high, unit, place.meaning)
                chosen.append((feature, absolute[i]))
    return chosen


def _instances(name: str, kind: Kind, scenario: Scenario) -> list[tuple[str, int]]:
    if kind == "need":
        return [(f".{need.name}", k) for k, need in enumerate(scenario.needs)]
    if kind == "channel":
        wanted = "inbound" if name == "visiting" else "outbound"
        return [
            (f".{channel.name}", c)
            for c, channel in enumerate(scenario.channels)
            if channel.direction == wanted
        ]
    changes = {
        "season_sin": scenario.is_seasonal,
        "season_cos": scenario.is_seasonal,
        "commitment": scenario.contract.enabled,
        "renewal_due": scenario.contract.enabled,
        "stage": scenario.pipeline.stages > 0,
        "volunteered": scenario.volunteering.scale > 0,
    }
    return [("", 0)] if changes.get(name, True) else []

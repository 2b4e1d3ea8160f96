"""What a period may bring, as the firm can see it: the columns of an event log."""

from __future__ import annotations

from nba_gym.lanes import TABLE_SIZE, Place
from nba_gym.records.places import BOOK, CHANNELS, NEEDS, PURSE
from nba_gym.scenario.schema import Scenario

BIRTH_EVENTS = ("start_phase", "start_commitment", "start_consent")
"""What the firm knows of a customer at acquisition."""

PERIOD_EVENTS = (
    "action",
    "sent",
    "responded",
    "purchases",
    "need_bought",
    "list_spend",
    "redeemed",
    "opted_out",
    "solved",
    "complained",
    "accepted",
    "cancelled",
    "referred",
    "visit",
    "basket",
    "answered",
    "reading_loyalty",
    "stage_move",
    "volunteered",
    "signal",
    "reading",
)
"""Events of one period, in the order of the log."""


def event_columns(scenario: Scenario, names: tuple[str, ...] = PERIOD_EVENTS) -> list[str]:
    """Column names of an event log; events by need or channel get its name after a dot."""
    suffixes = {
        "need": [f".{need.name}" for need in scenario.needs],
        "channel": [f".{channel.name}" for channel in scenario.channels],
    }
    found = [_find(name) for name in names]
    return [p.name + suffix for p in found for suffix in suffixes.get(p.kind, [""])]


def event_places(scenario: Scenario, names: tuple[str, ...] = PERIOD_EVENTS) -> list[int]:
    """Places of the events, in the order of ``event_columns``.

    On the worktable, or, from ``TABLE_SIZE`` on, in the purse.
    """
    found = [_find(name) for name in names]
    return [
        at + (TABLE_SIZE if place.sheet == "purse" else 0)
        for place in found
        for at in place.absolute(scenario.n_needs, scenario.n_channels)
    ]


def _find(name: str) -> Place:
    for book in (BOOK, PURSE, NEEDS):
        if name in book.places:
            return book.places[name]
    return CHANNELS.places[name]

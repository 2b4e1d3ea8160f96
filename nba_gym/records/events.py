"""What a period may bring, as the firm can see it: the columns of an event log."""

from __future__ import annotations

from nba_gym.lanes import Place
from nba_gym.records.places import BOOK, CHANNELS, NEEDS
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
    """Absolute places of the events on the worktable, in the order of ``event_columns``."""
    found = [_find(name).absolute(scenario.n_needs, scenario.n_channels) for name in names]
    return [at for places in found for at in places]


def _find(name: str) -> Place:
    for book in (BOOK, NEEDS):
        if name in book.places:
            return book.places[name]
    return CHANNELS.places[name]

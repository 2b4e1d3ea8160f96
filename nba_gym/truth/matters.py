"""Which part of what is kept of a customer matters for the future, and which only the records show.

Two customers who agree on the quantities here have the same chances of everything that can still
happen and earn the same, whatever is done; they may differ in what an agent sees of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.engagement.rules import compile_rules
from nba_gym.lanes import LANES, ROOM
from nba_gym.records.places import ANY_CONTACT_BITS
from nba_gym.scenario.schema import Scenario
from nba_gym.truth.snapshot import Columns, Snapshot

Values = NDArray[np.float64]

_HIDDEN = ("persona", "loyalty", "fatigue", "reference_discount", "problem", "need", "awareness")
"""What moves a customer who is there, and nobody who has left."""


class Quantity(NamedTuple):
    """A part of the state that matters.

    Attributes:
        name: What it is called.
        read: What it is for every customer of a snapshot, ``(n,)``.
    """

    name: str
    read: Callable[[Snapshot], Values]


class Key:
    """Says who is in the same state.

    Patience is luck, not state (21b). The tenure is the clock of the horizon. What only features
    are made of (spend, coupons, signals, answers, most ages) does not matter.

    Args:
        scenario: A world that is ``enumerable``.

    Attributes:
        names: What the columns of :meth:`of` are called.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._columns = Columns(scenario)
        self._quantities = [
            *(Quantity(name, partial(self._while, "alive", name)) for name in _HIDDEN),
            Quantity("alive", self._reader("alive")),
            Quantity("customer_active", self._reader("customer_active")),
            *self._by_rules(scenario),
            *self._by_mechanisms(scenario),
            *self._by_channels(scenario),
            *self._contacts(scenario),
        ]
        self.names = tuple(quantity.name for quantity in self._quantities)

    def of(self, snapshot: Snapshot) -> Values:
        """The quantities that matter of every customer, ``(n, len(names))``.

        Single precision and bit histories are exact in double. After a cancellation nothing
        matters any more: all are 0.
        """
        columns = [quantity.read(snapshot).astype(np.float64) for quantity in self._quantities]
        there = self._columns.read(snapshot, "customer_active") > 0.0
        values = np.where(there[:, None], np.stack(columns, axis=1), 0.0)
        return np.ascontiguousarray(values) + 0.0  # of two zeros one

    def _reader(self, name: str, i: int = 0) -> Callable[[Snapshot], Any]:
        return lambda snapshot: self._columns.read(snapshot, name, i)

    def _while(self, condition: str, name: str, snapshot: Snapshot) -> Any:
        """A quantity where another is positive, 0 elsewhere."""
        holds = self._columns.read(snapshot, condition) > 0.0
        return np.where(holds, self._columns.read(snapshot, name), 0.0)

    def _at_most(self, name: str, most: float) -> Quantity:
        """A quantity that only matters up to a level."""
        read = self._reader(name)
        return Quantity(name, partial(_capped, read, most))

    def _by_rules(self, scenario: Scenario) -> list[Quantity]:
        """What some action asks for before it is allowed."""
        asked = {
            rule
            for action in scenario.actions
            for rule in (*action.eligibility, *action.applicability, *action.suitability)
        }
        found: list[Quantity] = []
        policy = scenario.engagement
        if asked & {"complaint", "no_complaint"}:
            found.append(Quantity("complaint", self._reader("complaint")))
        if asked & {"purchased_before", "prospect"}:
            found.append(self._at_most("frequency", 1.0))
        if "no_recent_purchase" in asked:
            found.append(self._at_most("recency", policy.recent_purchase))
        if "no_recent_answer" in asked:
            found.append(self._at_most("answer_age", policy.recent_answer))
        return found

    def _by_mechanisms(self, scenario: Scenario) -> list[Quantity]:
        found: list[Quantity] = []
        if scenario.is_seasonal:
            found.append(Quantity("phase", self._reader("phase")))
        if scenario.contract.enabled:
            found.append(Quantity("commitment", self._reader("commitment")))
        if scenario.service.visit_scale > 0.0:
            found.append(Quantity("visiting", self._reader("visiting")))
        if scenario.service.basket_rate > 0.0:
            found.append(Quantity("open_basket", self._reader("open_basket")))
            age = partial(self._while, "open_basket", "basket_age")
            found.append(Quantity("basket_age", age))
        return found

    def _by_channels(self, scenario: Scenario) -> list[Quantity]:
        found: list[Quantity] = []
        for c, channel in enumerate(scenario.channels):
            if channel.direction == "outbound":
                found.append(Quantity(f"consent.{channel.name}", self._reader("consent", c)))
                if channel.pause > 0:
                    found.append(Quantity(f"ignored.{channel.name}", self._reader("ignored", c)))
                    found.append(Quantity(f"pause.{channel.name}", self._reader("pause", c)))
        return found

    def _contacts(self, scenario: Scenario) -> list[Quantity]:
        """Past contacts within the windows of caps that can be reached."""
        policy, first = scenario.engagement, ROOM["bits"]["customer"] + scenario.n_needs
        caps = [(c.name, c.cap) for c in scenario.channels] + [("any", policy.total_cap)]
        windows = compile_rules(scenario).windows[: len(caps)].tolist()
        rows = [first + c for c in range(scenario.n_channels)]
        rows.append(ANY_CONTACT_BITS // LANES)
        return [
            Quantity(f"contacts.{name}", partial(_recent_bits, row, np.uint32(window)))
            for (name, cap), row, window in zip(caps, rows, windows, strict=True)
            if 0 < cap <= window.bit_count()
        ]


def _capped(read: Callable[[Snapshot], Any], most: float, snapshot: Snapshot) -> Any:
    return np.minimum(read(snapshot), most)


def _recent_bits(row: int, window: np.uint32, snapshot: Snapshot) -> Any:
    return snapshot.bits[:, row] & window

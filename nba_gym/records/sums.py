"""What many customers came to together, period by period and group by group, as whole numbers.

Everything is counted in integers, money in multiples of ``MONEY_QUANTUM``. Sums of integers do not
depend on who is added first, so whatever way customers are cut into batches, shared out among
threads or spread over runs, the totals are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.arithmetic import MONEY_QUANTUM
from nba_gym.compiled import entry
from nba_gym.errors import DataError
from nba_gym.records.events import event_columns
from nba_gym.records.ledger import LINES
from nba_gym.scenario.schema import Scenario

Array = NDArray[Any]
Integers = NDArray[np.int64]

COUNTED = (
    "sent",
    "responded",
    "purchases",
    "opted_out",
    "complained",
    "accepted",
    "cancelled",
    "referred",
    "volunteered",
)
"""Events that are counted, in the order of ``Sums.events``."""
VALUE_QUANTUM = 1.0 / 256.0
"""What a customer's value is rounded to before it is squared, in currency units."""
MOST_VALUE = 2.0**31 * VALUE_QUANTUM
"""Values must be below this in size: squares of more quanta do not fit into 64 bits."""
HALF = 32
"""A squared value is kept in two halves, of which the lower has so many bits."""


@dataclass(frozen=True)
class Sums:
    """Totals of some customers.

    Attributes:
        customers: How many there are, ``(n_groups,)``.
        alive: Who had not left when the period began, ``(periods, n_groups)``.
        left: Who left in the period, known only to the simulator, ``(periods, n_groups)``.
        events: Events of ``COUNTED``, ``(periods, n_groups, n_counted)``.
        actions: Actions carried out, ``(periods, n_groups, n_actions)``.
        contacts: Outbound contacts by channel, ``(periods, n_groups, n_channels)``.
        money: Lines of the ledger in quanta, not discounted, ``(periods, n_groups, n_lines)``.
        value: Discounted profit of each customer in ``VALUE_QUANTUM``, ``(n_groups, 3)``: the sum,
            and the upper and lower halves of the sum of squares.
    """

    customers: Integers
    alive: Integers
    left: Integers
    events: Integers
    actions: Integers
    contacts: Integers
    money: Integers
    value: Integers

    @classmethod
    def nobody(cls, scenario: Scenario, periods: int) -> Sums:
        """Totals of no customer in a world whose personas are the groups."""
        groups = len(group_names(scenario))
        shape = (periods, groups)
        return cls(
            customers=np.zeros(groups, dtype=np.int64),
            alive=np.zeros(shape, dtype=np.int64),
            left=np.zeros(shape, dtype=np.int64),
            events=np.zeros((*shape, len(COUNTED)), dtype=np.int64),
            actions=np.zeros((*shape, scenario.n_actions), dtype=np.int64),
            contacts=np.zeros((*shape, max(1, scenario.n_channels)), dtype=np.int64),
            money=np.zeros((*shape, len(LINES)), dtype=np.int64),
            value=np.zeros((groups, 3), dtype=np.int64),
        )

    def arrays(self) -> dict[str, Integers]:
        """All of them by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def add(self, other: Sums) -> None:
        """Count other customers, too."""
        more = other.arrays()
        for name, array in self.arrays().items():
            array[...] += more[name]


def group_names(scenario: Scenario) -> list[str]:
    """What customers are grouped by: the personas, or ``all`` in a world without any."""
    return [persona.name for persona in scenario.personas] or ["all"]


class Counter:
    """Counts a batch of customers, period by period.

    Args:
        sums: What is added to.
        scenario: The world.
        groups: Group of each customer, ``(n,)``.
    """

    def __init__(self, sums: Sums, scenario: Scenario, groups: Integers) -> None:
        columns = event_columns(scenario)
        self._sums = sums
        self._groups = groups
        self._discount = scenario.discount
        self._columns = np.array([columns.index(name) for name in ("action", *COUNTED)])
        self._channel = np.array(scenario.channel_of_action)
        self._value = np.zeros(len(groups))
        sums.customers[:] += np.bincount(groups, minlength=len(sums.customers))

    def add(self, t: int, events: Array, ledger: Array, rewards: Array, alive: Array) -> None:
        """Count a period.

        Args:
            t: Which one.
            events: Events, ``(n, n_event_columns)``.
            ledger: Lines of the ledger, ``(n, n_lines)``.
            rewards: Their sums, ``(n,)``.
            alive: Who had not left before the period and after it, ``(2, n)``.
        """
        sums = self._sums
        _count(
            events,
            self._columns,
            self._channel,
            ledger,
            rewards,
            self._discount**t,
            alive,
            self._groups,
            self._value,
            (sums.alive[t], sums.left[t], sums.events[t]),
            (sums.actions[t], sums.contacts[t], sums.money[t]),
        )

    def close(self) -> None:
        """Count what the journeys were worth, once all periods are counted.

        Raises:
            DataError: If a value is too large to be squared.
        """
        largest = float(np.abs(self._value).max(initial=0.0))
        if largest >= MOST_VALUE:
            raise DataError(f"values must be below {MOST_VALUE:g} in size, got {largest:g}")
        _add_value(self._value, self._groups, self._sums.value)


def _make_count(digest: str) -> Callable[..., None]:
    def count(
        events: Array,
        columns: Array,
        channel: Array,
        ledger: Array,
        rewards: Array,
        discount: float,
        alive: Array,
        groups: Array,
        value: Array,
        people: tuple[Array, Array, Array],
        doings: tuple[Array, Array, Array],
    ) -> None:
        _ = digest  # part of the cache key
        living, left, counts = people
        actions, contacts, money = doings
        for i in range(groups.shape[0]):
            g = groups[i]
            was, stays = alive[0, i] > 0.0, alive[1, i] > 0.0
            living[g] += 1 if was else 0
            left[g] += 1 if was and not stays else 0
            action = np.int64(events[i, columns[0]])
            actions[g, action] += 1
            for e in range(counts.shape[1]):
                counts[g, e] += np.int64(events[i, columns[1 + e]])
            if channel[action] >= 0:
                contacts[g, channel[action]] += np.int64(events[i, columns[1]])
            for line in range(money.shape[1]):
                money[g, line] += np.int64(ledger[i, line] * (1.0 / MONEY_QUANTUM))
            value[i] += discount * rewards[i]

    return count


def _make_add_value(digest: str) -> Callable[..., None]:
    def add(value: Array, groups: Array, sums: Array) -> None:
        _ = digest  # part of the cache key
        for i in range(groups.shape[0]):
            quanta = np.int64(np.rint(value[i] * (1.0 / VALUE_QUANTUM)))
            square = quanta * quanta
            sums[groups[i], 0] += quanta
            sums[groups[i], 1] += square >> HALF
            sums[groups[i], 2] += square & ((1 << HALF) - 1)

    return add


_count, _add_value = entry(_make_count), entry(_make_add_value)

"""Event logs of many customers: files of some customers each, in as few bits as an event needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba_gym.files import whole_file
from nba_gym.records.events import BIRTH_EVENTS, event_columns
from nba_gym.records.log import PROPENSITY, range_of
from nba_gym.scenario.schema import Scenario

KINDS = (np.uint8, np.int8, np.uint16, np.uint32)
"""Whole numbers, the smallest first."""
SINGLE = ("reading", "reading_loyalty")
"""Events that are numbers in single precision; other fractions are money, in double."""


def kind_of(name: str, scenario: Scenario) -> Any:
    """The smallest kind of number that holds every value of a column."""
    low, high, whole = range_of(name, scenario)
    if not whole:
        return np.float32 if name.split(".", maxsplit=1)[0] in SINGLE else np.float64
    fits = [kind for kind in KINDS if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max]
    return fits[0] if fits else np.uint32  # a count: its range ends where single precision does


class EventPart:
    """The events of some customers, column by column, until they are written to a file.

    Args:
        scenario: The world.
        n: Customers of the part.
        periods: Periods that they live.
        by_lot: Whether the policy says how likely what it does is: a column more, the propensity.
    """

    def __init__(self, scenario: Scenario, n: int, periods: int, *, by_lot: bool = False) -> None:
        self._births = {
            name: np.empty(n, dtype=kind_of(name, scenario))
            for name in event_columns(scenario, BIRTH_EVENTS)
        }
        self._events = {
            name: np.empty((periods, n), dtype=kind_of(name, scenario))
            for name in event_columns(scenario)
        }
        self.by_lot = by_lot
        self._propensities = np.empty((periods, n)) if by_lot else None
        self._customers = np.empty(n, dtype=np.uint64)
        self._periods = periods
        self._at = slice(0, 0)

    def begin(self, customers: NDArray[np.uint64], births: NDArray[Any]) -> None:
        """Some more customers come in.

        Args:
            customers: Their numbers, ``(n,)``.
            births: Their birth records, columns as ``BIRTH_EVENTS``.
        """
        self._at = slice(self._at.stop, self._at.stop + len(customers))
        self._customers[self._at] = customers
        for i, column in enumerate(self._births.values()):
            column[self._at] = births[:, i]

    def add(self, t: int, events: NDArray[Any], propensities: NDArray[Any] | None = None) -> None:
        """What happened to them in a period, and how likely what was done was.

        Args:
            t: The period.
            events: Columns as ``event_columns``, ``(n, n_event_columns)``.
            propensities: Of what the policy did, ``(n,)``, if they are kept.
        """
        if self._propensities is not None:
            self._propensities[t, self._at] = propensities
        for i, column in enumerate(self._events.values()):
            column[t, self._at] = events[:, i]

    def write(self, births: Path, events: Path) -> None:
        """Write both files, each as a whole or not at all: a row a customer, a row a period.

        Rows of events come period by period, and by customer within a period.
        """
        frame = pl.DataFrame({"customer": self._customers} | self._births)
        with whole_file(births) as draft:
            frame.write_parquet(draft)
        period = np.repeat(np.arange(self._periods, dtype=np.uint16), len(self._customers))
        columns = {"customer": np.tile(self._customers, self._periods), "period": period}
        columns |= {name: column.reshape(-1) for name, column in self._events.items()}
        if self._propensities is not None:
            columns[PROPENSITY] = self._propensities.reshape(-1)
        with whole_file(events) as draft:
            pl.DataFrame(columns).write_parquet(draft)

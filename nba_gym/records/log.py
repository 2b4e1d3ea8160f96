"""Event logs: what a firm would keep of every customer, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba_gym.errors import DataError
from nba_gym.records.events import BIRTH_EVENTS, event_columns
from nba_gym.scenario.schema import Scenario


@dataclass(frozen=True)
class EventLog:
    """The journeys of some customers, as their firm saw them.

    Attributes:
        customers: Numbers of the customers, ``(n,)``.
        births: Birth record of each, columns as ``event_columns(scenario, BIRTH_EVENTS)``,
            ``(n, n_birth_columns)``.
        events: Events, columns as ``event_columns(scenario)``, ``(periods, n, n_columns)``.
    """

    customers: NDArray[np.uint64]
    births: NDArray[np.float64]
    events: NDArray[np.float64]


def write_log(log: EventLog, scenario: Scenario, folder: str | Path) -> list[Path]:
    """Write ``births.parquet`` and ``events.parquet``, one row a customer and period.

    Returns:
        The paths written.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    periods, n, _ = log.events.shape
    births = pl.DataFrame(log.births, schema=event_columns(scenario, BIRTH_EVENTS)).insert_column(
        0, pl.Series("customer", log.customers)
    )
    rows = log.events.reshape(periods * n, -1)
    events = pl.DataFrame(rows, schema=event_columns(scenario))
    events.insert_column(0, pl.Series("customer", np.tile(log.customers, periods)))
    numbers = [period for period in range(periods) for _ in range(n)]
    events.insert_column(1, pl.Series("period", numbers))
    paths = [target / "births.parquet", target / "events.parquet"]
    births.write_parquet(paths[0])
    events.write_parquet(paths[1])
    return paths


def read_log(folder: str | Path, scenario: Scenario) -> EventLog:
    """Read what ``write_log`` wrote, in any order of the rows.

    Raises:
        DataError: If a file or column is missing, a value is not a number, or periods are missing.
    """
    where = Path(folder)
    births = _read(where / "births.parquet", event_columns(scenario, BIRTH_EVENTS), ["customer"])
    events = _read(where / "events.parquet", event_columns(scenario), ["period", "customer"])
    customers = births["customer"].to_numpy()
    periods = int(events["period"].n_unique())
    if events.height != periods * births.height:
        raise DataError(
            f"events.parquet: every customer must have the same {periods} periods, got "
            f"{events.height} rows for {births.height} customers"
        )
    for row, column in (
        ("period", np.repeat(np.arange(periods), len(customers))),
        ("customer", np.tile(customers, periods)),
    ):
        wrong = np.flatnonzero(events[row].to_numpy() != column)
        if len(wrong):
            raise DataError(
                f"events.parquet: {row} must run over all customers and periods, "
                f"got {events[row][int(wrong[0])]} in place of {column[wrong[0]]}"
            )
    values = events.select(event_columns(scenario)).to_numpy().astype(np.float64)
    return EventLog(
        customers=customers.astype(np.uint64),
        births=births.select(event_columns(scenario, BIRTH_EVENTS)).to_numpy().astype(np.float64),
        events=np.ascontiguousarray(values.reshape(periods, len(customers), -1)),
    )


def _read(path: Path, columns: list[str], keys: list[str]) -> pl.DataFrame:
    if not path.is_file():
        raise DataError(f"event log must hold {path.name}, got none in {path.parent}")
    frame = pl.read_parquet(path)
    for name in (*keys, *columns):
        if name not in frame.columns:
            raise DataError(f"{path.name} must have the column {name!r}, got none")
        column = frame[name]
        if not column.dtype.is_numeric() or column.null_count() or column.is_nan().any():
            raise DataError(f"{path.name}: {name} must hold numbers only, got {column.dtype}")
    if frame.select(keys).is_duplicated().any():
        raise DataError(f"{path.name}: {' and '.join(keys)} must be unique, got duplicates")
    return frame.sort(keys)

"""Event logs: what a firm would keep of every customer, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba_gym.compiled import plain
from nba_gym.errors import DataError, check_least
from nba_gym.records.events import BIRTH_EVENTS, event_columns
from nba_gym.records.history import update_stage
from nba_gym.scenario.schema import Scenario

PROPENSITY = "propensity"
"""Column of the probability that what was done had under the policy that acted."""


@dataclass(frozen=True)
class EventLog:
    """The journeys of some customers, as their firm saw them.

    Attributes:
        customers: Numbers of the customers, ``(n,)``.
        births: Birth record of each, columns as ``event_columns(scenario, BIRTH_EVENTS)``,
            ``(n, n_birth_columns)``.
        events: Events, columns as ``event_columns(scenario)``, ``(periods, n, n_columns)``.
        propensities: Probability that the policy which acted gave what was done, in (0, 1],
            ``(periods, n)``; ``None`` where it did not say.
    """

    customers: NDArray[np.uint64]
    births: NDArray[np.float64]
    events: NDArray[np.float64]
    propensities: NDArray[np.float64] | None = None


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
    if log.propensities is not None:
        events = events.with_columns(pl.Series(PROPENSITY, log.propensities.reshape(-1)))
    paths = [target / "births.parquet", target / "events.parquet"]
    births.write_parquet(paths[0])
    events.write_parquet(paths[1])
    return paths


def read_log(
    folder: str | Path,
    scenario: Scenario,
    *,
    customers: int | None = None,
    periods: int | None = None,
) -> EventLog:
    """Read what ``write_log`` wrote, in any order of the rows, or a bulk simulation left.

    The folder holds ``births.parquet`` and ``events.parquet``, or folders ``births`` and ``events``
    with a file a part. What is asked for is read into memory, and nothing else.

    Args:
        folder: Where they are.
        scenario: The world.
        customers: Those with the lowest numbers only, so many of them; by default all.
        periods: The first so many periods only; by default all.

    Raises:
        DataError: If a file or column is missing, a value is none that can have come about, or
            periods are missing.
        PolicyError: If so many are none.
    """
    limits = {"customers": customers, "periods": periods}
    check_least(1, **{name: limit for name, limit in limits.items() if limit is not None})
    where = Path(folder)
    births = _read(where, "births", event_columns(scenario, BIRTH_EVENTS), ["customer"], {})
    most: dict[str, float] = {}
    if customers is not None:
        births = births.head(customers)
        most["customer"] = births["customer"][-1]
    if periods is not None:
        most["period"] = periods - 1
    events = _read(where, "events", event_columns(scenario), ["period", "customer"], most)
    numbers = births["customer"].to_numpy()
    lasts = int(events["period"].n_unique())
    if events.height != lasts * births.height:
        raise DataError(
            f"events.parquet: every customer must have the same {lasts} periods, got "
            f"{events.height} rows for {births.height} customers"
        )
    for row, column in (
        ("period", np.repeat(np.arange(lasts), len(numbers))),
        ("customer", np.tile(numbers, lasts)),
    ):
        wrong = np.flatnonzero(events[row].to_numpy() != column)
        if len(wrong):
            raise DataError(
                f"events.parquet: {row} must run over all customers and periods, "
                f"got {events[row][int(wrong[0])]} in place of {column[wrong[0]]}"
            )
    values = events.select(event_columns(scenario)).to_numpy().astype(np.float64)
    log = EventLog(
        customers=numbers.astype(np.uint64),
        births=births.select(event_columns(scenario, BIRTH_EVENTS)).to_numpy().astype(np.float64),
        events=np.ascontiguousarray(values.reshape(lasts, len(numbers), -1)),
        propensities=_propensities(events, lasts),
    )
    check_log(log, scenario)
    return log


def check_log(log: EventLog, scenario: Scenario) -> None:
    """Check that a log can have come about in a world.

    Raises:
        DataError: Naming the column, the customer, the rule and the first value that breaks it.
    """
    if scenario.tabular is not None:
        raise DataError(f"log must be of a world with event logs, got one of {scenario.name!r}")
    n = len(log.customers)
    for what, values, names in (
        ("births", log.births, event_columns(scenario, BIRTH_EVENTS)),
        ("events", log.events, event_columns(scenario)),
    ):
        shape = (n, len(names)) if what == "births" else (len(log.events), n, len(names))
        if values.shape != shape:
            raise DataError(
                f"{what} must have shape {shape} in {scenario.name}, got {values.shape}"
            )
        for i, name in enumerate(names):
            low, high, whole = range_of(name, scenario)
            column = values[..., i]
            wrong = ~np.isfinite(column) | (column < low) | (column > high)
            wrong |= whole & (column != np.rint(column))
            if wrong.any():
                at = tuple(np.argwhere(wrong)[0].tolist())
                rule = f"{'whole numbers' if whole else 'numbers'} in [{low:g}, {high:g}]"
                where = f"customer {log.customers[at[-1]]}"
                where += f", period {at[0]}" if what == "events" else ""
                raise DataError(f"{name} must be {rule}, got {column[at]:g} ({where})")
    _check_stages(log, scenario)


def _check_stages(log: EventLog, scenario: Scenario) -> None:
    """Check that nobody is moved out of the pipeline at either end."""
    columns, last = event_columns(scenario), float(scenario.pipeline.stages)
    moves, needs, purchases = (
        log.events[..., columns.index(name)] for name in ("stage_move", "need_bought", "purchases")
    )
    staged = np.array([float(need.staged) for need in scenario.needs])
    closed = staged[needs.astype(np.int64)] * (purchases > 0.0)  # -1 where nothing was bought
    stage, advance = np.zeros(len(log.customers)), plain(update_stage)
    for t in range(len(moves)):
        moved = stage + moves[t]
        wrong = (moved < 0.0) | (moved > last)
        if wrong.any():
            i = int(np.argmax(wrong))
            raise DataError(
                f"stage_move must keep customers within stages 0 to {last:g}, got "
                f"{moves[t, i]:g} at stage {stage[i]:g} (customer {log.customers[i]}, period {t})"
            )
        stage = advance(stage, moves[t], closed[t])


def range_of(name: str, scenario: Scenario) -> tuple[float, float, bool]:
    """Lowest and highest value of a column, and whether it holds whole numbers."""
    most = float(np.finfo(np.float32).max)
    ranges = {
        "start_phase": (0.0, scenario.cycle - 1.0, True),
        "start_commitment": (0.0, most, True),
        "action": (0.0, scenario.n_actions - 1.0, True),
        "purchases": (0.0, most, True),
        "need_bought": (-1.0, scenario.n_needs - 1.0, True),
        "list_spend": (0.0, most, False),
        "visit": (0.0, float(scenario.n_channels), True),
        "basket": (0.0, float(scenario.n_needs), True),
        "stage_move": (-1.0, 1.0, True),
        "reading_loyalty": (0.0, 1.0, False),
        "reading": (0.0, 1.0, False),
    }
    return ranges.get(name.split(".", maxsplit=1)[0], (0.0, 1.0, True))


def _propensities(events: pl.DataFrame, periods: int) -> NDArray[np.float64] | None:
    """The column of propensities, ``(periods, n)``, if there is one."""
    if PROPENSITY not in events.columns:
        return None
    column = events[PROPENSITY]
    if not column.dtype.is_numeric() or column.null_count():
        raise DataError(f"events.parquet: {PROPENSITY} must hold numbers only, got others")
    return column.to_numpy().astype(np.float64).reshape(periods, -1)


def _read(
    where: Path, name: str, columns: list[str], keys: list[str], most: dict[str, float]
) -> pl.DataFrame:
    path = where / f"{name}.parquet"
    paths = [path] if path.is_file() else sorted((where / name).glob("part-*.parquet"))
    if not paths:
        raise DataError(f"event log must hold {path.name}, got none in {path.parent}")
    try:
        lazy = pl.scan_parquet(paths)
        kinds = lazy.collect_schema()
        small = [pl.col(k) <= m for k, m in most.items() if k in kinds and kinds[k].is_numeric()]
        frame = lazy.filter(*small).collect()
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path.name} must be a Parquet file, got: {error}") from None
    if not frame.height:
        raise DataError(f"{path.name} must have at least one row, got none")
    for key in (*keys, *columns):
        if key not in frame.columns:
            raise DataError(f"{path.name} must have the column {key!r}, got none")
        column = frame[key]
        if not column.dtype.is_numeric():
            raise DataError(f"{path.name}: {key} must hold numbers only, got {column.dtype}")
        missing = (column.is_null() | column.is_nan()).arg_true()
        if len(missing):
            row = int(missing[0]) + 1
            raise DataError(f"{path.name}: {key} must be a number, got none in row {row}")
    if frame.select(keys).is_duplicated().any():
        raise DataError(f"{path.name}: {' and '.join(keys)} must be unique, got duplicates")
    return frame.sort(keys)

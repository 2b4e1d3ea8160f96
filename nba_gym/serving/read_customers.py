"""Customers of a file, block by block: shown as features, or traced by their events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba_gym.errors import DataError, nearest
from nba_gym.records.log import PROPENSITY
from nba_gym.serving.engine import Engine
from nba_gym.serving.events import MOST_PERIODS, Records

ALLOWED, CONSENT = "allowed.", "consent."
Block = tuple[pl.Series, NDArray[np.float32], NDArray[np.int8]]


@dataclass(frozen=True)
class Table:
    """A Parquet file, or the folder of a bulk simulation with a file a part.

    Attributes:
        name: What messages call it.
        rows: Its rows, not read yet.
        columns: Types by column.
    """

    name: str
    rows: pl.LazyFrame
    columns: dict[str, Any]

    @cached_property
    def count(self) -> int:
        """Rows."""
        return int(self.rows.select(pl.len()).collect().item())


def read_table(path: Path, what: str) -> Table:
    """Open a table; nothing but its columns is read.

    Args:
        path: A file, or a folder with ``part-*.parquet``.
        what: What it is to be, for messages.

    Raises:
        DataError: If it is neither.
    """
    paths = [path] if path.is_file() else sorted(path.glob("part-*.parquet"))
    if not paths:
        raise DataError(
            f"{what} must be a Parquet file or a folder of part-*.parquet, got {str(path)!r}"
        )
    rows = pl.scan_parquet(paths)
    try:
        columns = dict(rows.collect_schema())
    except pl.exceptions.PolarsError:
        raise DataError(f"{what} must be Parquet, got {str(path)!r}, which is not") from None
    return Table(path.name, rows, columns)


class ShownCustomers:
    """Customers of whom features and masks are given.

    Args:
        engine: The policy.
        table: Who they are and what is known of them.

    Attributes:
        kind: Type of the column ``customer``.
        count: How many they are.
        strangers: Events of nobody here: none, for there are no events.

    Raises:
        DataError: If a column of the mask is missing.
    """

    strangers = 0

    def __init__(self, engine: Engine, table: Table) -> None:
        self._engine, self._table = engine, table
        self._masks = [ALLOWED + name for name in engine.actions]
        for name in self._masks:
            if name not in table.columns:
                raise DataError(f"{table.name} must say what is allowed in {name!r}, got no column")
        self.kind, self.count = table.columns["customer"], table.count

    def blocks(self, size: int) -> Iterator[Block]:
        """Customers, features and masks of one block after the other."""
        for first in range(0, self.count, size):
            rows = self._table.rows.slice(first, size)
            part = rows.select("customer", *self._engine.features, *self._masks).collect()
            for name in (*self._engine.features, *self._masks):
                _check_column(part[name], name, self._table.name, *self._range(name), first)
            features = part.select(self._engine.features).to_numpy().astype(np.float32)
            masks = part.select(pl.col(self._masks).cast(pl.Int8)).to_numpy()
            yield part["customer"], features, masks

    def _range(self, name: str) -> tuple[float, float, bool]:
        if name in self._masks:
            return 0.0, 1.0, True
        row = self._engine.card["features"][self._engine.features.index(name)]
        return float(row["low"]), float(row["high"]), False


class TracedCustomers:
    """Customers of whom birth records and events are given.

    Args:
        engine: The policy.
        births: One row a customer.
        events: One row a customer and period.

    Attributes:
        kind: Type of the column ``customer``.
        count: How many they are.

    Raises:
        DataError: If a column is missing or not known.
    """

    def __init__(self, engine: Engine, births: Table, events: Table) -> None:
        self.records = Records(engine.folder.scenario)
        self.kind, self.count = births.columns["customer"], births.count
        self._births, self._events = births.name, events.name
        self._who, self._what = births.rows, events.rows
        self._consents = [CONSENT + c.name for c in self.records.scenario.channels]
        self._register = [name for name in self._consents if name in births.columns]
        _check_known(births, [*self.records.birth_columns, *self._consents, "customer"])
        for name in self.records.birth_columns:
            if name not in births.columns:
                raise DataError(f"{births.name} must have the column {name!r}, got none")
        _check_known(events, [*self.records.columns, PROPENSITY, "customer", "period"])
        for name in ("customer", "period"):
            if name not in events.columns:
                raise DataError(f"{events.name} must have the column {name!r}, got none")
        if events.columns["customer"] != self.kind:
            raise DataError(
                f"customer must be of one type in both files, got {self.kind} in {births.name} and "
                f"{events.columns['customer']} in {events.name}"
            )
        self._given = [name for name in self.records.columns if name in events.columns]
        self._met, self._events_in_all = 0, events.count

    @property
    def strangers(self) -> int:
        """Events of customers who are not among these, once all blocks have been read."""
        return self._events_in_all - self._met

    def blocks(self, size: int) -> Iterator[Block]:
        """Customers, features and masks of one block after the other."""
        self._met = 0
        for first in range(0, self.count, size):
            people = self._who.slice(first, size).collect()
            names = people["customer"]
            if names.null_count():
                raise DataError(f"{self._births}: customer must be given in every row, got none")
            if names.is_duplicated().any():
                twice = names.filter(names.is_duplicated())[0]
                raise DataError(f"{self._births}: customer must be unique, got {twice!r} twice")
            for name in self.records.birth_columns:
                low, high, whole = self.records.ranges[name]
                _check_column(people[name], name, self._births, low, high, whole, first)
            births = people.select(self.records.birth_columns).to_numpy().astype(np.float64)
            events, ends = self._lives(names)
            consent = self._consent(people, first)
            after = self.records.fold_rows(births, events, ends, consent=consent)
            seen = self.records.look(after)
            yield names, seen.observations, seen.masks

    def _consent(self, people: pl.DataFrame, first: int) -> NDArray[np.float32] | None:
        """What the register says, where the file has it; a channel without a column has none."""
        if not self._register:
            return None
        consent = np.zeros((people.height, len(self._consents)), dtype=np.float32)
        for i, name in enumerate(self._consents):
            if name in self._register:
                _check_column(people[name], name, self._births, 0.0, 1.0, True, first)
                consent[:, i] = people[name].cast(pl.Float32).to_numpy()
        return consent

    def _lives(self, names: pl.Series) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Events of these customers, one after the other, quiet periods filled in."""
        low, high = names.min(), names.max()
        near = pl.col("customer").is_between(low, high)  # lets a sorted file skip what is elsewhere
        rows = self._what.filter(near & pl.col("customer").is_in(names.implode())).collect()
        self._met += rows.height
        periods = rows["period"]
        _check_column(periods, "period", self._events, 0.0, MOST_PERIODS - 1.0, True, 0)
        places = pl.DataFrame({"customer": names, "place": np.arange(len(names))})
        at = rows.select("customer").join(places, on="customer", how="left", maintain_order="left")
        of, when = at["place"].to_numpy(), periods.cast(pl.Int64).to_numpy()
        lived = np.zeros(len(names), dtype=np.int64)
        np.maximum.at(lived, of, when + 1)
        ends = np.concatenate([[0], np.cumsum(lived)]).astype(np.int64)
        events = np.tile(self.records.quiet, (max(1, int(ends[-1])), 1))
        target = ends[of] + when
        if len(np.unique(target)) < len(target):
            keys = rows.select("customer", "period")
            who, when = keys.filter(keys.is_duplicated()).row(0)
            raise DataError(
                f"{self._events}: customer and period must be unique, got {who!r} and {when} twice"
            )
        for name in self._given:
            column = self._numbers(rows[name], name)
            low_, high_, whole = self.records.ranges[name]
            _check_column(column, name, self._events, low_, high_, whole, 0)
            events[target, self.records.columns.index(name)] = column.cast(pl.Float64).to_numpy()
        return events, ends

    def _numbers(self, column: pl.Series, name: str) -> pl.Series:
        """Names as numbers, where a column may hold names."""
        known = self.records.names.get(name)
        if column.dtype != pl.String or known is None:
            return column
        strange = column.is_in(list(known)).not_().arg_true()
        if len(strange):
            got = column[int(strange[0])]
            raise DataError(
                f"{self._events}: {name} must be one of {', '.join(known)}, got {got!r}"
            )
        return column.replace_strict(known, return_dtype=pl.Float64)


def _check_known(table: Table, known: Sequence[str]) -> None:
    for name in table.columns:
        if name not in known:
            raise DataError(
                f"{table.name} must have known columns only, got {name!r}{nearest(name, known)}"
            )


def _check_column(
    column: pl.Series, name: str, file: str, low: float, high: float, whole: bool, first: int
) -> None:
    """Refuse what is no number, missing, or out of range.

    Raises:
        DataError: Naming file, column, rule, value and row.
    """
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise DataError(f"{file}: {name} must hold numbers, got {column.dtype}")
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    wrong = ~((values >= low) & (values <= high))
    wrong |= whole & (values != np.rint(values))
    if wrong.any():
        row = int(np.argmax(wrong))
        rule = f"a {'whole ' if whole else ''}number in [{low:g}, {high:g}]"
        raise DataError(
            f"{file}: {name} must be {rule}, got {column[row]} in row {first + row + 1}"
        )

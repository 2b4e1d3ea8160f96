"""Customers of a file, block by block: shown as features, or traced by their events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba_gym.errors import DataError
from nba_gym.serving.engine import Engine
from nba_gym.serving.events import MOST_PERIODS, Records

ALLOWED, CONSENT = "allowed.", "consent."
Block = tuple[pl.Series, NDArray[np.float32], NDArray[np.int8]]


class ShownCustomers:
    """Customers of whom features and masks are given.

    Args:
        engine: The policy.
        path: Parquet file.
        kind: Type of the column ``customer``.

    Raises:
        DataError: If a column of the mask is missing.
    """

    def __init__(self, engine: Engine, path: Path, kind: Any) -> None:
        self._engine, self._path, self.kind = engine, path, kind
        self._frame = pl.scan_parquet(path)
        self._masks = [ALLOWED + name for name in engine.actions]
        columns = self._frame.collect_schema().names()
        for name in self._masks:
            if name not in columns:
                raise DataError(f"{path.name} must say what is allowed in {name!r}, got no column")
        self.count = _count(self._frame)

    def blocks(self, size: int) -> Iterator[Block]:
        """Customers, features and masks of one block after the other."""
        for first in range(0, self.count, size):
            rows = self._frame.slice(first, size)
            part = rows.select("customer", *self._engine.features, *self._masks).collect()
            for name in (*self._engine.features, *self._masks):
                _check_column(part[name], name, self._path.name, *self._range(name), first)
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
        births: Parquet file, one row a customer.
        events: Parquet file, one row a customer and period.
        columns: Types of the columns of ``births``.

    Raises:
        DataError: If a column is missing or not known.
    """

    def __init__(self, engine: Engine, births: Path, events: Path, columns: dict[str, Any]) -> None:
        self.records = Records(engine.folder.scenario)
        self.kind = columns["customer"]
        self._births, self._events = births.name, events.name
        channels = [channel.name for channel in self.records.scenario.channels]
        self._register = [CONSENT + name for name in channels if CONSENT + name in columns]
        known = {*self.records.birth_columns, *(CONSENT + name for name in channels), "customer"}
        _check_known(columns, known, births.name)
        for name in self.records.birth_columns:
            if name not in columns:
                raise DataError(f"{births.name} must have the column {name!r}, got none")
        self._consents = [CONSENT + name for name in channels]
        self._who = pl.scan_parquet(births)
        if not events.is_file():
            raise DataError(f"events must be a Parquet file, got {str(events)!r}")
        self._what = pl.scan_parquet(events)
        found = dict(self._what.collect_schema())
        _check_known(found, {*self.records.columns, "customer", "period"}, events.name)
        for name in ("customer", "period"):
            if name not in found:
                raise DataError(f"{events.name} must have the column {name!r}, got none")
        if found["customer"] != self.kind:
            raise DataError(
                f"customer must be of one type in both files, got {self.kind} in {births.name} and "
                f"{found['customer']} in {events.name}"
            )
        self._given = [name for name in self.records.columns if name in found]
        self.count = _count(self._who)

    def blocks(self, size: int) -> Iterator[Block]:
        """Customers, features and masks of one block after the other."""
        for first in range(0, self.count, size):
            people = self._who.slice(first, size).collect()
            names = people["customer"]
            if names.is_duplicated().any() or names.null_count():
                raise DataError(
                    f"{self._births}: customer must be given and unique, got duplicates"
                )
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
            raise DataError(f"{self._events}: customer and period must be unique, got duplicates")
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


def _count(frame: pl.LazyFrame) -> int:
    return int(frame.select(pl.len()).collect().item())


def _check_known(columns: dict[str, Any], known: set[str], file: str) -> None:
    for name in columns:
        if name not in known:
            raise DataError(f"{file} must have known columns only, got {name!r}")


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

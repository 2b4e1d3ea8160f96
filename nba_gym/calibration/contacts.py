"""Logs of randomised contacts: who got what when, and what they did in that period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nba_gym.calibration.reading import read_table
from nba_gym.calibration.transactions import parsed_dates, refuse_rows
from nba_gym.errors import DataError

WAIT = "wait"
"""The control arm; an empty action means the same."""
REQUIRED = ("customer", "date", "action", "outcome")
OPTIONAL = ("responded", "opted_out", "since")


@dataclass(frozen=True, eq=False)
class ContactLog:
    """Contacts whose actions were drawn by lot, controls included, one a row.

    Attributes:
        table: In the order of the records: ``customer`` (string), ``date``, ``since`` (dates),
            ``action`` (name, ``"wait"`` for controls), ``bought`` (bool), and where they were given
            ``responded`` and ``opted_out`` (bool).
        source: What the table is called in messages.
    """

    table: pl.DataFrame
    source: str

    @property
    def n_rows(self) -> int:
        """Number of rows, controls included."""
        return self.table.height

    @property
    def n_contacts(self) -> int:
        """Rows in which a customer was contacted."""
        return int((self.table["action"] != WAIT).sum())

    @property
    def n_customers(self) -> int:
        """Number of different customers."""
        return self.table["customer"].n_unique()


def read_contacts(
    path: str | Path,
    *,
    customer: str = "customer",
    date: str = "date",
    action: str = "action",
    outcome: str = "outcome",
    responded: str | None = None,
    opted_out: str | None = None,
    since: str | None = None,
    date_format: str = "%Y-%m-%d",
) -> ContactLog:
    """Read a file of randomised contacts, one a row.

    Args:
        path: A ``.csv`` or ``.parquet`` file.
        customer: Column that names the customer.
        date: Column of the date of the contact, or of the draw for who was left alone.
        action: Column with the name of the action; ``wait`` or nothing for controls.
        outcome: Column that says whether the customer bought in the period of the contact: 0 or 1,
            or the amount.
        responded: Column of clicks and answers, 0 or 1.
        opted_out: Column of opting out, 0 or 1.
        since: Column of the date on which the customer was acquired; by default that of their
            first row.
        date_format: How dates are written where they are text.

    Raises:
        DataError: If the file cannot be read, a column is missing, or a value is none; it names the
            column, the rule, the value and the row.
    """
    columns = {"customer": customer, "date": date, "action": action, "outcome": outcome}
    given = {"responded": responded, "opted_out": opted_out, "since": since}
    columns |= {role: name for role, name in given.items() if name is not None}
    table = read_table(path, columns)
    return contact_log(table, date_format=date_format, source=Path(path).name)


def contact_log(
    columns: pl.DataFrame | Mapping[str, object],
    *,
    date_format: str = "%Y-%m-%d",
    source: str = "contacts",
) -> ContactLog:
    """Check a table of randomised contacts.

    Args:
        columns: A table with ``customer``, ``date``, ``action`` and ``outcome``, and where known
            ``responded``, ``opted_out`` and ``since``; see :func:`read_contacts`.
        date_format: How dates are written where they are text.
        source: What the table is called in an error message, such as a file name.

    Raises:
        DataError: If a column is missing, there is no row, or a value is none. It names the first
            such row, counted from 1.
    """
    try:
        raw = pl.DataFrame(columns)
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{source} must be a table: {error}") from error
    for name in REQUIRED:
        if name not in raw.columns:
            found = ", ".join(raw.columns) or "none"
            raise DataError(f"{source} must have the column {name!r}, got columns {found}")
    if raw.height == 0:
        raise DataError(f"{source} must have at least one contact, got no rows")
    customer = raw["customer"].cast(pl.String)
    refuse_rows(source, raw["customer"], customer.is_null(), "given")
    actions = raw["action"].cast(pl.String).fill_null(WAIT)
    actions = pl.Series("action", actions.set(actions == "", WAIT))
    table = pl.DataFrame(
        {
            "customer": customer,
            "date": parsed_dates(source, raw["date"], date_format),
            "action": actions,
            "bought": _amounts(source, raw["outcome"]) > 0.0,
        }
    )
    for name in ("responded", "opted_out"):
        if name in raw.columns:
            table = table.with_columns(_flags(source, raw[name], actions == WAIT))
    return ContactLog(table.with_columns(_since(source, raw, table, date_format)), source)


def _since(source: str, raw: pl.DataFrame, table: pl.DataFrame, date_format: str) -> pl.Series:
    """Date of acquisition, one for each customer and not after a contact."""
    if "since" not in raw.columns:
        return table.select(since=pl.col("date").min().over("customer"))["since"]
    since = parsed_dates(source, raw["since"], date_format)
    refuse_rows(source, raw["since"], since > table["date"], "on or before the date of the contact")
    first = table.with_columns(since).select(pl.col("since").first().over("customer"))["since"]
    refuse_rows(source, raw["since"], since != first, "the same in all rows of a customer")
    return since


def _amounts(source: str, values: pl.Series) -> pl.Series:
    amounts = values.cast(pl.Float64, strict=False)
    refuse_rows(source, values, ~amounts.is_finite().fill_null(value=False), "a finite number")
    refuse_rows(source, values, amounts < 0, ">= 0")
    return amounts


def _flags(source: str, values: pl.Series, controls: pl.Series) -> pl.Series:
    """Yes and no; who was not contacted may have nothing there, and cannot have a yes."""
    flags = values.cast(pl.Float64, strict=False)
    nothing = values.is_null() | (values.cast(pl.String) == "").fill_null(value=False)
    flags = flags.set(controls & nothing, 0.0)
    refuse_rows(source, values, ~flags.is_in([0.0, 1.0]).fill_null(value=False), "0 or 1")
    refuse_rows(source, values, controls & (flags > 0), "0 where nobody was contacted")
    return pl.Series(values.name, flags > 0)

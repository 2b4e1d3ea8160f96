"""Reading the files of a firm: transactions, contracts, survivors; a bad value is named by its row.

Rows may come in any order. Dates must lie from 1900 to 2100: what lies outside is a placeholder or
a mistake in the format, and one such row would stretch the log over centuries.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from nba_gym.calibration.cohort import Unit
from nba_gym.calibration.tenure import Tenures, tenures_of, tenures_of_survivors
from nba_gym.calibration.transactions import (
    TransactionLog,
    parsed_dates,
    refuse_rows,
    transaction_log,
)
from nba_gym.errors import DataError


def read_transactions(
    path: str | Path,
    *,
    customer: str = "customer",
    date: str = "date",
    amount: str = "amount",
    date_format: str = "%Y-%m-%d",
) -> TransactionLog:
    """Read a file of transactions, one a row, in any order.

    Args:
        path: A ``.csv`` or ``.parquet`` file.
        customer: Column that names the customer.
        date: Column of the date.
        amount: Column of the amount, in currency, >= 0.
        date_format: How dates are written where they are text.

    Raises:
        DataError: If the file cannot be read, a column is missing, or a value is none; it names the
            column, the rule, the value and the row.
    """
    chosen = read_table(path, {"customer": customer, "date": date, "amount": amount})
    return transaction_log(chosen, date_format=date_format, source=Path(path).name)


def read_contracts(
    path: str | Path,
    unit: Unit,
    *,
    customer: str = "customer",
    start: str = "start",
    end: str = "end",
    date_format: str = "%Y-%m-%d",
    until: str | None = None,
) -> Tenures:
    """Read a file of contracts, one a row.

    Args:
        path: A ``.csv`` or ``.parquet`` file.
        unit: Time from one renewal to the next.
        customer: Column that names the customer; each row is a contract of its own.
        start: Column of the first day.
        end: Column of the day on which it was ended; empty if it still runs.
        date_format: How dates are written where they are text.
        until: Last day that the file knows of, in that format; by default the last date in it.

    Raises:
        DataError: If the file cannot be read, a column is missing, a value is no date, or a
            contract ends before it starts; it names the column, the rule, the value and the row.
    """
    source = Path(path).name
    table = read_table(path, {"customer": customer, "start": start, "end": end})
    if table.height == 0:
        raise DataError(f"{source} must have at least one contract, got no rows")
    refuse_rows(source, table["customer"], table["customer"].is_null(), "given")
    begun = parsed_dates(source, table["start"], date_format)
    given = table["end"]
    open_ = given.is_null()
    if given.dtype == pl.String:
        open_ = open_ | (given.str.strip_chars() == "")
    ended = parsed_dates(source, given, date_format, empty=open_)
    backwards = (ended < begun).fill_null(value=False)
    refuse_rows(source, given, backwards, "on or after the start of the contract")
    stop = None
    if until is not None:
        stop = int(parsed_dates("until", pl.Series("until", [until]), date_format).to_physical()[0])
        late = begun.to_physical() > stop
        refuse_rows(source, table["start"], late, f"at most until, {until}")
    return tenures_of(begun, ended, unit, stop)


def read_survivors(path: str | Path, unit: Unit, column: str) -> Tenures:
    """Read a retention table: contracts at the start, and those left after each renewal, one a row.

    Args:
        path: A ``.csv`` or ``.parquet`` file.
        unit: Time from one renewal to the next.
        column: Column of the contracts left: numbers, or shares in any unit.

    Raises:
        DataError: If the file cannot be read, the column is missing, or a value is no number,
            negative or above the one before; it names the row.
    """
    source = Path(path).name
    given = read_table(path, {"survivors": column})["survivors"]
    left = given.cast(pl.Float64, strict=False)
    refuse_rows(source, given, ~left.is_finite().fill_null(value=False), "a finite number")
    refuse_rows(source, given, left < 0, ">= 0")
    rises = (left.diff() > 0).fill_null(value=False)
    refuse_rows(source, given, rises, "at most the value before")
    return tenures_of_survivors(left.to_numpy(), unit)


def read_table(path: str | Path, columns: Mapping[str, str]) -> pl.DataFrame:
    """The columns of a file by their role; of a ``.csv`` file as text, checked with its row later.

    Raises:
        DataError: If the file is missing, is no table, or lacks a column.
    """
    file = Path(path)
    if file.suffix not in (".csv", ".parquet"):
        raise DataError(f"file must be a .csv or .parquet file, got {file.name!r}")
    if not file.is_file():
        raise DataError(f"file must exist, got {str(file)!r}")
    try:
        found = _names(file)
        for role, name in columns.items():
            if name not in found:
                raise DataError(
                    f"{file.name} must have the column {name!r} for {role}, got columns "
                    f"{', '.join(found) or 'none'}"
                )
        wanted = list(dict.fromkeys(columns.values()))
        if file.suffix == ".csv":
            table = pl.read_csv(file, columns=wanted, infer_schema=False)
        else:
            table = pl.read_parquet(file, columns=wanted)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{file.name} must be a {file.suffix} table: {reason}") from None
    return table.select(pl.col(name).alias(role) for role, name in columns.items())


def _names(file: Path) -> list[str]:
    """Names of the columns of a file."""
    if file.suffix == ".parquet":
        return list(pl.read_parquet_schema(file))
    return pl.read_csv(file, n_rows=0, infer_schema=False).columns

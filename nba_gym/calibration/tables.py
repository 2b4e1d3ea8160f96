"""Tables on disk: the columns that are wanted, by the names they have there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from nba_gym.errors import DataError


def read_columns(path: str | Path, columns: Mapping[str, str]) -> pl.DataFrame:
    """Read columns of a ``.csv`` or ``.parquet`` file.

    Args:
        path: The file. A ``.csv`` file is read as text throughout: what a number or a date is, is
            checked with its row later.
        columns: Names of the columns in the file, by what they are called here.

    Returns:
        One row a row of the file, columns as they are called here.

    Raises:
        DataError: If the file cannot be read, or a column is missing.
    """
    file = Path(path)
    readers = {".csv": _read_csv, ".parquet": pl.read_parquet}
    if file.suffix not in readers:
        raise DataError(f"file must be a .csv or .parquet file, got {file.name!r}")
    if not file.is_file():
        raise DataError(f"file must exist, got {str(file)!r}")
    try:
        table = readers[file.suffix](file)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{file.name} must be a {file.suffix} table: {reason}") from None
    for role, name in columns.items():
        if name not in table.columns:
            raise DataError(
                f"{file.name} must have the column {name!r} for {role}, got columns "
                f"{', '.join(table.columns) or 'none'}"
            )
    return table.select(pl.col(name).alias(role) for role, name in columns.items())


def _read_csv(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False)


def read_dates(values: pl.Series, date_format: str) -> pl.Series:
    """Dates of a column of dates, times or text; null where there is none."""
    if values.dtype == pl.Date or values.dtype == pl.Datetime:  # noqa: PLR1714
        return values.cast(pl.Date, strict=False)
    return values.cast(pl.String).str.to_date(date_format, strict=False)


def refuse(source: str, values: pl.Series, broken: pl.Series, rule: str) -> None:
    """Raise at the first row whose value breaks a rule.

    Raises:
        DataError: It names the column, the rule, the value and the row, counted from 1.
    """
    rows = broken.arg_true()
    if len(rows) > 0:
        row = int(rows[0])
        raise DataError(
            f"{values.name} must be {rule}, got {values[row]!r} (row {row + 1} of {source})"
        )

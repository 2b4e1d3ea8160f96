"""Real data sets that calibration is checked with, read from the files their authors publish.

The ``lifetimes`` package ships a copy of each. It is found without being imported, since its own
readers need the retired ``pkg_resources``.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from nba_gym.calibration.inputs import OpportunityHistory, opportunity_history
from nba_gym.calibration.transactions import COLUMNS, TransactionLog, transaction_log
from nba_gym.errors import DataError, MissingExtraError

_CDNOW_FIELDS = ("master id", "customer", "date", "number of CDs", "amount")
_DONATION_FIELDS = ("frequency", "recency", "periods", "weights")


def read_cdnow(path: Path | None = None) -> TransactionLog:
    """Read the CDNOW sample: 2,357 customers who first bought music in January to March 1997.

    The 6,919 transactions run from 1997-01-01 to 1998-06-30, 78 weeks. Amounts are US dollars,
    eight of them zero.

    Args:
        path: The file of Fader and Hardie, five fields on a line: master id, sample id, date,
            number of CDs, dollars. By default the copy inside the ``lifetimes`` package.

    Returns:
        The log; customers are named by sample id, "0001" to "2357".

    Raises:
        MissingExtraError: If no path is given and ``lifetimes`` is not installed.
        DataError: If the file cannot be read, or a line lacks fields or has a bad value.

    Source: Fader, P. S. and Hardie, B. G. S. (2001), "Forecasting Repeat Sales at CDNOW: A Case
    Study", Interfaces 31(3); data at http://www.brucehardie.com/datasets/.
    """
    path = _shipped_file("CDNOW_sample.txt") if path is None else path
    rows = _read_rows(path, _CDNOW_FIELDS, None)
    positions = {name: _CDNOW_FIELDS.index(name) for name in COLUMNS}
    columns = {name: [fields[at] for fields in rows] for name, at in positions.items()}
    return transaction_log(columns, date_format="%Y%m%d", source=path.name)


def read_donations(path: Path | None = None) -> OpportunityHistory:
    """Read the donations to a public radio station by 11,104 supporters who first gave in 1995.

    Each of the six years 1996 to 2001 is an opportunity to give again; 22 different histories.

    Args:
        path: A file of four numbers on a line, separated by commas, below one line with their
            names: frequency, recency, periods (opportunities), weights (supporters). By default
            the copy inside the ``lifetimes`` package.

    Returns:
        The histories and how many supporters have each.

    Raises:
        MissingExtraError: If no path is given and ``lifetimes`` is not installed.
        DataError: If the file cannot be read, or a line lacks fields or has a bad value.

    Source: Fader, P. S., Hardie, B. G. S. and Shang, J. (2010), Table 1 (see ``bg_bb``); data at
    http://www.brucehardie.com/datasets/.
    """
    path = _shipped_file("donations.csv") if path is None else path
    names, *rows = _read_rows(path, _DONATION_FIELDS, ",") or [[]]
    if tuple(names) != _DONATION_FIELDS:
        wanted, found = ",".join(_DONATION_FIELDS), ",".join(names)
        raise DataError(f"row 1 of {path.name} must be {wanted}, got {found!r}")
    columns = [[fields[at] for fields in rows] for at in range(len(_DONATION_FIELDS))]
    try:
        return opportunity_history(*columns)
    except DataError as error:
        raise DataError(f"{error} ({path.name})") from error


def _read_rows(path: Path, names: tuple[str, ...], separator: str | None) -> list[list[str]]:
    """The fields of each line of a file; every line must have them all."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error
    rows = [line.split(separator) for line in lines]
    for number, fields in enumerate(rows, start=1):
        if len(fields) != len(names):
            raise DataError(
                f"row {number} of {path.name} must have {len(names)} fields ({', '.join(names)}), "
                f"got {len(fields)}"
            )
    return rows


def _shipped_file(name: str) -> Path:
    """A data file inside the installed ``lifetimes`` package."""
    spec = find_spec("lifetimes")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("reading the data sets of calibration", "calibrate")
    return Path(spec.submodule_search_locations[0]) / "datasets" / name

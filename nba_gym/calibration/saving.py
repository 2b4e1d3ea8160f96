"""The folder that a calibration leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nba_gym.errors import DataError


def save_calibration(
    folder: str | Path,
    text: Callable[[Path], str],
    record: Mapping[str, Any],
    page: Callable[[], str] | None = None,
    *,
    name: str = "calibration",
) -> list[Path]:
    """Write ``scenario.toml``, ``<name>.json`` and, last, ``report.html`` if there is one.

    Args:
        folder: Where; it is made if need be.
        text: Writes the scenario file, told the folder it will lie in.
        record: All numbers.
        page: Draws the report.
        name: Of the file with the numbers.

    Returns:
        The paths written.

    Raises:
        DataError: If the folder is a file.
        MissingExtraError: If the report cannot be drawn; the other files are written by then.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise DataError(f"folder must be a folder, got the file {str(folder)!r}")
    target.mkdir(parents=True, exist_ok=True)
    paths = [target / "scenario.toml", target / f"{name}.json"]
    paths[0].write_text(text(target), encoding="utf-8")
    paths[1].write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if page is not None:
        paths.append(target / "report.html")
        paths[-1].write_text(page(), encoding="utf-8")
    return paths

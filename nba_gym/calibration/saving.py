"""The folder that a calibration leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nba_gym.errors import DataError


def save_calibration(
    folder: str | Path, text: str, record: Mapping[str, Any], page: Callable[[], str]
) -> list[Path]:
    """Write ``scenario.toml``, ``calibration.json`` and, last, ``report.html``.

    Args:
        folder: Where; it is made if need be.
        text: The scenario file.
        record: All numbers.
        page: Draws the report.

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
    paths = [target / name for name in ("scenario.toml", "calibration.json", "report.html")]
    paths[0].write_text(text, encoding="utf-8")
    paths[1].write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    paths[2].write_text(page(), encoding="utf-8")
    return paths

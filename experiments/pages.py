"""What the pages under ``docs`` have in common that experiments write from their numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nba_gym.files import whole_file
from nba_gym.statistics import Interval


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole, its folder made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


def as_json(record: Mapping[str, Any]) -> str:
    """A record as JSON, each innermost list on a line of its own."""
    text = json.dumps(record, indent=1)
    return re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), text) + "\n"


def short(number: float) -> float:
    """Seven digits: more than a figure shows or a table tells."""
    return float(f"{number:.7g}")


def signed(interval: Interval, unit: str = "") -> str:
    """A difference with its interval."""
    mean, low, high = interval
    return f"{mean:+.2f}{unit} [{low:+.2f}, {high:+.2f}]"


def in_percent(interval: Interval, level: float) -> Interval:
    """A difference as a share of a level, in per cent."""
    return Interval(*(100.0 * x / abs(level) for x in interval))

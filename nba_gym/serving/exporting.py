"""A decision log as one Parquet table, for evaluation."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nba_gym.files import whole_file
from nba_gym.serving.chain import Entry, read_chain

_ROWS = 20_000
"""Decisions that are held in memory at a time."""
_SCHEMA: dict[str, Any] = {
    "seq": pl.Int64,
    "decision": pl.String,
    "time": pl.String,
    "policy": pl.String,
    "arm": pl.String,
    "asking": pl.String,
    "action": pl.Int32,
    "action_name": pl.String,
    "explored": pl.Boolean,
    "propensity": pl.Float64,
    "propensities": pl.List(pl.Float64),
    "scores": pl.List(pl.Float64),
    "mask": pl.List(pl.Int8),
    "value": pl.Float64,
    "customer": pl.String,
    "period": pl.Int64,
    "request": pl.String,
    "features": pl.List(pl.Float32),
    "reward": pl.Float64,
    "outcomes": pl.Int64,
    "delivered": pl.Boolean,
}


def export_log(folder: Path, target: Path) -> int:
    """Write the decisions of a log with what came of them.

    What has been erased is null: customer, features and what else was personal. ``reward`` is the
    sum of all that was reported of a decision, 0 and ``outcomes`` 0 where nothing was;
    ``delivered`` is false where a report said that it was not done.

    Args:
        folder: The log; it may be written meanwhile.
        target: Parquet file to write; replaced as a whole.

    Returns:
        How many decisions there are.

    Raises:
        LogError: If the chain is broken.
    """
    came: dict[str, tuple[float, int, bool]] = {}
    for entry in read_chain(folder):
        if entry.record["kind"] == "outcome":
            reward, count, delivered = came.get(entry.record["decision"], (0.0, 0, True))
            came[entry.record["decision"]] = (
                reward + entry.record["reward"],
                count + 1,
                delivered and entry.record["delivered"],
            )
    frames = [pl.DataFrame(schema=_SCHEMA)]
    frames += [pl.DataFrame(rows, schema=_SCHEMA) for rows in _stretches(folder, came)]
    table = pl.concat(frames)
    with whole_file(target) as draft:
        table.write_parquet(draft)
    return table.height


def _stretches(
    folder: Path, came: dict[str, tuple[float, int, bool]]
) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    names: list[str] = []
    for entry in read_chain(folder):
        if entry.record["kind"] == "opening":
            names = entry.record["actions"]
        elif entry.record["kind"] == "decision":
            rows.append(_row(entry, names, came.get(entry.record["id"], (0.0, 0, True))))
        if len(rows) >= _ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


def _row(entry: Entry, names: list[str], came: tuple[float, int, bool]) -> dict[str, Any]:
    record, personal = entry.record, entry.personal or {}
    features = personal.get("features")
    copied = ("seq", "time", "policy", "arm", "asking", "action", "explored", "propensities")
    return {name: record[name] for name in (*copied, "scores", "mask", "value")} | {
        "decision": record["id"],
        "action_name": names[record["action"]],
        "propensity": record["propensities"][record["action"]],
        "customer": personal.get("customer"),
        "period": personal.get("period"),
        "request": personal.get("request"),
        "features": None
        if features is None
        else np.frombuffer(b64decode(features), dtype=np.float32).tolist(),
        "reward": came[0],
        "outcomes": came[1],
        "delivered": came[2],
    }

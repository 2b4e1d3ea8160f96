"""What a study leaves on disk, written and read: one folder, a folder for each cell.

::

    study.json                    question, plan, worlds, provenance, whether it is finished
    rows.parquet                  the summaries of all cells as one table
    cells/<id>/cell.json          keys, summary and provenance of one cell
    cells/<id>/customers.npz      arrays by customer, ``(n_customers,)`` each
    cells/<id>/periods.npz        arrays by period, and by season
    cells/<id>/curve.json         the learning curve of an agent

A cell is one contender with one training seed in one variation of one scenario. All cells of a
scenario and a variation hold the same customers in the same order and with the same luck, so
differences between them are paired. The table is only a copy: what is read comes from the cells.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba_gym.errors import DataError, nearest
from nba_gym.evaluation.observed import Arrays, Observed
from nba_gym.records.ledger import LINES
from nba_gym.statistics import mean_interval

STUDY, CELL, ROWS, CELLS = "study.json", "cell.json", "rows.parquet", "cells"
_CUSTOMERS, _PERIODS, _CURVE = "customers.npz", "periods.npz", "curve.json"
KEYS = ("scenario", "variation", "contender", "seed")
"""What a cell is told from the others by, in the order of its id."""
_MEANS = ("lifetime", "left", "contacts", "opt_outs", "purchases", "responses", "courtship")


def cell_id(scenario: str, variation: str, contender: str, seed: int) -> str:
    """Name of a cell, and of its folder."""
    return f"{scenario}--{variation}--{contender}--{seed}"


def summary(seen: Observed) -> dict[str, float]:
    """The means of a cell over its customers.

    ``value`` has its standard error over customers beside it, ``value_error``; it speaks of other
    customers, not of other training seeds. ``loyalty`` is that of customers who have not left.
    """
    by = seen.customers
    value = mean_interval(by["value"])
    found = {"value": value.mean, "value_error": (value.high - value.mean) / _REACH}
    found |= {name: float(by[name].mean()) for name in (*_MEANS, *LINES)}
    if "loyalty" in by and (stayed := float(len(by["left"]) - by["left"].sum())) > 0.0:
        found["loyalty"] = float(by["loyalty"].sum()) / stayed
    return found


_REACH = 1.959963984540054


def write_cell(
    folder: Path,
    about: Mapping[str, Any],
    seen: Observed,
    curve: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write one cell.

    Args:
        folder: Where to; it must exist.
        about: Keys and provenance, plain values; all of ``KEYS`` must be among them.
        seen: What the policy came to.
        curve: The learning curve, a row a point.

    Raises:
        DataError: If a key is missing.
    """
    for key in KEYS:
        if key not in about:
            raise DataError(f"about must tell {key}, got {', '.join(about)}")
    np.savez_compressed(folder / _CUSTOMERS, allow_pickle=False, **seen.customers)
    np.savez_compressed(folder / _PERIODS, allow_pickle=False, **seen.periods)
    if curve:
        (folder / _CURVE).write_text(json.dumps(list(curve), indent=1) + "\n")
    keys = {key: about[key] for key in KEYS}
    record = {"id": cell_id(**keys), **about, "summary": summary(seen)}
    (folder / CELL).write_text(json.dumps(record, indent=2) + "\n")


@dataclass(frozen=True)
class Results:
    """A study as it is on disk.

    Attributes:
        folder: The folder of the study.
        study: What ``study.json`` says.
        records: What ``cell.json`` of each cell says, by its id.
    """

    folder: Path
    study: dict[str, Any]
    records: dict[str, dict[str, Any]]

    @cached_property
    def rows(self) -> pl.DataFrame:
        """One row a cell: its id, its keys, what is told of the contender, and its means."""
        rows = [_row(record) for record in self.records.values()]
        return pl.DataFrame(rows, infer_schema_length=None)

    def select(self, **keys: Any) -> list[str]:
        """Ids of the cells with these keys, in their order: ``select(scenario="retail")``.

        Raises:
            DataError: If there is no such key.
        """
        for key in keys:
            if key not in KEYS:
                raise DataError(f"key must be one of a cell, got {key!r}{nearest(key, KEYS)}")
        return [
            name
            for name, record in self.records.items()
            if all(record[key] == wanted for key, wanted in keys.items())
        ]

    def baseline(self, scenario: str, variation: str) -> str | None:
        """Who differences are taken to there; none where that one is not finished.

        It is the first baseline that the study plans there: others do not stand in while its cells
        are on their way.
        """
        for name in self.study["baseline"]:
            seeds = cell_id(scenario, variation, name, 0)[:-1]
            if any(cell.startswith(seeds) for cell in self.study["cells"]):
                keys = {"scenario": scenario, "variation": variation, "contender": name}
                return name if self.select(**keys) else None
        return None

    def cell(self, name: str) -> dict[str, Any]:
        """Keys, summary and provenance of a cell.

        Raises:
            DataError: If there is none of that id.
        """
        if name not in self.records:
            hint = nearest(name, self.records)
            raise DataError(f"cell must be one of the study, got {name!r}{hint}")
        return self.records[name]

    def world(self, name: str) -> dict[str, Any]:
        """What is told of the world that a cell acts in: names, currency, length of a journey."""
        return self.study["worlds"][self.cell(name)["world"]]

    def customers(self, name: str) -> Arrays:
        """Arrays by customer; see :class:`nba_gym.evaluation.observed.Observed`."""
        return self._arrays(name, _CUSTOMERS)

    def periods(self, name: str) -> Arrays:
        """Arrays by period and season; see :class:`nba_gym.evaluation.observed.Observed`."""
        return self._arrays(name, _PERIODS)

    def curve(self, name: str) -> list[dict[str, Any]]:
        """The learning curve of an agent, a row a point; empty for others."""
        self.cell(name)
        path = self.folder / CELLS / name / _CURVE
        return json.loads(path.read_text()) if path.is_file() else []

    def paired(self, name: str, other: str) -> NDArray[np.float64]:
        """What each customer was worth more under one cell than under another, ``(n_customers,)``.

        Raises:
            DataError: If the two did not meet the same customers in the same order.
        """
        one, two = self.customers(name), self.customers(other)
        if not np.array_equal(one["customer"], two["customer"]):
            raise DataError(f"cells must have the same customers, got {name!r} and {other!r}")
        return one["value"] - two["value"]

    def save_rows(self) -> Path:
        """Write the table as Parquet beside ``study.json``; returns its path."""
        path = self.folder / ROWS
        draft = path.with_suffix(".draft")
        self.rows.write_parquet(draft)
        draft.replace(path)
        return path

    def _arrays(self, name: str, file: str) -> Arrays:
        self.cell(name)
        with np.load(self.folder / CELLS / name / file, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without what is a table of its own."""
    flat = {key: value for key, value in record.items() if not isinstance(value, (dict, list))}
    return flat | cast(dict[str, Any], record["summary"])


def load_results(folder: str | Path) -> Results:
    """Read the folder of a study, finished or not.

    Cells that an earlier run left there with other settings, and that are to be done anew, count
    as not there.

    Args:
        folder: As ``python -m experiments.run`` left it.

    Raises:
        DataError: If it is not the folder of a study, or a file in it cannot be read.
    """
    root = Path(folder)
    if not (root / STUDY).is_file():
        raise DataError(f"folder must be that of a study, got {str(folder)!r} without {STUDY}")
    study = _read(root / STUDY)
    found = {path.parent.name: _read(path) for path in (root / CELLS).glob(f"[!.]*/{CELL}")}
    stale = set(study.get("stale", []))
    order = [name for name in study.get("cells", []) if name in found and name not in stale]
    return Results(root, study, {name: found[name] for name in order})


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} must be JSON that can be read, got {path}: {error}") from None

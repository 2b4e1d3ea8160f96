"""The folder of a bulk simulation: what it is of, and the parts that are done.

A part is done when all its files are there, its totals last, and each file is there as a whole or
not at all. So whatever stops a run, the next one does what is missing and nothing twice.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from nba_gym.errors import DataError
from nba_gym.files import whole_file
from nba_gym.records.sums import Sums
from nba_gym.scenario.schema import Scenario

FORMAT = "nba_gym simulation 2"
CARD = "simulation.json"


class Store:
    """Parts of a simulation on disk.

    Args:
        folder: Where; made if need be.
        identity: All that the outcome depends on, as plain values.
        n_parts: How many parts there are.
        events: Whether each part also has an event log.
        fresh: Forget what is there of an earlier simulation.

    Raises:
        DataError: If the folder holds something else.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, Any],
        n_parts: int,
        *,
        events: bool,
        fresh: bool = False,
    ) -> None:
        self.folder = folder
        self.n_parts = n_parts
        self._events = events
        self._open(json.loads(json.dumps(identity)), fresh=fresh)

    def _open(self, identity: dict[str, Any], *, fresh: bool) -> None:
        folder, card = self.folder, self.folder / CARD
        if folder.exists() and not folder.is_dir():
            raise DataError(f"out must be a folder, got the file {str(folder)!r}")
        if card.is_file() and fresh:
            self._clear()
        elif card.is_file():
            self._check_same(identity, card)
        elif folder.exists() and any(folder.iterdir()):
            raise DataError(f"out must be an empty folder or a simulation's, got {str(folder)!r}")
        names = ("totals", "births", "events") if self._events else ("totals",)
        for name in names:
            (folder / name).mkdir(parents=True, exist_ok=True)
        if not card.is_file():
            with whole_file(card) as draft:
                draft.write_text(json.dumps({"format": FORMAT} | identity, indent=2) + "\n")
        for draft in folder.glob("*/.draft-*"):  # of a run that was killed
            draft.unlink()

    def _check_same(self, identity: dict[str, Any], card: Path) -> None:
        try:
            had = cast(dict[str, Any], json.loads(card.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{card} must be valid JSON, got {error}") from None
        wanted = {"format": FORMAT} | identity
        for key in [*wanted, *had]:
            if had.get(key) != wanted.get(key):
                raise DataError(
                    f"out must hold the same simulation, got one with {key} {had.get(key)!r} "
                    f"where this one has {wanted.get(key)!r} ({self.folder}); give another folder, "
                    "or begin anew with --fresh"
                )

    def _clear(self) -> None:
        """Remove a simulation's own files, the card last; nothing else that lies there."""
        for name, kind in (("totals", "npz"), ("births", "parquet"), ("events", "parquet")):
            for path in (self.folder / name).glob(f"part-*.{kind}"):
                path.unlink()
        for name in ("totals.parquet", "summary.json", CARD):
            (self.folder / name).unlink(missing_ok=True)

    def files(self, part: int) -> dict[str, Path]:
        """Files of a part by what they hold, in the order in which they are written."""
        name = f"part-{part:05d}"
        paths = {
            "births": self.folder / "births" / f"{name}.parquet",
            "events": self.folder / "events" / f"{name}.parquet",
            "totals": self.folder / "totals" / f"{name}.npz",
        }
        return paths if self._events else {"totals": paths["totals"]}

    def is_done(self, part: int) -> bool:
        """Whether all files of a part are there."""
        return all(path.is_file() for path in self.files(part).values())

    def keep(self, part: int, sums: Sums) -> None:
        """Write the totals of a part, once its other files are there."""
        with whole_file(self.files(part)["totals"]) as draft, draft.open("wb") as file:
            np.savez(file, allow_pickle=False, **sums.arrays())

    def total(self, scenario: Scenario, periods: int) -> Sums:
        """The sum of all parts.

        Raises:
            DataError: If a part is missing or damaged.
        """
        sums = Sums.nobody(scenario, periods)
        for part in range(self.n_parts):
            path = self.files(part)["totals"]
            try:
                with np.load(path, allow_pickle=False) as kept:
                    sums.add(Sums(**{name: kept[name] for name in sums.arrays()}))
            except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
                raise DataError(f"{path} must hold totals, got {error}; remove it") from None
        return sums

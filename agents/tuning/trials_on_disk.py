"""Trials of a search, a file each, so that what was lived once need not be lived again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import numpy as np

from nba_gym.evaluation.search import Lived
from nba_gym.files import whole_file


class TrialsOnDisk(MutableMapping[str, Lived]):
    """Trials that were lived once, a file each, there as a whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __getitem__(self, key: str) -> Lived:
        path = self._file(key)
        if not path.exists():
            raise KeyError(key)
        found = np.load(path)
        return Lived(found["values"], float(found["seconds"]))

    def __setitem__(self, key: str, lived: Lived) -> None:
        with whole_file(self._file(key)) as draft:
            np.savez(draft, values=lived.values, seconds=lived.seconds, key=key)

    def __delitem__(self, key: str) -> None:
        self._file(key).unlink()

    def __iter__(self) -> Iterator[str]:
        return (str(np.load(path)["key"]) for path in self._folder.glob("*.npz"))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _file(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"

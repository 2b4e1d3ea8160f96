"""Stages of a long run, kept on disk: what was finished once need not be done again.

A stage writes into a draft folder, which gets its name in one rename when all of it is there. So
whatever stops a run, a stage is on disk as a whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import agents
import nba_gym

_RECORD = "stage.json"
_CHECKPOINTS = ".{}.checkpoint"
_PACKAGES = (
    "nba_gym",
    "gymnasium",
    "numba",
    "numpy",
    "sb3-contrib",
    "scipy",
    "stable-baselines3",
    "torch",
)


_USED = ("experiments/engine/work.py", "experiments/engine/catalogue.py")
_BESIDE = (
    "agents/export.py",
    "agents/recipes/",
    "agents/tune.py",
    "experiments/",
    "nba_gym/calibration/",
    "nba_gym/cli/",
    "nba_gym/evaluation/bulk/",
    "nba_gym/evaluation/card/",
    "nba_gym/evaluation/explorer/",
    "nba_gym/evaluation/report/",
    "nba_gym/evaluation/statistics/",
    "nba_gym/scenario/presets/",
    "nba_gym/scenario/targets/",
    "nba_gym/serving/",
)
"""Sources that whoever does a cell never imports; worlds and recipes count by their values."""


class Stages:
    """Finished stages of one run, a folder each, used again while all they depend on is unchanged.

    Args:
        folder: Folder of the run.
        fresh: Forget the stages that were finished before.
        say: Called with a line for each stage that is used again, or no longer fits.
    """

    def __init__(self, folder: Path, *, fresh: bool, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.finished: list[str] = []
        self._say = say
        folder.mkdir(parents=True, exist_ok=True)
        for draft in folder.glob(".*.draft"):  # of a run that was killed
            shutil.rmtree(draft)
        if fresh:
            for checkpoint in folder.glob(_CHECKPOINTS.format("*")):
                _clear(checkpoint)
            for record in folder.glob(f"*/{_RECORD}"):
                _remove(record.parent)

    def keep(self, name: str, depends: Mapping[str, Any], make: Callable[[Path], None]) -> Path:
        """The folder of a finished stage: as it is on disk, or made now.

        Args:
            name: Name of the stage and of its folder.
            depends: Everything that its outcome depends on, as plain values.
            make: Writes the outcome into the folder it is given.

        Returns:
            The folder. Read the outcome from there in either case, so that a run that went on
            gives what a run that was never interrupted gives.
        """
        target, draft = self.folder / name, self.folder / f".{name}.draft"
        wanted = json.loads(json.dumps(depends))
        if not self._is_finished(name, wanted):
            begun = time.perf_counter()
            draft.mkdir()
            try:
                make(draft)
                record = {
                    "depends": wanted,
                    "finished": datetime.now(UTC).isoformat(timespec="seconds"),
                    "seconds": time.perf_counter() - begun,
                }
                (draft / _RECORD).write_text(json.dumps(record, indent=2) + "\n")
                _remove(target)
                draft.replace(target)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        self.finished.append(name)
        return target

    def checkpoint(self, name: str, depends: Mapping[str, Any]) -> Path:
        """Where a stage may keep how far it is; those it kept while it depended on others go.

        The stage is to remove the file, or folder, once it is finished.
        """
        text = json.dumps(json.loads(json.dumps(depends)), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        path = self.folder / _CHECKPOINTS.format(f"{name}-{digest}")
        for other in self.folder.glob(_CHECKPOINTS.format(f"{name}-*")):
            if other != path:
                _clear(other)
        return path

    def has(self, name: str, depends: Mapping[str, Any]) -> bool:
        """Whether a stage is finished, and nothing that it depends on has changed since."""
        record = self._record(name)
        return record is not None and not _changed(record, json.loads(json.dumps(depends)))

    def _record(self, name: str) -> dict[str, Any] | None:
        path = self.folder / name / _RECORD
        return json.loads(path.read_text()) if path.is_file() else None

    def _is_finished(self, name: str, wanted: dict[str, Any]) -> bool:
        record = self._record(name)
        if record is None:
            return False
        changed = _changed(record, wanted)
        if changed:
            self._say(f"{name}: done anew, changed since: {', '.join(changed)}")
            return False
        self._say(f"{name}: reused, finished {record['finished']} in {record['seconds']:.1f} s")
        return True


def what_runs() -> dict[str, Any]:
    """Versions and sources, which every stage depends on; to be read before anything else is done.

    The digest is over all sources, also those that a stage does not use: repeating a stage in vain
    costs minutes, a stale one costs the truth of the report.
    """
    return _running(lambda _: True)


def what_counts() -> dict[str, Any]:
    """The same without sources that no cell of a study uses.

    A study may take hours, and to change a report, a command or another study must not undo it.
    """
    return _running(counts)


def counts(name: str) -> bool:
    """Whether a source may change what a cell comes to, by its path from the checkout."""
    return name in _USED or not name.startswith(_BESIDE)


def _running(wanted: Callable[[str], bool]) -> dict[str, Any]:
    versions = {name: metadata.version(name) for name in _PACKAGES}
    digest = hashlib.sha256()
    for package in (Path(nba_gym.__file__), Path(agents.__file__), Path(__file__)):
        root = package.parent
        for file in sorted([*root.rglob("*.py"), *root.rglob("*.toml")]):
            name = f"{root.name}/{file.relative_to(root).as_posix()}"
            if wanted(name):
                digest.update(f"{name}\n".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return {
        "versions": versions | {"python": platform.python_version()},
        "source": digest.hexdigest(),
    }


def _changed(record: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What a stage depended on that is other now."""
    had = record["depends"]
    return sorted(key for key in wanted.keys() | had.keys() if wanted.get(key) != had.get(key))


def _clear(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _remove(folder: Path) -> None:
    """Remove a stage; what an interruption leaves of it no longer counts as finished."""
    if folder.exists():
        (folder / _RECORD).unlink(missing_ok=True)
        shutil.rmtree(folder)

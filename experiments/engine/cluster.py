"""Tasks of a study done by a Ray cluster: folders travel as bytes, since nodes share none.

A task whose worker or node is lost is done again elsewhere.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.engine.engines import DiedError, FailedError
from experiments.engine.plan import Task
from nba_gym.errors import DataError
from nba_gym.evaluation.cluster import Cluster, FailedCallError, LostError

Files = dict[str, bytes]
TRIES = 4
"""How often Ray itself does a task whose worker or node is lost."""


class RayEngine:
    """A Ray cluster that is there already.

    Args:
        address: Of its head, or ``auto`` for the one that this machine belongs to.

    Raises:
        MissingExtraError: If Ray is not installed.
        DataError: If there is no such cluster.
    """

    def __init__(self, address: str = "auto") -> None:
        self._cluster = Cluster(address)
        self._sent: dict[Path, Any] = {}
        self._lock = threading.Lock()

    @property
    def workers(self) -> int:
        """As many tasks at a time as the cluster has processors now."""
        return self._cluster.workers

    def run(self, task: Task, inputs: Mapping[str, Path], folder: Path) -> None:
        """Do a task somewhere on the cluster.

        Raises:
            DiedError: If Ray gave it up, its workers lost again and again.
            FailedError: If it could not be done, or was refused by a node with other packages.
        """
        sent = {name: self._send(path) for name, path in inputs.items()}
        arguments = task.kind, task.arguments, list(sent), *sent.values()
        try:
            files = self._cluster.result(self._cluster.begin(attempt, *arguments, tries=TRIES))
        except LostError as lost:
            raise DiedError(f"{task.name}: {lost}") from None
        except DataError as mistake:
            raise FailedError(str(mistake)) from None
        except FailedCallError as failed:
            raise FailedError(str(failed), told=False) from None
        write_files(files, folder)

    def close(self) -> None:
        """Leave the cluster; what it still does for us is given up."""
        self._cluster.close()

    def _send(self, path: Path) -> Any:
        """The files of a folder, sent once however many tasks read them."""
        with self._lock:
            if path not in self._sent:
                self._sent[path] = self._cluster.put(read_files(path))
            return self._sent[path]


def attempt(kind: str, arguments: Mapping[str, Any], names: list[str], *inputs: Files) -> Files:
    """Do a task on a node: files in, files out."""
    from experiments.engine.work import do

    with tempfile.TemporaryDirectory() as place:
        folders = {name: Path(place) / "in" / name for name in names}
        for name, files in zip(names, inputs, strict=True):
            write_files(files, folders[name])
        out = Path(place) / "out"
        out.mkdir()
        do(kind, arguments, folders, out)
        return read_files(out)


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files by their paths below a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def read_files(folder: Path) -> Files:
    """All files below a folder by path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}

"""Tasks done by a Ray cluster: the sources travel with the study, and files as bytes.

Nodes share no folders. Each gets this checkout as Ray's working directory, so what runs there are
the very sources that the plan was made with; of the packages around them it must have the same
versions, and is refused otherwise. A task whose worker or node is lost is done again elsewhere.
"""

from __future__ import annotations

import socket
import tempfile
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.engine.engines import DiedError, FailedError
from experiments.engine.local import ONE_THREAD
from experiments.engine.plan import Task
from experiments.processes import ROOT
from nba_gym.errors import DataError, MissingExtraError, NbaGymError
from nba_gym.evaluation.provenance import versions

Files = dict[str, bytes]
SENT = ("nba_gym", "agents", "experiments")
"""Folders of the checkout that tasks need."""
RETRIES = 3
"""How often Ray itself does a task again whose worker or node is lost."""


class RayEngine:
    """A Ray cluster that is there already.

    Args:
        address: Of its head, or ``auto`` for the one that this machine belongs to.

    Raises:
        MissingExtraError: If Ray is not installed.
        DataError: If there is no such cluster.
    """

    def __init__(self, address: str = "auto") -> None:
        self._ray = _import_ray()
        environment = {
            "working_dir": str(ROOT),
            "excludes": _excluded(),
            "env_vars": ONE_THREAD,
        }
        _reach(address)
        try:
            self._ray.init(
                address=address, runtime_env=environment, log_to_driver=False, logging_level="error"
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise _no_cluster(address, str(error)) from None
        self._do = self._ray.remote(num_cpus=1, max_retries=RETRIES)(attempt)
        self._closed = False
        self._sent: dict[Path, Any] = {}
        self._lock = threading.Lock()

    @property
    def workers(self) -> int:
        """As many tasks at a time as the cluster has processors now."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def run(self, task: Task, inputs: Mapping[str, Path], folder: Path) -> None:
        """Do a task somewhere on the cluster.

        Raises:
            DiedError: If Ray gave it up, its workers lost again and again.
            FailedError: If it could not be done, or was done with other packages.
        """
        sent = {name: self._send(path) for name, path in inputs.items()}
        names, references = list(sent), list(sent.values())
        try:
            waiting = self._do.remote(task.kind, task.arguments, names, *references)
            files, error, told, there = self._ray.get(waiting)
        except self._ray.exceptions.RayError as lost:
            if self._closed:  # or Ray would start a cluster of its own for the next try
                raise FailedError("the cluster was left") from None
            raise DiedError(f"{task.name}: {type(lost).__name__}") from None
        if there != versions():
            other = {name: x for name, x in there.items() if x != versions()[name]}
            raise FailedError(f"nodes must have the same packages as this machine, got {other}")
        if error is not None:
            raise FailedError(error, told=told)
        write_files(files, folder)

    def close(self) -> None:
        """Leave the cluster; what it still does for us is given up."""
        self._closed = True
        self._ray.shutdown()

    def _send(self, path: Path) -> Any:
        """The files of a folder, sent once however many tasks read them."""
        with self._lock:
            if path not in self._sent:
                self._sent[path] = self._ray.put(read_files(path))
            return self._sent[path]


def attempt(
    kind: str, arguments: Mapping[str, Any], names: list[str], *inputs: Files
) -> tuple[Files, str | None, bool, dict[str, str | None]]:
    """Do a task on a node: files in, files out; and what went wrong, if anything."""
    from experiments.engine.work import do

    with tempfile.TemporaryDirectory() as place:
        folders = {name: Path(place) / "in" / name for name in names}
        for name, files in zip(names, inputs, strict=True):
            write_files(files, folders[name])
        out = Path(place) / "out"
        out.mkdir()
        try:
            do(kind, arguments, folders, out)
        except NbaGymError as error:
            return {}, str(error), True, versions()
        except Exception:  # noqa: BLE001  whatever it is, whoever gave the task must hear of it
            return {}, traceback.format_exc(), False, versions()
        return read_files(out), None, True, versions()


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


def _reach(address: str) -> None:
    """Refuse an address at which nobody answers; Ray itself would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10.0).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from None


def _no_cluster(address: str, why: str) -> DataError:
    return DataError(
        f"address must be that of a running Ray cluster, got {address!r}: {why}; "
        "start one by `ray start --head`"
    )


def _excluded() -> list[str]:
    """What of the checkout is not sent."""
    beside = [f"/{path.name}" for path in ROOT.iterdir() if path.name not in SENT]
    return [*beside, "__pycache__"]


def _import_ray() -> Any:
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingExtraError("--engine ray", "ray") from error
    return ray

"""Functions that run on a Ray cluster: with these very sources, and these versions of packages.

Nodes share no folders. A checkout travels as Ray's working directory, so what runs there are the
sources that are here; where nba_gym is an installed package the nodes must have it installed, too.
Of the packages around it they must have the same versions, and are refused otherwise.
"""

from __future__ import annotations

import socket
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import nba_gym
from nba_gym.errors import DataError, MissingExtraError, NbaGymError
from nba_gym.evaluation.provenance import versions

ROOT = Path(nba_gym.__file__).parents[1]
SENT = ("nba_gym", "agents", "experiments")
"""Folders of a checkout that travel."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""What a call sees of its surroundings: it has one processor."""


class LostError(NbaGymError):
    """Whoever did a call died of it, or during it; it may be tried again."""


class _Found(NamedTuple):
    """What came of a call: a value, or what went wrong; and whether that is the user's mistake."""

    value: Any = None
    error: str | None = None
    told: bool = True


class FailedCallError(RuntimeError):
    """A call raised what is no mistake of the user's; holds the traceback."""


class Cluster:
    """A Ray cluster that is there already.

    Args:
        address: Of its head, or ``auto`` for the one that this machine belongs to.

    Raises:
        MissingExtraError: If Ray is not installed.
        DataError: If there is no such cluster.
    """

    def __init__(self, address: str = "auto") -> None:
        self.ray = _import_ray()
        _reach(address)
        environment: dict[str, Any] = {"env_vars": ONE_THREAD}
        if (ROOT / "pyproject.toml").is_file():
            environment |= {"working_dir": str(ROOT), "excludes": _excluded()}
        try:
            self.ray.init(
                address=address, runtime_env=environment, log_to_driver=False, logging_level="error"
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise _no_cluster(address, str(error)) from None
        self._call = self.ray.remote(num_cpus=1)(_guarded)
        self.closed = False

    @property
    def workers(self) -> int:
        """As many calls at a time as the cluster has processors now."""
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def put(self, value: Any) -> Any:
        """Send a value once, for any number of calls: what they are given is a reference.

        Raises:
            DataError: If it cannot travel.
        """
        try:
            return self.ray.put(value)
        except TypeError as error:
            kind, why = type(value).__name__, str(error).splitlines()[0]
            raise DataError(
                f"what is sent to a cluster must be plain data, got a {kind}: {why}"
            ) from None

    def here(self, kind: type) -> Any:
        """An actor of a class on this very node, which takes no processor."""
        strategies = import_module("ray.util.scheduling_strategies")
        where = self.ray.get_runtime_context().get_node_id()
        place = strategies.NodeAffinitySchedulingStrategy(where, soft=False)
        return self.ray.remote(num_cpus=0, scheduling_strategy=place)(kind).remote()

    def begin(self, function: Callable[..., Any], *arguments: Any, tries: int = 1) -> Any:
        """Have a function called somewhere; a reference to what will come of it.

        Args:
            function: One that a module holds under its name.
            arguments: Values, or references to those that were sent.
            tries: How often, if its worker or node is lost.
        """
        call = self._call.options(max_retries=tries - 1)
        return call.remote(versions(), function, *arguments)

    def ready(self, references: Sequence[Any], seconds: float) -> list[Any]:
        """Those that are over, as soon as one is, or after some seconds."""
        return self.ray.wait(list(references), num_returns=1, timeout=seconds)[0]

    def result(self, reference: Any) -> Any:
        """What came of a call, once it is over.

        Raises:
            LostError: If whoever did it is lost, as often as it was to be tried.
            DataError: If it was refused for a mistake of the user's, or the node's packages.
            FailedCallError: If it raised anything else.
        """
        try:
            found: _Found = self.ray.get(reference)
        except self.ray.exceptions.RayError as lost:
            if self.closed:  # or Ray would start a cluster of its own for the next try
                raise FailedCallError("the cluster was left") from None
            raise LostError(f"the cluster lost who did it: {type(lost).__name__}") from None
        if found.error is not None:
            raise (DataError if found.told else FailedCallError)(found.error)
        return found.value

    def close(self) -> None:
        """Leave the cluster; what it still does for us is given up."""
        self.closed = True
        self.ray.shutdown()


def _guarded(
    wanted: dict[str, str | None], function: Callable[..., Any], *arguments: Any
) -> _Found:
    """On a node: a call, and what went wrong, if anything."""
    there = versions()
    if there != wanted:
        other = {name: version for name, version in there.items() if version != wanted[name]}
        return _Found(error=f"nodes must have the same packages as this machine, got {other}")
    try:
        return _Found(function(*arguments))
    except NbaGymError as error:
        return _Found(error=str(error))
    except Exception:  # noqa: BLE001  whatever it is, whoever asked must hear of it
        return _Found(error=traceback.format_exc(), told=False)


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

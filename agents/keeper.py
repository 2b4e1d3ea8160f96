"""Keeps a checkpoint while an agent learns, and stops where one was kept."""

from __future__ import annotations

import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from agents.checkpoint import Tree, differences, plain, read_checkpoint, write_checkpoint
from nba_gym.errors import CheckpointError, check_least

_PACKAGES = ("nba_gym", "numba", "numpy", "sb3-contrib", "stable-baselines3", "torch")


@dataclass(frozen=True)
class Keep:
    """Where checkpoints are kept, and how often.

    Attributes:
        path: The file; its folder must exist.
        seconds: Least time between two of them; 0 keeps one before every rollout.
        resume: Go on from the checkpoint that is there, if there is one.
    """

    path: Path
    seconds: float = 30.0
    resume: bool = False

    def __post_init__(self) -> None:
        check_least(0.0, seconds=self.seconds)


def versions() -> dict[str, str]:
    """Versions that the bits of a training depend on."""
    found = {name: metadata.version(name) for name in _PACKAGES}
    return found | {"python": platform.python_version()}


class Keeper(BaseCallback):
    """Writes a checkpoint between two rollouts, now and then and when asked to stop.

    Args:
        keep: Where and how often; ``None`` keeps nothing.
        about: What the training is, as plain values: what may go on from its checkpoints.
        moment: Reads all that the rest of the training depends on.
    """

    def __init__(self, keep: Keep | None, about: Tree, moment: Callable[[], Tree]) -> None:
        super().__init__()
        self._keep, self._about, self._moment = keep, about, moment
        self._kept_at = -float("inf")
        self._stopping = False

    def find(self) -> Tree | None:
        """The moment to go on from, or ``None`` where a training begins.

        Raises:
            CheckpointError: If there is a checkpoint of another training, or a damaged one.
        """
        if self._keep is None or not self._keep.resume or not self._keep.path.exists():
            return None
        tree = read_checkpoint(self._keep.path)
        changed = differences(tree["about"], plain(self._about))
        if changed:
            raise CheckpointError(
                f"checkpoint must be of this training to go on from it, got another one in "
                f"{self._keep.path}: {', '.join(changed)}"
            )
        return tree["moment"]

    def boundary(self) -> None:
        """Keep a checkpoint if it is time, or the last one before stopping.

        Raises:
            CheckpointError: If it cannot be written.
            KeyboardInterrupt: If it was asked to stop.
        """
        now = time.monotonic()
        if self._keep is not None and (self._stopping or now - self._kept_at >= self._keep.seconds):
            write_checkpoint(self._keep.path, {"about": self._about, "moment": self._moment()})
            self._kept_at = time.monotonic()
        if self._stopping:
            raise KeyboardInterrupt

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take Ctrl-C as a wish to stop at the next boundary; the second one stops at once."""
        main = threading.current_thread() is threading.main_thread()
        if self._keep is None or not main:
            yield
            return
        before = signal.signal(signal.SIGINT, self._ask_to_stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _ask_to_stop(self, *_: Any) -> None:
        if self._stopping:
            raise KeyboardInterrupt
        self._stopping = True
        print("stopping once a checkpoint is kept; again to stop at once", file=sys.stderr)

    def _on_rollout_start(self) -> None:
        self.boundary()

    def _on_step(self) -> bool:
        return True

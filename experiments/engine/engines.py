"""Whoever does tasks: processes of this machine, or a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from experiments.engine.plan import Task
from nba_gym.errors import DataError


class DiedError(RuntimeError):
    """Whoever did a task died of it, or during it; it may be tried again."""


class FailedError(DataError):
    """A task could not be done, and would not be the next time.

    Args:
        text: What went wrong: one line for a mistake of the user's, else the traceback.
        told: Whether it is a mistake of the user's.
    """

    def __init__(self, text: str, told: bool = True) -> None:
        super().__init__(text, told)
        self.text, self.told = text, told

    def __str__(self) -> str:
        return self.text


class Engine(Protocol):
    """Does tasks, several at a time; called from as many threads as it has workers.

    Attributes:
        workers: How many tasks at a time.
    """

    @property
    def workers(self) -> int:
        """How many tasks at a time."""
        ...

    def run(self, task: Task, inputs: Mapping[str, Path], folder: Path) -> None:
        """Do a task: read the folders of those before, write into an empty one.

        Raises:
            DiedError: If whoever did it is no more.
            FailedError: If it cannot be done.
        """
        ...

    def close(self) -> None:
        """End it, whatever it does."""
        ...

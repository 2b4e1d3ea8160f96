"""Folders that one process at a time works in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from nba_gym.errors import PolicyError


@contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """Be the only process that works in a folder; the system lets go of it, whatever happens.

    Args:
        folder: The folder; made if need be.
        what: What is done there, for the message.

    Raises:
        PolicyError: If another one does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        with lock.acquire(timeout=0):
            yield
    except Timeout:
        raise PolicyError(
            f"{what} must be worked on by one process, got another one that does in {folder}/"
        ) from None

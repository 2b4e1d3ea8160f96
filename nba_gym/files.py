"""Files that are there as a whole or not at all, whatever stops the process or the machine."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """A draft to write to, beside ``path``; becomes ``path`` if the block ends without an error.

    The draft is on the disk before it gets its name, and the name before the block is left. A draft
    that a killed process left behind is written over by the next one.
    """
    draft = path.with_name(f".draft-{path.name}")
    try:
        yield draft
        _sync(draft)
        draft.replace(path)
        _sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

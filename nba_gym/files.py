"""Files and folders that are there as a whole or not at all, whatever stops the process."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from errno import ENOENT
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """A draft to write to, beside ``path``; becomes ``path`` if the block ends without an error.

    The draft is on the disk before it gets its name, and the name before the block is left. A draft
    that a killed process left behind is written over by the next one.
    """
    if not path.parent.is_dir():  # else the system would name the draft, which nobody asked for
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT), str(path.parent))
    draft = path.with_name(f".draft-{path.name}")
    try:
        yield draft
        _sync(draft)
        draft.replace(path)
        _sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Generator[Path]:
    """A draft folder to write into; takes the place of ``path`` if the block ends without an error.

    What was at ``path`` before is there until then, and gone afterwards.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    draft, older = work / "new", work / "old"
    draft.mkdir()
    try:
        yield draft
        if path.exists():
            path.replace(older)
        draft.replace(path)
    except BaseException:
        if older.exists() and not path.exists():
            older.replace(path)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""The decision log that a service writes: whole batches, on disk before anybody is answered."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nba_gym.errors import LogError
from nba_gym.serving.chain import (
    FORMAT,
    GENESIS,
    Entry,
    read_chain,
    read_segment,
    segment_number,
    segment_path,
    segments_of,
    write_lines,
)

SEGMENT_BYTES = 64 * 2**20
"""Size from which on a segment is followed by the next one."""

REFUSED_S = 5.0
"""Seconds for which a disk that refused a batch counts as trouble."""

Item = tuple[dict[str, Any], dict[str, Any] | None]
"""A record and what is personal of it."""


@dataclass
class _End:
    """Where the log ends: the number and hash that the next record needs, the bytes written."""

    seq: int
    digest: str
    size: int


class DecisionLog:
    """A decision log that is being written; one process at a time.

    A batch is written with one call and forced onto the disk with another, so a hundred decisions
    cost about what one costs. Whoever writes must not answer before :meth:`append` is back.

    Args:
        folder: Where its segments lie; made if it is not there.
        segment_bytes: Size from which on a segment is followed by the next one.

    Raises:
        LogError: If another process writes it, or it does not hold together.
    """

    def __init__(self, folder: str | Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = Path(folder)
        self._segment_bytes = segment_bytes
        self.broken = ""
        self._refused_at: float | None = None
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise LogError(
                f"decision log must be written by one process, another one writes {self.folder}"
            ) from None
        try:
            self._file, self._segment, self._end = self._open_last()
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def head(self) -> str:
        """Hash of the last record."""
        return self._end.digest

    @property
    def next_seq(self) -> int:
        """Number of the next record."""
        return self._end.seq

    @property
    def trouble(self) -> str:
        """Why nothing can be written now, as far as is known; empty if it can.

        A disk that refused a batch is asked again by the next one; after some seconds without one
        it counts as well, or nobody would ever ask again.
        """
        refused = self._refused_at
        if not self.broken and refused is not None and time.monotonic() - refused < REFUSED_S:
            return "decision log must be written, and was refused by the disk"
        return self.broken

    def append(self, items: Iterable[Item]) -> list[int]:
        """Write records; they are on the disk when this returns.

        Returns:
            Their numbers.

        Raises:
            LogError: If the disk does not take them; then none of them is in the log.
        """
        if self.broken:
            raise LogError(self.broken)
        if self._end.size >= self._segment_bytes:
            self.begin_segment()
        seq, digest = self._end.seq, self._end.digest
        lines: list[bytes] = []
        for record, personal in items:
            line, digest = write_lines(record, personal, seq, digest)
            lines.append(line)
            seq += 1
        block = b"".join(lines)
        self._write(block)
        self._refused_at = None
        written = list(range(self._end.seq, seq))
        self._end = _End(seq, digest, self._end.size + len(block))
        return written

    def begin_segment(self) -> None:
        """Close the segment and go on in a new one, so that the old one can be rewritten.

        One that holds nothing yet goes on being the last.

        Raises:
            LogError: If the disk takes no new file.
        """
        if self._end.size == 0:
            return
        segment = segment_path(self.folder, segment_number(self._segment) + 1)
        try:
            file = _create(segment)
        except OSError as error:
            raise LogError(f"decision log must be written, got: {error.strerror}") from None
        os.close(self._file)
        self._file, self._segment = file, segment
        self._end = _End(self._end.seq, self._end.digest, 0)

    def closed_segments(self) -> list[Path]:
        """Segments that nothing is written to any more, oldest first."""
        return segments_of(self.folder)[:-1]

    def close(self) -> None:
        """Stop writing, and let another process write."""
        if self._lock >= 0:
            os.close(self._file)
            os.close(self._lock)
            self._lock = -1

    def _write(self, block: bytes) -> None:
        try:
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self._take_back(error)
        try:
            os.fdatasync(self._file)
        except OSError as error:
            # what a failed sync leaves in memory and on disk nobody can know: start again
            self.broken = f"decision log must be forced onto the disk, got: {error.strerror}"
            raise LogError(self.broken) from None

    def _take_back(self, error: OSError) -> None:
        """Cut off what was written of a batch that does not fit, so that none of it remains."""
        try:
            os.ftruncate(self._file, self._end.size)
            os.fdatasync(self._file)
        except OSError as again:
            self.broken = f"decision log must be cut back after an error, got: {again.strerror}"
        self._refused_at = time.monotonic()
        raise LogError(f"decision log must be written, got: {error.strerror}") from None

    def _open_last(self) -> tuple[int, Path, _End]:
        """Open the last segment for writing, cut off behind its last whole record."""
        segments = segments_of(self.folder)
        if not segments:
            segment = segment_path(self.folder, 1)
            return _create(segment), segment, _End(0, GENESIS, 0)
        segment = segments[-1]
        end = _last_end(segments)
        file = os.open(segment, os.O_WRONLY | os.O_APPEND)
        if os.fstat(file).st_size > end.size:
            os.ftruncate(file, end.size)
            os.fdatasync(file)
        return file, segment, end


def opening(service: dict[str, Any]) -> Item:
    """The record with which a service begins to write.

    Args:
        service: What it says of itself: version, policy, settings.
    """
    return {"kind": "opening", "format": FORMAT, **service}, None


def read_after(folder: Path, seq: int) -> Iterator[Entry]:
    """Records with numbers above ``seq``, without reading older segments than needed."""
    segments = segments_of(folder)
    first = segments[0]
    for segment in segments[1:]:
        entry = next(read_segment(segment), None)
        if entry is None or entry.record["seq"] > seq + 1:
            break
        first = segment
    for entry in read_chain(folder, first=first):
        if entry.record["seq"] > seq:
            yield entry


def _last_end(segments: list[Path]) -> _End:
    """Where the chain ends: after the last record that is there with all its lines."""
    end = _End(0, GENESIS, 0)
    filled = [segment for segment in segments[:-1] if segment.stat().st_size > 0]
    held: Entry | None = None
    for entry in read_chain(segments[-1].parent, first=filled[-1] if filled else None):
        if held is not None:
            end = _after(held, segments[-1])
        held = entry
    if held is None:
        return end
    cut_off = "personal" in held.record and held.personal is None
    return end if cut_off and held.segment == segments[-1] else _after(held, segments[-1])


def _after(entry: Entry, last: Path) -> _End:
    size = entry.end if entry.segment == last else 0
    return _End(int(entry.record["seq"]) + 1, entry.digest, size)


def _create(segment: Path) -> int:
    """A new file whose name is on the disk as well."""
    file = os.open(segment, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
    sync_folder(segment.parent)
    return file


def sync_folder(folder: Path) -> None:
    """Force the names in a folder onto the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

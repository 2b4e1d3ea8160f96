"""The lines of a decision log: a chain of records, and beside it what is personal.

A log is a folder of segments, text files of JSON, one record a line. Every record says the SHA-256
of the line of the record before it, so nothing in the middle can be changed, removed or put in
without a trace. What is personal (who it was about, and what was known) stands on a line of its own
after its record, which knows it only by the hash of that line. The line holds a random salt, so the
hash tells nothing about a person once the line is gone: one customer can be erased, and the chain
still holds.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from nba_gym.errors import LogError, MissingExtraError

try:
    import orjson
except ImportError as error:
    raise MissingExtraError("the decision service", "serve") from error

FORMAT = "nba_gym decisions 1"
GENESIS = "0" * 64
"""What the first record of a log names as the hash before it."""

_NAME = re.compile(r"decisions-(\d{8})\.jsonl")
_PERSONAL = b'{"of":'


@dataclass(frozen=True)
class Entry:
    """One record as it stands in a log.

    Attributes:
        record: The record.
        personal: What is personal of it, or None: nothing ever was, or it has been erased.
        segment: File it stands in.
        end: Byte in the file after its last line.
        digest: Hash of its line, which the next record names.
    """

    record: dict[str, Any]
    personal: dict[str, Any] | None
    segment: Path
    end: int
    digest: str


def digest_of(line: bytes) -> str:
    """SHA-256 of a line without its end, as hexadecimal digits."""
    return hashlib.sha256(line).hexdigest()


def write_lines(
    record: dict[str, Any], personal: dict[str, Any] | None, seq: int, before: str
) -> tuple[bytes, str]:
    """The lines of one record, and the hash that the next one has to name.

    Args:
        record: What the chain holds for good: nothing that tells who it was about.
        personal: What can be erased, if there is any.
        seq: Number of the record, counted from 0.
        before: Hash of the record before it.
    """
    head: dict[str, Any] = {"prev": before, "seq": seq}
    beside = b""
    if personal is not None:
        beside = orjson.dumps({"of": seq, "salt": secrets.token_hex(16)} | personal)
        head["personal"] = digest_of(beside)
        beside += b"\n"
    line = orjson.dumps(head | record)
    return line + b"\n" + beside, digest_of(line)


def segments_of(folder: Path) -> list[Path]:
    """Segments of a log, oldest first."""
    return sorted(path for path in folder.glob("decisions-*.jsonl") if _NAME.fullmatch(path.name))


def segment_path(folder: Path, number: int) -> Path:
    """The file of a segment, numbered from 1."""
    return folder / f"decisions-{number:08d}.jsonl"


def segment_number(segment: Path) -> int:
    """The number in the name of a segment."""
    found = _NAME.fullmatch(segment.name)
    if found is None:
        raise LogError(f"segment must be named decisions-00000001.jsonl, got {segment.name}")
    return int(found[1])


def read_segment(segment: Path) -> Iterator[Entry]:
    """The records of one segment, each with what is personal of it, checked line by line.

    The last record is left out where a crash cut it off: it was never acknowledged.

    Raises:
        LogError: If a line is none that a log can hold, or a personal line is not the one that its
            record names.
    """
    waiting: tuple[bytes, dict[str, Any]] | None = None
    end = 0
    with segment.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            body = line[:-1]
            if body.startswith(_PERSONAL):
                if waiting is None or digest_of(body) != waiting[1].get("personal"):
                    raise LogError(
                        f"{segment.name}, line {number}: a personal line must be the one that the "
                        "record before it names, got another"
                    )
                yield _entry(waiting, _parse(body, segment, number), segment, end + len(line))
                waiting = None
            else:
                if waiting is not None:
                    yield _entry(waiting, None, segment, end)
                waiting = body, _parse(body, segment, number)
                if "personal" not in waiting[1]:
                    yield _entry(waiting, None, segment, end + len(line))
                    waiting = None
            end += len(line)
    if waiting is not None:
        yield _entry(waiting, None, segment, end)


def _entry(
    waiting: tuple[bytes, dict[str, Any]],
    personal: dict[str, Any] | None,
    segment: Path,
    end: int,
) -> Entry:
    return Entry(waiting[1], personal, segment, end, digest_of(waiting[0]))


def _parse(line: bytes, segment: Path, number: int) -> dict[str, Any]:
    try:
        parsed = orjson.loads(line)
    except orjson.JSONDecodeError:
        parsed = None
    record = cast(dict[str, Any], parsed if isinstance(parsed, dict) else {})
    if not isinstance(record.get("seq", record.get("of")), int):
        raise LogError(f"{segment.name}, line {number}: must be a record in JSON, got none")
    return record


def read_chain(folder: Path, *, first: Path | None = None) -> Iterator[Entry]:
    """All records of a log in their order, the chain checked on the way.

    Args:
        folder: The log.
        first: Segment to begin with; the first by default.

    Raises:
        LogError: If the folder holds no log, or the chain is broken.
    """
    segments = segments_of(folder)
    if not segments:
        raise LogError(f"decision log must hold decisions-00000001.jsonl, got none in {folder}")
    whole = first is None
    if first is not None:
        segments = segments[segments.index(first) :]
    before, seq = (GENESIS, 0) if whole else ("", -1)
    for segment in segments:
        for entry in read_segment(segment):
            record = entry.record
            if before and (record.get("prev") != before or record["seq"] != seq):
                raise LogError(
                    f"{segment.name}: record {record['seq']} must follow record {seq - 1} and name "
                    "its hash, got another"
                )
            before, seq = entry.digest, record["seq"] + 1
            yield entry


@dataclass(frozen=True)
class Verified:
    """What the check of a whole log found.

    Attributes:
        records: Records of all kinds.
        decisions: Decisions among them.
        outcomes: Outcomes among them.
        erased: Records whose personal part has been erased, as other records say.
        head: Hash of the last record; keep it elsewhere to see later that no record is missing.
    """

    records: int
    decisions: int
    outcomes: int
    erased: int
    head: str


def verify(folder: Path, *, head: str | None = None) -> Verified:
    """Check a whole log: the chain, every personal part, and that what is missing was erased.

    Args:
        folder: The log.
        head: A hash noted earlier, which must be that of one of the records.

    Raises:
        LogError: Naming the first thing that does not hold.
    """
    kinds: dict[str, int] = {}
    missing: set[int] = set()
    erased: set[int] = set()
    last, seen = GENESIS, head is None
    for entry in read_chain(folder):
        kind = str(entry.record.get("kind"))
        kinds[kind] = kinds.get(kind, 0) + 1
        if "personal" in entry.record and entry.personal is None:
            missing.add(int(entry.record["seq"]))
        if kind == "erasure":
            erased.update(int(seq) for seq in entry.record["erased"])
        last = entry.digest
        seen = seen or last == head
    cut_off = {sum(kinds.values()) - 1}  # a crash may leave the last record half written
    unexplained = missing - erased - cut_off
    if unexplained:
        raise LogError(
            f"the personal part of a record must be there or erased on record, got neither for "
            f"record {min(unexplained)}"
        )
    if not seen:
        raise LogError("the log must hold the record whose hash was noted, got none with it")
    return Verified(
        sum(kinds.values()),
        kinds.get("decision", 0),
        kinds.get("outcome", 0),
        len(missing & erased),
        last,
    )

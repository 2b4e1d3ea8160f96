"""Erasing one customer from a decision log, so that the chain still holds."""

from __future__ import annotations

import os
from pathlib import Path

from nba_gym.serving.chain import orjson, read_segment
from nba_gym.serving.decision_log import DecisionLog, Item, sync_folder


def find_records(segments: list[Path], customer: str) -> dict[Path, list[int]]:
    """Records that are about a customer and not erased yet, by segment."""
    needle = orjson.dumps(customer)
    found: dict[Path, list[int]] = {}
    for segment in segments:
        if not _mentions(segment, needle):
            continue
        seqs = [
            int(entry.record["seq"])
            for entry in read_segment(segment)
            if entry.personal is not None and entry.personal.get("customer") == customer
        ]
        if seqs:
            found[segment] = seqs
    return found


def erasure_record(found: dict[Path, list[int]], at: str) -> Item:
    """The record that says which personal parts are gone; it names nobody."""
    seqs = sorted(seq for of_segment in found.values() for seq in of_segment)
    return {"kind": "erasure", "time": at, "erased": seqs}, None


def rewrite_segments(found: dict[Path, list[int]]) -> None:
    """Write segments again without some personal lines, each as a whole or not at all."""
    for segment, seqs in found.items():
        gone = {b'{"of":%d,' % seq for seq in seqs}
        draft = segment.with_suffix(".draft")
        with segment.open("rb") as old, draft.open("wb") as new:
            draft.chmod(0o600)
            for line in old:
                if not (line.startswith(b'{"of":') and line[: line.index(b",") + 1] in gone):
                    new.write(line)
            new.flush()
            os.fsync(new.fileno())
        draft.replace(segment)
        sync_folder(segment.parent)


def erase_customer(log: DecisionLog, customer: str, at: str) -> int:
    """Erase what is personal of all records about a customer.

    The record that says so comes first: whoever is interrupted asks again and goes on.

    Args:
        log: The log, written by nobody else meanwhile.
        customer: Who is to be erased.
        at: Time, for the record.

    Returns:
        How many records were about that customer.
    """
    log.begin_segment()
    found = find_records(log.closed_segments(), customer)
    if found:
        log.append([erasure_record(found, at)])
        rewrite_segments(found)
    return sum(len(seqs) for seqs in found.values())


def _mentions(segment: Path, needle: bytes) -> bool:
    with segment.open("rb") as file:
        return any(needle in line for line in file)

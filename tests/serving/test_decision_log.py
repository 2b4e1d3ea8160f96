"""The decision log: durable, chained, and able to forget a customer."""

import os

import pytest

from nba_gym.errors import LogError
from nba_gym.serving.chain import read_chain, segment_path, segments_of, verify
from nba_gym.serving.decision_log import DecisionLog, read_after
from nba_gym.serving.erasure import erase_customer


def items(n, first=0, customer="c"):
    return [
        ({"kind": "decision", "n": first + i}, {"customer": f"{customer}-{(first + i) % 3}"})
        for i in range(n)
    ]


def test_every_record_names_the_hash_of_the_one_before(tmp_path):
    with DecisionLog(tmp_path, segment_bytes=1_000) as log:
        numbers = [log.append(items(3, 3 * i)) for i in range(10)]
        head = log.head
    assert [n for some in numbers for n in some] == list(range(30))
    assert len(segments_of(tmp_path)) > 3
    found = verify(tmp_path)
    assert (found.records, found.decisions, found.head) == (30, 30, head)
    assert [entry.record["n"] for entry in read_chain(tmp_path)] == list(range(30))


@pytest.mark.parametrize("what", ["change", "remove", "swap", "personal", "cut"])
def test_whatever_is_done_to_the_middle_of_a_log_is_found(tmp_path, what):
    with DecisionLog(tmp_path) as log:
        log.append(items(6))
    (segment,) = segments_of(tmp_path)
    lines = segment.read_bytes().splitlines(keepends=True)
    if what == "change":
        lines[4] = lines[4].replace(b'"n":2', b'"n":7')
    elif what == "remove":
        del lines[4:6]
    elif what == "swap":
        lines[4:6], lines[6:8] = lines[6:8], lines[4:6]
    elif what == "personal":
        lines[5] = lines[5].replace(b"c-2", b"c-1")
    else:
        del lines[5]
    segment.write_bytes(b"".join(lines))
    with pytest.raises(LogError, match="must"):
        verify(tmp_path)


def test_a_head_that_was_noted_tells_that_the_end_is_missing(tmp_path):
    with DecisionLog(tmp_path) as log:
        log.append(items(4))
        head = log.head
    assert verify(tmp_path, head=head).records == 4
    (segment,) = segments_of(tmp_path)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:-2]))
    assert verify(tmp_path).records == 3
    with pytest.raises(LogError, match="noted"):
        verify(tmp_path, head=head)


def test_what_a_crash_cut_off_is_left_out_and_written_over(tmp_path):
    with DecisionLog(tmp_path) as log:
        log.append(items(5))
    (segment,) = segments_of(tmp_path)
    whole = segment.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for cut in [*range(ends[7] - 3, len(whole)), ends[5], ends[5] + 1]:
        segment.write_bytes(whole[:cut])
        with DecisionLog(tmp_path) as log:
            records = 4 if cut >= ends[7] else 3
            assert log.next_seq == records
            log.append(items(1, 9))
        assert verify(tmp_path).records == records + 1
        assert [entry.record["n"] for entry in read_chain(tmp_path)][-1] == 9


def test_a_broken_chain_is_not_written_on(tmp_path):
    with DecisionLog(tmp_path) as log:
        log.append(items(5))
    (segment,) = segments_of(tmp_path)
    segment.write_bytes(segment.read_bytes().replace(b'"n":2', b'"n":7'))
    with pytest.raises(LogError, match="follow"):
        DecisionLog(tmp_path)


def test_one_process_writes_a_log(tmp_path):
    with DecisionLog(tmp_path), pytest.raises(LogError, match="one process"):
        DecisionLog(tmp_path)
    with DecisionLog(tmp_path):
        pass


def test_a_batch_is_on_the_disk_before_append_is_back(tmp_path, monkeypatch):
    order = []
    write, sync = os.write, os.fdatasync
    monkeypatch.setattr(os, "write", lambda f, b: order.append("write") or write(f, b))
    monkeypatch.setattr(os, "fdatasync", lambda f: order.append("sync") or sync(f))
    with DecisionLog(tmp_path) as log:
        log.append(items(50))
        order.append("back")
    assert order == ["write", "sync", "back"]


def test_a_full_disk_leaves_nothing_of_a_batch_and_the_next_one_fits(tmp_path, monkeypatch):
    write = os.write

    def half(file, block):
        if len(block) > 400:
            return write(file, block[:200])
        raise OSError(28, "No space left on device")

    with DecisionLog(tmp_path) as log:
        log.append(items(2))
        monkeypatch.setattr(os, "write", half)
        with pytest.raises(LogError, match="No space"):
            log.append(items(3, 2))
        monkeypatch.undo()
        log.append(items(1, 2))
    assert [entry.record["n"] for entry in read_chain(tmp_path)] == [0, 1, 2]
    verify(tmp_path)


def test_a_disk_that_cannot_be_trusted_ends_the_log(tmp_path, monkeypatch):
    def fails(_):
        raise OSError(5, "Input/output error")

    with DecisionLog(tmp_path) as log:
        monkeypatch.setattr(os, "fdatasync", fails)
        with pytest.raises(LogError, match="Input/output"):
            log.append(items(1))
        monkeypatch.undo()
        with pytest.raises(LogError, match="Input/output"):
            log.append(items(1))


def test_an_erased_customer_is_gone_and_the_chain_holds(tmp_path):
    with DecisionLog(tmp_path, segment_bytes=700) as log:
        for i in range(10):
            log.append(items(3, 3 * i))
        assert erase_customer(log, "c-1", "now") == 10
        assert erase_customer(log, "c-1", "now") == 0
        assert erase_customer(log, "nobody", "now") == 0
        log.append(items(3, 30))
    text = b"".join(path.read_bytes() for path in segments_of(tmp_path))
    assert text.count(b'"c-1"') == 1
    assert text.count(b'"c-2"') == 11
    found = verify(tmp_path)
    assert (found.decisions, found.erased) == (33, 10)


def test_the_chain_goes_on_after_erasures_that_found_nobody(tmp_path):
    with DecisionLog(tmp_path) as log:
        log.append(items(6))
        for _ in range(3):
            assert erase_customer(log, "nobody", "now") == 0
    assert len(segments_of(tmp_path)) == 2
    with DecisionLog(tmp_path) as log:
        assert log.next_seq == 6
        log.append(items(2, 6))
    assert verify(tmp_path).decisions == 8


def test_empty_segments_before_the_last_do_not_hide_where_the_chain_ends(tmp_path):
    with DecisionLog(tmp_path) as log:
        log.append(items(6))
    (first,) = segments_of(tmp_path)
    for number in (2, 3):  # as an earlier version left them
        segment_path(tmp_path, number).touch(0o600)
    assert first.stat().st_size
    with DecisionLog(tmp_path) as log:
        assert log.next_seq == 6
        log.append(items(2, 6))
    assert verify(tmp_path).decisions == 8


def test_a_disk_that_refuses_is_trouble_until_it_takes_something_or_for_a_while(
    tmp_path, monkeypatch
):
    def refuse(file, block):
        raise OSError(28, "No space left on device")

    with DecisionLog(tmp_path) as log:
        for ending in ("takes", "while"):
            with monkeypatch.context() as full:
                full.setattr(os, "write", refuse)
                with pytest.raises(LogError, match="No space"):
                    log.append(items(1))
            assert "refused" in log.trouble
            if ending == "takes":
                log.append(items(1))
            else:
                monkeypatch.setattr("nba_gym.serving.decision_log.REFUSED_S", 0.0)
            assert log.trouble == ""


def test_an_erasure_that_was_interrupted_is_finished_by_the_next(tmp_path, monkeypatch):
    from nba_gym.serving import erasure

    with DecisionLog(tmp_path) as log:
        log.append(items(6))
        monkeypatch.setattr(erasure, "rewrite_segments", lambda found: None)
        erase_customer(log, "c-1", "now")
        monkeypatch.undo()
        verify(tmp_path)
        assert erase_customer(log, "c-1", "now") == 2
    assert b'"c-1"' not in b"".join(path.read_bytes() for path in segments_of(tmp_path))
    assert verify(tmp_path).erased == 2


def test_a_personal_part_that_is_missing_without_a_record_of_it_is_found(tmp_path):
    with DecisionLog(tmp_path) as log:
        log.append(items(3))
    (segment,) = segments_of(tmp_path)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(line for i, line in enumerate(lines) if i != 1))
    with pytest.raises(LogError, match="erased on record"):
        verify(tmp_path)


def test_the_hash_of_what_was_erased_tells_nothing_about_who_it_was(tmp_path):
    hashes = set()
    for folder in (tmp_path / "a", tmp_path / "b"):
        with DecisionLog(folder) as log:
            log.append([({"kind": "decision"}, {"customer": "ann"})])
        hashes |= {entry.record["personal"] for entry in read_chain(folder)}
    assert len(hashes) == 2  # the same person, the same number, and nothing to compare with


def test_records_are_read_from_the_segment_that_is_needed_on(tmp_path):
    with DecisionLog(tmp_path, segment_bytes=500) as log:
        for i in range(12):
            log.append(items(1, i))
    first = segments_of(tmp_path)[0]
    first.write_bytes(b"not looked at\n")
    assert [entry.record["n"] for entry in read_after(tmp_path, 8)] == [9, 10, 11]

"""The reader: batches stand for themselves and hold every record once and in order, whatever is there."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from runstone.journal import frames, segment
from runstone.journal.reader import Reader, pending
from runstone.journal.writer import Writer
from tests.journals import SMALL, journal, left, log, said

__all__ = ["journal"]


@pytest.fixture
def writer(journal: Path) -> Writer:
    return Writer(journal, "run", limits=SMALL)


def read(reader: Reader, limit: int = 1024) -> list[int]:
    return [record.values["m"] for batch in reader.batches(limit) for record in said(batch.records)]


@pytest.mark.parametrize("limit", [1, 100, 1000, 10_000_000])
def test_batches_follow_one_another_without_a_gap(writer: Writer, limit: int):
    for n in range(300):
        writer.log(f"m{n % 7}", n, step=n if n % 3 else None)
        if n % 10 == 0:
            writer.log("m", f"text {n}")
    batches = list(pending(writer.journal, writer.id, limit=limit))
    expected = 1
    for batch in batches:
        assert (batch.run, batch.writer, batch.first, batch.lost) == ("run", writer.id, expected, 0)
        assert len(list(said(batch.records))) == batch.count
        expected = batch.last + 1
    assert expected == writer.written + 1 == 331
    if limit == 1000:
        assert max(len(batch.records) for batch in batches) < 2000


def test_a_batch_brings_the_shapes_that_it_needs_and_no_other(journal: Path):
    writer = Writer(journal, "run")
    for n in range(50):
        writer.log(f"m{n}", n)
    (batch,) = pending(writer.journal, writer.id, after=40, limit=10_000)
    shapes = [frame for frame in frames.walk(batch.records) if frame.shape == frames.SHAPE]
    assert len(shapes) == batch.count == 10


def test_reading_goes_on_where_it_was_while_the_file_grows(writer: Writer):
    reader = Reader(writer.journal, writer.id)
    assert read(reader) == []
    found = []
    for start in range(0, 500, 37):
        log(writer, start, start + 37)
        found += read(reader)
        assert found == list(range(start + 37))
        assert read(reader) == []
    assert reader.next == len(found) + 1


def test_a_frame_that_is_being_written_is_waited_for(writer: Writer):
    log(writer, 0, 3)
    (file,) = segment.segments(writer.journal, writer.id)
    whole = file.read_bytes()
    for cut in range(1, 36):
        with open(file, "wb") as stream:
            stream.write(whole[:-cut])
        reader = Reader(writer.journal, writer.id)
        assert read(reader) == [0, 1]
        with open(file, "ab") as stream:
            stream.write(whole[-cut:])
        assert read(reader) == [2]


def test_a_torn_tail_before_another_segment_is_passed_over(writer: Writer):
    log(writer, 0, 10)
    writer.close()
    (file,) = segment.segments(writer.journal, writer.id)
    with open(file, "ab") as stream:
        stream.write(b"\x24\0\0\0\x10\0\0\0torn")
    log(writer, 10, 20)
    assert [record.values["m"] for record in left(writer.journal, writer.id)] == list(range(20))


def test_a_reader_may_leave_off_anywhere_and_be_sent_back(writer: Writer, rng: random.Random):
    log(writer, 0, 500)
    reader = Reader(writer.journal, writer.id)
    found: list[int] = []
    while reader.next <= 500:
        for batch in reader.batches(rng.choice([50, 300, 3000])):
            if rng.random() < 0.3:
                reader.seek(batch.first)
                break
            found += [record.values["m"] for record in said(batch.records)]
            if rng.random() < 0.3:
                break
        if rng.random() < 0.1:
            back = rng.randrange(len(found) + 1)
            reader.seek(back + 1)
            del found[back:]
    assert found == list(range(500))


def test_damage_in_the_middle_costs_its_own_records_and_is_counted(writer: Writer):
    log(writer, 0, 300)
    files = segment.segments(writer.journal, writer.id)
    heads = [segment.head(file) for file in files]
    data = bytearray(files[1].read_bytes())
    data[1000] ^= 0xFF
    files[1].write_bytes(data)
    reader = Reader(writer.journal, writer.id)
    batches = list(reader.batches())
    assert reader.damaged == 36
    assert sum(batch.count for batch in batches) == 299
    assert sum(batch.lost for batch in batches) == 1
    after = next(batch for batch in batches if batch.lost)
    assert heads[2] is not None
    assert after.first == heads[2].first, "the next segment says where it begins"
    values = [record.values["m"] for batch in batches for record in said(batch.records)]
    assert values == sorted(set(values))


def test_a_missing_segment_is_a_gap_of_known_size(writer: Writer):
    log(writer, 0, 300)
    files = segment.segments(writer.journal, writer.id)
    heads = [segment.head(file) for file in files]
    files[2].unlink()
    assert heads[2] is not None
    assert heads[3] is not None
    gap = heads[3].first - heads[2].first
    batches = list(pending(writer.journal, writer.id))
    (after,) = [batch for batch in batches if batch.lost]
    assert (after.first, after.lost) == (heads[3].first, gap)
    assert sum(batch.count for batch in batches) == 300 - gap


def test_points_whose_definition_is_damaged_are_lost_and_no_others(writer: Writer):
    log(writer, 0, 3)
    writer.log("x", 1.5)
    writer.log("x", 2.5)
    log(writer, 3, 6)
    (file,) = segment.segments(writer.journal, writer.id)
    data = bytearray(file.read_bytes())
    shapes = [frame for frame in frames.walk(bytes(data), 8) if frame.shape == frames.SHAPE]
    data[shapes[1].offset + 12] ^= 0xFF
    file.write_bytes(data)
    batches = list(pending(writer.journal, writer.id))
    assert [record.values for batch in batches for record in said(batch.records)] == [
        {"m": n} for n in range(6)
    ]
    assert [(batch.first, batch.count, batch.lost) for batch in batches] == [(1, 3, 0), (6, 3, 2)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RSJ1",
        b"not a journal",
        frames.PREAMBLE,
        frames.PREAMBLE + frames.encode(frames.HEAD, {"run": 1}),
    ],
)
def test_a_segment_without_a_beginning_holds_nothing_and_the_next_is_read(writer: Writer, content: bytes):
    log(writer, 0, 100)
    files = segment.segments(writer.journal, writer.id)
    files[0].write_bytes(content)
    batches = list(pending(writer.journal, writer.id))
    head = segment.head(files[1])
    assert head is not None
    assert (batches[0].first, batches[0].lost) == (head.first, head.first - 1)


def test_a_stranger_begins_with_what_is_there(writer: Writer):
    log(writer, 0, 200)
    files = segment.segments(writer.journal, writer.id)
    segment.remove(files[:2])
    reader = Reader(writer.journal, writer.id, after=None)
    first = next(reader.batches())
    head = segment.head(files[2])
    assert head is not None
    assert (first.first, first.lost) == (head.first, 0)


def test_what_ends_before_the_wanted_record_is_not_read(writer: Writer):
    log(writer, 0, 300)
    files = segment.segments(writer.journal, writer.id)
    for file in files[:-2]:
        file.write_bytes(b"its end is not looked at")
    reader = Reader(writer.journal, writer.id, after=295)
    assert read(reader) == [295, 296, 297, 298, 299]
    assert reader.finished == files[:-1]


def test_other_files_in_the_directory_are_left_alone(writer: Writer):
    log(writer, 0, 3)
    folder = writer.journal / writer.id
    (folder / "notes.txt").write_text("mine")
    (folder / "x.rsj").write_text("mine")
    (writer.journal / "readme").write_text("mine")
    (writer.journal / "0123").mkdir()
    assert segment.writers(writer.journal) == [writer.id]
    assert len(segment.segments(writer.journal, writer.id)) == 1
    segment.remove(segment.segments(writer.journal, writer.id))
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "x.rsj"]

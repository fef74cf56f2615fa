"""What others do to a writer's files while it writes: deleted, truncated, closed under its hands."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from runstone.journal import segment
from runstone.journal.writer import Writer
from tests.journals import Told, journal, told, values, writer

__all__ = ["journal", "told", "writer"]


def test_a_deleted_journal_is_written_anew(journal: Path, writer: Writer, told: Told):
    for n in range(10):
        writer.log("m", n)
    shutil.rmtree(journal)
    writer.log("m", 10)
    writer.sync()
    writer.log("m", 11)
    assert values(writer) == list(range(12))
    assert writer.counters["lost"] == 0
    assert len(told) == 1
    assert "nothing is lost" in told[0]


def test_what_the_history_has_is_not_written_again(journal: Path, writer: Writer):
    for n in range(10):
        writer.log("m", n)
    writer.acknowledge(6)
    shutil.rmtree(journal / writer.id)
    writer.sync()
    (file,) = segment.segments(journal, writer.id)
    head = segment.head(file)
    assert head is not None
    assert (head.first, head.lost) == (7, 0)
    assert values(writer, after=6) == [6, 7, 8, 9]


def test_a_journal_truncated_to_nothing_keeps_what_came_after_and_counts_the_rest(writer: Writer, told: Told):
    for n in range(10):
        writer.log("m", n)
    writer.acknowledge(4)
    (file,) = segment.segments(writer.journal, writer.id)
    os.truncate(file, 0)
    for n in range(10, 15):
        writer.log("m", n)
    writer.sync()
    assert values(writer, after=4) == [10, 11, 12, 13, 14]
    assert writer.counters["lost"] == 6
    head = segment.head(segment.segments(writer.journal, writer.id)[0])
    assert head is not None
    assert (head.first, head.lost) == (11, 6)
    assert "6 records are lost" in told[0]


def test_a_journal_cut_in_the_middle_never_doubles_a_value(journal: Path, told: Told):
    for cut in (300, 340, 341, 400, 500):
        for acknowledged in (0, 2, 5):
            writer = Writer(journal, "run", warn=told)
            for n in range(10):
                writer.log("m", n)
            writer.acknowledge(acknowledged)
            (file,) = segment.segments(journal, writer.id)
            os.truncate(file, cut)
            for n in range(10, 20):
                writer.log("m", n)
            writer.sync()
            writer.log("m", 20)
            found = values(writer, after=acknowledged)
            assert found == sorted(set(found))
            assert found[-1] == 20
            assert not set(found) & set(range(acknowledged))
            assert len(found) + writer.counters["lost"] == 21 - acknowledged


def test_a_descriptor_that_others_closed_is_given_up(writer: Writer, tmp_path: Path):
    writer.log("m", 1)
    os.close(writer._sink.fd)
    stolen = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    assert stolen == writer._sink.fd
    writer.sync()
    writer.log("m", 2)
    os.close(stolen)
    assert (tmp_path / "other").stat().st_size == 0
    assert values(writer) == [1, 2]


def test_a_bare_descriptor_error_is_mended_at_once(writer: Writer):
    writer.log("m", 1)
    os.close(writer._sink.fd)
    writer.log("m", 2)
    assert values(writer) == [1, 2]

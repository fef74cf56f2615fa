"""A disk that is full, read-only or failing: nothing raises, nothing is doubled, what is lost is counted."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runstone.journal import segment
from runstone.journal.sink import Limits
from runstone.journal.writer import Writer
from runstone.model.errors import RunstoneError
from tests.journals import History, journal, left, said

__all__ = ["journal"]


class Disk:
    """Stands between the journal and `os.write`: it may have little room left, fail, or refuse to shrink."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.error: int | None = None
        self.cuts = True
        self.now = 1000.0
        self._write, self._truncate = os.write, os.ftruncate
        for module in ("writer", "sink", "segment"):
            patch.setattr(f"runstone.journal.{module}._write", self.write)
        patch.setattr("runstone.journal.sink.os.ftruncate", self.truncate)
        patch.setattr("runstone.journal.sink.time.monotonic", lambda: self.now)

    def write(self, descriptor: int, data: bytes) -> int:
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        if self.room is None or self.room >= len(data):
            self.room = None if self.room is None else self.room - len(data)
            return self._write(descriptor, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = self._write(descriptor, data[: self.room])
        self.room -= done
        return done

    def truncate(self, descriptor: int, size: int) -> None:
        if not self.cuts:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.room is not None:
            self.room += os.fstat(descriptor).st_size - size
        self._truncate(descriptor, size)

    def mend(self) -> None:
        """There is room again, and a second has gone by."""
        self.room = self.error = None
        self.now += 2


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def make(journal: Path, told: list[str]) -> Callable[..., Writer]:
    return lambda **options: Writer(journal, "run", warn=told.append, **options)


def values(writer: Writer, name: str = "m") -> list[Any]:
    found = left(writer.journal, writer.id)
    return [record.values[name] for record in found if name in record.values]


def queued(writer: Writer) -> list[Any]:
    batch = writer.memory()
    return [record.values.get("m") for record in said(batch.records)] if batch else []


@pytest.mark.parametrize("room", range(0, 80, 7))
@pytest.mark.parametrize("cuts", [True, False])
def test_a_full_disk_costs_nothing_once_there_is_room_again(
    make: Callable[..., Writer], disk: Disk, told: list[str], room: int, cuts: bool
):
    writer = make()
    for n in range(5):
        writer.log("m", n, step=n)
    disk.cuts = cuts
    disk.room = room
    for n in range(5, 20):
        writer.log("m", n, step=n)
        writer.log_metrics({"a": n, "t": "text"})
    assert len(told) == 1
    assert "memory" in told[0]
    disk.mend()
    writer.log("m", 20)
    writer.sync()
    assert values(writer) == list(range(21))
    assert values(writer, "a") == list(range(5, 20))
    assert writer.written == 21 + 30
    assert writer.counters["dropped"] == 0
    assert writer.memory() is None


def test_memory_is_bounded_and_what_is_beyond_is_counted(make: Callable[..., Writer], disk: Disk):
    writer = make(limits=Limits(memory_bytes=10_000))
    writer.log("m", 0)
    disk.room = 0
    for n in range(1, 1000):
        writer.log("m", n)
    kept = len(queued(writer))
    assert 50 < kept < 200
    assert writer.counters["dropped"] == 999 - kept
    disk.mend()
    writer.log("m", 1000)
    writer.sync()
    assert values(writer) == [*range(kept + 1), 1000]
    counts = [record.values for record in left(writer.journal, writer.id) if "dropped" in record.values]
    assert counts == [{"kind": "count", "dropped": 999 - kept}]


def test_the_disk_is_tried_once_a_second(
    make: Callable[..., Writer], disk: Disk, monkeypatch: pytest.MonkeyPatch
):
    writer = make()
    disk.room = 0
    tries = []
    create = segment.create
    monkeypatch.setattr(segment, "create", lambda *begin: tries.append(disk.now) or create(*begin))
    for n in range(50):
        writer.log("m", n)
        disk.now += 0.1
    assert 4 <= len(tries) <= 6
    assert list(writer.journal.rglob("*.rsj")) == [], "no empty files are left"


@pytest.mark.parametrize("error", [errno.EIO, errno.EDQUOT, errno.EFBIG, errno.ESTALE, errno.EBADF])
def test_any_failure_to_write_is_survived(make: Callable[..., Writer], disk: Disk, error: int):
    writer = make()
    for n in range(30):
        if n == 10:
            disk.error = error
        if n == 20:
            disk.mend()
        writer.log("m", n)
    writer.sync()
    assert values(writer) == list(range(30))


def test_a_limit_on_the_size_of_files_is_met_with_another_file(make: Callable[..., Writer], disk: Disk):
    writer = make()
    original = disk.write

    def limited(descriptor: int, data: bytes) -> int:
        if os.fstat(descriptor).st_size + len(data) > 1000:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return original(descriptor, data)

    with pytest.MonkeyPatch.context() as patch:
        for module in ("writer", "sink", "segment"):
            patch.setattr(f"runstone.journal.{module}._write", limited)
        for n in range(200):
            writer.log("m", n)
    assert values(writer) == list(range(200))
    assert len(segment.segments(writer.journal, writer.id)) > 5


def test_a_journal_that_cannot_be_made_is_written_elsewhere_and_found_there(
    make: Callable[..., Writer], told: list[str]
):
    writer = make()
    writer.journal.parent.write_text("a file where a directory should be")
    for n in range(3):
        writer.log("m", n)
    assert values(writer) == [0, 1, 2]
    assert segment.writers(writer.journal) == [writer.id]
    place = segment.fallback(writer.journal)
    assert (place / segment.NOTE).read_text().strip() == str(writer.journal)
    assert stat.S_IMODE(place.parent.parent.stat().st_mode) == 0o700
    assert len(told) == 1
    assert str(place) in told[0]


def test_when_the_journal_can_be_written_again_both_places_are_one(make: Callable[..., Writer]):
    writer = make(limits=Limits(segment_bytes=1024))
    writer.log("m", 0)
    parent = writer.journal.parent
    away = parent.rename(parent.with_name("away"))
    parent.write_text("in the way")
    for n in range(1, 100):
        writer.log("m", n)
    writer.sync()
    parent.unlink()
    away.rename(parent)
    for n in range(100, 200):
        writer.log("m", n)
    writer.sync()
    assert values(writer) == list(range(200))


def test_a_place_to_fall_back_to_that_is_another_users_is_not_used(
    make: Callable[..., Writer], told: list[str]
):
    writer = make()
    writer.journal.parent.write_text("")
    root = segment.fallback(writer.journal).parent.parent
    root.mkdir(mode=0o755)
    root.chmod(0o755)
    writer.log("m", 1)
    assert queued(writer) == [1]
    assert list(root.iterdir()) == []
    assert len(told) == 1


def test_with_no_disk_at_all_memory_can_be_delivered_from(make: Callable[..., Writer], disk: Disk):
    history = History()
    writer = make()
    writer.log("m", 0)
    disk.room = 0
    for n in range(1, 10):
        writer.log_metrics({"m": n, "x": 0.5}, step=n)
    batch = writer.memory(limit=100)
    assert batch is not None
    assert (batch.run, batch.writer, batch.first) == ("run", writer.id, 2)
    assert 0 < batch.count < 9
    history.acked[writer.id] = 1
    writer.acknowledge(history.append("run", writer=writer.id, first=2, records=batch.records))
    assert queued(writer) == list(range(batch.last, 10))
    disk.mend()
    writer.sync()
    (_, file) = segment.segments(writer.journal, writer.id)
    head = segment.head(file)
    assert head is not None
    assert head.first == batch.last + 1


def test_in_strict_mode_a_full_disk_raises_and_the_value_is_kept(make: Callable[..., Writer], disk: Disk):
    writer = make(strict=True)
    writer.log("m", 0)
    disk.room = 0
    with pytest.raises(RunstoneError, match="cannot be written"):
        writer.log("m", 1)
    disk.mend()
    writer.log("m", 2)
    assert values(writer) == [0, 1, 2]


def test_a_failing_sync_is_said_once_and_logging_goes_on(
    make: Callable[..., Writer], told: list[str], monkeypatch: pytest.MonkeyPatch
):
    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = make()
    monkeypatch.setattr("runstone.journal.writer.os.fdatasync", failing)
    for n in range(3):
        writer.log("m", n)
        writer.sync()
    assert values(writer) == [0, 1, 2]
    assert len(told) == 1


class Failing(Disk):
    """Fails once, at the n-th write: with an error, or by writing half."""

    def __init__(self, patch: pytest.MonkeyPatch, *, fatal: int, error: int | None) -> None:
        super().__init__(patch)
        self.fatal = fatal
        self.fault = error
        self.calls = 0

    def write(self, descriptor: int, data: bytes) -> int:
        self.calls += 1
        if self.calls != self.fatal:
            return super().write(descriptor, data)
        if self.fault is None:
            return self._write(descriptor, data[: len(data) // 2])
        raise OSError(self.fault, os.strerror(self.fault))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, None])
def test_every_failing_write_in_turn_is_survived(journal: Path, error: int | None):
    fatal = calls = 0
    while fatal <= calls:
        fatal += 1
        with pytest.MonkeyPatch.context() as patch:
            disk = Failing(patch, fatal=fatal, error=error)
            writer = Writer(journal, "run", warn=str, limits=Limits(segment_bytes=512))
            for n in range(8):
                writer.log("m", n)
                writer.log_metrics({"a": n, "b": "text"}, step=n)
                disk.now += 0.2
            disk.now += 2
            writer.sync()
            calls = disk.calls
        assert values(writer) == values(writer, "a") == list(range(8))
        assert writer.written == len(left(journal, writer.id)) == 24
    assert calls > 24


def test_in_strict_mode_the_background_raises_nothing_and_the_next_call_does(
    make: Callable[..., Writer], disk: Disk
):
    writer = make(strict=True)
    writer.log("m", 0)
    writer.close()
    disk.room = 0
    writer._later.append("something to say")
    writer.sync()
    with pytest.raises(RunstoneError, match="something to say"):
        writer.log("m", 1)


def test_what_is_synced_is_not_synced_again(make: Callable[..., Writer], monkeypatch: pytest.MonkeyPatch):
    synced = []
    monkeypatch.setattr("runstone.journal.writer.os.fdatasync", synced.append)
    writer = make()
    writer.log("m", 1)
    for _ in range(3):
        writer.sync()
    assert len(synced) == 2, "the file and its directory"
    writer.log("m", 2)
    writer.sync()
    assert len(synced) == 3

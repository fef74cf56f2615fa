"""The outside of a journal, for its tests: a history that keeps what it is sent, and looks into it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runstone.journal import frames
from runstone.journal.frames import RECORD, SHAPE, Shape
from runstone.journal.reader import pending
from runstone.journal.shipper import Shipper
from runstone.journal.sink import Limits
from runstone.journal.writer import Writer
from runstone.model.errors import Conflict

SMALL = Limits(segment_bytes=2048)


@dataclass(frozen=True)
class Said:
    """One record as a history understands it: the metrics of a call, or the body of another kind."""

    values: dict[str, Any]
    step: int | float | None = None


def said(records: bytes) -> Iterator[Said]:
    """What the records of a batch say; KeyError when it does not stand for itself."""
    shapes: dict[int, Shape] = {}
    end = 0
    for frame in frames.walk(records):
        assert frame.offset == end, "a batch has no holes"
        end += frame.length
        if frame.shape == SHAPE:
            shape = frames.shape(records, frame)
            shapes[shape.id] = shape
        elif frame.shape == RECORD:
            body = frames.body(records, frame)
            yield Said({key: body[key] for key in body if key not in ("time", "step")}, body.get("step"))
        else:
            shape = shapes[frame.shape]
            point = shape.point(records, frame.offset)
            names = [name for name, _ in shape.columns]
            yield Said(dict(zip(names, point.values, strict=True)), point.step)
    assert end == len(records), "a batch has no torn tail"


class History:
    """Takes batches as a history does: once, in order, refusing gaps. `trouble` are errors to raise first."""

    def __init__(self) -> None:
        self.runs = self
        self.acked: dict[str, int] = {}
        self.lost: dict[str, int] = {}
        self.records: dict[str, list[Said]] = {}
        self.trouble: list[Exception] = []
        self.persists = True
        self.batches = 0
        self._lock = threading.Lock()

    def append(self, run: str, *, writer: str, first: int, records: bytes, lost: int = 0) -> int:
        with self._lock:
            self.batches += 1
            if self.trouble:
                raise self.trouble.pop(0)
            found = list(said(records))
            acked = self.acked.get(writer, 0)
            last = first + len(found) - 1
            if first > acked + 1 + lost:
                raise Conflict(f"records before {first} are missing", expected=acked + 1)
            if last > acked:
                if first > acked:
                    self.lost[writer] = self.lost.get(writer, 0) + first - acked - 1
                self.records.setdefault(run, []).extend(found[max(acked + 1 - first, 0) :])
                self.acked[writer] = last
            return self.acked.get(writer, 0)

    def acknowledged(self, run: str, *, writer: str) -> int:
        return self.acked.get(writer, 0)

    def persist(self) -> bool:
        return self.persists

    def values(self, run: str, name: str) -> list[Any]:
        """The values of a metric, in the order in which they came."""
        return [record.values[name] for record in self.records.get(run, []) if name in record.values]

    def bodies(self, run: str, kind: str) -> list[dict[str, Any]]:
        """The bodies of the records of a kind."""
        return [record.values for record in self.records.get(run, []) if record.values.get("kind") == kind]


def left(journal: Path, writer: str, after: int = 0) -> list[Said]:
    """What a writer has left, as a history would understand it."""
    return [record for batch in pending(journal, writer, after=after) for record in said(batch.records)]


def values(writer: Writer, name: str = "m", after: int = 0) -> list[Any]:
    """The values of a metric that a writer has left."""
    found = left(writer.journal, writer.id, after)
    return [record.values[name] for record in found if name in record.values]


def log(writer: Writer, first: int, last: int) -> None:
    """Log the numbers from the first on, before the last, as values and steps of `m`."""
    for n in range(first, last):
        writer.log("m", n, step=n)


def files(journal: Path) -> list[Path]:
    """The segments that lie in a journal."""
    return list(journal.rglob("*.rsj"))


def eventually(condition: Callable[[], Any]) -> None:
    """Wait for what another thread or process brings about."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


class Told(list[str]):
    """The warnings that were given."""

    def __call__(self, message: str) -> None:
        self.append(message)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def history() -> History:
    return History()


@pytest.fixture
def writer(journal: Path, told: Told) -> Writer:
    return Writer(journal, "run", warn=told)


@pytest.fixture
def shipper(history: History, journal: Path, told: Told) -> Iterator[Shipper]:
    shipper = Shipper(history, journal, warn=told, limits=SMALL)
    yield shipper
    shipper.close()


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a journal, with a directory to fall back to that is no one else's."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "history" / "journal"

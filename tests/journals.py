"""The outside of a journal, for its tests: a history that keeps what it is sent, and looks into it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runstone.journal import frames
from runstone.journal.frames import RECORD, SHAPE, Shape
from runstone.journal.reader import pending
from runstone.model.errors import Conflict


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


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a journal, with a directory to fall back to that is no one else's."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "history" / "journal"

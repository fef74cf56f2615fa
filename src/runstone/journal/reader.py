"""Reads what a writer has left, in batches that stand for themselves, also while it is still writing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runstone.journal import frames, segment
from runstone.journal.frames import RECORD, SHAPE, Frame, Run

BATCH_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Batch:
    """Records ``first`` to ``last`` of a writer, behind the shapes that they need.

    ``lost`` records before ``first`` are in no journal any more.
    """

    run: str
    writer: str
    first: int
    count: int
    records: bytes
    lost: int = 0

    @property
    def last(self) -> int:
        """The number of the last record."""
        return self.first + self.count - 1


def pending(journal: Path, writer: str, *, after: int = 0, limit: int = BATCH_BYTES) -> Iterator[Batch]:
    """What a writer has left after record ``after``, in batches of about ``limit`` bytes."""
    return Reader(journal, writer, after=after).batches(limit)


class Reader:
    """A place in a writer's journal, that moves on as batches are taken. Not safe for several threads.

    ``next`` is the number of the record after the last one taken, ``damaged`` counts bytes without a
    frame, ``finished`` are the segments that were read to their end and that the writer has left.
    """

    def __init__(self, journal: Path, writer: str, *, after: int | None = 0) -> None:
        """``after``: the last record that is not wanted; None begins with the first one that is there."""
        self.journal = journal
        self.writer = writer
        self.next = 0 if after is None else after + 1
        self.damaged = 0
        self.finished: list[Path] = []
        self._file: Path | None = None
        self._run = ""
        self._offset = 0
        self._number = 0
        self._shapes: dict[int, bytes] = {}

    def seek(self, next: int) -> None:
        """Go on with record ``next``, which may lie before or behind this place."""
        self.next = next
        self.finished = []
        self._file = None

    def batches(self, limit: int = BATCH_BYTES) -> Iterator[Batch]:
        """What is there now; the place is always behind the last batch that was taken."""
        # Listed before anything is read: a segment that has a successor gets nothing more.
        files = segment.segments(self.journal, self.writer)
        for file, successor in zip(files, [*files[1:], None], strict=False):
            if self._file is not None and segment.number(file) < segment.number(self._file):
                continue
            if file != self._file and successor and self._is_behind(successor):
                self._finish(file)
                continue
            if file == self._file or self._enter(file):
                yield from self._read(file, limit)
            if successor:
                self._finish(file)

    def _is_behind(self, successor: Path) -> bool:
        """Whether a segment ends before the record that is wanted, as its successor's beginning tells."""
        head = segment.head(successor)
        return head is not None and 0 < head.first <= self.next

    def _finish(self, file: Path) -> None:
        if file not in self.finished:
            self.finished.append(file)

    def _enter(self, file: Path) -> bool:
        head = segment.head(file)
        if head is None:
            return False
        self._file = file
        self._offset = len(frames.PREAMBLE)
        self._run = head.run
        self._number = head.first
        if self.next == 0:
            self.next = head.first
        return True

    def _read(self, file: Path, limit: int) -> Iterator[Batch]:
        try:
            with open(file, "rb") as stream:
                stream.seek(base := self._offset)
                data = stream.read()
        except FileNotFoundError:
            return  # delivered and deleted by another process
        batch = _Open(limit)
        for run in self._records(data, base):
            wanted = _after(run, self.next - self._number)
            self._number += run.count - wanted.count
            self._offset = base + wanted.offset
            while wanted.count:
                if batch.count and (self._number != self.next or batch.full):
                    yield self._close(batch)
                    batch = _Open(limit)
                part, wanted = _split(wanted, batch.room(wanted.length))
                batch.lost += self._number - self.next
                batch.add(data, part, shapes=self._shapes)
                self._offset = base + part.offset + part.length * part.count
                self._number += part.count
                self.next = self._number
        if batch.count:
            yield self._close(batch)

    def _records(self, data: bytes, base: int) -> Iterator[Run]:
        """The record frames in ``data``; definitions of shapes are learned on the way, damage is counted."""
        end = 0
        for run in frames.runs(data):
            self.damaged += run.offset - end
            end = run.offset + run.length * run.count
            ids = frames.shapes_of(data, run)
            if min(ids) >= RECORD and ids <= self._shapes.keys() | {RECORD}:
                yield run
                continue
            for frame in frames.walk(data[:end], run.offset):
                yield from self._single(data, frame, base)
        self._offset = max(self._offset, base + end)

    def _single(self, data: bytes, frame: Frame, base: int) -> Iterator[Run]:
        if frame.shape == SHAPE:
            self._define(data, frame)
        elif frame.shape == RECORD or frame.shape in self._shapes:
            yield Run(frame.offset, frame.length, 1)
        elif frame.shape > RECORD:
            # its definition was lost to damage: nobody can read it
            self._number += 1
            self._offset = base + frame.offset + frame.length
            self.damaged += frame.length

    def _define(self, data: bytes, frame: Frame) -> None:
        try:
            id = frames.shape(data, frame).id
        except (ValueError, LookupError, TypeError):
            # whole, and yet no definition: frames of that shape cannot be read
            self.damaged += frame.length
            return
        self._shapes[id] = data[frame.offset : frame.offset + frame.length]

    def _close(self, batch: _Open) -> Batch:
        first = self.next - batch.count
        return Batch(self._run, self.writer, first, batch.count, batch.bytes(), batch.lost)


@dataclass
class _Open:
    """A batch that is being put together."""

    limit: int
    count: int = 0
    lost: int = 0
    size: int = 0
    definitions: dict[int, bytes] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return self.size >= self.limit

    def room(self, length: int) -> int:
        """How many more frames of a length; always one, so that a frame beyond the limit goes by itself."""
        return max((self.limit - self.size) // length, 1)

    def add(self, data: bytes, run: Run, *, shapes: dict[int, bytes]) -> None:
        for id in frames.shapes_of(data, run) - self.definitions.keys() - {RECORD}:
            self.definitions[id] = shapes[id]
            self.size += len(shapes[id])
        self.pieces.append(data[run.offset : run.offset + run.length * run.count])
        self.size += run.length * run.count
        self.count += run.count

    def bytes(self) -> bytes:
        return b"".join([*self.definitions.values(), *self.pieces])


def _after(run: Run, skipped: int) -> Run:
    """The frames of a run without the first ``skipped``."""
    skipped = min(max(skipped, 0), run.count)
    return Run(run.offset + skipped * run.length, run.length, run.count - skipped)


def _split(run: Run, count: int) -> tuple[Run, Run]:
    count = min(count, run.count)
    return Run(run.offset, run.length, count), _after(run, count)

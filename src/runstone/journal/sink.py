"""Where a writer's frames go: into a segment, into one elsewhere when that fails, else into memory."""

from __future__ import annotations

import errno
import os
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runstone.journal import frames, segment
from runstone.journal.frames import HEADER
from runstone.journal.identity import here
from runstone.journal.memory import Memory
from runstone.journal.reader import Batch
from runstone.journal.salvage import around_damage, count
from runstone.journal.segment import Head
from runstone.model.runs import Process

Note = Callable[[str, str], None]

RETRY_SECONDS = 1.0
REPLAY_BYTES = 256 * 1024
MAX_OPEN = 8
# After so many segments a writer looks at what the others of its run have on disk.
LOOK = 4
_FULL = {errno.ENOSPC, errno.EDQUOT}

_write = os.write


@dataclass(frozen=True)
class Limits:
    """How much a writer may hold on disk, in a segment, in memory; how many names and shapes it may use."""

    journal_bytes: int = 2 * 1024**3
    segment_bytes: int = 4 * 1024**2
    memory_bytes: int = 16 * 1024**2
    names: int = 100_000
    wide_shapes: int = 4_096


class Sink:
    """The end of a journal that is written. Its writer's lock guards it.

    ``written`` counts the records that were taken. The writer appends what is in ``fast`` to ``fd`` by itself
    and counts it, ``written`` first: an exception from a signal handler leaves a ``size`` that ``audit``
    mends. Entries of ``fast`` are defined in the current segment; it is empty whenever there is none.
    """

    def __init__(
        self, journal: Path, run: str, *, limits: Limits, note: Note, begun: Callable[[], None]
    ) -> None:
        self.journal = journal
        self.run = run
        self.limits = limits
        self.id = uuid.uuid4().hex
        self.fast: dict[tuple[Any, ...], tuple[int, int, Any]] = {}
        self.definitions: dict[int, bytes] = {}
        self.memory = Memory(limits.memory_bytes)
        self.acknowledged = 0
        self.fd = -1
        self.size = 0
        self.full = limits.segment_bytes
        self.written = 0
        # the number of the segment that is or will be written next; those below get nothing more
        self.current = 1
        self.lost = 0
        self.sending = False
        self.every = 1
        self._process: Process | None = None
        self._note = note
        self._begun = begun
        self._file = (0, 0)
        self._path = journal
        self._first = 1
        self._gone = 0
        self._synced = (0, 0)
        # bytes on disk: those of the retired segments since it was last counted, and what was counted then
        self._waiting = 0
        self._retry = 0.0
        self._defined: set[int] = set()
        self._turns: dict[object, int] = {}
        self._full: list[int] = []
        self._new_folder: Path | None = None

    @property
    def on_disk(self) -> bool:
        """Whether there is a segment to append to."""
        return self.fd >= 0

    @property
    def placed(self) -> int:
        """The number of the last record that is in a segment; those after it are in memory."""
        return self.written - len(self.memory)

    def append(self, frame: bytes) -> bool:
        """Append any frame, behind the definition of its shape if that is due; False when it was dropped."""
        if self.fd < 0 and not self.reopen():
            kept = self.memory.add(frame)
            self.written += kept
            return kept
        shape = HEADER.unpack_from(frame)[1]
        both = frame if shape in self._defined else self.definitions.get(shape, b"") + frame
        try:
            done = _write(self.fd, both)
        except OSError as error:
            return self.rescue(frame, error)
        if done != len(both):
            return self.rescue(frame, None)
        self.written += 1
        self.size += done
        self._defined.add(shape)
        if self.size >= self.full:
            self._rotate()
        return True

    def turn(self, body: bytes, done: int) -> None:
        """After the writer's own write of a frame, when it was a short one, or the segment is full."""
        if done != len(body) + frames.CRC.size:
            self.written -= 1
            self.size -= done
            self.rescue(frames.seal(body), None)
        else:
            self._rotate()

    def reckon(self, length: int) -> None:
        """After an exception from a signal handler: count a frame that had been written just then.

        From Python 3.11 on a handler runs after a call, not between two assignments, so that this is exact;
        before, and whenever it is interrupted itself, it is left to ``audit``.
        """
        if sys.version_info < (3, 11) or self.fd < 0:
            return
        with suppress(OSError):
            if os.fstat(self.fd).st_size == self.size + length:
                self.written += 1
                self.size += length

    def is_defined(self, shape: int) -> bool:
        """Whether frames of a shape may be appended to the current segment as they are."""
        return self.fd >= 0 and shape in self._defined

    def kept(self, what: object) -> bool:
        """Whether the next point of a metric is kept: each of them, but at the disk cap every k-th."""
        if self.every == 1:
            return True
        turn = self._turns.get(what, 0)
        self._turns[what] = turn + 1
        return turn % self.every == 0

    def reopen(self) -> bool:
        """Begin a segment where one can be written, with what memory holds; tried once a second at most."""
        if time.monotonic() < self._retry:
            return False
        trouble = self._open_somewhere()
        if trouble is not None:
            self._wait(trouble)
            return False
        self._replay()
        return self.fd >= 0

    def retire(self) -> None:
        """Leave the current segment; the next record begins a new one."""
        if self.fd < 0:
            return
        self._full.append(self.fd)
        if len(self._full) > MAX_OPEN:
            os.close(self._full.pop(0))
        self._forget()

    def audit(self) -> None:
        """Notice what others did to the segment (deleted, truncated, closed), and mend what can be mended."""
        if self.fd < 0:
            return
        try:
            status = os.fstat(self.fd)
        except OSError:
            status = None
        if status is None or (status.st_dev, status.st_ino) != self._file:
            # closed by someone, and the descriptor may be another file's by now: not ours to close
            self._forget()
            return
        if status.st_size > self.size:
            # an exception from a signal handler came between a write and its count
            self.written = self._first - 1 + count(self._content()) + len(self.memory)
            self.size = status.st_size
        # while records are on their way it is not known yet which of them would be written twice
        if not self.sending and (status.st_size < self.size or not self._in_place()):
            self._salvage()

    def acknowledge(self, number: int) -> None:
        """The history has all records up to ``number``."""
        self.acknowledged = max(self.acknowledged, number)
        self.memory.drop(number - self.placed)

    def unsynced(self) -> list[int]:
        """Descriptors that the caller syncs and closes, outside of the lock."""
        found, self._full = self._full, []
        with suppress(OSError):
            if self._new_folder is not None:
                found.append(os.open(self._new_folder, os.O_RDONLY))
        self._new_folder = None
        with suppress(OSError):
            if self.fd >= 0 and self._synced != (self.current, self.size):
                found.append(os.dup(self.fd))
                self._synced = (self.current, self.size)
        return found

    def thin(self) -> None:
        """Set how many points are left out, by what the run has on disk: none below 7/8 of the cap."""
        step = max(self.limits.journal_bytes // 64, 1)
        self._waiting = segment.waiting(self.journal, self.run)
        over = self._waiting - (self.limits.journal_bytes - 8 * step)
        every = 1 if over < 0 else 2 << min(over // step, 60)
        if every == self.every:
            return
        self.every = every
        self.fast.clear()
        self._turns.clear()
        if every > 1:
            cap = f"{self.limits.journal_bytes / 1024**2:,.0f} MiB"
            self._note(
                "cap", f"The journal {self.journal} nears its cap of {cap}: points are left out from now on."
            )

    def batch(self, limit: int) -> Batch | None:
        """What is in memory, to be delivered from there."""
        queued = self.memory.head(limit)
        if not queued:
            return None
        shapes = {HEADER.unpack_from(frame)[1] for frame in queued}
        needed = [self.definitions[id] for id in sorted(shapes) if id in self.definitions]
        return Batch(self.run, self.id, self.placed + 1, len(queued), b"".join([*needed, *queued]))

    def _rotate(self) -> None:
        self.audit()
        if self.fd >= 0 and self.size < self.full:
            return
        self._waiting += self.size
        self.retire()
        self.reopen()
        # counted anew only when it matters: looking at files takes long while another thread is busy
        if self._waiting >= self.limits.journal_bytes * 3 // 4 or self.current % LOOK == 0:
            self.thin()

    def rescue(self, frame: bytes, error: OSError | None) -> bool:
        """Keep a frame that could not be written whole: in another segment, else in memory."""
        if error is not None and error.errno is None:
            # not the system's: a signal handler has raised it, a TimeoutError most likely
            raise error
        barren = self.placed < self._first
        if error is None:
            self._cut()
        if error is not None and error.errno == errno.EBADF:
            self._forget()
        self.retire()
        if barren or error is None or error.errno in _FULL:
            self._wait(error or OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        return self.append(frame)

    def _cut(self) -> bool:
        """Take a torn frame back; where that fails it stays as a torn tail, which readers step over."""
        try:
            os.ftruncate(self.fd, self.size)
        except OSError:
            return False
        return True

    def _wait(self, trouble: OSError) -> None:
        self._retry = time.monotonic() + RETRY_SECONDS
        room = f"{self.limits.memory_bytes / 1024**2:,.0f} MiB"
        self._note(
            "memory",
            f"The journal {self.journal} cannot be written ({trouble}). Up to {room} are kept in memory and "
            f"delivered from there; they would not survive the process.",
        )

    def _forget(self) -> None:
        self.current += self.fd >= 0
        self.fd = -1
        self.fast.clear()
        self._defined.clear()

    def _open_somewhere(self) -> OSError | None:
        try:
            self._open(self.journal)
            return None
        except OSError as error:
            if error.errno is None:
                raise
            trouble = error
        if trouble.errno in _FULL:
            return trouble
        try:
            place = segment.prepare_fallback(self.journal)
            self._open(place)
        except OSError:
            return trouble
        self._note(
            "elsewhere", f"The journal {self.journal} cannot be written ({trouble}); {place} is used instead."
        )
        return None

    def _open(self, place: Path) -> None:
        folder, first = place / self.id, self.placed + 1
        while True:
            try:
                fd, size = segment.create(folder, self._head(first))
                break
            except FileExistsError:
                # an exception from a signal handler came when this one had just been begun
                self.current += 1
        status = os.fstat(fd)
        self._file = (status.st_dev, status.st_ino)
        self._path = segment.path(folder, self.current)
        self._first, self._gone = first, 0
        self._new_folder = folder
        self.fd, self.size = fd, size
        self._begun()

    def _head(self, first: int) -> Head:
        who = self._process = self._process or here()
        return Head(
            run=self.run,
            writer=self.id,
            segment=self.current,
            first=first,
            lost=self._gone,
            host=who.host,
            boot=who.boot,
            pid=who.pid,
            start=who.start,
            created_us=time.time_ns() // 1000,
        )

    def _replay(self) -> None:
        """Write what memory holds, oldest first, under the numbers that it has."""
        while self.memory:
            queued = self.memory.head(REPLAY_BYTES)
            shapes = {HEADER.unpack_from(frame)[1] for frame in queued}
            new = [self.definitions[id] for id in sorted(shapes - self._defined) if id in self.definitions]
            blob = b"".join([*new, *queued])
            trouble = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            try:
                done = _write(self.fd, blob)
            except OSError as error:
                done, trouble = 0, error
            if done != len(blob):
                if done and not self._cut():
                    self.memory.drop(count(self._content()) - (self.placed - self._first + 1))
                self.retire()
                self._wait(trouble)
                return
            self.size += done
            self._defined |= shapes
            self.memory.drop(len(queued))

    def _in_place(self) -> bool:
        try:
            status = os.stat(self._path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._file

    def _salvage(self) -> None:
        """Write what can still be read of a segment that others deleted or truncated into a new one."""
        data = self._content()
        before, after = around_damage(data)
        # What was acknowledged stands first, and is not written twice. What follows upon damage came after
        # the truncation, and is in no history yet.
        kept = before[max(self.acknowledged - self._first + 1, 0) :] + after
        self._gone = max(self.placed - len(kept) - max(self.acknowledged, self._first - 1), 0)
        self.lost += self._gone
        old, fd = self._path, self.fd
        self._forget()
        self.memory.restore(kept)
        self._retry = 0.0
        with suppress(OSError):
            os.close(fd)
            if self.reopen():
                old.unlink(missing_ok=True)
        self._note("salvaged", f"{old} was deleted or truncated by another process; {self._said_lost()}.")

    def _said_lost(self) -> str:
        return f"{self.lost:,} records are lost" if self.lost else "nothing is lost"

    def _content(self) -> bytes:
        pieces = []
        offset = 0
        with suppress(OSError):  # what can be read is what counts
            while piece := os.pread(self.fd, 1024 * 1024, offset):
                pieces.append(piece)
                offset += len(piece)
        return b"".join(pieces)

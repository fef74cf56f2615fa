"""One writer's way into the history: batches are sent in order, again if need be, and let go when there."""

from __future__ import annotations

import random
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from runstone.journal import segment
from runstone.journal.identity import alive
from runstone.journal.reader import BATCH_BYTES, Batch, Reader
from runstone.journal.writer import Writer
from runstone.model.errors import Conflict, Gone, TooLarge

LONGEST_PAUSE = 60.0
LEAST_BATCH = 16 * 1024
# The files of a process that cannot be seen from here are let go when they have not changed for so long.
FORGOTTEN_SECONDS = 24 * 3600.0
RETRIED = {408, 425, 429}


class Runs(Protocol):
    """What a delivery asks of a history's runs."""

    def append(self, run: str, *, writer: str, first: int, records: bytes, lost: int = 0) -> int: ...

    def acknowledged(self, run: str, *, writer: str) -> int: ...


class Service(Protocol):
    """What a delivery asks of a history."""

    @property
    def runs(self) -> Runs: ...

    def persist(self) -> bool: ...


class Delivery:
    """Takes a writer's records to the history. Several threads may ask for it; one works, the others wait.

    ``blocked`` is the error for which the history refused a batch: the journal is kept, and nothing is tried
    again unless somebody asks for it.
    """

    def __init__(
        self, service: Service, journal: Path, *, writer: str | Writer, warn: Callable[[str], object]
    ) -> None:
        """``writer``: one of this process, or the id of one that another has left."""
        self.own = writer if isinstance(writer, Writer) else None
        self.id = writer.id if isinstance(writer, Writer) else writer
        self.blocked: Exception | None = None
        self._service = service
        self._journal = journal
        self._warn = warn
        self._reader = Reader(journal, self.id, after=self._acknowledged())
        # the last record that the history is known to have, whatever the reader has taken since
        self._arrived = self._acknowledged() or 0
        self._lock = threading.Lock()
        self._at_work = 0
        self._limit = BATCH_BYTES
        self._failures = 0
        self._pause_until = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time to try again."""
        return self.blocked is None and time.monotonic() >= self._pause_until

    def deliver(self, wait: float = 30.0) -> bool:
        """Send what is there now; whether all of it arrived. Waits that long at most; never raises."""
        if self._at_work == threading.get_ident() or sys.is_finalizing():
            return False
        if not self._lock.acquire(timeout=max(wait, 0)):
            return False
        try:
            self._at_work = threading.get_ident()
            self._send_all()
        except Exception as error:  # noqa: BLE001 - a shipper outlives every error of a history
            self._failed(error)
            return False
        finally:
            self._at_work = 0
            self._lock.release()
        self._failures = 0
        self.blocked = None
        return True

    def _send_all(self) -> None:
        """Send what there is; then delete the segments that were final before it was read."""
        if self.own is not None:
            # what others did to the files is mended while nothing is on its way
            self.own.sync()
        final = self._final()
        self._find_place()
        self._send_segments()
        self._send_memory()
        # what has no beginning that can be read is kept when there are records in it
        files = [
            file
            for file in segment.segments(self._journal, self.id)
            if segment.number(file) < final and (segment.head(file) or segment.is_empty(file))
        ]
        if files and self._in_place() and self._service.persist():
            segment.remove(files)

    def _final(self) -> float:
        """The number of the first segment that may still grow."""
        if self.own is not None:
            return self.own.segment
        files = segment.segments(self._journal, self.id)
        head = next(filter(None, map(segment.head, reversed(files))), None)
        if head is None:
            return 0
        living = alive(head.process)
        if living is None and time.time() - files[-1].stat().st_mtime > FORGOTTEN_SECONDS:
            living = False
        return float("inf") if living is False else 0

    def _in_place(self) -> bool:
        """Whether all that was read has arrived: a Ctrl-C may come between reading and sending."""
        return self._reader.next <= self._arrived + 1

    def _find_place(self) -> None:
        """A stranger's journal is read from where the history has it."""
        if not self._in_place():
            self._reader = Reader(self._journal, self.id, after=self._acknowledged())
        if self._reader.next:
            return
        for file in segment.segments(self._journal, self.id):
            head = segment.head(file)
            if head is not None:
                self._arrived = self._service.runs.acknowledged(head.run, writer=self.id)
                self._reader.seek(self._arrived + 1)
                return

    def _send_segments(self) -> None:
        done = False
        while not done:
            done = True
            for batch in self._reader.batches(self._limit):
                if not self._send(batch):
                    done = False
                    break

    def _send_memory(self) -> None:
        """Send what no disk would take, after everything that one has."""
        while self.own is not None and (batch := self.own.memory(self._limit)):
            if batch.first > self._reader.next:
                # what stood before it may have found a disk in the meantime
                self._send_segments()
            if batch.last < self._reader.next:
                self.own.acknowledge(self._reader.next - 1)
                continue
            if self._send(replace(batch, lost=max(batch.first - self._reader.next, 0))):
                self._reader.seek(batch.last + 1)

    def _send(self, batch: Batch) -> bool:
        """Send a batch; False when the place has changed and reading begins anew from there."""
        try:
            last = self._append(batch)
        except Conflict as conflict:
            return self._rewind(batch, conflict)
        except TooLarge:
            if batch.count == 1 or self._limit <= LEAST_BATCH:
                raise
            self._limit //= 2
            self._reader.seek(batch.first - batch.lost)
            return False
        self._arrived = last
        if last != batch.last:
            self._reader.seek(last + 1)
            return False
        return True

    def _append(self, batch: Batch) -> int:
        """Hand a batch over; its writer knows meanwhile that it is on its way."""
        if self.own is not None:
            self.own.sending(True)
        try:
            last = self._service.runs.append(
                batch.run, writer=batch.writer, first=batch.first, records=batch.records, lost=batch.lost
            )
            if self.own is not None:
                self.own.acknowledge(last)
            return last
        finally:
            if self.own is not None:
                self.own.sending(False)

    def _rewind(self, batch: Batch, conflict: Conflict) -> bool:
        expected = conflict.expected
        if not isinstance(expected, int) or expected == batch.first - batch.lost:
            raise conflict
        self._arrived = expected - 1
        self._reader.seek(expected)
        return False

    def _failed(self, error: Exception) -> None:
        """Begin again from where the history is; when, depends on the error."""
        self._reader = Reader(self._journal, self.id, after=self._acknowledged())
        status = getattr(error, "status", None)
        if isinstance(status, int) and 400 <= status < 500 and status not in RETRIED:
            self._block(error)
            return
        self._failures = min(self._failures + 1, 10)
        pause = min(2.0**self._failures / 2, LONGEST_PAUSE) * random.uniform(0.5, 1.0)
        self._pause_until = time.monotonic() + max(pause, getattr(error, "retry_after", None) or 0.0)
        if status is None and not isinstance(error, OSError) and self._failures == 1:
            text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            self._warn(
                f"The journal {self._journal / self.id} is not delivered yet, for an error of ours.\n{text}"
            )

    def _acknowledged(self) -> int | None:
        """The last record that the history is known to have; None where it has to be asked."""
        return self.own.acknowledged if self.own is not None else None

    def _block(self, error: Exception) -> None:
        first = self.blocked is None
        self.blocked = error
        if first and not isinstance(error, Gone):
            self._warn(
                f"The history refuses what a run logged ({error}). The journal {self._journal / self.id} is "
                f"kept; `runstone doctor` says more."
            )

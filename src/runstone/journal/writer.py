"""One process's handle on one run: what is logged becomes a frame in a segment, and the caller goes on."""

from __future__ import annotations

import logging
import os
import struct
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

from runstone.journal import entries
from runstone.journal.clock import DayClock
from runstone.journal.entries import NUMBERS, Entry, Packing
from runstone.journal.frames import CRC, seal
from runstone.journal.origin import is_ours
from runstone.journal.reader import BATCH_BYTES, Batch
from runstone.journal.sink import Limits, Sink
from runstone.journal.values import Value
from runstone.model.errors import RunstoneError

COUNTERS = ("refused", "coerced", "dropped", "thinned", "lost", "none", "clock_jumps")
# Calls that came in the middle of another of the same thread, and kinds of warnings: no more are kept.
MAX_LATER = 10_000
MAX_SAID = 1_000

# What the usual case stumbles over when a value, a name or a dict is not of the usual kind.
_MISFIT = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, struct.error)
_now = time.time_ns
_write = os.write
_living: weakref.WeakSet[Writer] = weakref.WeakSet()


class Writer:
    """Keeps what a process logs to a run, in order: a call has returned when its frame is the kernel's.

    It raises for an argument of a wrong kind (``Invalid``) and for nothing else, unless ``strict``. Safe for
    threads, signal handlers, ``__del__`` and forks: a forked child is a writer of its own.
    """

    _busy: bool
    _fast: dict[tuple[Any, ...], tuple[int, int, Callable[..., bytes]]]
    _acquire: Callable[[], object]
    _release: Callable[[], object]

    def __init__(
        self,
        journal: Path,
        run: str,
        *,
        limits: Limits | None = None,
        warn: Callable[[str], object] | None = None,
        strict: bool = False,
        wake: Callable[[Writer], object] | None = None,
    ) -> None:
        """``journal``: the directory of a history's journals; nothing is made in it before the first call.

        ``wake`` is called when a segment begins: the first time, and when much is waiting.
        """
        self.journal = Path(journal)
        self.run = run
        self.limits = limits or Limits()
        self.strict = strict
        self._warn = logging.getLogger("runstone").warning if warn is None else warn
        self._wake = wake
        self._begin()
        _living.add(self)

    @property
    def id(self) -> str:
        """The writer's id: another one in a forked child."""
        return self._sink.id

    @property
    def written(self) -> int:
        """The number of the last record."""
        return self._sink.written

    @property
    def acknowledged(self) -> int:
        """The number of the last record that the history is known to have."""
        return self._sink.acknowledged

    @property
    def settled(self) -> bool:
        """Whether the history has everything, what was counted included."""
        return self.acknowledged >= self.written and self.counters == self._told

    @property
    def on_disk(self) -> bool:
        """Whether a segment is open to be written."""
        return self._sink.on_disk

    @property
    def segment(self) -> int:
        """The number of the segment that is being written; those below get nothing more."""
        return self._sink.current

    @property
    def counters(self) -> dict[str, int]:
        """How many values were refused, coerced, dropped, thinned, lost, None; how often the clock jumped."""
        dropped = self._counts["dropped"] + self._sink.memory.dropped
        return {**self._counts, "dropped": dropped, "lost": self._sink.lost}

    def log(self, name: str, value: Any, *, step: float | None = None) -> None:
        """One value of one metric: a number, a text, or a dict of them, whose names are joined by ``/``."""
        body = b""
        try:
            self._acquire()
            busy, self._busy = self._busy, True
            known = None if busy else self._fast.get((name, value.__class__, step.__class__))
            if known is not None:
                length, id, pack = known
                now = _now()
                body = pack(length, id, now, value) if step is None else pack(length, id, now, step, value)
                sink = self._sink
                done = _write(sink.fd, body + crc32(body).to_bytes(4, "little"))
                sink.written += 1
                sink.size += done
                if done != length or sink.size >= sink.full:
                    sink.turn(body, done)
            self._busy = busy
        except BaseException as error:  # noqa: BLE001 - logging outlives whatever the environment does
            self._unusual(error, body)
        else:
            self._release()
        if not body:
            self._commit(entries.of_value(name, value, step=step))
        elif self._later:
            self._settle()

    def log_metrics(self, metrics: Mapping[str, Any], *, step: float | None = None) -> None:
        """Several metrics at once, as one frame."""
        body = b""
        try:
            self._acquire()
            busy, self._busy = self._busy, True
            values = metrics.values()
            known = None if busy else self._fast.get((*metrics, *map(type, values), step.__class__))
            if known is not None:
                length, id, pack = known
                now = _now()
                body = (
                    pack(length, id, now, *values) if step is None else pack(length, id, now, step, *values)
                )
                sink = self._sink
                done = _write(sink.fd, body + crc32(body).to_bytes(4, "little"))
                sink.written += 1
                sink.size += done
                if done != length or sink.size >= sink.full:
                    sink.turn(body, done)
            self._busy = busy
        except BaseException as error:  # noqa: BLE001 - logging outlives whatever the environment does
            self._unusual(error, body)
        else:
            self._release()
        if not body:
            self._commit(entries.of_metrics(metrics, step))
        elif self._later:
            self._settle()

    def record(self, body: Mapping[str, Any]) -> None:
        """A record of another kind: a list, a row, a table, an artifact, a description, an operation."""
        self._commit(entries.of_record(body))

    def sync(self) -> None:
        """Make what was logged survive a power cut; notice what others did to the files; try a full disk."""
        self._maintain(leave=False)

    def close(self) -> None:
        """Sync and leave the files. Another call of ``log`` is still taken, and begins a new one."""
        self._maintain(leave=True)

    def acknowledge(self, number: int) -> None:
        """The history has all records up to ``number``; what memory held of them is let go."""
        with self._lock:
            if not self._busy:
                self._sink.acknowledge(number)

    def sending(self, going: bool) -> None:
        """Records are on their way to the history, or have arrived, or have not."""
        with self._lock:
            self._sink.sending = going

    def memory(self, limit: int = BATCH_BYTES) -> Batch | None:
        """The next of what no disk would take, to be delivered from memory; it stands behind all segments."""
        with self._lock:
            return None if self._busy else self._sink.batch(limit)

    def _begin(self) -> None:
        """Be a new writer: at first, and in a forked child, which leaves the files of its parent alone."""
        self._lock = threading.RLock()
        self._busy = False
        # calls that came in the middle of another, and warnings to be given when the lock is free
        self._later: deque[Entry | str | Callable[[Writer], object]] = deque()
        self._said: set[str] = set()
        self._counts = dict.fromkeys(COUNTERS, 0)
        self._told = dict(self._counts)
        self._clock = DayClock()
        self._sink = Sink(self.journal, self.run, limits=self.limits, note=self._note, begun=self._begun)
        self._packing = Packing(
            self._sink.definitions, names=self.limits.names, wide_shapes=self.limits.wide_shapes
        )
        self._fast = self._sink.fast
        self._acquire = self._lock.acquire
        self._release = self._lock.release

    def _commit(self, entry: Entry) -> None:
        if self._enter(entry):
            self._settle()

    def _enter(self, entry: Entry) -> bool:
        """Write an entry, or put it off when this is in the middle of another; whether it is written."""
        with self._lock:
            if self._busy:
                self._put_off(entry)
                return False
            self._busy = True
            try:
                self._write(entry)
            except Exception as error:  # noqa: BLE001 - logging outlives whatever the environment does
                self._survive(error)
            finally:
                self._busy = False
        return True

    def _put_off(self, entry: Entry) -> None:
        if len(self._later) < MAX_LATER:
            self._later.append(entry)
        else:
            self._counts["dropped"] += 1

    def _settle(self) -> None:
        """Write what came in between, and warn, now that the lock is free."""
        while self._later:
            try:
                waiting = self._later.popleft()
            except IndexError:
                return  # another thread was quicker
            if isinstance(waiting, Entry):
                self._enter(waiting)
            elif isinstance(waiting, str) and self.strict:
                raise RunstoneError(waiting)
            elif isinstance(waiting, str):
                with suppress(Exception):
                    self._warn(waiting)
            else:
                waiting(self)

    def _write(self, entry: Entry) -> None:
        for name, why in entry.refused:
            self._refuse(name, why)
        values = [value for value in entry.values if self._takes(value)]
        numbers = [value for value in values if value.kind in NUMBERS]
        kept = [
            shape for shape, frame in self._packing.points(entry, numbers) if self._place(shape.id, frame)
        ]
        for value in values:
            if value.kind in ("text", "large"):
                self._place(value.name, entries.text_record(entry, value))
        for frame in entry.records:
            self._sink.append(frame)
        if entry.key and len(kept) == 1 and self._sink.every == 1 and self._sink.is_defined(kept[0].id):
            self._fast[entry.key] = (kept[0].length, kept[0].id, entries.packer(kept[0]))

    def _place(self, what: int | str, frame: bytes) -> bool:
        if not self._sink.kept(what):
            self._counts["thinned"] += 1
            return False
        return self._sink.append(frame)

    def _takes(self, value: Value) -> bool:
        if value.kind == "none":
            self._counts["none"] += 1
            return False
        if not self._packing.admit(value.name):
            self._refuse(
                "", f"more than {self.limits.names:,} different metrics in a run (metric {value.name!r})"
            )
            return False
        self._counts["coerced"] += value.coerced
        return True

    def _refuse(self, name: str, why: str) -> None:
        self._counts["refused"] += 1
        self._note(f"refused {name}", f"Not logged: {why}.")

    def _maintain(self, *, leave: bool) -> None:
        descriptors: list[int] = []
        with self._lock:
            if self._busy:
                return
            self._busy = True
            try:
                descriptors = self._tidy(leave)
            except Exception as error:  # noqa: BLE001 - logging outlives whatever the environment does
                self._survive(error, strict=False)
            finally:
                self._busy = False
        # without the lock: a slow disk must not slow the caller of `log`
        for descriptor in descriptors:
            self._flush(descriptor)
        if not self.strict:
            # else the next call of `log` raises what there is to say, where something can be done about it
            self._settle()

    def _tidy(self, leave: bool) -> list[int]:
        sink = self._sink
        sink.audit()
        self._counts["clock_jumps"] += self._clock.jumped()
        counters = self.counters
        # what is lost the history learns from the numbers that it misses
        changed = {name: n - self._told[name] for name, n in counters.items() if name != "lost"}
        changed = {name: n for name, n in changed.items() if n}
        if changed and sink.append(entries.of_record({"kind": "count", **changed}).records[0]):
            self._told = counters
        else:
            # a count that finds no room is nothing that somebody logged
            sink.memory.dropped = counters["dropped"] - self._counts["dropped"]
        if sink.memory:
            sink.reopen()
        if sink.every > 1:
            sink.thin()
        if leave:
            sink.retire()
        return sink.unsynced()

    def _flush(self, descriptor: int) -> None:
        try:
            getattr(os, "fdatasync", os.fsync)(descriptor)
        except OSError as error:
            self._note("sync", f"The journal {self.journal} could not be synced ({error}).")
        finally:
            os.close(descriptor)

    def _begun(self) -> None:
        if self._wake is not None:
            self._later.append(self._wake)

    def _note(self, kind: str, text: str) -> None:
        """Warn once of each kind, when the lock is free."""
        if kind not in self._said and len(self._said) < MAX_SAID:
            self._said.add(kind)
            self._later.append(text)

    def _unusual(self, error: BaseException, body: bytes) -> None:
        """What stopped ``log`` on its way: mend it, or pass it on; with no ``body`` the long way is next.

        The lock is taken inside the ``try``, as ``with`` would cost twice as much; so an exception from a
        signal handler may come before it is held.
        """
        if not self._lock._is_owned():  # type: ignore[attr-defined]
            raise error
        try:
            self._mend(error, body)
        finally:
            self._busy = False
            self._release()

    def _mend(self, error: BaseException, body: bytes) -> None:
        if isinstance(error, _MISFIT) and not body:
            return
        if isinstance(error, OSError) and error.errno is not None and body:
            try:
                self._sink.rescue(seal(body), error)
            except Exception as worse:  # noqa: BLE001 - logging outlives whatever the environment does
                self._survive(worse)
            return
        if body:
            self._sink.reckon(len(body) + CRC.size)
        if not isinstance(error, Exception):
            raise error
        self._survive(error)

    def _survive(self, error: Exception, *, strict: bool | None = None) -> None:
        """Raise what is somebody else's, and tell of the rest."""
        if (self.strict if strict is None else strict) or not is_ours(error):
            raise error
        self._counts["dropped"] += 1
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self._note(f"failed {type(error).__name__}", f"A value was not logged.\n{text}")


def _in_forked_child() -> None:
    for writer in list(_living):
        writer._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)

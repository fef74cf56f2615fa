"""Takes journals to the history: what this process writes in the background, what others left on demand."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runstone.journal import segment
from runstone.journal.delivery import Delivery, Service
from runstone.journal.identity import alive
from runstone.journal.sink import Limits
from runstone.journal.writer import Writer
from runstone.model import patience
from runstone.model.runs import Process

SECONDS = 1.0
EXIT_SECONDS = 10.0
# How long one waits for another thread that is delivering the same journal.
TURN_SECONDS = 30.0
# With more writers than that, those that are quiet leave their files: a process may have about 1,000 open.
MANY = 64

_living: weakref.WeakSet[Shipper] = weakref.WeakSet()


@dataclass(frozen=True)
class Left:
    """A journal that is there: of which run and process, how long; ``alive`` is None if nobody knows."""

    run: str
    writer: str
    process: Process
    alive: bool | None
    bytes: int


class Shipper:
    """The journals of one history, seen from one process. Safe for threads, and usable in a forked child."""

    def __init__(
        self,
        service: Service,
        journal: Path,
        *,
        warn: Callable[[str], object] | None = None,
        strict: bool = False,
        limits: Limits | None = None,
    ) -> None:
        """``warn``, ``strict`` and ``limits`` are those of the writers."""
        self._thread: threading.Thread | None = None
        self.journal = Path(journal)
        self._service = service
        self._warn = logging.getLogger("runstone").warning if warn is None else warn
        self._strict = strict
        self._limits = limits
        # Looked up once, by this thread: `tempfile` holds a lock meanwhile, which a child that is forked then
        # would inherit as held for ever.
        segment.fallback(self.journal)
        self._begin()
        _living.add(self)

    def writer(self, run: str) -> Writer:
        """The writer of a run in this process, delivered in the background from its first record on."""
        with self._lock:
            # a script that says `run.parent.log()` in its loop has a new handle each time
            known = self._writers.get(run)
            if known is None:
                known = self._writers[run] = Writer(
                    self.journal,
                    run,
                    limits=self._limits,
                    warn=self._warn,
                    strict=self._strict,
                    wake=self._woken,
                )
            return known

    def known(self, run: str) -> Writer | None:
        """The writer of a run, when this process has one."""
        return self._writers.get(run)

    def drain(self, writer: Writer, *, timeout: float | None = None) -> bool:
        """Deliver what a writer has logged; whether all of it arrived.

        While the history is away it is tried again until the time is up; without one it is tried once.
        """
        writer.sync()
        return self._deliver(self._of(writer), timeout)

    def finish(self, writer: Writer, *, timeout: float | None = EXIT_SECONDS) -> bool:
        """Close a writer and deliver what it has logged; its files go when all of it arrived."""
        writer.close()
        delivery = self._of(writer)
        done = self._deliver(delivery, timeout)
        if done and writer.acknowledged < writer.written:
            # somebody has deleted files; the history learns it from a record with a number behind theirs
            writer.record({"kind": "count"})
            writer.close()
            done = self._deliver(delivery, timeout)
        if done:
            with self._lock:
                if not writer.on_disk:
                    self._forget(delivery)
        return done

    def drain_all(self) -> bool:
        """Deliver what any process has left here, once; whether all of it arrived."""
        for id in segment.writers(self.journal):
            self._track(id)
        with self._lock:
            deliveries = list(self._deliveries.values())
        done = True
        for delivery in deliveries:
            if delivery.own is not None and delivery.own.settled:
                continue
            done = delivery.deliver(TURN_SECONDS) and done
            if delivery.own is None and not segment.segments(self.journal, delivery.id):
                self._forget(delivery)
        return done

    def left(self) -> Iterator[Left]:
        """The journals that are not delivered to their end, or that belong to a process that still writes."""
        for id in segment.writers(self.journal):
            files = segment.segments(self.journal, id)
            head = next(filter(None, map(segment.head, files)), None)
            if head is not None:
                size = sum(segment.size(file) for file in files)
                yield Left(head.run, id, head.process, alive(head.process), size)

    def blocked(self, writer: Writer) -> Exception | None:
        """The error for which the history refused what a writer logged."""
        return self._of(writer).blocked

    def close(self, *, timeout: float = EXIT_SECONDS) -> bool:
        """Deliver what this process has logged, stop the background thread; whether all of it arrived."""
        deadline = time.monotonic() + timeout
        done = True
        for delivery in self._owned():
            assert delivery.own is not None
            done = self.finish(delivery.own, timeout=max(deadline - time.monotonic(), 0.0)) and done
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            self._wakes.put(None)
            thread.join(max(deadline - time.monotonic(), 0.1))
        return done

    def _begin(self) -> None:
        # `log` in a signal handler may come while the same thread is in here
        self._lock = threading.RLock()
        # unlike an Event, its `put` may interrupt itself: `log` in a signal handler wakes the thread too
        self._wakes: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._deliveries: dict[str, Delivery] = {}
        self._writers: weakref.WeakValueDictionary[str, Writer] = weakref.WeakValueDictionary()
        # what each writer had written when it was last looked after
        self._seen: dict[str, int] = {}
        self._thread = None

    def _deliver(self, delivery: Delivery, timeout: float | None) -> bool:
        deadline = time.monotonic() + patience.left(timeout or 0.0)
        pause = 0.05
        while True:
            left = deadline - time.monotonic()
            with patience.within(TURN_SECONDS if timeout is None else left):
                if delivery.deliver(patience.left(TURN_SECONDS)):
                    return True
            if delivery.blocked is not None or left <= pause or sys.is_finalizing():
                return False
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    def _woken(self, writer: Writer) -> None:
        """A writer has begun a segment."""
        self._wakes.put(self._of(writer))
        if self._thread is None and not sys.is_finalizing():
            # at the end of an interpreter no thread can be started, or starting one would wait for ever; what
            # is logged then is for the next Runstone
            with suppress(RuntimeError):
                self._thread = threading.Thread(target=self._work, name="runstone-shipper", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        wakes = self._wakes
        again = 0.0
        while True:
            if time.monotonic() >= again:
                self._tend_all()
                again = time.monotonic() + SECONDS
            with suppress(queue.Empty):
                woken = wakes.get(timeout=max(again - time.monotonic(), 0.0))
                if woken is None:
                    return
                # the others have their turn, however many writers begin
                _tend(woken)

    def _tend_all(self) -> None:
        owned = self._owned()
        for delivery in owned:
            _tend(delivery)
        seen, self._seen = self._seen, {}
        for delivery in owned:
            assert delivery.own is not None
            self._seen[delivery.id] = delivery.own.written
            quiet = seen.get(delivery.id) == delivery.own.written and delivery.own.settled
            if quiet and len(owned) > MANY:
                self.finish(delivery.own, timeout=0.0)

    def _owned(self) -> list[Delivery]:
        with self._lock:
            return [delivery for delivery in self._deliveries.values() if delivery.own is not None]

    def _of(self, writer: Writer) -> Delivery:
        return self._track(writer.id, writer)

    def _track(self, id: str, writer: Writer | None = None) -> Delivery:
        with self._lock:
            delivery = self._deliveries.get(id)
            if delivery is None or (writer is not None and delivery.own is None):
                delivery = Delivery(self._service, self.journal, writer=writer or id, warn=self._warn)
                self._deliveries[id] = delivery
            return delivery

    def _forget(self, delivery: Delivery) -> None:
        with self._lock:
            if self._deliveries.get(delivery.id) is delivery:
                del self._deliveries[delivery.id]


def _tend(delivery: Delivery) -> None:
    assert delivery.own is not None
    delivery.own.sync()
    if delivery.due and delivery.own.acknowledged < delivery.own.written:
        # waiting longer for the history would keep what is logged meanwhile off the disk
        with patience.within(SECONDS):
            delivery.deliver(SECONDS)


def _at_exit() -> None:
    deadline = time.monotonic() + patience.left(EXIT_SECONDS)
    for shipper in list(_living):
        shipper.close(timeout=max(deadline - time.monotonic(), 0.0))


def _in_forked_child() -> None:
    for shipper in list(_living):
        shipper._begin()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)

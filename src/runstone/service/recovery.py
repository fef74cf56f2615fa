"""Putting a history in order before it is read: what journals hold is taken in, and the dead are told from
the living."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runstone.journal.identity import alive
from runstone.model.errors import Busy, Full, Invalid, RunstoneError
from runstone.model.runs import Process, Status
from runstone.store import active_jobs, artifacts, ingest, runs
from runstone.store.database import Database

if TYPE_CHECKING:
    from runstone.journal.shipper import Shipper
    from runstone.store.blobs import Blobs

# Looking after the dead may take a twentieth of a reader's time: with many runs it is done less often.
LOOK_SHARE = 20
SILENT_SECONDS = 30.0
LOST_SECONDS = 300.0
AGENT_SECONDS = 3.0
# Runs, or batches, from which on another process seals them: a reader may seal fewer by the way.
MANY = 200

log = logging.getLogger(__name__)


class Recovery:
    """What is done before a read, and after a run's end. Any process may do it, at any time, twice."""

    def __init__(
        self,
        database: Database,
        *,
        shipper: Shipper,
        blobs: Blobs,
        root: Path,
        environ: Mapping[str, str],
    ) -> None:
        self._database = database
        self._shipper = shipper
        self._blobs = blobs
        self._root = root
        self._environ = environ
        self._look_again = 0.0
        self._agent_again = 0.0

    def settle(self, ref: str | None = None) -> None:
        """Take in every record that a ``log()`` has written, and end the runs whose processes have died: the
        referenced one in any case, the others unless they were looked after a moment ago."""
        self._shipper.drain_all()
        begun = time.monotonic()
        if begun < self._look_again:
            if ref is not None:
                self._end_lost(ref)
            return
        self._end_lost()
        ended = time.monotonic()
        self._look_again = ended + LOOK_SHARE * (ended - begun)

    def refresh(self) -> None:
        """Settle, and bring up to date what searches look at: the last, least and greatest values of each
        metric. A history that is full or busy is searched as it is."""
        self.settle()
        with self._database.read() as tx:
            if not ingest.waiting(tx, most=1):
                return
        # numpy, which a process that only logs does not need
        from runstone.store import sealing

        try:
            sealing.seal_waiting(self._database)
        except (Busy, Full, Invalid) as error:
            log.warning("What was logged of late may not be found by its values yet: %s", error)

    def after_end(self) -> None:
        """Have another process seal, when a run has ended and much is waiting; at most one does so at a
        time."""
        with self._database.read() as tx:
            if ingest.waiting(tx, most=MANY) < MANY:
                return
        # what starts processes, which most runs never do
        from runstone.service.agents import start_housekeeping

        start_housekeeping(self._root)

    def _end_lost(self, only: str | None = None) -> None:
        for ref, status, reason in lost(self._database, only):
            self._declare(ref, status, reason)
        with self._database.read() as tx:
            waiting = active_jobs.there(tx)
        if waiting and time.monotonic() >= self._agent_again:
            # an agent that was killed leaves jobs that nobody looks after; one that begins takes a moment
            self._agent_again = time.monotonic() + AGENT_SECONDS
            # what starts processes, which most readers never do
            from runstone.service.agents import start_agent

            start_agent(self._root, self._environ)

    def _declare(self, ref: str, status: Status, why: str) -> None:
        error = None
        if status is Status.FAILED:
            error = {"code": "ProcessLost", "message": why, "reason": "infrastructure"}
        now = time.time_ns() // 1000
        try:
            if status is Status.FAILED:
                self._keep_spooled(ref, now)
            with self._database.write() as tx:
                run = runs.find(tx, ref)["n"]
                runs.move(tx, run, status, now=now, error=error)
                if status is Status.FAILED:
                    runs.end_when_last_heard(tx, run)
        except (RunstoneError, OSError):
            # it ended by itself between the look and the word, or somebody else was quicker
            return

    def _keep_spooled(self, ref: str, now: int) -> None:
        """What the dead process had printed so far becomes files of the run."""
        folder = spool_of(self._root, ref)
        for path in sorted(folder.rglob("*.txt")):
            with open(path, "rb") as stream:
                blob = self._blobs.put(stream)
            with self._database.write() as tx:
                name = path.relative_to(folder).as_posix()
                artifacts.add(tx, runs.find(tx, ref)["n"], name, blob=blob, now=now)
            path.unlink(missing_ok=True)


def lost(database: Database, only: str | None = None) -> Iterator[tuple[str, Status, str]]:
    """The runs (or ``only`` the referenced one) whose process is gone or silent: the reference, the status
    that is true, and why."""
    with database.read() as tx:
        unfinished = runs.unfinished(tx, only)
    now = time.time_ns() // 1000
    for ref, status, process, beat in unfinished:
        verdict = _verdict(process, (now - beat) / 1e6)
        if verdict is not None and verdict[0] is not status:
            yield (ref, *verdict)


def spool_of(root: Path, ref: str) -> Path:
    """Where a run's files are kept while they grow; the reference is data and never a path."""
    return root / "spool" / hashlib.sha256(ref.encode()).hexdigest()[:32]


def _verdict(process: Process, silence: float) -> tuple[Status, str] | None:
    living = alive(process)
    if living is True:
        return None
    who = f"The process {process.pid} on {process.host}"
    if living is False:
        return (
            Status.FAILED,
            f"{who} ended without a word: it was killed, it crashed, or the machine was restarted.",
        )
    if silence > LOST_SECONDS:
        return Status.FAILED, f"{who} has not been heard of for {silence:.0f} s."
    if silence > SILENT_SECONDS:
        return Status.NOT_RESPONDING, f"{who} has not been heard of for {silence:.0f} s."
    return None

"""What runs print: read while it grows, and afterwards, from the same places in the same text."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from runstone.model.artifacts import LogPart
from runstone.model.errors import NotFound
from runstone.service.artifacts import Artifacts
from runstone.service.operation import operation
from runstone.service.recovery import spool_of
from runstone.store import runs
from runstone.store.database import Database

FOLDERS = ("logs/", "user_logs/", "system_logs/", "azureml-logs/")
PART = 1 << 20


class Logs:
    """The logs of a history's runs: files that grow in the spool, and become artifacts at the run's end."""

    def __init__(
        self, database: Database, *, artifacts: Artifacts, settle: Callable[[], None], root: Path
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._settle = settle
        self._root = root

    @operation("GET /runs/{run}/logs")
    def names(self, run: str) -> tuple[str, ...]:
        """The names of the run's logs, those that still grow among them, sorted."""
        kept = {one.name for one in self._artifacts.list(run) if one.name.startswith(FOLDERS)}
        return tuple(sorted(kept | self._growing(run)))

    @operation("GET /runs/{run}/log/part")
    def part(self, run: str, name: str, *, offset: int = 0, most: int = PART) -> LogPart:
        """At most ``most`` bytes of a log from a byte on; a negative ``offset`` counts from its end, at the
        same price. To follow it, ask again from ``offset + len(data)`` until it ``grows`` no more.

        NotFound when the run has no such log.
        """
        with self._database.read() as tx:
            runs.find(tx, run)
        # asked before its size: what ends in between is read to its end by who asks again
        grows = name in self._growing(run)
        if grows:
            with suppress(FileNotFoundError), open(spool_of(self._root, run) / name, "rb") as growing:
                size = growing.seek(0, os.SEEK_END)
                begin = growing.seek(_from_start(offset, size))
                return LogPart(begin, growing.read(most), size, grows)
        try:
            size = self._artifacts.get(run, name).size
        except NotFound:
            if grows:
                # it has ended meanwhile, and held nothing that would have been kept
                return LogPart(0, b"", 0, False)
            raise
        begin = _from_start(offset, size)
        if begin >= size:
            return LogPart(begin, b"", size, False)
        with self._artifacts.open(run, name, offset=begin) as kept:
            return LogPart(begin, kept.read(most), size, False)

    def read(self, run: str, name: str, *, offset: int = 0, most: int = PART) -> bytes:
        """The bytes of ``part``, as a stream has them (GET /runs/{run}/log, with a range)."""
        return self.part(run, name, offset=offset, most=most).data

    def _growing(self, run: str) -> set[str]:
        folder = spool_of(self._root, run)
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*.txt")}


def _from_start(offset: int, size: int) -> int:
    return max(0, size + offset) if offset < 0 else offset

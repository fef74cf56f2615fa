"""Operations that remove for good what was deleted long ago."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from runstone.journal import segment
from runstone.journal.identity import alive
from runstone.model.errors import Gone, NotFound
from runstone.model.garbage import Garbage
from runstone.service import surroundings
from runstone.service.artifacts import Artifacts
from runstone.service.operation import operation
from runstone.service.recovery import spool_of
from runstone.store import purging, runs
from runstone.store.database import Database

GRACE = 30 * 24 * 3600.0
# So many runs go in one transaction: others get their turn between them.
BATCH = 50


class Purging:
    """What a history could do without: counted first, and removed when somebody says so."""

    def __init__(self, database: Database, *, artifacts: Artifacts, root: Path) -> None:
        self._database = database
        self._artifacts = artifacts
        self._root = root

    @operation("GET /garbage")
    def report(self, *, older_than: float = GRACE) -> Garbage:
        """What ``purge`` would remove: runs that were deleted over ``older_than`` seconds ago.

        A run that is locked stays, and so does one that has a run below it that stays.
        """
        before = _before(older_than)
        with self._database.read() as tx:
            doomed = purging.doomed(tx, before)
            files, size = purging.files(tx, doomed)
        return Garbage(len(doomed), files, size, sum(1 for _ in self._journals(before)))

    @operation("POST /garbage/purge")
    def purge(self, *, older_than: float = GRACE) -> Garbage:
        """Remove them, their journals, and the contents that nobody refers to any more; what went.

        Stopped in the middle it has removed whole runs, and the next call goes on.
        """
        before = _before(older_than)
        with self._database.read() as tx:
            doomed = purging.doomed(tx, before)
        left = [*self._journals(before)]
        for journal in left:
            segment.remove(journal)
        gone = count = size = 0
        for at in range(0, len(doomed), BATCH):
            batch = doomed[at : at + BATCH]
            with self._database.write() as tx:
                files, octets = purging.files(tx, batch)
                removed = purging.purge(tx, batch, before=before)
            gone, count, size = gone + len(removed), count + files, size + octets
            self._clear(removed)
        contents = self._artifacts.sweep(older_than=min(older_than, GRACE))
        return Garbage(gone, count, size, len(left), contents)

    def _clear(self, removed: list[str]) -> None:
        for ref in removed:
            surroundings.remove(self._root, ref)
            shutil.rmtree(spool_of(self._root, ref), ignore_errors=True)

    def _journals(self, before: int) -> Iterator[list[Path]]:
        """The files of each journal whose run is gone, or about to go, and whose process is."""
        for writer in segment.writers(self._root / "journal"):
            files = segment.segments(self._root / "journal", writer)
            heads = [head for head in map(segment.head, files) if head is not None]
            dead = heads and not any(alive(head.process) for head in heads)
            if dead and self._useless(heads[0].run, before):
                yield files

    def _useless(self, ref: str, before: int) -> bool:
        try:
            with self._database.read() as tx:
                row = runs.find(tx, ref, deleted=True)
        except (NotFound, Gone):
            return True
        return row["deleted"] is not None and row["deleted"] < before and row["locked"] is None


def _before(older_than: float) -> int:
    return time.time_ns() // 1000 - int(older_than * 1e6)

"""Operations on snapshots: source directories as they were when a run was submitted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import BinaryIO

from runstone.model.artifacts import Blob
from runstone.model.errors import Conflict
from runstone.model.jobs import Snapshot, SnapshotFile
from runstone.model.names import relative_name
from runstone.service.operation import operation
from runstone.store import runs, snapshots
from runstone.store.blobs import Blobs
from runstone.store.database import Database


class Snapshots:
    """The source directories of a history's runs, each content stored once."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def keep(self, content: BinaryIO) -> Blob:
        """Keep the content of one file (PUT /contents); one that is known is not written again."""
        return self._blobs.put(content)

    @operation("POST /snapshots")
    def create(self, files: Sequence[SnapshotFile]) -> Snapshot:
        """Keep a directory whose contents were kept; equal directories are one snapshot. Names as of
        artifacts."""
        for file in files:
            relative_name(file.path)
        with self._database.write() as tx:
            return snapshots.add(tx, files, now=time.time_ns() // 1000)

    @operation("GET /snapshots/{id}")
    def get(self, id: str) -> Snapshot:
        """The snapshot of that id; NotFound when there is none."""
        with self._database.read() as tx:
            return snapshots.find(tx, id)

    @operation("GET /runs/{run}/snapshot")
    def of_run(self, run: str) -> str | None:
        """The id of a run's snapshot; None when it has none."""
        with self._database.read() as tx:
            return snapshots.of_run(tx, runs.find(tx, run)["n"])

    @operation("PUT /runs/{run}/snapshot")
    def give(self, run: str, id: str) -> None:
        """Make a snapshot the run's; Conflict when it has another one already."""
        with self._database.write() as tx:
            n = runs.find(tx, run)["n"]
            snapshots.find(tx, id)
            if snapshots.of_run(tx, n) not in (None, id):
                raise Conflict(
                    "The run has a snapshot already; a run keeps the code that it was started with."
                )
            snapshots.give(tx, n, id)

    def open(self, sha256: str) -> BinaryIO:
        """The content of one file (GET /contents/{sha256}), verified while it is read."""
        return self._blobs.open(sha256)

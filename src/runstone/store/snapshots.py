"""Source directories in the database: a manifest each, and the contents that it needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple

from runstone.model.errors import NotFound
from runstone.model.jobs import Snapshot, SnapshotFile
from runstone.store.database import Transaction

ADD_BLOB = """
INSERT INTO blobs (sha256, size, created)
VALUES (:sha256, :size, :now)
ON CONFLICT (sha256) DO NOTHING"""

ADD = """
INSERT INTO snapshots (id, manifest, files, size, created)
VALUES (:id, :manifest, :files, :size, :now)
ON CONFLICT (id) DO NOTHING"""

REFER = """
INSERT INTO snapshot_blobs (snapshot, sha256)
VALUES (:snapshot, :sha256)
ON CONFLICT (snapshot, sha256) DO NOTHING"""

FIND = "SELECT manifest FROM snapshots WHERE id = :id"

OF_RUN = "SELECT snapshot FROM runs WHERE n = :run"

GIVE = "UPDATE runs SET snapshot = :snapshot WHERE n = :run"


def add(tx: Transaction, files: Sequence[SnapshotFile], *, now: int) -> Snapshot:
    """Keep a directory whose contents are in place already; an equal one is the same snapshot."""
    manifest = json.dumps([astuple(file) for file in sorted(files, key=lambda file: file.path)])
    snapshot = Snapshot(hashlib.sha256(manifest.encode()).hexdigest(), tuple(files))
    tx.many(ADD_BLOB, [{"sha256": file.sha256, "size": file.size, "now": now} for file in files])
    values = {"id": snapshot.id, "manifest": manifest, "files": len(files), "size": snapshot.size}
    tx.execute(ADD, {**values, "now": now})
    tx.many(REFER, [{"snapshot": snapshot.id, "sha256": file.sha256} for file in files])
    return snapshot


def find(tx: Transaction, id: str) -> Snapshot:
    """The snapshot of that id, or NotFound."""
    row = tx.one(FIND, {"id": id})
    if row is None:
        raise NotFound(f"There is no snapshot {id!r} in this history.")
    return Snapshot(id, tuple(SnapshotFile(*file) for file in json.loads(row["manifest"])))


def of_run(tx: Transaction, run: int) -> str | None:
    """The id of a run's snapshot, or None."""
    row = tx.one(OF_RUN, {"run": run})
    return row["snapshot"] if row else None


def give(tx: Transaction, run: int, snapshot: str) -> None:
    """Make a snapshot the run's."""
    tx.execute(GIVE, {"run": run, "snapshot": snapshot})

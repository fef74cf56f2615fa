"""Files of runs in the database: names, their versions, and the contents that they stand for."""

from __future__ import annotations

from collections.abc import Iterator

from runstone.model.artifacts import Artifact, Blob
from runstone.model.errors import Conflict
from runstone.store.database import Row, Transaction

# No unique key can stand for this: PostgreSQL indexes no text as long as a name may be.
LOCK_RUN = "SELECT id FROM runs WHERE n = :run {for_update}"

ADD_BLOB = """
INSERT INTO blobs (sha256, size, created)
VALUES (:sha256, :size, :now)
ON CONFLICT (sha256) DO NOTHING"""

NEWEST = """
SELECT COALESCE(MAX(version), 0) AS version, COUNT(CASE WHEN deleted IS NULL THEN 1 END) AS live
  FROM artifacts
 WHERE run = :run
   AND SUBSTR(name, 1, 250) = SUBSTR(:name, 1, 250)
   AND name = :name"""

ADD = """
INSERT INTO artifacts (run, name, version, sha256, size, created)
VALUES (:run, :name, :version, :sha256, :size, :now)"""

# A folder and what is in it; an empty prefix is the whole run.
UNDER = """
SELECT name, version, sha256, size, created
  FROM artifacts
 WHERE run = :run
   AND deleted IS NULL
   AND (name = :prefix OR SUBSTR(name, 1, :length) = :folder)
 ORDER BY version"""

VERSIONS = """
SELECT name, version, sha256, size, created
  FROM artifacts
 WHERE run = :run
   AND SUBSTR(name, 1, 250) = SUBSTR(:name, 1, 250)
   AND name = :name
   AND deleted IS NULL
 ORDER BY version"""

REMOVE = """
UPDATE artifacts SET deleted = :now
 WHERE run = :run
   AND SUBSTR(name, 1, 250) = SUBSTR(:name, 1, 250)
   AND name = :name
   AND deleted IS NULL
RETURNING version"""

PURGE = "DELETE FROM artifacts WHERE deleted < :before"

LOCK_BLOB = "SELECT sha256 FROM blobs WHERE sha256 = :sha256 {for_update}"

FORGET = """
DELETE FROM blobs
 WHERE sha256 = :sha256
   AND NOT EXISTS (SELECT 1 FROM artifacts WHERE artifacts.sha256 = :sha256)
   AND NOT EXISTS (SELECT 1 FROM snapshot_blobs WHERE snapshot_blobs.sha256 = :sha256)
   AND NOT EXISTS (SELECT 1 FROM asset_files WHERE asset_files.sha256 = :sha256)
RETURNING sha256"""

BLOBS = "SELECT sha256, size FROM blobs WHERE sha256 > :after ORDER BY sha256 LIMIT 1000"

WITH_CONTENT = """
SELECT a.name, a.version, a.sha256, a.size, a.created, r.id, w.name AS workspace
  FROM artifacts a
  JOIN runs r ON r.n = a.run
  JOIN workspaces w ON w.id = r.workspace
 WHERE a.sha256 = :sha256
   AND a.deleted IS NULL
 ORDER BY a.run, a.version"""


def add(tx: Transaction, run: int, name: str, *, blob: Blob, now: int, overwrite: bool = True) -> Artifact:
    """A new version of the name, whose content is in place already; Conflict as ``overwrite`` says."""
    owner = tx.one(LOCK_RUN, {"run": run})
    newest = tx.one(NEWEST, {"run": run, "name": name})
    assert owner
    assert newest
    if newest["live"] and not overwrite:
        raise taken(owner["id"], name)
    version = newest["version"] + 1
    tx.execute(ADD_BLOB, {"sha256": blob.sha256, "size": blob.size, "now": now})
    tx.execute(
        ADD,
        {
            "run": run,
            "name": name,
            "version": version,
            "sha256": blob.sha256,
            "size": blob.size,
            "now": now,
        },
    )
    return Artifact(name, version, blob.sha256, blob.size, now)


def taken(id: str, name: str) -> Conflict:
    """What is said to one who must not overwrite, in the original's words."""
    return Conflict(f"Resource Conflict: ArtifactId ExperimentRun/dcid.{id}/{name} already exists.")


def under(tx: Transaction, run: int, prefix: str = "") -> list[Artifact]:
    """The newest version of each name in a folder (or of that very name), by name."""
    folder = f"{prefix}/" if prefix else ""
    rows = tx.execute(UNDER, {"run": run, "prefix": prefix, "length": len(folder), "folder": folder})
    newest = {row["name"]: row for row in rows}
    return [_artifact(newest[name]) for name in sorted(newest)]


def find(tx: Transaction, run: int, name: str, *, version: int | None = None) -> Artifact | None:
    """The newest version of a name, or the one asked for; None when it is not there."""
    wanted = [found for found in versions(tx, run, name) if version in (None, found.version)]
    return wanted[-1] if wanted else None


def versions(tx: Transaction, run: int, name: str) -> list[Artifact]:
    """All versions of a name, oldest first."""
    return [_artifact(row) for row in tx.execute(VERSIONS, {"run": run, "name": name})]


def remove(tx: Transaction, run: int, name: str, *, now: int) -> bool:
    """Mark all versions of a name as deleted; whether there was one. Their numbers are not given again."""
    return bool(tx.execute(REMOVE, {"run": run, "name": name, "now": now}))


def purge(tx: Transaction, before: int) -> None:
    """Forget the versions that were deleted before that time."""
    tx.execute(PURGE, {"before": before})


def forget(tx: Transaction, sha256: str) -> bool:
    """Forget a content that no file, snapshot or model refers to; False when one does."""
    if tx.one(LOCK_BLOB, {"sha256": sha256}) is None:
        return True
    return bool(tx.execute(FORGET, {"sha256": sha256}))


def contents(tx: Transaction) -> Iterator[Blob]:
    """Every content that the history knows of."""
    after = ""
    while rows := tx.execute(BLOBS, {"after": after}):
        yield from (Blob(row["sha256"], row["size"]) for row in rows)
        after = rows[-1]["sha256"]


def with_content(tx: Transaction, sha256: str) -> list[tuple[str, str, Artifact]]:
    """The versions that stand for a content: workspace, run id, version."""
    return [
        (row["workspace"], row["id"], _artifact(row)) for row in tx.execute(WITH_CONTENT, {"sha256": sha256})
    ]


def _artifact(row: Row) -> Artifact:
    return Artifact(row["name"], row["version"], row["sha256"], row["size"], row["created"])

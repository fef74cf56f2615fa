"""Runs that go for good, with everything that is theirs."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from runstone.store.database import Row, Transaction
from runstone.store.runs import reference

# Every table that names a run; their rows go before it does.
TABLES = (
    "artifacts",
    "attributes",
    "events",
    "jobs",
    "lineage",
    "metric_batch",
    "metric_chunk",
    "metric_latest",
    "metric_row",
    "run_text",
    "writers",
)

DELETED = """
SELECT n, parent
  FROM runs
 WHERE deleted < :before
   AND locked IS NULL
 ORDER BY n DESC"""

# Parents that were deleted, and have a child that stays: it needs them to be found.
NEEDED = """
SELECT DISTINCT p.n, p.parent
  FROM runs p
  JOIN runs c ON c.parent = p.n
 WHERE p.deleted < :before
   AND (c.deleted IS NULL OR c.deleted >= :before OR c.locked IS NOT NULL)"""

STILL = """
SELECT r.n, r.id, r.parent, r.snapshot, w.name AS workspace
  FROM runs r
  JOIN workspaces w ON w.id = r.workspace
 WHERE r.n IN ({runs})
   AND r.deleted < :before
   AND r.locked IS NULL"""

LOCK = "SELECT n FROM runs WHERE n IN ({runs}) ORDER BY n {for_update}"

FILES = "SELECT COUNT(*) AS files, COALESCE(SUM(size), 0) AS bytes FROM artifacts WHERE run IN ({runs})"

DELETE_OF = "DELETE FROM {table} WHERE run IN ({runs})"

FEWER_CHILDREN = "UPDATE runs SET children = children - 1 WHERE n = :parent"

DELETE = "DELETE FROM runs WHERE n IN ({runs})"

FORGET_CONTENTS = """
DELETE FROM snapshot_blobs
 WHERE snapshot = :snapshot
   AND NOT EXISTS (SELECT 1 FROM runs WHERE snapshot = :snapshot)"""

FORGET_SNAPSHOT = """
DELETE FROM snapshots
 WHERE id = :snapshot
   AND NOT EXISTS (SELECT 1 FROM runs WHERE snapshot = :snapshot)"""


def doomed(tx: Transaction, before: int) -> list[int]:
    """The runs that were deleted before that time, children before their parents; not those that are locked,
    nor those that have a run below them that stays."""
    parents: dict[int, int | None] = {
        row["n"]: row["parent"] for row in tx.execute(DELETED, {"before": before})
    }
    pending: list[int | None] = [row["n"] for row in tx.execute(NEEDED, {"before": before})]
    while pending:
        kept = pending.pop()
        if kept in parents:
            pending.append(parents.pop(kept))
    return list(parents)


def files(tx: Transaction, runs: Collection[int]) -> tuple[int, int]:
    """How many files runs have, in every version, and how many bytes these are."""
    row = tx.one(_among(FILES, runs)) if runs else None
    return (int(row["files"]), int(row["bytes"])) if row else (0, 0)


def purge(tx: Transaction, runs: Collection[int], *, before: int) -> list[str]:
    """Remove those of the runs that are still to go, and what is theirs; their references."""
    tx.execute(_among(LOCK, runs))
    rows = tx.execute(_among(STILL, runs), {"before": before})
    if not rows:
        return []
    gone = [row["n"] for row in rows]
    for table in TABLES:
        tx.execute(_among(DELETE_OF.replace("{table}", table), gone))
    tx.many(FEWER_CHILDREN, [{"parent": row["parent"]} for row in rows if row["parent"] not in (None, *gone)])
    tx.execute(_among(DELETE, gone))
    _forget_snapshots(tx, rows)
    return [reference(row["workspace"], row["id"]) for row in rows]


def _forget_snapshots(tx: Transaction, rows: Iterable[Row]) -> None:
    taken = [{"snapshot": each} for each in sorted({row["snapshot"] for row in rows if row["snapshot"]})]
    tx.many(FORGET_CONTENTS, taken)
    tx.many(FORGET_SNAPSHOT, taken)


def _among(sql: str, runs: Iterable[int]) -> str:
    return sql.replace("{runs}", ", ".join(str(int(n)) for n in runs))

"""Histories between which runs travel, and everything that their tables hold of a workspace, comparably."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runstone.service.artifacts import Artifacts
from runstone.service.experiments import Experiments
from runstone.service.jobs import Jobs
from runstone.service.metrics import Metrics
from runstone.service.runs import Runs
from runstone.service.snapshots import Snapshots
from runstone.service.transfers import Transfers
from runstone.service.workspaces import Workspaces
from runstone.store.blobs import Directory
from runstone.store.database import Database, Row, Transaction, open_database

# Of each table what a run brings along: but for numbers that each history gives by itself.
TABLES = {
    "attributes": (),
    "run_text": (),
    "metric_latest": (),
    "metric_chunk": (),
    "metric_row": (),
    "metric_batch": ("id",),
    "artifacts": (),
    "events": ("n",),
    "jobs": ("beat",),
}
OWN = ("n", "refreshed")


class Place:
    """The operations on a history whose database is wherever its address says."""

    def __init__(self, at: str, root: Path) -> None:
        self.root = root
        self.database: Database = open_database(at)
        self.blobs = Directory(root / "blobs")
        self.workspaces = Workspaces(self.database)
        self.experiments = Experiments(self.database)
        self.runs = Runs(self.database, settle=_settled, refresh=_settled)
        self.metrics = Metrics(self.database, _settled)
        self.jobs = Jobs(self.database, settle=_settled, root=root)
        self.snapshots = Snapshots(self.database, self.blobs)
        self.artifacts = Artifacts(self.database, self.blobs, settle=_settled)
        self.transfers = Transfers(self.database, self.blobs, settle=_settled)

    def persist(self) -> bool:
        return self.database.persist()


def tables(database: Database, workspace: str) -> dict[str, Any]:
    """All that the history holds of a workspace: rows by table, in one order, ids in the place of numbers."""
    with database.read() as tx:
        where = _one(tx, "SELECT id FROM workspaces WHERE name = :name", name=workspace)["id"]
        rows = tx.execute("SELECT * FROM runs WHERE workspace = :id", {"id": where})
        ids = {row["n"]: row["id"] for row in rows}
        metrics = {row["id"]: row["name"] for row in tx.execute("SELECT id, name FROM metrics")}
        found: dict[str, Any] = {"runs": _sorted([_run(row, ids) for row in rows])}
        for table, own in TABLES.items():
            rows = tx.execute(f"SELECT * FROM {table}")
            mine = [row for row in rows if row["run"] in ids]
            found[table] = _sorted([_belonging(row, ids, metrics, own) for row in mine])
        experiments = tx.execute("SELECT * FROM experiments WHERE workspace = :id", {"id": where})
        found["experiments"] = _sorted([_plain(row, ("workspace",)) for row in experiments])
        known = {row["id"] for row in experiments}
        tags = tx.execute("SELECT * FROM experiment_tags")
        found["experiment_tags"] = _sorted([_plain(row) for row in tags if row["experiment"] in known])
        found["snapshots"] = _sorted([_plain(r, ("created",)) for r in tx.execute("SELECT * FROM snapshots")])
    return found


def _run(row: Row, ids: Mapping[int, str]) -> dict[str, Any]:
    known = _plain(row, ("workspace", *OWN))
    return known | {"parent": ids.get(row["parent"]), "root": ids.get(row["root"])}


def _belonging(
    row: Row, ids: Mapping[int, str], metrics: Mapping[int, str], own: tuple[str, ...]
) -> dict[str, Any]:
    known = _plain(row, ("workspace", *own)) | {"run": ids[row["run"]]}
    return known | ({"metric": metrics[row["metric"]]} if "metric" in known else {})


def _plain(row: Row, without: tuple[str, ...] = ()) -> dict[str, Any]:
    values = dict(zip(row.keys(), tuple(row[key] for key in row.keys()), strict=True))  # noqa: SIM118
    return {
        key: bytes(value) if isinstance(value, memoryview) else value
        for key, value in values.items()
        if key not in without
    }


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: repr(sorted(row.items())))


def _one(tx: Transaction, sql: str, **values: Any) -> Row:
    row = tx.one(sql, values)
    assert row is not None
    return row


def _settled(run: str = "") -> None:
    return None

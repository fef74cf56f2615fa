"""Looks whether a history's database is whole, and changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from zlib import crc32

from runstone.model.errors import RunstoneError, Unreadable
from runstone.store.database import Database, Row, Transaction
from runstone.store.sqlite import Sqlite

INTEGRITY = "PRAGMA integrity_check(20)"

VERSION = "SELECT COALESCE(MAX(version), 0) AS version FROM schema_version"

RUNS = "SELECT COUNT(*) AS runs FROM runs"

ACKNOWLEDGED = "SELECT id, acked FROM writers"

REFERENCES = "SELECT r.n, w.name AS workspace, r.id FROM runs r JOIN workspaces w ON w.id = r.workspace"

SERIES = "SELECT DISTINCT run, metric FROM metric_chunk ORDER BY run, metric"

NAMES = "SELECT id, name FROM metrics"

CHUNKS = """
SELECT seq, n, crc, data
  FROM metric_chunk
 WHERE run = :run
   AND metric = :metric
 ORDER BY seq"""

BATCHES = "SELECT id, run, first, count FROM metric_batch ORDER BY id"

BATCH = "SELECT crc, data FROM metric_batch WHERE id = :id"


class Untouched(Sqlite):
    """A history's file, opened for looking only: no upgrade, no write; every failure is ``Unreadable``."""

    @contextmanager
    def read(self, *, budget: float | None = None) -> Iterator[Transaction]:
        """See ``Sqlite.read``."""
        try:
            with super().read(budget=budget) as transaction:
                yield transaction
        except (sqlite3.Error, Unreadable) as error:
            cause = error.__cause__ or error
            raise Unreadable(f"The database cannot be read: {cause}.") from error

    def _upgrade(self) -> None:
        return

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        return connection


def open_untouched(path: Path) -> Database:
    """The database at a path, for looking only."""
    return Untouched(path, force_network=True)


def damage(database: Database) -> Iterator[str]:
    """A sentence for everything in the database that cannot be read, or is not what was written."""
    try:
        with database.read() as tx:
            yield from (f"The database is damaged: {line}." for line in _complaints(tx))
        with database.read() as tx:
            names = {row["id"]: row["name"] for row in tx.execute(NAMES)}
            runs = _references(tx)
            series = tx.execute(SERIES)
            batches = tx.execute(BATCHES)
    except RunstoneError as error:
        yield str(error)
        return
    for row in series:
        yield from _lost_points(database, row, f"{names.get(row['metric'])!r} of {runs.get(row['run'])}")
    for row in batches:
        yield from _lost_batch(database, row, runs.get(row["run"], "a run that is not there"))


def version(database: Database) -> int:
    """The version of the schema; 0 when there is none to be read."""
    return _number(database, VERSION, "version")


def count_runs(database: Database) -> int:
    """How many runs there are; 0 when that cannot be read."""
    return _number(database, RUNS, "runs")


def acknowledged(database: Database) -> dict[str, int]:
    """The number of each writer's last record that the history has; nothing when that cannot be read."""
    with suppress(RunstoneError), database.read() as tx:
        return {row["id"]: row["acked"] for row in tx.execute(ACKNOWLEDGED)}
    return {}


def _complaints(tx: Transaction) -> list[str]:
    lines = [str(row["integrity_check"]) for row in tx.execute(INTEGRITY)]
    return [line.replace("\n", "; ") for line in lines if line != "ok"]


def _references(tx: Transaction) -> dict[int, str]:
    return {row["n"]: f"{row['workspace']}/{row['id']}" for row in tx.execute(REFERENCES)}


def _lost_points(database: Database, series: Row, whose: str) -> Iterator[str]:
    try:
        with database.read() as tx:
            chunks = tx.execute(CHUNKS, {"run": series["run"], "metric": series["metric"]})
    except RunstoneError:
        yield f"The points of the metric {whose} cannot be read."
        return
    before = 0
    for row in chunks:
        if crc32(row["data"]) != row["crc"]:
            yield f"The points {before + 1:,} to {before + row['n']:,} of the metric {whose} are lost."
        before += row["n"]


def _lost_batch(database: Database, batch: Row, run: str) -> Iterator[str]:
    last = batch["first"] + batch["count"] - 1
    what = f"The records {batch['first']:,} to {last:,} of a writer of {run}"
    try:
        with database.read() as tx:
            row = tx.one(BATCH, {"id": batch["id"]})
    except RunstoneError:
        yield f"{what} cannot be read."
        return
    if row is not None and crc32(row["data"]) != row["crc"]:
        yield f"{what} are lost."


def _number(database: Database, sql: str, name: str) -> int:
    with suppress(RunstoneError), database.read() as tx:
        row = tx.one(sql)
        return int(row[name]) if row else 0
    return 0

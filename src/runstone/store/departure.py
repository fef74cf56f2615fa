"""A run as it leaves a history: its document and its records, all as of one moment."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from zlib import crc32

from runstone.model.metrics import Latest
from runstone.model.portable import Portable
from runstone.store import latest, records, runs, summaries
from runstone.store.database import Row, Transaction

HEARTBEAT = "SELECT heartbeat, refreshed FROM runs WHERE n = :run"

JOB = "SELECT target, priority, spec, attempt, agent, handle, created FROM jobs WHERE run = :run"

EVENTS = "SELECT sequence, time, category, body FROM events WHERE run = :run ORDER BY sequence"

FILES = """
SELECT name, version, sha256, size, created
  FROM artifacts
 WHERE run = :run
   AND deleted IS NULL
 ORDER BY name, version"""

METRICS = """
SELECT l.metric, m.name
  FROM metric_latest l
  JOIN metrics m ON m.id = l.metric
 WHERE l.run = :run
 ORDER BY l.metric"""

CHUNKS = """
SELECT seq, crc, data
  FROM metric_chunk
 WHERE run = :run
   AND metric = :metric
   AND seq > :after
 ORDER BY seq
 LIMIT 64"""

ENTRIES = """
SELECT seq, at, kind, step, time, body
  FROM metric_row
 WHERE run = :run
   AND metric = :metric
   AND seq > :after
 ORDER BY seq
 LIMIT 64"""

BATCHES = """
SELECT id, writer, first, received, crc, data
  FROM metric_batch
 WHERE run = :run
   AND id > :after
 ORDER BY id
 LIMIT 4"""

log = logging.getLogger(__name__)


def document(tx: Transaction, run: int) -> Portable:
    """What is known of a run but for its records."""
    row = tx.one(HEARTBEAT, {"run": run})
    job = tx.one(JOB, {"run": run})
    counts = (one.count for one in summaries.current(tx, run).values())
    return Portable(
        runs.load(tx, [run])[0],
        logged=sum(counts),
        heartbeat=row["heartbeat"] if row else None,
        job={**job, "spec": json.loads(job["spec"])} if job else None,
    )


def leaving(tx: Transaction, run: int) -> Iterator[records.Record]:
    """The run's records, a few of them in memory at a time; what is damaged is left out, with a warning."""
    for row in tx.execute(EVENTS, {"run": run}):
        yield records.Event(row["sequence"], row["time"], row["category"], row["body"])
    for row in tx.execute(FILES, {"run": run}):
        yield records.File(row["name"], row["version"], row["sha256"], row["size"], row["created"])
    known: dict[str, Latest] = latest.stored(tx, run)
    for name in sorted(known):
        yield records.Summary(known[name])
    metrics = [(row["metric"], row["name"]) for row in tx.execute(METRICS, {"run": run})]
    for metric, name in metrics:
        for row in _whole(_paged(tx, CHUNKS, run=run, metric=metric), f"points of {name!r}"):
            yield records.Chunk(name, row["seq"], bytes(row["data"]))
    for metric, name in metrics:
        for row in _paged(tx, ENTRIES, run=run, metric=metric):
            where = {"at": row["at"], "type": row["kind"], "step": row["step"], "time": row["time"]}
            yield records.Entry(name, row["seq"], body=row["body"], **where)
    yield from _batches(tx, run)


def _batches(tx: Transaction, run: int) -> Iterator[records.Batch]:
    row = tx.one(HEARTBEAT, {"run": run})
    refreshed = row["refreshed"] if row else 0
    for row in _whole(_paged(tx, BATCHES, key="id", run=run), "records that wait"):
        known = row["id"] <= refreshed
        yield records.Batch(row["writer"], row["first"], row["received"], known, bytes(row["data"]))


def _paged(tx: Transaction, sql: str, key: str = "seq", **values: Any) -> Iterator[Row]:
    after = -1
    while rows := tx.execute(sql, {**values, "after": after}):
        yield from rows
        after = rows[-1][key]


def _whole(rows: Iterator[Row], what: str) -> Iterator[Row]:
    for row in rows:
        if crc32(row["data"]) == row["crc"]:
            yield row
        else:
            log.warning("Damaged %s are left out; `runstone doctor` says which.", what)

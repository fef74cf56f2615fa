"""Sealing: what batches hold moves into chunks and rows, in one transaction; a repetition is harmless."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from zlib import crc32

import numpy as np

from runstone.model.errors import Busy, Unreadable
from runstone.store import chunks, metric_names, summaries
from runstone.store.database import Database, Row, Transaction
from runstone.store.decode import Array
from runstone.store.pieces import Gathering, Piece, collect

LAST_CHUNK = """
SELECT seq, n, crc, data
  FROM metric_chunk
 WHERE run = :run
   AND metric = :metric
 ORDER BY seq DESC
 LIMIT 1"""

OVERLAPPING = """
SELECT crc, data
  FROM metric_chunk
 WHERE run = :run
   AND metric = :metric
   AND max_step >= :low
   AND min_step <= :high"""

# first_time and last_time are the earliest and the latest, since a clock may be set back within a chunk.
WRITE_CHUNK = """
INSERT INTO metric_chunk (run, metric, seq, n, nans, first_step, last_step, min_step, max_step,
                          first_time, last_time, min, max, sum, crc, data)
VALUES (:run, :metric, :seq, :n, :nans, :first_step, :last_step, :min_step, :max_step,
        :first_time, :last_time, :min, :max, :sum, :crc, :data)
    ON CONFLICT (run, metric, seq) DO UPDATE
   SET n = excluded.n, nans = excluded.nans, first_step = excluded.first_step, last_step = excluded.last_step,
       min_step = excluded.min_step, max_step = excluded.max_step, first_time = excluded.first_time,
       last_time = excluded.last_time, min = excluded.min, max = excluded.max, sum = excluded.sum,
       crc = excluded.crc, data = excluded.data"""

# entries: what stands in the series beside its points; the exact value of a large integer does not.
ROWS = """
SELECT COUNT(*) AS rows, COALESCE(SUM(CASE WHEN kind = 'int' THEN 0 ELSE 1 END), 0) AS entries
  FROM metric_row
 WHERE run = :run
   AND metric = :metric"""

WRITE_ROW = """
INSERT INTO metric_row (run, metric, seq, at, kind, step, time, body)
VALUES (:run, :metric, :seq, :at, :kind, :step, :time, :body)"""

COUNT_REPEATED = (
    "UPDATE metric_latest SET repeated = repeated + :repeated WHERE run = :run AND metric = :metric"
)

DELETE_BATCH = "DELETE FROM metric_batch WHERE id = :id"

WAITING = """
SELECT b.run
  FROM metric_batch b
  JOIN runs r ON r.n = b.run
 GROUP BY b.run, r.ended
HAVING r.ended IS NOT NULL
    OR SUM(b.count) >= :records
    OR MIN(b.received) <= :old"""

WAITING_OF_RUN = "SELECT COALESCE(SUM(count), 0) AS records FROM metric_batch WHERE run = :run"

# When a run has not ended: so many records, or so many seconds.
RECORDS = 50_000
AGE = 3600

log = logging.getLogger(__name__)


def refresh(tx: Transaction, run: int) -> None:
    """Bring the run's summaries (``metric_latest``) up to its newest batch."""
    summaries.refresh(tx, run)


def refresh_stale(database: Database) -> int:
    """Bring all summaries up to date, as a search by metrics needs them; how many runs had news."""
    with database.read() as tx:
        stale = summaries.stale(tx)
    for run in stale:
        with database.write() as tx:
            summaries.refresh(tx, run)
    return len(stale)


def seal(tx: Transaction, run: int) -> None:
    """Refresh the summaries and move everything that waits into chunks and rows, all in this transaction."""
    after = 0
    while after := _seal_slice(tx, run, after):
        pass


def seal_run(database: Database, run: int) -> None:
    """Seal one run, with a transaction for each slice, so that nobody waits long."""
    after = 0
    while True:
        with database.write() as tx:
            after = _seal_slice(tx, run, after)
        if not after:
            return


def seal_waiting(database: Database, *, records: int = RECORDS, age: float = AGE) -> int:
    """Seal the runs that have ended, or have many records or old ones waiting; how many these were.

    Afterwards all summaries are up to date, those of other runs too, as a search by metrics needs them. A run
    that is busy is left for the next time.
    """
    old = time.time_ns() // 1000 - int(age * 1e6)
    with database.read() as tx:
        waiting = [row["run"] for row in tx.execute(WAITING, {"records": records, "old": old})]
    sealed = 0
    for run in waiting:
        try:
            seal_run(database, run)
            sealed += 1
        except Busy as error:
            log.info("Run %s is sealed another time: %s", run, error)
    refresh_stale(database)
    with suppress(Busy):
        database.shrink()
    return sealed


def waiting(tx: Transaction, run: int) -> int:
    """How many records of a run are not sealed."""
    row = tx.one(WAITING_OF_RUN, {"run": run})
    return int(row["records"]) if row else 0


def repeated(tx: Transaction, run: int, piece: Piece, *, metric: int | None) -> int:
    """How many points of a piece have a step that an earlier point of the piece, or of the chunks, has."""
    steps = piece.steps
    if not len(steps):
        return 0
    distinct = steps if (steps[1:] > steps[:-1]).all() else np.unique(steps)
    span = {"low": float(distinct[0]), "high": float(distinct[-1])}
    again = np.zeros(len(distinct), bool)
    for row in tx.execute(OVERLAPPING, {"run": run, "metric": metric, **span}) if metric is not None else ():
        known = _chunk(row)
        if known is not None:
            again |= np.isin(distinct, known.steps())
    return len(steps) - len(distinct) + int(again.sum())


def described(seq: int, data: bytes, *, steps: Array, values: Array, times: Array) -> dict[str, Any]:
    """The row of a chunk, but for its run and its metric: the bytes, and the summary of what they hold."""
    numbers = values[~np.isnan(values)]
    return {
        "seq": seq,
        "n": len(values),
        "nans": len(values) - len(numbers),
        "first_step": float(steps[0]),
        "last_step": float(steps[-1]),
        "min_step": float(steps.min()),
        "max_step": float(steps.max()),
        "first_time": int(times.min()),
        "last_time": int(times.max()),
        "min": float(numbers.min()) if len(numbers) else None,
        "max": float(numbers.max()) if len(numbers) else None,
        "sum": summaries.total(numbers) if len(numbers) else None,
        "crc": crc32(data),
        "data": data,
    }


def _seal_slice(tx: Transaction, run: int, after: int) -> int:
    """Seal some batches after that id; the id of the last one, or 0 when there was none."""
    refreshed = summaries.lock(tx, run)
    batches = tx.execute(summaries.BATCHES, {"run": run, "after": after, "limit": summaries.SLICE})
    if not batches:
        return 0
    gathered = collect(summaries.whole(batches))
    last = int(batches[-1]["id"])
    new = [row for row in batches if row["id"] > refreshed]
    if new:
        fresh = gathered if len(new) == len(batches) else collect(summaries.whole(new))
        summaries.advance(tx, run, fresh, last=last)
    ids = metric_names.find_or_add(tx, list(gathered))
    for name, gathering in gathered.items():
        _seal_metric(tx, run, ids[name], gathering)
    # one that is damaged stays, for whoever can mend it
    tx.many(DELETE_BATCH, [{"id": row["id"]} for row in batches if crc32(row["data"]) == row["crc"]])
    if refreshed <= last:
        # SQLite gives the numbers of deleted batches to new ones
        summaries.mark(tx, run, last=0)
    return last


def _seal_metric(tx: Transaction, run: int, metric: int, gathering: Gathering) -> None:
    key = {"run": run, "metric": metric}
    last = tx.one(LAST_CHUNK, key)
    rows = tx.one(ROWS, key) or {"rows": 0, "entries": 0}
    # all chunks but the last one are full
    points = last["seq"] * chunks.POINTS + last["n"] if last else 0
    piece = gathering.piece(points + rows["entries"])
    count = repeated(tx, run, piece, metric=metric)
    if count:
        tx.execute(COUNT_REPEATED, {**key, "repeated": count})
    seq, whole = _continued(last, piece)
    tx.many(WRITE_CHUNK, ({**key, **row} for row in _chunks(seq, whole)))
    tx.many(
        WRITE_ROW,
        [
            {**key, "seq": rows["rows"] + n, "at": points + row.at, "kind": row.kind, "step": row.step}
            | {"time": row.time, "body": row.body}
            for n, row in enumerate(piece.rows)
        ],
    )


def _continued(last: Row | None, piece: Piece) -> tuple[int, Piece]:
    """The piece together with the last chunk if there is room in it, and the number of the chunk to write."""
    if last is None:
        return 0, piece
    chunk = _chunk(last) if last["n"] < chunks.POINTS and len(piece.values) else None
    if chunk is None:
        return int(last["seq"]) + 1, piece
    joined = replace(
        piece,
        steps=np.concatenate([chunk.steps(), piece.steps]),
        values=np.concatenate([chunk.values(), piece.values]),
        times=np.concatenate([chunk.times(), piece.times]),
        kinds=_joined_kinds(chunk, piece),
    )
    return int(last["seq"]), joined


def _joined_kinds(chunk: chunks.Chunk, piece: Piece) -> Array | None:
    kinds = chunk.kinds()
    if kinds is None and piece.kinds is None:
        return None
    first = np.zeros(chunk.n, np.uint8) if kinds is None else kinds
    return np.concatenate(
        [first, np.zeros(len(piece.values), np.uint8) if piece.kinds is None else piece.kinds]
    )


def _chunks(seq: int, piece: Piece) -> Iterator[dict[str, Any]]:
    for start in range(0, len(piece.values), chunks.POINTS):
        part = slice(start, start + chunks.POINTS)
        kinds = None if piece.kinds is None or not piece.kinds[part].any() else piece.kinds[part]
        steps, values, times = piece.steps[part], piece.values[part], piece.times[part]
        data = chunks.pack(steps, values, times=times, kinds=kinds)
        yield described(seq, data, steps=steps, values=values, times=times)
        seq += 1


def _chunk(row: Row) -> chunks.Chunk | None:
    try:
        return chunks.read(row["data"], row["crc"])
    except Unreadable as error:
        log.warning("A damaged chunk is left as it is: %s", error)
        return None

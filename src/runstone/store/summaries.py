"""What searches and tables of runs know of a series: `metric_latest`, kept in step with the batches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any
from zlib import crc32

import numpy as np

from runstone.model.metrics import Latest
from runstone.model.names import VALUE
from runstone.store import metric_names
from runstone.store.database import Row, Transaction
from runstone.store.decode import Array
from runstone.store.latest import READ_REFRESHED, stored
from runstone.store.pieces import Gathering, Piece, collect

WRITE = """
INSERT INTO metric_latest (run, metric, kind, count, points, nans, repeated, last, last_nan, min, max,
                           first, sum, last_step, last_time, value, description)
VALUES (:run, :metric, :kind, :count, :points, :nans, :repeated, :last, :last_nan, :min, :max, :first, :sum,
        :last_step, :last_time, :value, :description)
    ON CONFLICT (run, metric) DO UPDATE
   SET kind = excluded.kind, count = excluded.count, points = excluded.points, nans = excluded.nans,
       repeated = excluded.repeated, last = excluded.last, last_nan = excluded.last_nan, min = excluded.min,
       max = excluded.max, first = excluded.first, sum = excluded.sum, last_step = excluded.last_step,
       last_time = excluded.last_time, value = excluded.value, description = excluded.description"""

LOCK = "SELECT refreshed FROM runs WHERE n = :run {for_update}"

REFRESHED = "UPDATE runs SET refreshed = :last WHERE n = :run"

BATCHES = """
SELECT id, count, crc, data
  FROM metric_batch
 WHERE run = :run
   AND id > :after
 ORDER BY id
 LIMIT :limit"""

STALE = """
SELECT b.run
  FROM metric_batch b
  JOIN runs r ON r.n = b.run
 GROUP BY b.run, r.refreshed
HAVING MAX(b.id) > r.refreshed"""

# So many batches are in memory at once: a shipper sends at most a segment in one.
SLICE = 16


def refresh(tx: Transaction, run: int) -> None:
    """Bring the summaries up to the newest batch. Costs nothing when there is none."""
    after = lock(tx, run)
    while batches := tx.execute(BATCHES, {"run": run, "after": after, "limit": SLICE}):
        after = batches[-1]["id"]
        advance(tx, run, collect(whole(batches)), last=after)


def lock(tx: Transaction, run: int) -> int:
    """Hold the run against appending and sealing; the last batch that its summaries know."""
    row = tx.one(LOCK, {"run": run})
    return int(row["refreshed"]) if row else 0


def advance(tx: Transaction, run: int, gathered: Mapping[str, Gathering], *, last: int) -> None:
    """Write the summaries with what was gathered from the batches up to ``last``."""
    write(tx, run, advanced(stored(tx, run, list(gathered)), gathered))
    mark(tx, run, last=last)


def write(tx: Transaction, run: int, found: Mapping[str, Latest]) -> dict[str, int]:
    """Write these summaries; the numbers of their metrics."""
    ids = metric_names.find_or_add(tx, list(found))
    tx.many(WRITE, [{"run": run, "metric": ids[name], **_row(latest)} for name, latest in found.items()])
    return ids


def mark(tx: Transaction, run: int, *, last: int) -> None:
    """Note that the summaries know the batches up to ``last``."""
    tx.execute(REFRESHED, {"run": run, "last": last})


def stale(tx: Transaction) -> list[int]:
    """The runs with batches that their summaries do not know yet."""
    return [row["run"] for row in tx.execute(STALE)]


def current(tx: Transaction, run: int) -> dict[str, Latest]:
    """The summaries as ``refresh`` would leave them, without writing."""
    found = stored(tx, run)
    row = tx.one(READ_REFRESHED, {"run": run})
    after = row["refreshed"] if row else 0
    while batches := tx.execute(BATCHES, {"run": run, "after": after, "limit": SLICE}):
        found |= advanced(found, collect(whole(batches)))
        after = batches[-1]["id"]
    return found


def whole(batches: Iterable[Row]) -> Iterator[bytes]:
    """The data of those batches that are as they were written."""
    return (bytes(row["data"]) for row in batches if crc32(row["data"]) == row["crc"])


def advanced(known: Mapping[str, Latest], gathered: Mapping[str, Gathering]) -> dict[str, Latest]:
    """The summaries of what was gathered, on top of what is known."""
    found = {}
    for name, gathering in gathered.items():
        old = known.get(name, Latest(name))
        found[name] = _advanced(old, gathering.piece(old.count))
    return found


def total(values: Array) -> float | None:
    """The sum, or None where it is no number (infinities of both signs)."""
    with np.errstate(all="ignore"):
        return _number(float(values.sum()))


def _advanced(old: Latest, piece: Piece) -> Latest:
    described = replace(old, description=piece.description or old.description)
    if not piece.count:
        return described
    new = replace(
        described,
        kind=piece.kind,
        count=old.count + piece.count,
        last_step=_number(piece.last_step),
        last_time=piece.last_time,
        value=_text(piece.value),
    )
    if not len(piece.values):
        return new
    numbers = piece.values[~np.isnan(piece.values)]
    new = replace(
        new,
        points=old.points + len(numbers),
        nans=old.nans + len(piece.values) - len(numbers),
        last=float(piece.values[-1]),
    )
    if not len(numbers):
        return new
    low, high, sum = float(numbers.min()), float(numbers.max()), total(numbers)
    return replace(
        new,
        min=low if old.min is None else min(old.min, low),
        max=high if old.max is None else max(old.max, high),
        first=float(numbers[0]) if old.first is None else old.first,
        sum=_added(old, sum),
    )


def _added(old: Latest, sum: float | None) -> float | None:
    if not old.points:
        return sum
    return None if sum is None or old.sum is None else _number(old.sum + sum)


def _text(value: str | None) -> str | None:
    # PostgreSQL holds neither NUL nor half of a surrogate pair
    return (
        None if value is None else value[:VALUE].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    )


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _row(latest: Latest) -> dict[str, Any]:
    nan = latest.last is not None and math.isnan(latest.last)
    return {**asdict(latest), "last": None if nan else latest.last, "last_nan": int(nan)}

"""Reading metrics: what is sealed and what waits, together and in the order of arrival."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from zlib import crc32

import numpy as np

from runstone.model.errors import NotFound, Unreadable
from runstone.model.metrics import Entry, Latest, Series
from runstone.store import chunks, metric_names, sealing, summaries
from runstone.store.database import Row, Transaction
from runstone.store.decode import Array
from runstone.store.pieces import Gathering, Piece, collect

CHUNKS = """
SELECT c.metric, m.name, c.seq, c.n, c.crc, c.data
  FROM metric_chunk c
  JOIN metrics m ON m.id = c.metric
 WHERE c.run = :run
 ORDER BY c.metric, c.seq"""

CHUNKS_OF_METRIC = """
SELECT seq, n, crc, data
  FROM metric_chunk
 WHERE run = :run
   AND metric = :metric
   AND max_step >= :low
   AND min_step <= :high
 ORDER BY seq"""

END_OF_CHUNKS = """
SELECT seq, n
  FROM metric_chunk
 WHERE run = :run
   AND metric = :metric
 ORDER BY seq DESC
 LIMIT 1"""

ROWS = """
SELECT r.metric, m.name, r.at, r.kind, r.step, r.time, r.body
  FROM metric_row r
  JOIN metrics m ON m.id = r.metric
 WHERE r.run = :run
 ORDER BY r.metric, r.seq"""

ROWS_OF_METRIC = """
SELECT at, kind, step, time, body
  FROM metric_row
 WHERE run = :run
   AND metric = :metric
 ORDER BY seq"""

BATCHES = "SELECT id, count, crc, data FROM metric_batch WHERE run = :run ORDER BY id"

QUALITY = "SELECT quality FROM runs WHERE n = :run"

# How many names an error shows.
KNOWN = 10

Span = tuple[float, float]

log = logging.getLogger(__name__)


def values(tx: Transaction, run: int, name: str | None = None) -> dict[str, Series]:
    """All series of a run, or the one of that name if it is there, in the order in which they began."""
    if name is not None:
        only = _one(tx, run, name, (-np.inf, np.inf))
        return {} if _empty(only) else {only.name: only}
    parts: dict[str, Parts] = defaultdict(Parts)
    for row in tx.execute(CHUNKS, {"run": run}):
        parts[row["name"]].chunks.append(row)
        parts[row["name"]].end = row["seq"] * chunks.POINTS + row["n"]
    for row in tx.execute(ROWS, {"run": run}):
        parts[row["name"]].rows.append(row)
    for name, gathering in gather(tx, run).items():
        parts[name].waiting = gathering
    found = [_series(name, run, part) for name, part in parts.items()]
    return {series.name: series for series in sorted(found, key=_began) if not _empty(series)}


def series(
    tx: Transaction, run: int, name: str, *, start: float | None = None, stop: float | None = None
) -> Series:
    """One series, or those of its points and entries whose step is at least ``start`` and less than ``stop``.

    NotFound when the run has logged nothing under that name.
    """
    span = (-np.inf if start is None else start, np.inf if stop is None else stop)
    found = _one(tx, run, name, span)
    if _empty(found):
        require(tx, run, name)
    return found if start is None and stop is None else _between(found, span)


def require(tx: Transaction, run: int, name: str) -> None:
    """NotFound when the run has logged nothing under that name."""
    names = latest(tx, run)
    if name not in names:
        known = ", ".join(sorted(names)[:KNOWN]) + (", ..." if len(names) > KNOWN else "")
        raise NotFound(f"The run has no metric {name!r}; it has {known or 'none'}.")


def latest(tx: Transaction, run: int) -> dict[str, Latest]:
    """The summary of each series, batches that are not sealed included."""
    return {name: summary for name, summary in summaries.current(tx, run).items() if summary.count}


def quality(tx: Transaction, run: int) -> dict[str, int]:
    """What is doubtful in a run's data: late, lost, repeated, nan, damaged, and whatever its writers have
    counted.

    damaged: records that wait to be sealed and do not match their checksum.
    """
    row = tx.one(QUALITY, {"run": run})
    counts = {"late": 0, "lost": 0, "repeated": 0, "nan": 0, "damaged": 0}
    counts.update(json.loads(row["quality"]) if row else {})
    for summary in latest(tx, run).values():
        counts["nan"] += summary.nans
        counts["repeated"] += summary.repeated
    gathered = gather(tx, run)
    ids = metric_names.find(tx, gathered)
    for name, gathering in gathered.items():
        piece = _sealed(tx, run, gathering, metric=ids.get(name)).piece()
        counts["repeated"] += sealing.repeated(tx, run, piece, metric=ids.get(name)) if piece else 0
    batches = tx.execute(BATCHES, {"run": run})
    counts["damaged"] += sum(batch["count"] for batch in batches if crc32(batch["data"]) != batch["crc"])
    return counts


def gather(tx: Transaction, run: int, only: str | None = None) -> dict[str, Gathering]:
    """What waits to be sealed."""
    batches = tx.execute(BATCHES, {"run": run})
    damaged = sum(row["count"] for row in batches if crc32(row["data"]) != row["crc"])
    if damaged:
        log.warning("%s waiting records of the run %s are damaged; run `runstone doctor`.", damaged, run)
    return collect(summaries.whole(batches), only)


def opened(row: Row, run: int) -> chunks.Chunk | None:
    """The chunk of a row, or None, with a warning, when it is damaged."""
    try:
        return chunks.read(row["data"], row["crc"])
    except Unreadable as error:
        log.warning("%s points of the run %s are left out: %s", row["n"], run, error)
        return None


@dataclass
class Parts:
    """What a series is put together from. ``end`` is the index after that of its last sealed point."""

    chunks: list[Row] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    waiting: Gathering | None = None
    end: int = 0

    def piece(self) -> Piece | None:
        """What waits, in its place after what is sealed."""
        entries = sum(row["kind"] != "int" for row in self.rows)
        return self.waiting.piece(self.end + entries) if self.waiting else None


def parts(tx: Transaction, run: int, name: str, *, metric: int | None) -> Parts:
    """What there is of one series, but for its chunks."""
    return _sealed(tx, run, gather(tx, run, name).get(name), metric=metric)


def _sealed(tx: Transaction, run: int, waiting: Gathering | None, *, metric: int | None) -> Parts:
    found = Parts(waiting=waiting)
    if metric is not None:
        found.rows = tx.execute(ROWS_OF_METRIC, {"run": run, "metric": metric})
        end = tx.one(END_OF_CHUNKS, {"run": run, "metric": metric})
        found.end = end["seq"] * chunks.POINTS + end["n"] if end else 0
    return found


def _one(tx: Transaction, run: int, name: str, span: Span) -> Series:
    name = metric_names.composed(name)
    metric = metric_names.find(tx, [name]).get(name)
    found = parts(tx, run, name, metric=metric)
    values = {"run": run, "metric": metric, "low": span[0], "high": span[1]}
    found.chunks = tx.execute(CHUNKS_OF_METRIC, values) if metric is not None else []
    return _series(name, run, found)


def _series(name: str, run: int, parts: Parts) -> Series:
    read = [(row["seq"] * chunks.POINTS, opened(row, run)) for row in parts.chunks]
    kept = [(start, chunk) for start, chunk in read if chunk is not None]
    piece = parts.piece()
    more = [piece] if piece else []
    spans = [(start, chunk.n) for start, chunk in kept] + [(parts.end, len(piece.values)) for piece in more]
    entries = [_entry(row["at"], row) for row in parts.rows]
    entries += [_entry(parts.end + row.at, asdict(row)) for piece in more for row in piece.rows]
    return Series(
        name,
        _kind(entries, spans, piece),
        _joined([chunk.steps() for _, chunk in kept] + [piece.steps for piece in more], np.int64),
        _joined([chunk.values() for _, chunk in kept] + [piece.values for piece in more], np.float64),
        _joined([chunk.times() for _, chunk in kept] + [piece.times for piece in more], np.int64),
        _kinds([(chunk.n, chunk.kinds()) for _, chunk in kept] + [(len(p.values), p.kinds) for p in more]),
        _moved(entries, spans),
        holes=sum(row["n"] for row in parts.chunks) - sum(chunk.n for _, chunk in kept),
    )


def _entry(at: int, row: Mapping[str, Any]) -> Entry:
    return Entry(at, row["kind"], _whole(row["step"]), row["time"], json.loads(row["body"]))


def _whole(step: float) -> int | float:
    return int(step) if step == step // 1 else step


def _kind(entries: Sequence[Entry], spans: Sequence[tuple[int, int]], piece: Piece | None) -> str:
    """The kind of the last entry; a list of numbers is known as such until it is sealed."""
    if piece and piece.count:
        return piece.kind
    last = max((start + n for start, n in spans if n), default=0)
    beside = [entry for entry in entries if entry.kind != "int"]
    return beside[-1].kind if beside and beside[-1].at >= last else "scalar"


def _joined(columns: list[Array], type: Any) -> Array:
    return np.concatenate(columns) if columns else np.zeros(0, type)


def _kinds(columns: list[tuple[int, Array | None]]) -> Array | None:
    if all(kinds is None for _, kinds in columns):
        return None
    return np.concatenate([np.zeros(n, np.uint8) if kinds is None else kinds for n, kinds in columns])


def _moved(entries: Iterable[Entry], spans: Sequence[tuple[int, int]]) -> tuple[Entry, ...]:
    """The entries with their places among the points that were read, and none of points that were not."""
    moved = []
    for entry in entries:
        at = sum(min(max(entry.at - start, 0), n) for start, n in spans)
        if entry.kind != "int" or any(start <= entry.at < start + n for start, n in spans):
            moved.append(replace(entry, at=at))
    return tuple(moved)


def _between(found: Series, span: Span) -> Series:
    low, high = span
    inside = (found.steps >= low) & (found.steps < high)
    before = np.concatenate([[0], np.cumsum(inside)])
    entries = (
        replace(entry, at=int(before[entry.at]))
        for entry in found.entries
        if (inside[entry.at] if entry.kind == "int" else low <= entry.step < high)
    )
    return replace(
        found,
        steps=found.steps[inside],
        values=found.values[inside],
        times=found.times[inside],
        kinds=None if found.kinds is None else found.kinds[inside],
        entries=tuple(entries),
    )


def _began(series: Series) -> tuple[int, str]:
    first = [int(series.times[0])] if len(series.times) else []
    return min(first + [entry.time for entry in series.entries[:1]], default=0), series.name


def _empty(series: Series) -> bool:
    return not (len(series.values) or series.entries or series.holes)

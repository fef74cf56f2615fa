"""A series drawn small: exact extremes for each bucket, from summaries where they suffice."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from runstone.model.errors import Invalid
from runstone.model.metrics import Chart
from runstone.store import chunks, metric_names, metrics
from runstone.store.database import Row, Transaction
from runstone.store.decode import Array

SUMMARIES = """
SELECT seq, n, nans, min_step, max_step, first_time, last_time, min, max, sum
  FROM metric_chunk
 WHERE run = :run
   AND metric = :metric
 ORDER BY seq"""

DATA = """
SELECT seq, n, crc, data
  FROM metric_chunk
 WHERE run = :run
   AND metric = :metric
   AND seq BETWEEN :first AND :last
 ORDER BY seq"""

HEADS = f"""
SELECT seq, SUBSTR(data, 1, {chunks.HEAD.size}) AS head
  FROM metric_chunk
 WHERE run = :run
   AND metric = :metric
   AND seq BETWEEN :first AND :last
 ORDER BY seq"""

MOST_BUCKETS = 10_000
# Columns of a chunk's summary that bound x.
BOUNDS = {"step": ("min_step", "max_step"), "time": ("first_time", "last_time")}
FARTHEST = 1e300
# How many chunks are read at once.
TOGETHER = 16


@dataclass(frozen=True)
class Window:
    """What is asked for: the run, the series, how many buckets over which x, and from where to where."""

    run: int
    name: str
    buckets: int = 1000
    x: str = "step"
    start: float | None = None
    stop: float | None = None


def chart(tx: Transaction, window: Window) -> Chart:
    """The chart of a series; NotFound when the run has logged nothing under that name."""
    if not 1 <= window.buckets <= MOST_BUCKETS or window.x not in BOUNDS:
        raise Invalid(
            f"A chart has 1 to {MOST_BUCKETS:,} buckets over 'step' or 'time'; "
            f"got {window.buckets} over {window.x!r}."
        )
    window = replace(window, name=metric_names.composed(window.name))
    metric = metric_names.find(tx, [window.name]).get(window.name)
    key = {"run": window.run, "metric": metric}
    rows = tx.execute(SUMMARIES, key) if metric is not None else []
    waiting = _waiting(tx, window, metric)
    if not rows and not len(waiting[0]):
        metrics.require(tx, window.run, window.name)
    grid = _grid(window, rows, waiting[0])
    parts, holes = [], 0
    for some in _groups(grid, rows):
        span = {**key, "first": some[0]["seq"], "last": some[-1]["seq"]}
        if grid.holds(some[0]):
            parts.append(_summed(grid, some, tx.execute(HEADS, span)))
            continue
        x, values, lost = _points(tx.execute(DATA, span), window)
        holes += lost
        parts.append(_drawn(grid, x, values))
    parts.append(_drawn(grid, *waiting))
    return _chart(window, grid, parts, holes)


@dataclass(frozen=True, eq=False)
class _Grid:
    start: float
    stop: float
    edges: Array
    bounds: list[float]
    low: str
    high: str

    def of(self, x: Array) -> Array:
        """The bucket of each x; the last bucket is closed."""
        return np.searchsorted(self.edges, x, "right")

    def touches(self, row: Row) -> bool:
        return bool(row[self.high] >= self.start and row[self.low] <= self.stop)

    def holds(self, row: Row) -> bool:
        """Whether one bucket holds all points of a chunk."""
        low, high = row[self.low], row[self.high]
        if low < self.start or high > self.stop:
            return False
        return bisect_right(self.bounds, low) == bisect_right(self.bounds, high)


# Of each bucket that a part touches: its number, n, nans, x_first, x_last, min, max, sum, first, last.
_Part = tuple[Array, Array, Array, Array, Array, Array, Array, Array, Array, Array]


def _waiting(tx: Transaction, window: Window, metric: int | None) -> tuple[Array, Array]:
    piece = metrics.parts(tx, window.run, window.name, metric=metric).piece()
    if piece is None:
        return np.zeros(0), np.zeros(0)
    return (piece.steps if window.x == "step" else piece.times).astype(float), piece.values


def _grid(window: Window, rows: Sequence[Row], waiting: Array) -> _Grid:
    low, high = BOUNDS[window.x]
    lows = [row[low] for row in rows] + ([waiting.min()] if len(waiting) else [])
    highs = [row[high] for row in rows] + ([waiting.max()] if len(waiting) else [])
    start = max(float(min(lows, default=0)) if window.start is None else window.start, -FARTHEST)
    stop = min(float(max(highs, default=0)) if window.stop is None else window.stop, FARTHEST)
    width = (stop - start) / window.buckets
    edges = start + width * np.arange(1, window.buckets) if stop > start else np.zeros(0)
    return _Grid(start, stop, edges, edges.tolist(), low, high)


def _groups(grid: _Grid, rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Neighbouring chunks that are of one kind, held by a bucket or not; few enough to stay in the cache."""
    group: list[Row] = []
    for row in filter(grid.touches, rows):
        apart = group and (row["seq"] != group[-1]["seq"] + 1 or grid.holds(row) != grid.holds(group[0]))
        if apart or len(group) == TOGETHER:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _points(rows: Sequence[Row], window: Window) -> tuple[Array, Array, int]:
    read = [(row["n"], metrics.opened(row, window.run)) for row in rows]
    kept = [chunk for _, chunk in read if chunk is not None]
    if not kept:
        return np.zeros(0), np.zeros(0), sum(n for n, _ in read)
    x = np.concatenate([chunk.steps() if window.x == "step" else chunk.times() for chunk in kept])
    lost = sum(n for n, chunk in read if chunk is None)
    return x.astype(float), np.concatenate([chunk.values() for chunk in kept]), lost


def _drawn(grid: _Grid, x: Array, values: Array) -> _Part:
    """The buckets of points: each stretch of neighbours in one bucket is one element."""
    if len(x) and (x.min() < grid.start or x.max() > grid.stop):
        inside = (x >= grid.start) & (x <= grid.stop)
        x, values = x[inside], values[inside]
    ascending = bool((x[1:] >= x[:-1]).all())
    if ascending:
        bounds = np.concatenate([[0], np.searchsorted(x, grid.edges), [len(x)]])
        index = np.flatnonzero(np.diff(bounds))
        starts = bounds[index]
    else:
        buckets = grid.of(x)
        starts = np.concatenate([[0], np.flatnonzero(np.diff(buckets)) + 1])
        index = buckets[starts]
    ends = np.append(starts[1:], len(x))
    if not len(index):
        none = np.zeros(0)
        return index, none, none, none, none, none, none, none, none, none
    nan = np.isnan(values)
    x_first, x_last = (x[starts], x[ends - 1]) if ascending else _extremes(x, starts)
    low, high = _extremes(values, starts)
    with np.errstate(all="ignore"):
        sums = np.add.reduceat(np.where(nan, 0.0, values) if nan.any() else values, starts)
    nans = np.add.reduceat(nan, starts, dtype=np.int64)
    return index, ends - starts, nans, x_first, x_last, low, high, sums, values[starts], values[ends - 1]


def _extremes(values: Array, starts: Array) -> tuple[Array, Array]:
    return np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)


def _summed(grid: _Grid, rows: Sequence[Row], heads: Sequence[Row]) -> _Part:
    """The buckets of chunks that lie in one bucket each."""

    def column(name: str) -> Array:
        return np.array([math.nan if row[name] is None else row[name] for row in rows], float)

    n, nans, sums = column("n"), column("nans"), column("sum")
    ends = np.array([chunks.ends(row["head"]) for row in heads])
    x_first, x_last = column(grid.low), column(grid.high)
    sums = np.where(n == nans, 0.0, sums)
    return (
        grid.of(x_first),
        n,
        nans,
        x_first,
        x_last,
        column("min"),
        column("max"),
        sums,
        ends[:, 0],
        ends[:, 1],
    )


def _chart(window: Window, grid: _Grid, parts: Sequence[_Part], holes: int) -> Chart:
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    index, n, nans, x_first, x_last, low, high, sums, first, last = _in_order(columns)
    starts = np.flatnonzero(np.diff(index, prepend=-1))
    ends = np.append(starts[1:], len(index)) - 1

    def over(operation: np.ufunc, column: Array) -> Array:
        return operation.reduceat(column, starts) if len(starts) else column

    n, nans = over(np.add, n).astype(np.int64), over(np.add, nans).astype(np.int64)
    with np.errstate(all="ignore"):
        mean = over(np.add, sums) / (n - nans)
    return Chart(
        window.name,
        window.x,
        window.buckets,
        grid.start,
        grid.stop,
        points=int(n.sum()),
        index=index[starts],
        x_first=over(np.fmin, x_first),
        x_last=over(np.fmax, x_last),
        n=n,
        nans=nans,
        min=over(np.fmin, low),
        max=over(np.fmax, high),
        mean=mean,
        first=first[starts],
        last=last[ends] if len(starts) else last,
        holes=holes,
    )


def _in_order(columns: Iterator[Array]) -> Iterator[Array]:
    """The parts by bucket, and within a bucket as they arrived."""
    index = next(columns)
    order = np.argsort(index, kind="stable")
    yield index[order]
    yield from (column[order] for column in columns)

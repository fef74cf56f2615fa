"""Metrics as they are read: series, their summaries, and charts. Arrays are numpy's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# What a point was when it was logged. LARGE: an integer beyond 2^53, whose exact value is an entry of its
# own.
FLOAT, INT, BOOL, LARGE = 0, 1, 2, 3


@dataclass(frozen=True)
class Entry:
    """One entry of a series that is no float64. Times are milliseconds since 1970, UTC.

    ``at`` points of the series stand before it. ``kind`` is text, item (of a list that holds more than
    numbers), row, table, or the type of an artifact, whose ``value`` is its URI; or int: then it is the exact
    value of the point number ``at``, and no entry beside it.
    """

    at: int
    kind: str
    step: int | float
    time: int
    value: Any


@dataclass(frozen=True, eq=False)
class Series:
    """Everything that a run logged under one name, in the order of arrival.

    ``steps`` (int64, or float64 when there are fractions), ``values`` (float64) and ``times`` (int64,
    milliseconds since 1970, UTC) are numpy arrays of one length. ``kinds`` says of each point whether it was
    logged as FLOAT, INT, BOOL or LARGE; None when all are FLOAT. A point that was logged without a step has
    its position in the series. ``entries`` are texts, rows, tables and the like. ``holes`` points are lost to
    a damaged disk.
    """

    name: str
    kind: str
    steps: Any
    values: Any
    times: Any
    kinds: Any = None
    entries: tuple[Entry, ...] = ()
    holes: int = 0

    def logged(self) -> Iterator[tuple[str, Any]]:
        """Kind and value of each entry as it was logged, in order; numbers and items are ``scalar``."""
        numbers = self._numbers()
        done = 0
        for entry in self.entries:
            if entry.kind == "int":
                numbers[entry.at] = entry.value
                continue
            yield from (("scalar", number) for number in numbers[done : entry.at])
            done = entry.at
            yield ("scalar" if entry.kind == "item" else entry.kind), entry.value
        yield from (("scalar", number) for number in numbers[done:])

    def _numbers(self) -> list[Any]:
        values: list[Any] = self.values.tolist()
        if self.kinds is None:
            return values
        types = {FLOAT: float, INT: int, BOOL: bool, LARGE: float}
        return [types[kind](value) for kind, value in zip(self.kinds.tolist(), values, strict=True)]


@dataclass(frozen=True)
class Latest:
    """The summary of a series, as searches and tables of runs show it.

    ``count`` entries, of which ``points`` are numbers and ``nans`` are NaN. ``min``, ``max``, ``first`` and
    ``sum`` are over the ``points``, and None without any (``sum`` also where infinities of both signs have
    none); ``last`` is the last number, NaN included. ``kind`` and ``value`` (a text or a URI, its first 5,000
    characters) tell of the last entry. ``repeated`` points have a step that an earlier point of the series
    has, as counted when it was last sealed.
    """

    name: str
    kind: str = "none"
    count: int = 0
    points: int = 0
    nans: int = 0
    repeated: int = 0
    last: float | None = None
    min: float | None = None
    max: float | None = None
    first: float | None = None
    sum: float | None = None
    last_step: float | None = None
    last_time: int | None = None
    value: str | None = None
    description: str | None = None

    @property
    def mean(self) -> float | None:
        """The mean of the numbers that are no NaN."""
        return None if self.sum is None or not self.points else self.sum / self.points


@dataclass(frozen=True, eq=False)
class Chart:
    """A series drawn small: the grid from ``start`` to ``stop`` has ``buckets`` equal buckets, the last one
    closed.

    The other fields are numpy arrays with one element for each bucket that holds points: its number in the
    grid (``index``), the least and the greatest x in it, how many points it holds (``n``) and how many of
    these are NaN (``nans``), ``min``, ``max`` and ``mean`` of the others (NaN without any), and the value of
    the first and the last point that arrived. Extremes are exact. ``points`` points stand behind it all,
    ``holes`` more are lost.
    """

    name: str
    x: str
    buckets: int
    start: float
    stop: float
    points: int
    index: Any = field(repr=False)
    x_first: Any = field(repr=False)
    x_last: Any = field(repr=False)
    n: Any = field(repr=False)
    nans: Any = field(repr=False)
    min: Any = field(repr=False)
    max: Any = field(repr=False)
    mean: Any = field(repr=False)
    first: Any = field(repr=False)
    last: Any = field(repr=False)
    holes: int = 0

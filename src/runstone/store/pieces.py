"""What each metric got in some batches: points as arrays and other entries, in the order of arrival."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from runstone.model.metrics import BOOL, FLOAT, INT, LARGE
from runstone.model.names import metric_name
from runstone.store.decode import Array, Block, decode

EXACT = 2**53
MILLION = 1_000_000
KINDS = {"float": FLOAT, "int": INT, "bool": BOOL}


@dataclass(frozen=True)
class Row:
    """An entry that is no float64, with its body as JSON; ``at`` points of the piece stand before it."""

    at: int
    kind: str
    step: int | float
    time: int
    body: str


@dataclass(frozen=True, eq=False)
class Piece:
    """Times in ms, steps, values and kinds (None: all FLOAT) of the points; the other entries; how many that
    are.

    ``last_step`` and ``last_time`` are those of the last entry, ``value`` is its text if it has one.
    """

    steps: Array
    values: Array
    times: Array
    kinds: Array | None
    rows: tuple[Row, ...]
    count: int
    kind: str
    last_step: float | None
    last_time: int | None
    value: str | None
    description: str | None


def collect(batches: Iterable[bytes], only: str | None = None) -> dict[str, Gathering]:
    """What the batches hold, by the name of the metric; with ``only``, of that metric alone."""
    found: dict[str, Gathering] = {}
    start = 0
    for data in batches:
        decoded = decode(data, only)
        for block in decoded.blocks:
            _add_block(found, block, start, only)
        for number, body in decoded.records:
            if "name" in body and only in (None, metric_name(body["name"])):
                found.setdefault(metric_name(body["name"]), Gathering()).add_record(start + number, body)
        start += decoded.count
    return found


class Gathering:
    """The entries of one metric, added in any order; ``key`` says which came first."""

    def __init__(self) -> None:
        self._keys: list[Array] = []
        self._times: list[Array] = []
        self._steps: list[Array | None] = []
        self._values: list[Array] = []
        self._kinds: list[Array | int] = []
        self._rows: list[tuple[int, Row, bool]] = []
        self._last: tuple[int, str, str | None] = (-1, "none", None)
        self._description: str | None = None

    def add_points(self, keys: Array, times: Array, *, steps: Array | None, values: Array, kind: int) -> None:
        """Points as a block has them."""
        if not len(keys):
            return
        self._keys.append(keys)
        self._times.append(times // MILLION)
        self._steps.append(steps)
        self._values.append(values.astype(np.float64, copy=False))
        self._kinds.append(self._with_large(keys, times, steps, values) if kind == INT else kind)
        self._note(int(keys[-1]), "scalar", None)

    def add_record(self, key: int, body: Mapping[str, Any]) -> None:
        """One RECORD; kinds that are no entry but ``describe`` are passed over."""
        kind = body["kind"]
        if kind == "describe":
            self._description = body["text"]
        elif kind == "list":
            self._add_list(key, body)
        elif kind == "value" and body["type"] == "int":
            self._add_large(key, body)
        elif kind == "value":
            self._add_row(key, body, "text", body["value"])
        elif kind in ("row", "table"):
            self._add_row(key, body, kind, body["columns"])
        elif kind == "artifact":
            self._add_row(key, body, body["type"], body["uri"])

    def piece(self, base: int = 0) -> Piece:
        """Everything in order, after ``base`` entries of the series: that places points without a step."""
        keys = np.concatenate([*self._keys, np.zeros(0, np.int64)])
        order: Any = slice(None)
        if len(self._keys) > 1 and (keys[1:] < keys[:-1]).any():
            order = np.argsort(keys, kind="stable")
            keys = keys[order]
        self._rows.sort(key=lambda item: item[0])
        at = np.searchsorted(keys, [key for key, _, _ in self._rows])
        weights = [row.kind != "int" for _, row, _ in self._rows]
        before = np.concatenate([[0], np.cumsum(weights)]).astype(np.int64)
        places = base + np.arange(len(keys))
        if self._rows:
            places += before[np.searchsorted([key for key, _, _ in self._rows], keys, "right")]
        rows = tuple(
            replace(row, at=int(n), step=row.step if stepped else base + int(n + earlier))
            for (_, row, stepped), n, earlier in zip(self._rows, at, before[:-1], strict=True)
        )
        steps = self._placed(places, order)
        times = np.concatenate([*self._times, np.zeros(0, np.int64)])[order]
        last_step, last_time = self._end(keys, steps, times, rows)
        return Piece(
            steps,
            np.concatenate([*self._values, np.zeros(0)])[order],
            times,
            self._all_kinds(order),
            rows,
            count=len(keys) + int(before[-1]),
            kind=self._last[1],
            last_step=last_step,
            last_time=last_time,
            value=self._last[2],
            description=self._description,
        )

    def _placed(self, places: Array, order: Any) -> Array:
        if not self._steps:
            return np.zeros(0, np.int64)
        if all(steps is None for steps in self._steps):
            return places
        missing = np.concatenate(
            [np.full(len(keys), steps is None) for keys, steps in zip(self._keys, self._steps, strict=True)]
        )[order]
        known = [
            np.zeros(len(keys), np.int64) if steps is None else steps
            for keys, steps in zip(self._keys, self._steps, strict=True)
        ]
        joined = np.concatenate(known)[order]
        if joined.dtype == np.float64:
            missing |= np.isnan(joined)
        return np.where(missing, places, joined) if missing.any() else joined

    def _end(
        self, keys: Array, steps: Array, times: Array, rows: tuple[Row, ...]
    ) -> tuple[float | None, int | None]:
        if rows and (not len(keys) or self._rows[-1][0] > keys[-1]):
            return float(rows[-1].step), rows[-1].time
        if len(keys):
            return float(steps[-1]), int(times[-1])
        return None, None

    def _all_kinds(self, order: Any) -> Array | None:
        if all(isinstance(kind, int) and kind == FLOAT for kind in self._kinds):
            return None
        parts = [
            np.full(len(keys), kind, np.uint8) if isinstance(kind, int) else kind
            for keys, kind in zip(self._keys, self._kinds, strict=True)
        ]
        joined: Array = np.concatenate(parts)[order]
        return joined

    def _with_large(self, keys: Array, times: Array, steps: Array | None, values: Array) -> Array | int:
        """INT, or the kinds of the points where some are beyond 2^53; their exact values become rows."""
        large = (values > EXACT) | (values < -EXACT)
        if not large.any():
            return INT
        for index in np.flatnonzero(large).tolist():
            step = None if steps is None else steps[index].item()
            self._append_row(int(keys[index]), int(times[index]), step, kind="int", value=int(values[index]))
        return np.where(large, LARGE, INT).astype(np.uint8)

    def _add_large(self, key: int, body: Mapping[str, Any]) -> None:
        value = int(body["value"])
        step = body.get("step")
        steps = None if step is None else np.array([step])
        self.add_points(
            np.array([key]),
            np.array([int(body["time"])]),
            steps=steps,
            values=np.array([_rounded(value)]),
            kind=LARGE,
        )
        self._append_row(key, int(body["time"]), step, kind="int", value=value)
        self._note(key, "scalar", str(value))

    def _add_list(self, key: int, body: Mapping[str, Any]) -> None:
        items = body["items"]
        if not all(
            isinstance(item, float) or (isinstance(item, int) and abs(item) <= EXACT) for item in items
        ):
            for item in items:
                self._add_row(key, body, "item", item)
            self._note(key, "list", None)
            return
        if not items:
            return
        kinds = np.array([KINDS[type(item).__name__] for item in items], np.uint8)
        times = np.full(len(items), int(body["time"]))
        values = np.array(items, np.float64)
        self.add_points(np.full(len(items), key), times, steps=None, values=values, kind=FLOAT)
        self._kinds[-1] = kinds if kinds.any() else FLOAT
        self._note(key, "list", None)

    def _add_row(self, key: int, body: Mapping[str, Any], kind: str, value: Any) -> None:
        self._append_row(key, int(body["time"]), body.get("step"), kind=kind, value=value)
        self._note(key, kind, value if isinstance(value, str) else None)

    def _append_row(self, key: int, time: int, step: int | float | None, *, kind: str, value: Any) -> None:
        row = Row(0, kind, step or 0, time // MILLION, _json(value))
        self._rows.append((key, row, step is not None and step == step))

    def _note(self, key: int, kind: str, value: str | None) -> None:
        if key >= self._last[0]:
            self._last = (key, kind, value)


def _add_block(found: dict[str, Gathering], block: Block, start: int, only: str | None) -> None:
    keys = block.numbers + start
    for (name, type), values in zip(block.shape.columns, block.columns, strict=True):
        if only in (None, name):
            gathering = found.setdefault(name, Gathering())
            gathering.add_points(keys, block.times, steps=block.steps, values=values, kind=KINDS[type])


def _exact(item: Any) -> bool:
    return isinstance(item, float) or (isinstance(item, int) and abs(item) <= EXACT)


def _rounded(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() or _encodable(text) else json.dumps(value)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

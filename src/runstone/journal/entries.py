"""From a call to its frames: values are told apart before the lock is taken, shapes are found under it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from runstone.journal import frames
from runstone.journal.frames import FIRST_SHAPE, RECORD, ColumnType, Shape, StepType
from runstone.journal.values import Unkeepable, Value, cacheable, classify, flatten, step_of
from runstone.model.errors import Invalid
from runstone.model.names import metric_name

# A frame of more columns than this is several frames.
MAX_COLUMNS = 1_000
NUMBERS = ("float", "int", "bool")

Key = tuple[Any, ...]


@dataclass
class Entry:
    """What one call adds to the journal, before it has a place there.

    ``key`` is what the writer may look up the next time to be quicker, ``refused`` says what
    was left out, and why.
    """

    time: int
    step_type: StepType = "none"
    step: int | float | None = None
    values: list[Value] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    key: Key | None = None


def of_value(name: Any, value: Any, *, step: Any) -> Entry:
    """What ``log(name, value, step)`` adds."""
    if isinstance(value, Mapping):
        return _entry(flatten({name: value}), step, None)
    key = (name, value.__class__, step.__class__)
    return _entry([(metric_name(name), value, not isinstance(name, str))], step, key)


def of_metrics(metrics: Any, step: Any) -> Entry:
    """What ``log_metrics(metrics, step)`` adds."""
    if not isinstance(metrics, Mapping):
        kind = type(metrics).__name__
        raise Invalid(f"run.log_metrics takes a dict of names and values, {{'loss': 0.5}}; got {kind}.")
    return _entry(flatten(metrics), step, (*metrics, *map(type, metrics.values()), step.__class__))


def of_record(body: Mapping[str, Any]) -> Entry:
    """What a record of another kind adds; Invalid when no history would take it."""
    entry = Entry(time.time_ns())
    kind = body.get("kind")
    if "name" in body:
        body = {**body, "name": metric_name(body["name"])}
    try:
        step_of(body.get("step"))
        frame = frames.encode(RECORD, {"time": entry.time, **body})
    except Unkeepable as why:
        entry.refused.append((str(body.get("name")), f"{why} ({kind} {body.get('name')!r})"))
        return entry
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(
            f"A {kind} cannot be journalled ({error}); give text, numbers, lists and dicts."
        ) from error
    if len(frame) > frames.MAX_FRAME:
        raise Invalid(
            f"A {kind} of {len(frame):,} bytes is over the limit of {frames.MAX_FRAME:,} for one; log it in "
            f"parts, or as a file with run.upload_file."
        )
    entry.records.append(frame)
    return entry


class Packing:
    """The shapes that a writer has used, and the names, of which there may not be too many."""

    def __init__(self, definitions: dict[int, bytes], *, names: int, wide_shapes: int) -> None:
        self._limit = names
        self._room = wide_shapes
        self._names: set[str] = set()
        self._shapes: dict[tuple[StepType, tuple[tuple[str, ColumnType], ...]], Shape] = {}
        self._definitions = definitions

    def admit(self, name: str) -> bool:
        """Whether a name is known, or may still become so."""
        if name in self._names:
            return True
        if len(self._names) >= self._limit:
            return False
        self._names.add(name)
        return True

    def points(self, entry: Entry, values: list[Value]) -> Iterator[tuple[Shape, bytes]]:
        """The frames for numbers: one, unless a name occurs twice or the columns are too many."""
        for group in _groups(values):
            shape = self._shape(entry.step_type, group)
            if shape is not None:
                yield shape, _pack(shape, entry, group)
                continue
            for value in group:
                narrow = self._shape(entry.step_type, [value])
                assert narrow is not None
                yield narrow, _pack(narrow, entry, [value])

    def _shape(self, step: StepType, values: list[Value]) -> Shape | None:
        """The shape for these columns; None when there are too many shapes of several columns already."""
        columns = tuple((value.name, cast(ColumnType, value.kind)) for value in values)
        found = self._shapes.get((step, columns))
        if found is not None:
            return found
        if len(columns) > 1:
            if self._room == 0:
                return None
            self._room -= 1
        shape = Shape(FIRST_SHAPE + len(self._shapes), step, columns)
        self._shapes[step, columns] = shape
        self._definitions[shape.id] = shape.definition()
        return shape


def text_record(entry: Entry, value: Value) -> bytes:
    """The record for a text, or for an integer beyond 64 bits."""
    kind = "text" if value.kind == "text" else "int"
    body = {"kind": "value", "time": entry.time, "name": value.name, "type": kind, "value": str(value.value)}
    return frames.encode(RECORD, {**body, "step": entry.step})


def packer(shape: Shape) -> Callable[..., bytes]:
    """What packs a frame of a shape; a step that is no finite number is a ValueError."""
    pack = shape.packer.pack
    if shape.step != "float":
        return pack

    def checked(*numbers: Any) -> bytes:
        step = numbers[3]
        if not math.isfinite(step):
            raise ValueError(step)
        return pack(*numbers)

    return checked


def _entry(items: Iterable[tuple[str, Any, bool]], step: Any, key: Key | None) -> Entry:
    entry = Entry(time.time_ns(), key=key if key and _quick(key) else None)
    for name, value, coerced in items:
        try:
            entry.values.append(classify(name, value, coerced=coerced))
        except Unkeepable as why:
            entry.refused.append((name, f"{why} (metric {name!r})"))
    try:
        entry.step_type, entry.step = step_of(step)
    except Unkeepable as why:
        entry.refused += [(value.name, f"{why} (metric {value.name!r})") for value in entry.values]
        entry.values = []
    return entry


def _quick(key: Key) -> bool:
    """Whether names and classes alone say how such a call is packed."""
    half = len(key) // 2
    *classes, step = key[half:]
    return (
        all(type(name) is str for name in key[:half])
        and all(map(cacheable, classes))
        and (step is type(None) or cacheable(step))
    )


def _groups(values: list[Value]) -> Iterator[list[Value]]:
    group: dict[str, Value] = {}
    for value in values:
        if value.name in group or len(group) == MAX_COLUMNS:
            yield list(group.values())
            group = {}
        group[value.name] = value
    if group:
        yield list(group.values())


def _pack(shape: Shape, entry: Entry, values: list[Value]) -> bytes:
    step = () if shape.step == "none" else (entry.step,)
    numbers = (value.value for value in values)
    return frames.seal(shape.packer.pack(shape.length, shape.id, entry.time, *step, *numbers))

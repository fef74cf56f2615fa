"""From a batch's bytes to arrays: the points of each shape together, and the records of variable size."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runstone.journal import frames
from runstone.journal.frames import Frame, Shape
from runstone.model.names import metric_name

# Shorter runs of equal frames are cheaper one by one.
SHORT = 16
SHAPE_OF = struct.Struct("<4xI")

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Block:
    """The points of one shape in the order of their numbers (0-based in the batch); times in ns."""

    shape: Shape
    numbers: Array
    times: Array
    steps: Array | None
    columns: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a batch holds: blocks, RECORD bodies with their numbers, and how many records that are."""

    blocks: tuple[Block, ...]
    records: tuple[tuple[int, dict[str, Any]], ...]
    count: int


def decode(data: bytes, only: str | None = None) -> Decoded:
    """Read a batch that was checked when it was taken in; with ``only``, just the shapes with that metric."""
    found = _Found()
    for run in frames.runs(data):
        if run.count >= SHORT:
            _many(found, data, run)
            continue
        for offset in range(run.offset, run.offset + run.count * run.length, run.length):
            (id,) = SHAPE_OF.unpack_from(data, offset)
            _single(found, data, offset, length=run.length, id=id)
    for id, singles in found.singles.items():
        found.parts[id].append(
            (np.array([number for number, _ in singles]), _gather(data, found.shapes[id], singles))
        )
    wanted = (
        id
        for id, shape in found.shapes.items()
        if only is None or any(only == name for name, _ in shape.columns)
    )
    blocks = (_block(found.shapes[id], found.parts[id]) for id in wanted if found.parts[id])
    return Decoded(tuple(blocks), tuple(found.records), found.count)


class _Found:
    def __init__(self) -> None:
        self.shapes: dict[int, Shape] = {}
        self.parts: dict[int, list[tuple[Array, Array]]] = defaultdict(list)
        self.singles: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.records: list[tuple[int, dict[str, Any]]] = []
        self.count = 0


def _single(found: _Found, data: bytes, offset: int, *, length: int, id: int) -> None:
    if id >= frames.FIRST_SHAPE:
        found.singles[id].append((found.count, offset))
        found.count += 1
    elif id == frames.RECORD:
        found.records.append((found.count, frames.body(data, Frame(offset, length, id))))
        found.count += 1
    elif id == frames.SHAPE:
        shape = frames.shape(data, Frame(offset, length, id))
        found.shapes[shape.id] = replace(shape, columns=tuple((metric_name(n), t) for n, t in shape.columns))


def _many(found: _Found, data: bytes, run: frames.Run) -> None:
    ids = np.ndarray((run.count,), "<u4", data, run.offset + 4, (run.length,)).copy()
    if int(ids.min()) < frames.FIRST_SHAPE:
        for index, id in enumerate(ids.tolist()):
            _single(found, data, run.offset + index * run.length, length=run.length, id=id)
        return
    numbers = np.arange(found.count, found.count + run.count)
    found.count += run.count
    distinct = np.unique(ids).tolist() if (ids != ids[0]).any() else [int(ids[0])]
    for id in distinct:
        rows = np.ndarray((run.count,), _dtype(found.shapes[id]), data, run.offset, (run.length,))
        chosen = slice(None) if len(distinct) == 1 else np.flatnonzero(ids == id)
        found.parts[id].append((numbers[chosen], rows[chosen]))


def _gather(data: bytes, shape: Shape, singles: Iterable[tuple[int, int]]) -> Array:
    """The frames at some offsets: every byte of the batch is looked at as if a frame began there."""
    everywhere: Array = np.ndarray((len(data) - shape.length + 1,), _dtype(shape), data, 0, (1,))
    chosen: Array = everywhere[np.array([offset for _, offset in singles])]
    return chosen


def _dtype(shape: Shape) -> np.dtype[Any]:
    names = ["time"] + ["step"] * (shape.step != "none") + [str(n) for n in range(len(shape.columns))]
    types = ["<i8"] + ["<i8" if shape.step == "int" else "<f8"] * (shape.step != "none")
    types += ["<f8" if type == "float" else "<i8" for _, type in shape.columns]
    offsets = [8 + 8 * index for index in range(len(names))]
    spec: Any = {"names": names, "formats": types, "offsets": offsets, "itemsize": shape.length}
    dtype: np.dtype[Any] = np.dtype(spec)
    return dtype


def _block(shape: Shape, parts: list[tuple[Array, Array]]) -> Block:
    numbers = np.concatenate([part for part, _ in parts])
    order: Any = slice(None)
    if len(parts) > 1 and (numbers[1:] < numbers[:-1]).any():
        order = np.argsort(numbers)

    def column(name: str) -> Array:
        joined: Array = np.concatenate([rows[name] for _, rows in parts])[order]
        return joined

    return Block(
        shape,
        numbers[order],
        column("time"),
        None if shape.step == "none" else column("step"),
        tuple(column(str(index)) for index in range(len(shape.columns))),
    )

"""The bytes of a journal: frames and shapes, how they are written, walked, and mended after damage."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from zlib import crc32

from runstone.model.documents import DEPTH, depth

MAGIC = b"RSJ1"
VERSION = 1
# magic, u16 version, u16 flags
PREAMBLE = MAGIC + struct.pack("<HH", VERSION, 0)

HEAD = 0
SHAPE = 1
RECORD = 2
FIRST_SHAPE = 16
# What `scan` calls a stretch of bytes that holds no whole frame.
DAMAGED = -1

HEADER = struct.Struct("<II")
CRC = struct.Struct("<I")
OVERHEAD = HEADER.size + CRC.size
MAX_FRAME = 16 * 1024 * 1024
# A shape id beyond this is damage: names are capped far below.
MAX_SHAPE = 1 << 26
# The CRC-32 over any whole frame, its own CRC included: checking one is one call and one comparison.
RESIDUE = 0x2144DF1C

ColumnType = Literal["float", "int", "bool"]
StepType = Literal["none", "int", "float"]

_CODE = {"float": "d", "int": "q", "bool": "q"}
_STEP_CODE = {"none": "", "int": "q", "float": "d"}
# Where a frame could begin: length below 16 MiB, shape below 64 Mi.
_PLAUSIBLE = re.compile(rb"(?s)(?=...\x00...[\x00-\x03])")


class Frame(NamedTuple):
    """Where a frame lies in the bytes that were walked, and its shape."""

    offset: int
    length: int
    shape: int


@dataclass(frozen=True)
class Run:
    """A stretch of frames of equal length that follow one another without a gap; their shapes may differ."""

    offset: int
    length: int
    count: int


class Point(NamedTuple):
    """One call: its time in ns, its step if it had one, a value for each column."""

    time: int
    step: int | float | None
    values: tuple[float | int | bool, ...]


@dataclass(frozen=True)
class Shape:
    """The names and types of one call; ``id`` is unique within a writer."""

    id: int
    step: StepType
    columns: tuple[tuple[str, ColumnType], ...]

    @property
    def packer(self) -> struct.Struct:
        """Length, shape, time in ns, the step if there is one, a value for each column: all but the CRC."""
        found: struct.Struct | None = self.__dict__.get("_packer")
        if found is None:
            # not by `cached_property`, which has a lock: in a forked child it could be held for ever
            columns = "".join(_CODE[type] for _, type in self.columns)
            found = self.__dict__["_packer"] = struct.Struct("<IIq" + _STEP_CODE[self.step] + columns)
        return found

    @property
    def length(self) -> int:
        """The length of each frame of this shape."""
        return self.packer.size + CRC.size

    def definition(self) -> bytes:
        """The frame that defines this shape."""
        return encode(SHAPE, {"id": self.id, "step": self.step, "columns": self.columns})

    def point(self, data: bytes, offset: int = 0) -> Point:
        """What the frame at ``offset`` says."""
        _, _, time, *rest = self.packer.unpack_from(data, offset)
        step = None if self.step == "none" else rest.pop(0)
        types = [type for _, type in self.columns]
        return Point(
            time, step, tuple(bool(v) if t == "bool" else v for v, t in zip(rest, types, strict=True))
        )


def encode(shape: int, body: Mapping[str, Any]) -> bytes:
    """A frame whose payload is JSON: a HEAD, a SHAPE or a RECORD; ValueError, TypeError when it cannot be."""
    text = _json(body)
    _check_depth(text)
    payload = text.encode("utf-8", "replace")
    return seal(HEADER.pack(len(payload) + OVERHEAD, shape) + payload)


def seal(head: bytes) -> bytes:
    """A frame from everything in it but its CRC."""
    return head + crc32(head).to_bytes(4, "little")


def body(data: bytes, frame: Frame) -> dict[str, Any]:
    """The JSON of a HEAD, a SHAPE or a RECORD frame; ValueError when it is none."""
    start = frame.offset + HEADER.size
    text = data[start : frame.offset + frame.length - CRC.size].decode()
    _check_depth(text)
    decoded = json.loads(text, object_pairs_hook=_untagged)
    if not isinstance(decoded, dict):
        raise ValueError(f"it is no JSON object, but {type(decoded).__name__}")
    return decoded


def shape(data: bytes, frame: Frame) -> Shape:
    """The shape that a SHAPE frame defines."""
    found = body(data, frame)
    return Shape(found["id"], found["step"], tuple((name, type) for name, type in found["columns"]))


def walk(data: bytes, offset: int = 0) -> Iterator[Frame]:
    """The whole frames of ``data`` from ``offset`` on; damage is stepped over, a torn tail is left."""
    return (frame for frame in scan(data, offset) if frame.shape != DAMAGED)


def scan(data: bytes, offset: int = 0) -> Iterator[Frame]:
    """Like ``walk``, but stretches that hold no whole frame are named too, as frames of the shape DAMAGED.

    Bytes after the last whole frame are never yielded: they may be a frame that is being written.
    """
    end = len(data)
    header = HEADER.unpack_from
    while end - offset >= OVERHEAD:
        length, shape = header(data, offset)
        if OVERHEAD <= length <= end - offset and crc32(data[offset : offset + length]) == RESIDUE:
            yield Frame(offset, length, shape)
            offset += length
            continue
        found = _next(data, offset + 1)
        if found is None:
            return
        yield Frame(offset, found - offset, DAMAGED)
        offset = found


def runs(data: bytes, offset: int = 0) -> Iterator[Run]:
    """``walk`` for many frames at once: neighbours of equal length together, at a fraction of the cost.

    The frames of a run are checked by one CRC over all of them. Their shapes may differ, and they lie
    ``length`` bytes apart, so ``numpy.frombuffer`` reads them by a stride.
    """
    end = len(data)
    header = HEADER.unpack_from
    while end - offset >= OVERHEAD:
        length, shape = header(data, offset)
        if not OVERHEAD <= length <= end - offset or crc32(data[offset : offset + length]) != RESIDUE:
            frame = next(walk(data, offset), None)
            if frame is None:
                return
            offset, length, shape = frame
        after = offset + length
        alone = data[after : after + 4] != data[offset : offset + 4]
        count = 1 if alone else _equals(data, Frame(offset, length, shape))
        yield Run(offset, length, count)
        offset += count * length


def shapes_of(data: bytes, run: Run) -> set[int]:
    """The shapes that occur in a run."""
    ids = struct.Struct(f"<4xI{run.length - 8}x")
    return {id for (id,) in ids.iter_unpack(data[run.offset : run.offset + run.count * run.length])}


def times(data: bytes, run: Run) -> list[int]:
    """The time of each frame of a run that holds points alone, in ns."""
    found = struct.Struct(f"<8xq{run.length - 16}x")
    return [time for (time,) in found.iter_unpack(data[run.offset : run.offset + run.count * run.length])]


def is_record(shape: int) -> bool:
    """Whether frames of this shape are numbered: points and RECORD are, HEAD and SHAPE are not."""
    return shape >= RECORD


def _equals(data: bytes, frame: Frame) -> int:
    """How many valid frames of this length follow one another from this frame on."""
    start, length = frame.offset, frame.length
    size = data[start : start + 4]
    if data[start + length : start + length + 4] != size:
        return 1
    match = _stretch(length).match(data, start)
    count = (match.end() - start) // length if match else 1
    sample = data[start : start + length]
    # The CRC over n valid frames of one length does not depend on what they hold.
    while count > 1 and crc32(data[start : start + count * length]) != crc32(sample * count):
        count //= 2
    return count


@lru_cache(maxsize=256)
def _stretch(length: int) -> re.Pattern[bytes]:
    """Frames of one length, one after another; not more at once than a regular expression keeps cheaply."""
    return re.compile(b"(?s)(?:%s.{%d}){1,32768}" % (re.escape(struct.pack("<I", length)), length - 4))


def _next(data: bytes, start: int) -> int | None:
    """The next place at which a whole frame begins."""
    for match in _PLAUSIBLE.finditer(data, start):
        offset = match.start()
        length, shape = HEADER.unpack_from(data, offset)
        if not _likely(data, offset, length, shape):
            continue
        if crc32(data[offset : offset + length]) == RESIDUE:
            return offset
    return None


def _likely(data: bytes, offset: int, length: int, shape: int) -> bool:
    if not OVERHEAD < length <= min(MAX_FRAME, len(data) - offset):
        return False
    if shape <= RECORD:
        return data[offset + 8] == 0x7B and data[offset + length - 5] == 0x7D
    return FIRST_SHAPE <= shape <= MAX_SHAPE and length >= OVERHEAD + 16 and (length - OVERHEAD) % 8 == 0


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") > DEPTH and depth(text) > DEPTH:
        raise ValueError(f"it is nested deeper than {DEPTH} levels")


def _json(body: Mapping[str, Any]) -> str:
    try:
        text = _dumps(body)
    except ValueError:
        return _dumps(_tagged(body))
    # A key that begins like our own tag must not be taken for it.
    return _dumps(_tagged(body)) if '"$' in text else text


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:
    """What a number of another library is to JSON."""
    if hasattr(value, "item"):
        return value.item()
    if hasattr(value, "__float__"):
        return float(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _tagged(value: Any) -> Any:
    """NaN and the infinities are no JSON: they travel as {"$float": "NaN"}; other keys get a second $."""
    if hasattr(value, "__float__") and not isinstance(value, int | float):
        value = _plain(value)
    if isinstance(value, float) and not math.isfinite(value):
        name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return {"$float": name}
    if isinstance(value, Mapping):
        return {f"${key}" if str(key).startswith("$") else key: _tagged(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_tagged(item) for item in value]
    return value


def _untagged(pairs: list[tuple[str, Any]]) -> Any:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands twice in one object")
    if value.keys() == {"$float"}:
        return float(str(value["$float"]))
    return {key[1:] if key.startswith("$") else key: item for key, item in value.items()}

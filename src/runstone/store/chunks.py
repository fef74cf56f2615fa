"""The bytes of a chunk: steps, values, times and kinds of up to 4,096 points, each column packed on its own.

Little-endian. The head: u8 version, 3 bytes of nothing, u32 n, the first and the last value as f64; then for
each of the four columns, in the order above: u8 form, u8 width, u8 whether it is packed with zstd, a byte of
nothing, u32 bytes; then the bytes of the columns. Forms: N not there (kinds: all float); P progression: i64
start, i64 stride; D differences: i64 start, then each number less the one before as an integer of the width;
R float64 or uint8 as they are; S float64, shuffled: the lowest byte of each, then the second, and so on.
"""

from __future__ import annotations

import struct
import threading
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import zstandard

from runstone.model.errors import Unreadable
from runstone.model.metrics import LARGE
from runstone.store.decode import Array

POINTS = 4096
VERSION = 1
HEAD = struct.Struct("<B3xIdd")
COLUMN = struct.Struct("<cBBxI")
PROGRESSION = struct.Struct("<qq")
START = struct.Struct("<q")
COLUMNS = 4
HEADER = HEAD.size + COLUMNS * COLUMN.size
LEVEL = 3
# Fewer bytes are not worth a call of zstd.
SMALL = 64

_local = threading.local()


@dataclass(frozen=True, eq=False)
class Chunk:
    """A packed chunk, its columns unpacked when they are asked for."""

    data: bytes
    n: int
    first: float
    last: float

    def steps(self) -> Array:
        """int64, or float64 where one of them is a fraction."""
        return self._column(0, "<f8")

    def values(self) -> Array:
        """float64."""
        return self._column(1, "<f8")

    def times(self) -> Array:
        """int64, milliseconds."""
        return self._column(2, "<f8")

    def kinds(self) -> Array | None:
        """uint8, or None when all points are floats."""
        return None if self.data[HEAD.size + 3 * COLUMN.size] == ord("N") else self._column(3, "u1")

    def _column(self, index: int, type: str) -> Array:
        start = HEADER
        for before in range(index):
            start += COLUMN.unpack_from(self.data, HEAD.size + before * COLUMN.size)[3]
        form, width, packed, size = COLUMN.unpack_from(self.data, HEAD.size + index * COLUMN.size)
        body = self.data[start : start + size]
        if packed:
            body = _unpacker().decompress(body)
        if form == b"P":
            first, stride = PROGRESSION.unpack(body)
            return np.int64(first) + np.arange(self.n, dtype=np.int64) * np.int64(stride)
        if form == b"R":
            return np.frombuffer(body, type)
        if form == b"S":
            return np.frombuffer(body, np.uint8).reshape(8, self.n).T.copy().view(type).ravel()
        column = np.empty(self.n, np.int64)
        column[0] = START.unpack_from(body)[0]
        column[1:] = np.frombuffer(body, f"<i{width}", offset=START.size)
        return column.cumsum()


def pack(steps: Array, values: Array, *, times: Array, kinds: Array | None) -> bytes:
    """The bytes of a chunk from columns of one length, at least one point."""
    columns = [
        _integers(steps) if steps.dtype == np.int64 else _floats(steps),
        _floats(values),
        _integers(times),
        (b"N", 0, 0, b"") if kinds is None else (b"R", 0, *_smaller(kinds.tobytes())),
    ]
    head = [HEAD.pack(VERSION, len(values), values[0], values[-1])]
    head += [COLUMN.pack(form, width, packed, len(body)) for form, width, packed, body in columns]
    return b"".join(head + [body for _, _, _, body in columns])


def ends(head: bytes) -> tuple[float, float]:
    """The first and the last value, from the first ``HEAD.size`` bytes of a chunk."""
    _, _, first, last = HEAD.unpack_from(head)
    return first, last


def read(data: bytes, crc: int) -> Chunk:
    """The chunk, or Unreadable when its bytes are not those that were written."""
    if crc32(data) != crc:
        raise Unreadable(
            f"A chunk of {len(data):,} bytes does not match its checksum; run `runstone doctor`."
        )
    version, n, first, last = HEAD.unpack_from(data)
    if version != VERSION:
        raise Unreadable(
            f"A chunk has version {version}, and this Runstone knows {VERSION}; upgrade Runstone."
        )
    return Chunk(data, n, first, last)


def strange(data: bytes) -> Chunk:
    """The chunk that somebody else has packed; Unreadable, before anything large is made of it, when its
    bytes are none."""
    try:
        chunk = read(data, crc32(data))
        if not 1 <= chunk.n <= POINTS or _sizes(data) != len(data) - HEADER:
            raise Unreadable(f"it claims {chunk.n} points and has {len(data):,} bytes")
        for index, forms in enumerate((b"PDRS", b"RS", b"PD", b"NR")):
            _expect(data, index, forms, chunk.n)
        values, kinds = chunk.values(), chunk.kinds()
        if np.isnan(chunk.steps()).any() or (kinds is not None and kinds.max() > LARGE):
            raise Unreadable("a step is no number, or a kind is unknown")
        if not np.array_equal([chunk.first, chunk.last], values[[0, -1]], equal_nan=True):
            raise Unreadable("its ends are not those of its points")
        chunk.times()
    except (struct.error, ValueError, IndexError, zstandard.ZstdError, Unreadable) as error:
        raise Unreadable(f"A chunk of {len(data):,} bytes cannot be read: {error}.") from error
    return chunk


def _sizes(data: bytes) -> int:
    return sum(int(COLUMN.unpack_from(data, HEAD.size + index * COLUMN.size)[3]) for index in range(COLUMNS))


def _expect(data: bytes, index: int, forms: bytes, n: int) -> None:
    """Unreadable unless a column has one of the forms, and unpacked the size that this has for n points."""
    heads = [COLUMN.unpack_from(data, HEAD.size + before * COLUMN.size) for before in range(index + 1)]
    start = HEADER + sum(head[3] for head in heads[:-1])
    form, width, packed, size = heads[-1]
    whole = {
        b"N": 0,
        b"P": PROGRESSION.size,
        b"D": START.size + (n - 1) * width,
        b"R": n if index == COLUMNS - 1 else 8 * n,
        b"S": 8 * n,
    }
    if form not in whole or form[0] not in forms or (form == b"D" and width not in (1, 2, 4, 8)):
        raise Unreadable(f"column {index} has the form {form!r}")
    found = zstandard.frame_content_size(data[start : start + size]) if packed else size
    if found != whole[form]:
        raise Unreadable(f"column {index} has {found} bytes in the place of {whole[form]}")


_Packed = tuple[bytes, int, int, bytes]


def _integers(column: Array) -> _Packed:
    first = int(column[0])
    # differences of far apart numbers wrap around, and wrap back when they are summed up
    differences = np.diff(column)
    if not len(differences) or (differences == differences[0]).all():
        return b"P", 0, 0, PROGRESSION.pack(first, int(differences[0]) if len(differences) else 0)
    low, high = int(differences.min()), int(differences.max())
    width = next(
        width for width in (1, 2, 4, 8) if -(1 << (8 * width - 1)) <= low and high < 1 << (8 * width - 1)
    )
    return b"D", width, *_smaller(START.pack(first) + differences.astype(f"<i{width}").tobytes())


def _floats(column: Array) -> _Packed:
    """As they are or shuffled, whichever is smaller: decimals are better off one way, noise the other."""
    column = column.astype("<f8")
    packed, body = _smaller(column.tobytes())
    if packed:
        shuffled = _packer().compress(column.view(np.uint8).reshape(-1, 8).T.tobytes())
        if len(shuffled) < len(body):
            return b"S", 0, 1, shuffled
    return b"R", 0, packed, body


def _smaller(body: bytes) -> tuple[int, bytes]:
    if len(body) < SMALL:
        return 0, body
    packed = _packer().compress(body)
    return (1, packed) if len(packed) < len(body) else (0, body)


def _packer() -> zstandard.ZstdCompressor:
    if not hasattr(_local, "packer"):
        _local.packer = zstandard.ZstdCompressor(level=LEVEL)
    packer: zstandard.ZstdCompressor = _local.packer
    return packer


def _unpacker() -> zstandard.ZstdDecompressor:
    # one for each thread: neither may be used by two at once
    if not hasattr(_local, "unpacker"):
        _local.unpacker = zstandard.ZstdDecompressor()
    unpacker: zstandard.ZstdDecompressor = _local.unpacker
    return unpacker

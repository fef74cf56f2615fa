"""What travels with a run, record by record: events, files, series, their points, batches that wait.

A record is a MessagePack map with its kind, after its length in bytes as a little-endian u32. They come in
the order of ``Record``: all events, then all files, and so on; points and entries by their numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import msgspec

from runstone.model.errors import Invalid
from runstone.model.metrics import Latest

LENGTH = struct.Struct("<I")
# No batch of a journal, no chunk and no table is larger.
MOST = 64 * 1024 * 1024


class Event(msgspec.Struct, tag_field="kind", tag="event"):
    """One change of a run; ``body`` is JSON."""

    sequence: int
    time: int
    category: str
    body: str


class File(msgspec.Struct, tag_field="kind", tag="file"):
    """One version of a file, by the hash of its content."""

    name: str
    version: int
    sha256: str
    size: int
    created: int


class Summary(msgspec.Struct, tag_field="kind", tag="series"):
    """A series that follows, and its summary."""

    latest: Latest


class Chunk(msgspec.Struct, tag_field="kind", tag="chunk"):
    """Up to 4,096 points of a series, as chunks.py packs them."""

    metric: str
    seq: int
    data: bytes


class Entry(msgspec.Struct, tag_field="kind", tag="entry"):
    """An entry of a series that is no float64; ``body`` is JSON, ``at`` points stand before it."""

    metric: str
    seq: int
    at: int
    type: str
    step: float
    time: int
    body: str


class Batch(msgspec.Struct, tag_field="kind", tag="batch"):
    """Frames of a journal that are not sealed yet; ``summarized`` when the summaries know them."""

    writer: str
    first: int
    received: int
    summarized: bool
    data: bytes


Record = Event | File | Summary | Chunk | Entry | Batch

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def packed(records: Iterable[Record]) -> Iterator[bytes]:
    """The bytes of records, one after the other."""
    for record in records:
        body = _encoder.encode(record)
        yield LENGTH.pack(len(body)) + body


def unpacked(parts: Iterable[bytes]) -> Iterator[Record]:
    """The records of a stream of bytes; Invalid when they are none."""
    rest = bytearray()
    for part in parts:
        rest += part
        while (body := _first(rest)) is not None:
            yield _decoded(body)
            del rest[: LENGTH.size + len(body)]
    if rest:
        raise Invalid(f"The records of a run end in the middle of one, after {len(rest):,} bytes of it.")


def _first(rest: bytearray) -> bytes | None:
    if len(rest) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack_from(rest)
    if length > MOST:
        raise Invalid(f"A record of a run claims {length:,} bytes; none has more than {MOST:,}.")
    if len(rest) < LENGTH.size + length:
        return None
    return bytes(rest[LENGTH.size : LENGTH.size + length])


def _decoded(body: bytes) -> Record:
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"A record of a run cannot be read: {error}.") from error

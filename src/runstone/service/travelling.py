"""A run on its way over a connection: what goes before it, each part after its length, and its records."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Protocol

from runstone.model.errors import Invalid
from runstone.store import records

LENGTH = struct.Struct("<I")
MOST = 64 * 1024 * 1024
PART = 1 << 20


class Readable(Protocol):
    """What can be read in parts."""

    def read(self, most: int, /) -> bytes:
        """At most so many bytes; none at the end."""


def sent(*heads: bytes, leaving: Iterable[records.Record]) -> Iterator[bytes]:
    """The bytes of some heads and of the records that follow them."""
    for head in heads:
        yield LENGTH.pack(len(head)) + head
    yield from records.packed(leaving)


def head(stream: Readable) -> bytes:
    """The next head of a stream; Invalid when it ends before, or claims more than there can be."""
    (length,) = LENGTH.unpack(_exactly(stream, LENGTH.size))
    if length > MOST:
        raise Invalid(f"A run on its way claims a head of {length:,} bytes; none has more than {MOST:,}.")
    return _exactly(stream, length)


def arriving(stream: Readable) -> Iterator[records.Record]:
    """The records that follow the heads."""
    return records.unpacked(iter(lambda: stream.read(PART), b""))


def spooled(stream: Readable, file: BinaryIO) -> None:
    """Write all of a stream to a file, and go back to its beginning."""
    while part := stream.read(PART):
        file.write(part)
    file.seek(0)


def _exactly(stream: Readable, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = stream.read(min(size, PART))
        if not part:
            raise Invalid("A run on its way ends before its records.")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)

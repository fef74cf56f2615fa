"""What can still be read of a segment that others have truncated while it was written."""

from __future__ import annotations

from runstone.journal import frames


def around_damage(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """The records before the place where a segment was cut, and those that were written after that."""
    found: tuple[list[bytes], list[bytes]] = ([], [])
    side = 0 if _start(data) else 1
    for at, length, shape in frames.scan(data, _start(data)):
        if shape == frames.DAMAGED:
            side = 1
        elif frames.is_record(shape):
            found[side].append(data[at : at + length])
    return found


def count(data: bytes) -> int:
    """How many records can be read of a segment."""
    total = 0
    for run in frames.runs(data, _start(data)):
        if min(frames.shapes_of(data, run)) >= frames.RECORD:
            total += run.count
            continue
        end = run.offset + run.length * run.count
        total += sum(frames.is_record(frame.shape) for frame in frames.walk(data[:end], run.offset))
    return total


def _start(data: bytes) -> int:
    """Where the frames of a segment begin; 0 when its beginning is gone."""
    return len(frames.PREAMBLE) if data.startswith(frames.MAGIC) else 0

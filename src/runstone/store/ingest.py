"""Taking in what journals hold, exactly once: batches of frames, checked, kept as they were written."""

from __future__ import annotations

import json
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from runstone.journal import frames
from runstone.journal.frames import Frame, Shape
from runstone.model.errors import Conflict, Invalid, NotFound
from runstone.model.names import metric_name
from runstone.store import runs
from runstone.store.database import Row, Transaction

Operation = Callable[[Transaction, int, Mapping[str, Any]], None]

# Whoever holds the run's row may append to it, so that the ids of a run's batches follow the order of their
# commits.
LOCK_RUN = "SELECT n, ended, error FROM runs WHERE n = :run {for_update}"

ACKNOWLEDGED = "SELECT acked, newest FROM writers WHERE run = :run AND id = :writer {for_update}"

READ_ACKNOWLEDGED = "SELECT acked, newest FROM writers WHERE run = :run AND id = :writer"

WAITING = "SELECT COUNT(*) AS batches FROM (SELECT 1 AS one FROM metric_batch LIMIT :most) AS found"

ACKNOWLEDGE = """
INSERT INTO writers (run, id, acked, lost, newest)
VALUES (:run, :writer, :acked, :lost, :newest)
    ON CONFLICT (run, id) DO UPDATE
   SET acked = excluded.acked, lost = writers.lost + excluded.lost, newest = excluded.newest"""

ADD_BATCH = """
INSERT INTO metric_batch (run, writer, first, count, received, crc, data)
VALUES (:run, :writer, :first, :count, :received, :crc, :data)"""

TAKE_BATCH = f"{ADD_BATCH} RETURNING id"

# What a RECORD must bring along, by its kind.
RECORDS: Mapping[str, Mapping[str, type]] = {
    "value": {"name": str, "type": str, "value": str},
    "list": {"name": str, "items": list},
    "row": {"name": str, "columns": dict},
    "table": {"name": str, "columns": dict},
    "artifact": {"name": str, "type": str, "uri": str},
    "describe": {"name": str, "text": str},
    "count": {},
    "operation": {"call": str, "arguments": dict},
}

ENTRIES = {"value", "list", "row", "table", "artifact"}
# Of a frame: its shape after its length.
SHAPE_OF = struct.Struct("<4xI")
# A point's time is odd, and counted as such, when it lies so far before that of a point logged earlier,
# or so far after its receipt, in ns.
BACK_NS = 1_000_000_000
AHEAD_NS = 60_000_000_000


def append(
    tx: Transaction, run: int, *, writer: str, first: int, records: bytes, lost: int = 0, operation: Operation
) -> int:
    """Apply the records from number ``first`` on, once; the number of the writer's last record applied.

    What was applied before is passed over. ``lost`` records before ``first`` are in no journal; without them
    a gap is a Conflict that says what was ``expected``. An empty batch changes nothing. Damage and what no
    reader could read is Invalid, and nothing of the batch is kept. Points of a run that has ended are kept
    and counted as late when their own time is later than the end: what a killed process left behind is not
    late.
    """
    batch = _survey(records)
    row = tx.one(LOCK_RUN, {"run": run})
    if row is None:
        raise NotFound(f"There is no run with the number {run}.")
    known = tx.one(ACKNOWLEDGED, {"run": run, "writer": writer})
    acked = int(known["acked"]) if known else 0
    if first > acked + 1 + lost:
        raise Conflict(
            f"The records {acked + 1} to {first - 1} of the writer {writer} are missing; send them first.",
            expected=acked + 1,
        )
    last = first + batch.count - 1
    if last <= acked or not batch.count:
        return acked
    if first <= acked:
        batch, first, lost = _survey(_after(records, batch, acked - first + 1)), acked + 1, 0
    _keep(tx, run, batch, {"writer": writer, "first": first})
    odd, newest = _odd(batch.times, newest=known["newest"] if known else None, received=time.time_ns())
    told = {"acked": last, "lost": lost, "newest": newest}
    tx.execute(ACKNOWLEDGE, {"run": run, "writer": writer, **told})
    for body in batch.bodies:
        if body["kind"] == "operation":
            operation(tx, run, body)
    counts = _quality(batch, row)
    counts += Counter(odd_times=odd, lost=lost)  # keeps what is more than nothing
    if counts:
        runs.add_quality(tx, run, counts)
    return last


def waiting(tx: Transaction, *, most: int) -> int:
    """How many batches are not sealed, counted up to ``most``."""
    row = tx.one(WAITING, {"most": most})
    return int(row["batches"]) if row else 0


def acknowledged(tx: Transaction, run: int, writer: str) -> int:
    """The number of the writer's last record that was applied; 0 when there is none."""
    row = tx.one(READ_ACKNOWLEDGED, {"run": run, "writer": writer})
    return int(row["acked"]) if row else 0


def keep(tx: Transaction, run: int, records: bytes, *, writer: str, first: int, received: int) -> int:
    """Keep a batch that another history has applied; its number. Invalid as ``append`` says.

    Nothing of it is counted or carried out again.
    """
    row = tx.one(
        TAKE_BATCH,
        {
            "run": run,
            "writer": writer,
            "first": first,
            "count": _survey(records).count,
            "received": received,
            "crc": crc32(records),
            "data": records,
        },
    )
    return int(row["id"]) if row else 0


@dataclass
class _Batch:
    data: bytes
    count: int = 0
    shapes: dict[int, Shape] = field(default_factory=dict)
    bodies: list[Mapping[str, Any]] = field(default_factory=list)
    # of points and entries, in the order in which they were logged, in ns
    times: list[int] = field(default_factory=list)


def _survey(data: bytes) -> _Batch:
    """Check every frame, count the records and read those of variable size."""
    batch = _Batch(data)
    end = 0
    for run in frames.runs(data):
        offset, count = run.offset, run.count
        if offset != end:
            break
        end += run.length * count
        # most batches have either long runs or many of one frame: the shape of that one is read here
        ids = {SHAPE_OF.unpack_from(data, offset)[0]} if count == 1 else frames.shapes_of(data, run)
        if min(ids) >= frames.FIRST_SHAPE:
            _known(batch, ids, run)
            batch.count += count
            batch.times += frames.times(data, run)
            continue
        for frame in _singly(data, run):
            _single(batch, frame)
    if end != len(data):
        raise Invalid(f"The batch is damaged at byte {end} of {len(data)}: send it again from the journal.")
    return batch


def _known(batch: _Batch, ids: set[int], run: frames.Run) -> None:
    for id in ids:
        shape = batch.shapes.get(id)
        if shape is None or shape.length != run.length:
            raise Invalid(
                f"The frame at byte {run.offset} has {run.length} bytes and the shape {id}, which the batch "
                f"does not define before it; put the SHAPE frames that a batch needs at its beginning."
            )


def _singly(data: bytes, run: frames.Run) -> Iterator[Frame]:
    for offset in range(run.offset, run.offset + run.length * run.count, run.length):
        yield Frame(offset, run.length, frames.HEADER.unpack_from(data, offset)[1])


def _single(batch: _Batch, frame: Frame) -> None:
    if frame.shape >= frames.FIRST_SHAPE:
        run = frames.Run(frame.offset, frame.length, 1)
        _known(batch, {frame.shape}, run)
        batch.count += 1
        batch.times += frames.times(batch.data, run)
        return
    try:
        if frame.shape == frames.SHAPE:
            _define(batch, frames.shape(batch.data, frame))
        elif frame.shape == frames.RECORD:
            body = _checked(frames.body(batch.data, frame))
            batch.bodies.append(body)
            batch.count += 1
            if body["kind"] in ENTRIES:
                batch.times.append(body["time"])
        else:
            raise Invalid(f"a frame of the shape {frame.shape} does not belong into a batch")
    except (ValueError, LookupError, TypeError, AttributeError, Invalid) as error:
        raise Invalid(f"The frame at byte {frame.offset} cannot be read: {error}.") from error


def _define(batch: _Batch, shape: Shape) -> None:
    if batch.shapes.setdefault(shape.id, shape) != shape:
        raise Invalid(f"the shape {shape.id} is defined twice, and differently")
    if shape.id < frames.FIRST_SHAPE or shape.length > frames.MAX_FRAME:
        raise Invalid(
            f"the shape {shape.id} with {len(shape.columns)} columns is outside of what frames may have"
        )
    for name, _ in shape.columns:
        metric_name(name)


def _checked(body: Mapping[str, Any]) -> Mapping[str, Any]:
    kind = body["kind"]
    if kind not in RECORDS:
        raise Invalid(f"records of the kind {kind!r} are unknown to this version; upgrade Runstone")
    for key, type in RECORDS[kind].items():
        if not isinstance(body[key], type):
            raise Invalid(f"{key} of a record of the kind {kind!r} is no {type.__name__}: {body[key]!r:.80}")
    if "name" in RECORDS[kind]:
        metric_name(body["name"])
        _check_numbers(body)
    return body


def _check_numbers(body: Mapping[str, Any]) -> None:
    step = body.get("step")
    if not isinstance(body["time"], int) or not isinstance(step, int | float | None):
        raise Invalid(f"time {body['time']!r:.80} or step {step!r:.80} is no number")
    if not all(-(2**63) <= number < 2**63 for number in (body["time"], step) if isinstance(number, int)):
        raise Invalid(f"time {body['time']} or step {step} is beyond 64 bits")
    if body["kind"] == "value" and body["type"] == "int":
        int(body["value"])


def _after(data: bytes, batch: _Batch, skip: int) -> bytes:
    """The batch without its first ``skip`` records, its SHAPE frames kept."""
    definitions = [shape.definition() for shape in batch.shapes.values()]
    for run in frames.runs(data):
        for frame in _singly(data, run):
            if not frames.is_record(frame.shape):
                continue
            if not skip:
                return b"".join(definitions) + data[frame.offset :]
            skip -= 1
    return b"".join(definitions)


def _keep(tx: Transaction, run: int, batch: _Batch, values: Mapping[str, Any]) -> None:
    tx.execute(
        ADD_BATCH,
        {
            **values,
            "run": run,
            "count": batch.count,
            "received": time.time_ns() // 1000,
            "crc": crc32(batch.data),
            "data": batch.data,
        },
    )


def _quality(batch: _Batch, row: Row) -> Counter[str]:
    counts: Counter[str] = Counter()
    for body in batch.bodies:
        if body["kind"] == "count":
            numbers = {key: n for key, n in body.items() if key not in ("kind", "time") and type(n) is int}
            counts.update({key: n for key, n in numbers.items() if n > 0})
    provisional = row["error"] and json.loads(row["error"]).get("reason") == "infrastructure"
    if row["ended"] is not None and not provisional:
        end = row["ended"] * 1000 + 999
        counts["late"] = sum(time > end for time in batch.times)
    return counts


def _odd(times: list[int], *, newest: int | None, received: int) -> tuple[int, int | None]:
    """How many points come from the future, or from before an earlier one, and the newest time so far."""
    latest = received + AHEAD_NS
    if not times:
        return 0, newest
    newest = min(times[0], latest) if newest is None else newest
    if newest <= times[0] and times[-1] <= latest and times == sorted(times):
        return 0, times[-1]
    odd = 0
    for at in times:
        odd += at > latest or at < newest - BACK_NS
        newest = max(newest, min(at, latest))
    return odd, newest

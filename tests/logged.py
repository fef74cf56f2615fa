"""Metrics for tests: what a writer logs, as frames, and a history to hand them to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from multiprocessing.synchronize import Barrier
from typing import Any

from runstone.journal import frames
from runstone.journal.frames import Shape
from runstone.model.runs import NewRun, Status
from runstone.service.experiments import Experiments
from runstone.service.metrics import Metrics
from runstone.service.runs import Runs
from runstone.service.workspaces import Workspaces
from runstone.store import runs, sealing
from runstone.store.database import Database, open_database

START = 1_700_000_000_000_000_000
TYPES = {float: "float", int: "int", bool: "bool"}


class Writer:
    """What one process has logged to one run. Records are numbered from 1."""

    def __init__(self, id: str = "writer") -> None:
        self.id = id
        self.frames: list[bytes] = []
        self._needs: list[int | None] = []
        self._shapes: dict[Any, Shape] = {}
        self._definitions: dict[int, bytes] = {}

    def log(self, values: Mapping[str, Any], step: int | float | None = None, at: int = START) -> Writer:
        """One frame of floats, ints and bools."""
        kind = "none" if step is None else TYPES[type(step)]
        columns = tuple((name, TYPES[type(value)]) for name, value in values.items())
        shape = self._shapes.get((kind, columns))
        if shape is None:
            shape = Shape(frames.FIRST_SHAPE + len(self._shapes), kind, columns)  # type: ignore[arg-type]
            self._shapes[kind, columns] = shape
            self._definitions[shape.id] = shape.definition()
        steps = () if step is None else (step,)
        self.frames.append(
            frames.seal(shape.packer.pack(shape.length, shape.id, at, *steps, *values.values()))
        )
        self._needs.append(shape.id)
        return self

    def record(self, kind: str, at: int = START, **body: Any) -> Writer:
        """One RECORD."""
        self.frames.append(frames.encode(frames.RECORD, {"kind": kind, "time": at, **body}))
        self._needs.append(None)
        return self

    def batch(self, first: int = 1, last: int | None = None) -> bytes:
        """The records from number ``first`` to ``last``, and the shapes that they need."""
        part = slice(first - 1, last)
        needed = sorted({id for id in self._needs[part] if id is not None})
        return b"".join([self._definitions[id] for id in needed] + self.frames[part])


class Logged:
    """A history with runs to log to."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.runs = Runs(database, settle=_nothing, refresh=_nothing)
        self.metrics = Metrics(database, _nothing)
        self._experiment = ""
        self._count = 0

    def begin(self) -> None:
        """Create what runs need; once a database."""
        Workspaces(self.database).create("ws")
        self._experiment = Experiments(self.database).create("ws", "metrics").id

    def start(self) -> str:
        """A new run's reference."""
        self._count += 1
        new = NewRun(id=f"run-{self._count}", experiment=self._experiment, status=Status.RUNNING)
        self.runs.create("ws", [new])
        return f"ws/{new.id}"

    def take(self, run: str, writer: Writer, first: int = 1, last: int | None = None, lost: int = 0) -> int:
        """Hand over some of what a writer has."""
        records = writer.batch(first, last)
        return self.runs.append(run, writer=writer.id, first=first, records=records, lost=lost)

    def number(self, run: str) -> int:
        """The run's number within the store."""
        with self.database.read() as tx:
            return int(runs.find(tx, run)["n"])

    def seal(self, run: str) -> None:
        with self.database.write() as tx:
            sealing.seal(tx, runs.find(tx, run)["n"])

    def refresh(self, run: str) -> None:
        with self.database.write() as tx:
            sealing.refresh(tx, runs.find(tx, run)["n"])

    def rows(self, run: str) -> dict[str, int]:
        """How many rows the run has in each table of metrics."""
        tables = ("metric_batch", "metric_chunk", "metric_row", "metric_latest")
        with self.database.read() as tx:
            n = runs.find(tx, run)["n"]
            counted = {table: tx.one(COUNT.format(table=table), {"run": n}) for table in tables}
        return {table: int(row["rows"]) if row else 0 for table, row in counted.items()}


COUNT = "SELECT COUNT(*) AS rows FROM {table} WHERE run = :run"


def deliver_a_hundred(place: str, run: str, barrier: Barrier) -> None:
    """What one of several processes does at the same time."""
    writer = Writer()
    for step in range(100):
        writer.log({"loss": float(step)}, step)
    with closing(open_database(place)) as database:
        history = Logged(database)
        barrier.wait()
        for first in range(1, 101, 10):
            history.take(run, writer, first, first + 9)


def now() -> int:
    """Nanoseconds since 1970, as frames have them."""
    return time.time_ns()


def _nothing(run: str = "") -> None:
    return None

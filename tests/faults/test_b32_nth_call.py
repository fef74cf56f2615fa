"""b32: whichever call to the database fails on the way from a journal to chunks, before or after it was done,
all that was logged is there exactly once when the same is done again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count as numbers
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runstone.journal.shipper import Shipper
from runstone.journal.writer import Writer
from runstone.model.errors import RunstoneError
from runstone.model.runs import Status
from runstone.service.recovery import Recovery
from runstone.store import sqlite
from runstone.store.blobs import Directory
from tests.logged import Logged

POINTS = 60
# What a database says when it fails.
ERRORS: dict[str, Callable[[], BaseException]] = {
    "full": lambda: sqlite3.OperationalError("database or disk is full"),
    "broken": lambda: sqlite3.OperationalError("disk I/O error"),
    "memory": MemoryError,
}


class Failing(sqlite3.Connection):
    """A connection of which one statement fails: the Nth of all."""

    left = 0
    error = "full"
    after = False

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        with _failing():
            return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        with _failing():
            return super().executemany(*arguments)


@contextmanager
def _failing() -> Iterator[None]:
    Failing.left -= 1
    if Failing.left == 0 and not Failing.after:
        raise ERRORS[Failing.error]()
    yield
    if Failing.left == 0:
        raise ERRORS[Failing.error]()


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logged]:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **more: connect(*given, **more, factory=Failing))
    Failing.left = 0
    with closing(sqlite.Sqlite(tmp_path / "history.db")) as database:
        found = Logged(database)
        found.begin()
        yield found
        Failing.left = 0


class Passage:
    """A run with a sealed part, a waiting one and one in a journal, and the way of it all into chunks."""

    def __init__(self, history: Logged, folder: Path) -> None:
        self.history, self.run = history, history.start()
        self.writer = Writer(folder / "journal", self.run, warn=lambda text: None)
        service = SimpleNamespace(runs=history.runs, persist=history.database.persist)
        self.shipper = Shipper(service, folder / "journal", warn=lambda text: None)
        blobs = Directory(folder / "blobs")
        self.recovery = Recovery(history.database, shipper=self.shipper, blobs=blobs, root=folder, environ={})
        self.log(0)
        assert self.shipper.drain_all()
        history.seal(self.run)
        self.log(1)
        assert self.shipper.drain_all()
        self.log(2)

    def log(self, part: int) -> None:
        for step in range(part * POINTS, (part + 1) * POINTS):
            self.writer.log_metrics({"loss": step / 4, "epoch": step // 10}, step=step)
            if step % 20 == 0:
                self.writer.log("phase", str(step), step=step)
        self.writer.log("bad", 10**400)

    def go(self) -> None:
        """What readers, shippers and the end of a run do, each whether or not the others succeed."""
        for step in (
            self.recovery.settle,
            lambda: self.history.runs.tag(self.run, {"tag": "set"}),
            lambda: self.history.runs.move(self.run, Status.COMPLETED),
            self.recovery.refresh,
            lambda: self.history.metrics.series(self.run, "loss"),
            self.history.database.persist,
        ):
            with suppress(RunstoneError, MemoryError):
                step()

    def whole(self) -> None:
        """Once each, in order, in chunks and in summaries."""
        found = self.history.metrics.values([self.run])[self.run]
        values = {name: [value for _, value in series.logged()] for name, series in found.items()}
        steps = range(3 * POINTS)
        assert values == {
            "loss": [step / 4 for step in steps],
            "epoch": [step // 10 for step in steps],
            "phase": [str(step) for step in steps if step % 20 == 0],
        }
        latest = self.history.metrics.latest(self.run)
        assert {name: one.count for name, one in latest.items()} == {
            name: len(values[name]) for name in values
        }
        assert latest["loss"].sum == sum(values["loss"])
        assert self.history.rows(self.run)["metric_batch"] == 0
        run = self.history.runs.get(self.run)
        assert (run.status, run.tags) == (Status.COMPLETED, {"tag": "set"})
        assert len([event for event in self.history.runs.events(self.run) if "status" in str(event)]) == 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("error", ERRORS)
def test_whichever_call_fails_all_is_there_once(
    history: Logged, tmp_path: Path, error: str, after: bool, count: Callable[[int, int], int]
):
    Failing.error, Failing.after = error, after
    # every call in `make drill`, every third one otherwise, and each of them by one of the errors
    first, stride = (1, 1) if count(0, 1) else (1 + [*ERRORS].index(error), 3)
    for calls in numbers(first, stride):
        passage = Passage(history, tmp_path / str(calls))
        Failing.left = calls
        passage.go()
        failed = Failing.left <= 0
        Failing.left = 0
        passage.go()
        passage.whole()
        if not failed:
            break
    assert calls > 50

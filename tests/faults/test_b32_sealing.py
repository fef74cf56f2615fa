"""Sealing that is cut short: never both, never neither, again is harmless (b32); damaged chunks (b35)."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from runstone.store import sealing
from runstone.store.database import Database, Row, Transaction, open_database
from tests.histories import KINDS, address
from tests.logged import Logged, Writer

SEAL = """
import sys, time
from runstone.store import sealing
from runstone.store.database import open_database
database = open_database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
sealing.seal_run(database, int(sys.argv[2]))
"""


class Cut(Exception):
    """What a process that dies does to its transaction."""


class Failing(Transaction):
    """A transaction whose Nth call never comes back."""

    def __init__(self, inner: Transaction, calls: int) -> None:
        self.dialect = inner.dialect
        self._inner = inner
        self._left = calls

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        self._count()
        return self._inner.execute(sql, values)

    def many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            self._count()
            self._inner.many(sql, [row])

    def script(self, sql: str) -> None:
        self._inner.script(sql)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Cut


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with address(request.param, tmp_path, request) as at:
        yield at


@pytest.fixture
def history(place: str) -> Iterator[Logged]:
    with closing(open_database(place)) as database:
        found = Logged(database)
        found.begin()
        yield found


def fill(history: Logged, points: int) -> tuple[str, dict[str, list[Any]]]:
    """A run with a sealed part and a waiting one, and what was logged to it."""
    writer = Writer()
    for step in range(points):
        writer.log({"loss": step / 8, "epoch": step // 100}, step)
        if step % 97 == 0:
            writer.record("value", name="phase", type="text", value=str(step))
    run, total = history.start(), len(writer.frames)
    history.take(run, writer, 1, total // 3)
    history.seal(run)
    for first in range(total // 3 + 1, total + 1, total // 5):
        history.take(run, writer, first, min(total, first + total // 5 - 1))
    return run, {
        "loss": [step / 8 for step in range(points)],
        "epoch": [step // 100 for step in range(points)],
        "phase": [str(step) for step in range(0, points, 97)],
    }


def logged(history: Logged, run: str) -> dict[str, list[Any]]:
    found = history.metrics.values([run])[run]
    assert {name: latest.count for name, latest in history.metrics.latest(run).items()} == {
        name: len(list(series.logged())) for name, series in found.items()
    }
    return {name: [value for _, value in series.logged()] for name, series in found.items()}


def test_a_seal_that_fails_at_any_call_leaves_all_as_it_was(history: Logged):
    run, expected = fill(history, 5000)
    before = history.rows(run)
    for calls in range(10_000):
        try:
            with history.database.write() as tx:
                sealing.seal(Failing(tx, calls), history.number(run))
        except Cut:
            assert history.rows(run) == before
            assert logged(history, run) == expected
            continue
        break
    assert calls > 10
    assert history.rows(run)["metric_batch"] == 0
    assert logged(history, run) == expected


def killed(place: str, run: int, after: float) -> bool:
    """Begin to seal in another process and kill it; whether it was still at work."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-c", SEAL, place, str(run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        return process.wait() == -signal.SIGKILL


def test_a_process_that_is_killed_while_it_seals_loses_and_doubles_nothing(
    history: Logged, place: str, count: Callable[[int, int], int], rng: Random
):
    run, expected = fill(history, 30_000)
    number = history.number(run)
    for _ in range(count(5, 200)):
        killed(place, number, rng.random() * 0.15)
        assert logged(history, run) == expected
    history.seal(run)
    assert history.rows(run)["metric_batch"] == 0
    assert logged(history, run) == expected


def flip(database: Database, table: str, run: int, metric: str | None = None) -> None:
    """Change one byte of a blob, as a bad disk does."""
    which = "" if metric is None else "AND metric = (SELECT id FROM metrics WHERE name = :metric) AND seq = 1"
    with database.write() as tx:
        row = tx.one(f"SELECT data FROM {table} WHERE run = :run {which}", {"run": run, "metric": metric})
        assert row is not None
        damaged = bytearray(row["data"])
        damaged[len(damaged) // 2] ^= 4
        values = {"run": run, "metric": metric, "data": bytes(damaged), "old": row["data"]}
        tx.execute(f"UPDATE {table} SET data = :data WHERE run = :run AND data = :old {which}", values)


def test_a_damaged_chunk_is_a_hole_and_the_rest_is_read(history: Logged, caplog: pytest.LogCaptureFixture):
    run, expected = fill(history, 10_000)
    history.seal(run)
    flip(history.database, "metric_chunk", history.number(run), "loss")
    with caplog.at_level(logging.WARNING):
        series = history.metrics.series(run, "loss")
    assert "4096 points of the run" in caplog.text
    assert series.holes == 4096
    assert series.steps.tolist() == [*range(4096), *range(8192, 10_000)]
    chart = history.metrics.chart(run, "loss", buckets=10)
    assert (chart.points, chart.holes) == (10_000 - 4096, 4096)
    others = logged_beside(history, run, "loss")
    assert others == {name: values for name, values in expected.items() if name != "loss"}
    history.take(run, Writer("later").log({"loss": -1.0}, 10_000))
    history.seal(run)
    assert history.metrics.series(run, "loss").values[-1] == -1.0


def test_after_a_damaged_last_chunk_the_series_goes_on(history: Logged):
    run, _ = fill(history, 5000)
    history.seal(run)
    flip(history.database, "metric_chunk", history.number(run), "loss")
    writer = Writer("later").log({"loss": -1.0}).record("value", name="loss", type="int", value=str(2**70))
    history.take(run, writer)
    for _ in range(2):
        series = history.metrics.series(run, "loss")
        assert series.holes == 5000 - 4096
        assert [value for _, value in series.logged()][-3:] == [4095 / 8, -1.0, 2**70]
        history.seal(run)


def test_a_damaged_batch_waits_and_what_came_after_it_is_sealed(history: Logged):
    run = history.start()
    history.take(run, Writer("first").log({"loss": 1.0}))
    flip(history.database, "metric_batch", history.number(run))
    history.take(run, Writer("second").log({"loss": 2.0}))
    for _ in range(2):
        assert history.metrics.series(run, "loss").values.tolist() == [2.0]
        assert history.metrics.quality(run)["damaged"] == 1
        history.seal(run)
    assert history.rows(run) == {"metric_batch": 1, "metric_chunk": 1, "metric_row": 0, "metric_latest": 1}


def logged_beside(history: Logged, run: str, name: str) -> dict[str, list[Any]]:
    found = history.metrics.values([run])[run]
    return {key: [value for _, value in series.logged()] for key, series in found.items() if key != name}

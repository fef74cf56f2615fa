"""b33: the disk of a history is full: writes say so by a path, reads and searches go on, and all goes on by
itself, nothing lost or damaged, when there is room again."""

from __future__ import annotations

import io
import os
import resource
import sqlite3
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import IO

import pytest

from runstone import Experiment, Run
from runstone.model.errors import Full
from runstone.model.runs import NewRun, Status
from runstone.service.inspection import inspect
from runstone.store import sealing, search
from runstone.store.blobs import Directory
from runstone.store.database import Database, open_database
from tests.logged import Logged, Writer
from tests.scripts import Stage, quality

MIB = 1024 * 1024

# A reader that comes when there is no room left.
READ = """
run = Workspace.from_config().get_run("r")
say(len(run.get_metrics()["loss"]))
say([found.id for found in Workspace.from_config().search_runs("tags.before = full")])
"""


def _pour(file: IO[bytes], size: int) -> None:
    with suppress(OSError):
        while file.write(bytes(size)) == size:
            continue


class Disk:
    """8 MiB to be filled and emptied; who may not mount them has a limit upon all files in their place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mounted = os.geteuid() == 0
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        path.mkdir()
        if self.mounted:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", path], check=True)

    def fill(self) -> None:
        """Leave not one byte."""
        if not self.mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, self._limits[1]))
            return
        with (self.path / "ballast").open("ab", buffering=0) as file:
            for size in (MIB, 4096, 1):
                _pour(file, size)

    def empty(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)
        (self.path / "ballast").unlink(missing_ok=True)

    def close(self) -> None:
        self.empty()
        if self.mounted:
            subprocess.run(["umount", "-l", self.path], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    found = Disk(tmp_path / "disk")
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def history(disk: Disk) -> Iterator[Logged]:
    with closing(open_database(disk.path / "history.db")) as database:
        found = Logged(database)
        found.begin()
        yield found


def until_full(write: Callable[[int], object]) -> tuple[int, Full]:
    """Write until there is no room; how often it went well, and what was said."""
    for number in range(1_000):
        try:
            write(number)
        except Full as error:
            return number, error
    raise AssertionError("there was always room")


def whole(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_writes_are_refused_by_path_reads_go_on_and_all_recovers(disk: Disk, history: Logged):
    run, other = history.start(), history.start()
    writer = Writer()
    for step in range(40_000):
        writer.log({"loss": step / 4}, step)
    history.take(run, writer, 1, 10_000)
    history.seal(run)
    history.take(run, writer, 10_001, 12_000)
    history.runs.tag(run, {"before": "full"})
    disk.fill()
    taken, said = until_full(lambda n: history.take(run, writer, 12_001 + 1_000 * n, 13_000 + 1_000 * n))
    assert str(disk.path / "history.db") in said.message
    assert "full" in said.message
    assert (said.status, "reading still works" in said.message) == (507, True)
    points = 12_000 + 1_000 * taken
    rows = history.rows(run)
    experiment = history.runs.get(run).experiment_id
    for write in (
        lambda: history.runs.tag(other, {f"{n}": "x" * 5_000 for n in range(100)}),
        lambda: history.runs.edit(other, {"description": "x" * 60_000}),
        lambda: history.runs.create("ws", [NewRun(id=f"n{n}", experiment=experiment) for n in range(500)]),
        lambda: history.take(run, writer, points + 1, points + 1_000),
        lambda: history.seal(run),
        lambda: Directory(disk.path / "blobs").put(io.BytesIO(bytes(MIB))),
    ):
        with pytest.raises(Full, match=str(disk.path)):
            write()
    assert history.rows(run) == rows
    reads(history, run, points)
    with closing(open_database(disk.path / "history.db")) as another:
        reads(Logged(another), run, points)
    disk.empty()
    history.take(run, writer, points + 1)
    history.runs.tag(other, {"after": "room"})
    history.seal(run)
    assert history.metrics.series(run, "loss").values.tolist() == [step / 4 for step in range(40_000)]
    assert history.runs.get(other).tags == {"after": "room"}
    assert history.runs.get(other).description is None
    whole(disk.path / "history.db")


def reads(history: Logged, run: str, points: int) -> None:
    """Everything that a person may want to see."""
    expected = [step / 4 for step in range(points)]
    assert history.metrics.series(run, "loss").values.tolist() == expected
    assert history.metrics.values([run])[run]["loss"].values.tolist() == expected
    assert history.metrics.chart(run, "loss", buckets=10).points == points
    assert history.metrics.latest(run)["loss"].points == points
    assert history.runs.get(run).tags == {"before": "full"}
    database: Database = history.database
    for filter in ("tags.before = full", "metrics.loss.max > 1", "full", ""):
        assert search.search(database, 1, filter=filter, order_by="metrics.loss").runs
    assert search.count(database, 1) == 2


def test_sealing_that_finds_no_room_is_done_another_time(disk: Disk, history: Logged):
    runs = [history.start() for _ in range(3)]
    for run in runs:
        writer = Writer()
        for step in range(2_000):
            writer.log({"loss": step / 4}, step)
        history.take(run, writer)
        history.runs.move(run, Status.COMPLETED)
    disk.fill()
    assert until_full(lambda number: history.seal(runs[number]))[0] < 3
    assert all(len(history.metrics.series(run, "loss").values) == 2_000 for run in runs)
    disk.empty()
    sealing.seal_waiting(history.database)
    for run in runs:
        assert history.metrics.series(run, "loss").values.tolist() == [step / 4 for step in range(2_000)]
        assert history.rows(run)["metric_batch"] == 0
    whole(disk.path / "history.db")


@pytest.fixture
def on_disk(disk: Disk, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The stage with its history, and nothing else, on the small disk."""
    monkeypatch.setenv("RUNSTONE_CAPTURE", "none")
    stage.history = disk.path / "history"
    return stage


def logged(run: Run, first: int, last: int) -> None:
    for step in range(first, last):
        run.log("loss", step / 4, step=step)


def test_a_script_warns_once_goes_on_and_loses_nothing(
    disk: Disk, on_disk: Stage, caplog: pytest.LogCaptureFixture
):
    run = Experiment(on_disk.workspace(), "faults").start_logging(run_id="r", outputs=False)
    run.tag("before", "full")
    logged(run, 0, 5_000)
    assert len(run.get_metrics()["loss"]) == 5_000
    assert [one.id for one in on_disk.workspace().search_runs("metrics.loss > 1")] == ["r"]
    disk.fill()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        logged(run, 5_000, 60_000)
        for number in range(20):
            run.tag(f"note {number}", "x" * 5_000)
        seen = on_disk.see()
        assert seen.get_metrics()["loss"][:5_000] == [step / 4 for step in range(5_000)]
        assert [one.id for one in on_disk.workspace().search_runs("tags.before = full")] == ["r"]
        assert [one.id for one in on_disk.workspace().search_runs("metrics.loss > 1")] == ["r"]
        assert inspect(on_disk.history).runs == 1
    texts = [str(one.message) for one in said] + [record.getMessage() for record in caplog.records]
    assert any(str(on_disk.history) in text for text in texts)
    assert sum("journal" in text for text in texts) <= 2
    disk.empty()
    logged(run, 60_000, 60_010)
    assert run._flushed(60)
    assert run.get_metrics()["loss"] == [step / 4 for step in range(60_010)]
    assert run.get_tags() == {"before": "full", **{f"note {n}": "x" * 5_000 for n in range(20)}}
    assert quality(run) == {}
    run.complete()
    whole(on_disk.history / "history.db")


def test_a_reader_that_comes_when_the_disk_is_full_already_is_served(disk: Disk, on_disk: Stage):
    run = Experiment(on_disk.workspace(), "faults").start_logging(run_id="r", outputs=False)
    run.tag("before", "full")
    logged(run, 0, 1_000)
    run.complete()
    disk.fill()
    done = on_disk.run(READ)
    assert (done.stdout, done.stderr) == ("1000\n['r']\n", "")
    # nobody has it open, and what SQLite needs to open it finds no room
    on_disk.leave()
    disk.fill()
    done = on_disk.run(READ)
    assert done.stderr.splitlines()[-1].startswith("runstone.model.errors.Full: The disk under ")
    assert str(on_disk.history) in done.stderr.splitlines()[-1]
    assert "disk I/O error" in inspect(on_disk.history).damage[0]
    disk.empty()
    done = on_disk.run(READ)
    assert (done.stdout, done.stderr) == ("1000\n['r']\n", "")
    whole(on_disk.history / "history.db")

"""b39: 64 clients, threads and processes, use one SQLite history at once: nobody is told of a lock, no reader
waits for a writer, and everything that was written is there once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from runstone import Experiment
from runstone.store.database import Database, open_database
from tests.logged import Logged, Writer
from tests.scripts import Stage, line, quality

PROCESSES, THREADS = 4, 16

# What one of the processes does: each thread has a run of its own, and all of them write one that is shared.
CLIENTS = """
number, threads, rounds = map(int, sys.argv[1:4])
import logging, warnings

class Said(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())

said = []
warnings.simplefilter("error")
logging.getLogger("runstone").addHandler(Said())
exp = experiment()
shared = Workspace.from_config().get_run("shared")
failures, barrier = [], threading.Barrier(threads)

def client(thread):
    try:
        barrier.wait()
        me = f"c{number}-{thread}"
        run = exp.start_logging(run_id=me, outputs=False)
        for step in range(rounds):
            run.log("loss", step / 4, step=step)
            run.tag(f"round {step}", me)
            shared.set_tags({f"{me} {step}": str(step)})
            shared.log(me, step)
            if step % 3 == thread % 3:
                assert len(run.get_metrics("loss")) == 1
                assert run.get_tags()[f"round {step}"] == me
            if step == rounds // 2:
                exp.workspace.search_runs(f"tags.`round 0` = '{me}'")
        run.complete()
    except BaseException as error:
        failures.append(f"{me}: {error!r}")

say("ready")
started = [threading.Thread(target=client, args=(thread,)) for thread in range(threads)]
[thread.start() for thread in started]
[thread.join() for thread in started]
shared._journal and shared._leave(30)
say(repr(failures + said))
"""


@pytest.fixture
def history(tmp_path: Path) -> Iterator[Logged]:
    with closing(open_database(tmp_path / "history.db")) as database:
        found = Logged(database)
        found.begin()
        yield found


def test_64_clients_of_one_history_lose_nothing_and_see_no_lock(
    stage: Stage, count: Callable[[int, int], int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RUNSTONE_CAPTURE", "none")
    rounds = count(4, 60)
    shared = Experiment(stage.workspace(), "faults").start_logging(run_id="shared", outputs=False)
    started = [stage.start(CLIENTS, number, THREADS, rounds) for number in range(PROCESSES)]
    assert [line(process) for process in started] == ["ready"] * PROCESSES
    said = [process.communicate(timeout=300)[0].strip() for process in started]
    assert said == ["[]"] * PROCESSES
    names = [f"c{number}-{thread}" for number in range(PROCESSES) for thread in range(THREADS)]
    found = stage.see("shared")
    assert found.get_tags() == {f"{name} {step}": str(step) for name in names for step in range(rounds)}
    metrics = found.get_metrics()
    assert {name: metrics[name] for name in names} == {name: list(range(rounds)) for name in names}
    for name in names:
        run = stage.see(name)
        assert run.status == "Completed"
        assert run.get_metrics()["loss"] == [step / 4 for step in range(rounds)]
        assert run.get_tags() == {f"round {step}": name for step in range(rounds)}
        assert quality(run) == {}
    assert len(stage.workspace().search_runs("status = completed")) == len(names)
    shared.complete()


def test_no_reader_waits_for_a_writer(history: Logged):
    run = history.start()
    history.take(run, Writer("before").log({"loss": 1.0}))
    seen: list[float] = []

    def read() -> None:
        seen.extend(history.metrics.series(run, "loss").values.tolist())
        history.runs.get(run)

    with history.database.write() as tx:
        tx.execute("UPDATE runs SET display_name = 'held' WHERE n = 1")
        readers = [threading.Thread(target=read) for _ in range(32)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(timeout=30)
        # the writer has not ended, and all have read
        assert seen == [1.0] * 32
    assert history.runs.get(run).display_name == "held"


def test_a_writer_does_not_wait_for_a_reader_and_the_reader_sees_one_moment(history: Logged):
    run = history.start()
    history.take(run, Writer("first").log({"loss": 1.0}))
    with history.database.read() as tx:
        before = tx.execute("SELECT COUNT(*) AS batches FROM metric_batch")[0]["batches"]
        done = threading.Thread(target=lambda: history.take(run, Writer("second").log({"loss": 2.0})))
        done.start()
        done.join(timeout=30)
        assert not done.is_alive()
        assert tx.execute("SELECT COUNT(*) AS batches FROM metric_batch")[0]["batches"] == before == 1
    assert history.metrics.series(run, "loss").values.tolist() == [1.0, 2.0]


def test_64_threads_append_to_one_run_while_it_is_sealed_and_read(
    history: Logged, count: Callable[[int, int], int]
):
    run, batches = history.start(), count(5, 100)
    stop = threading.Event()

    def write(number: int) -> None:
        writer = Writer(f"w{number}")
        for step in range(batches):
            history.take(run, writer.log({f"m{number}": float(step), "all": 1.0}, step), step + 1)

    def read() -> int:
        reads = 0
        while not stop.is_set():
            found = history.metrics.values([run])[run]
            sizes = {len(series.values) for name, series in found.items() if name != "all"}
            assert "all" not in found or len(found["all"].values) >= max(sizes)
            reads += 1
        return reads

    def seal() -> None:
        while not stop.is_set():
            history.seal(run)
            time.sleep(0.01)

    with ThreadPoolExecutor(70) as pool:
        beside = [pool.submit(read), pool.submit(read), pool.submit(seal)]
        written = [pool.submit(write, number) for number in range(64)]
        try:
            for one in written:
                one.result(timeout=120)
        finally:
            stop.set()
        assert all(one.result() is None or one.result() > 0 for one in beside)
    history.seal(run)
    found = history.metrics.values([run])[run]
    assert len(found["all"].values) == 64 * batches
    for number in range(64):
        assert found[f"m{number}"].values.tolist() == [float(step) for step in range(batches)]


def test_opening_one_new_history_64_times_at_once_works(tmp_path: Path):
    barrier = threading.Barrier(64)

    def open_one(_: int) -> Database:
        barrier.wait()
        return open_database(tmp_path / "new.db")

    with ThreadPoolExecutor(64) as pool:
        for opened in pool.map(open_one, range(64)):
            opened.close()

"""b25: more than the disk cap is logged: points are left out and counted. Memory stays flat."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from runstone.journal import segment
from runstone.journal.sink import Limits
from runstone.journal.writer import Writer
from tests.scripts import Stage, line, quality

# Another process holds the database, so that all of it stays in the journal.
HOLD = """
import sqlite3
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
say("held")
wait_for("enough")
held.execute("COMMIT")
"""

FLOOD = """
run = begin()
say("begun")
wait_for("flood")
slowest, n = 0.0, int(sys.argv[1])
for i in range(n):
    begun = time.perf_counter()
    run.log("loss", i / 7, step=i)
    slowest = max(slowest, time.perf_counter() - begun)
run.log_row("rows", n=n)
journal = pathlib.Path(os.environ["RUNSTONE_HISTORY"], "journal")
waiting = sum(file.stat().st_size for file in journal.rglob("*.rsj"))
say(f"{slowest} {waiting}")
wait_for("enough")
run.complete()
"""

MEMORY = """
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

run = begin()
n = int(sys.argv[1])
sizes = []
for i in range(n):
    run.log("loss", i / 7, step=i)
    if i % (n // 10) == n // 10 - 1:
        sizes.append(resident())
print(*sizes, flush=True)
"""


def test_at_the_cap_points_are_left_out_and_the_run_says_how_many(stage: Stage):
    flood = stage.start("import pathlib\n" + FLOOD, 400_000, environment={"RUNSTONE_JOURNAL_MB": "8"})
    line(flood)
    line(stage.start(HOLD, stage.history / "history.db"))
    stage.tell("flood")
    slowest, waiting = line(flood).split()
    assert float(slowest) < 1
    # the cap is seen to when a segment is full: one of 4 MiB may be beyond it
    assert int(waiting) < 12 * 1024**2
    stage.tell("enough")
    _, complaint = flood.communicate(timeout=60)
    assert flood.returncode == 0
    assert complaint.count("points are left out") == 1
    run = stage.see()
    found = run.get_metric_series("loss")
    assert np.all(np.diff(found.steps) > 0)
    assert np.array_equal(found.values, found.steps / 7)
    # they reach to the end, and grow thinner
    assert found.steps[-1] > 390_000
    assert quality(run) == {"thinned": 400_000 - len(found.steps)}
    assert run.get_metrics("rows") == {"rows": {"n": 400_000}}
    assert run.status == "Completed"


def test_below_the_cap_nothing_is_left_out(stage: Stage):
    flood = stage.start("import pathlib\n" + FLOOD, 50_000, environment={"RUNSTONE_JOURNAL_MB": "8"})
    line(flood)
    stage.tell("flood")
    line(flood)
    stage.tell("enough")
    assert flood.wait(timeout=60) == 0
    assert len(stage.see().get_metric_series("loss").steps) == 50_000
    assert quality(stage.see()) == {}


def test_the_cap_is_that_of_a_run_however_many_write_to_it(tmp_path: Path):
    limits = Limits(journal_bytes=1024**2, segment_bytes=16 * 1024)
    warned: list[str] = []
    ranks = [Writer(tmp_path, "ws/run", limits=limits, warn=warned.append) for _ in range(8)]
    other = Writer(tmp_path, "ws/other", limits=limits)
    for step in range(12_000):
        for rank in ranks:
            rank.log("loss", 1.0, step=step)
        if step < 1_000:
            other.log("loss", 1.0, step=step)
    assert 0.8 * limits.journal_bytes < segment.waiting(tmp_path, "ws/run") < 1.2 * limits.journal_bytes
    assert all(rank.counters["thinned"] for rank in ranks)
    assert len(warned) == len(ranks)
    assert not other.counters["thinned"]


def test_memory_stays_flat_however_much_is_logged(stage: Stage, count):
    ended = stage.run(MEMORY, count(500_000, 10_000_000))
    assert (ended.returncode, ended.stderr) == (0, "")
    sizes = [int(size) for size in ended.stdout.split()]
    # by half-time the delivery has its buffers, and the database its pages
    assert max(sizes) < 100 * 1024**2
    assert max(sizes) < sizes[4] + 16 * 1024**2


def test_a_cap_that_is_no_number_is_one_clear_message(stage: Stage):
    ended = stage.run("begin()", environment={"RUNSTONE_JOURNAL_MB": "2GB"})
    assert ended.returncode == 1
    assert "RUNSTONE_JOURNAL_MB is a number of MiB, 1 or more, such as 2048; got '2GB'." in ended.stderr

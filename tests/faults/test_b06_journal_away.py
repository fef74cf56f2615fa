"""b6, b7: the journal's directory cannot be used, is removed, or its files are cut or deleted by others."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import numpy as np
import pytest

from runstone import Run
from tests.scripts import HUMBLE, Stage, line, points, quality, until

LOG = """
run = begin()
for i in range(5_000):
    run.log("loss", i / 7, step=i)
say("half")
wait_for("go on")
for i in range(5_000, 10_000):
    run.log("loss", i / 7, step=i)
run.flush(20)
"""


def whole(run: Run) -> bool:
    found = run.get_metric_series("loss")
    at = np.arange(10_000)
    return np.array_equal(found.steps, at) and np.array_equal(found.values, at / 7)


def gone(process: subprocess.Popen[str]) -> str:
    """What the script complained of on its way to a good end."""
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    assert "Traceback" not in complaint
    return complaint


@pytest.mark.parametrize("in_the_way", ["read-only", "a file"])
def test_a_journal_that_cannot_be_written_is_kept_elsewhere(stage: Stage, in_the_way: str):
    stage.history.mkdir()
    if in_the_way == "read-only":
        stage.journal.mkdir(mode=0o500)
    else:
        stage.journal.write_text("in the way")
    process = stage.start(HUMBLE + LOG)
    line(process)
    assert stage.left() == []
    assert len(list((stage.folder / "tmp").rglob("*.rsj"))) == 1
    stage.tell("go on")
    complaint = gone(process)
    assert complaint.count("is used instead") == 1
    assert len(complaint.splitlines()) == 1
    run = stage.see()
    assert whole(run)
    assert (run.status, quality(run)) == ("Completed", {})


def test_with_no_directory_at_all_memory_keeps_what_is_logged(stage: Stage):
    stage.history.mkdir()
    stage.journal.write_text("in the way")
    shutil.rmtree(stage.folder / "tmp")
    (stage.folder / "tmp").write_text("in the way")
    # where Python falls back to by itself
    everywhere = "import tempfile\ntempfile.tempdir = os.environ['TMPDIR']\n"
    process = stage.start(everywhere + LOG)
    line(process)
    stage.tell("go on")
    complaint = gone(process)
    assert complaint.count("kept in memory") == 1
    assert len(complaint.splitlines()) == 1
    run = stage.see()
    assert whole(run)
    assert (run.status, quality(run)) == ("Completed", {})


@pytest.mark.parametrize("what", ["journal", "tmp"])
def test_a_journal_removed_while_it_is_written_goes_on(stage: Stage, what: str):
    process = stage.start(LOG)
    line(process)
    shutil.rmtree(stage.folder / "history" / "journal" if what == "journal" else stage.folder / "tmp")
    stage.tell("go on")
    complaint = gone(process)
    assert len(complaint.splitlines()) <= 1
    run = stage.see()
    assert whole(run)
    assert (run.status, quality(run)) == ("Completed", {})


def test_a_deleted_segment_is_written_anew_from_what_is_still_open(stage: Stage):
    process = stage.start(LOG)
    line(process)
    for file in stage.left():
        file.unlink()
    stage.tell("go on")
    gone(process)
    assert whole(stage.see())
    assert quality(stage.see()) == {}


HELD = """
import sqlite3
# the history takes nothing meanwhile: all there is, is in the journal
held = sqlite3.connect(os.path.join(os.environ["RUNSTONE_HISTORY"], "history.db"), isolation_level=None)
held.execute("BEGIN IMMEDIATE")
run.log("first", 1)
time.sleep(0.5)
"""


@pytest.mark.parametrize("left", [0, 3, 1000])
def test_a_truncated_segment_says_what_is_lost_and_goes_on(stage: Stage, left: int):
    # the first record is on its way to the history, and waits
    held = LOG.replace("run = begin()\n", f"run = begin()\n{HELD}")
    process = stage.start(held.replace('wait_for("go on")', 'wait_for("go on")\nheld.execute("COMMIT")'))
    line(process)
    for file in stage.left():
        os.truncate(file, left)
    stage.tell("go on")
    complaint = gone(process)
    assert "was deleted or truncated by another process" in complaint
    run = stage.see()
    found = points(run, "loss")
    assert [value for _, value in found] == [step / 7 for step, _ in found]
    assert found == sorted(set(found))
    assert found[-5_000:] == [(i, i / 7) for i in range(5_000, 10_000)]
    lost = 10_000 - len(found)
    assert quality(run) == {"lost": lost}
    assert 4_900 < lost <= 5_000
    assert run.status == "Completed"


def test_a_cleaner_that_comes_again_and_again_stops_nobody(stage: Stage):
    busy = """
run, done = begin(), counts()
deadline = time.monotonic() + 3
i = 0
while time.monotonic() < deadline:
    run.log("loss", i / 7, step=i)
    i += 1
    done[0] = i
    if i % 100 == 0:
        time.sleep(0.001)
"""
    done = stage.counts()
    process = stage.start(busy)
    until(lambda: done[0])
    while process.poll() is None:
        shutil.rmtree(stage.journal, ignore_errors=True)
        time.sleep(0.3)
    gone(process)
    run = stage.see()
    found = points(run, "loss")
    assert [value for _, value in found] == [step / 7 for step, _ in found]
    assert found == sorted(set(found))
    assert len(found) + quality(run).get("lost", 0) == done[0]
    assert run.status == "Completed"

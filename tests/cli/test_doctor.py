"""`runstone doctor` on histories whole, damaged and in use (b35): clear lines, nothing changed."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Call, Done, environment
from tests.scripts import HUMBLE

MAKE = """
import numpy as np
from runstone import Experiment, Workspace

digits = Experiment(Workspace.from_config(), "digits")
for name in ("first", "second"):
    with digits.start_logging(run_id=name, capture="none", outputs=False) as run:
        for step in range(5000):
            run.log("loss", step * 0.5, step=step)
        run.log("accuracy", 0.9)
        with open("model.bin", "wb") as file:
            file.write(name.encode() * 1000)
        run.upload_file("outputs/model.bin", "model.bin")
list(digits.get_runs())  # a search: what was logged is sealed
"""
# Logs, and is gone without a word; its journal is all that is left of it.
KILLED = """
import os, signal
from runstone import Experiment, Workspace
run = Experiment(Workspace.from_config(), "digits").start_logging(run_id="killed", capture="none")
for step in range(100):
    run.log("loss", step, step=step)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def filled(runstone: Call, python: Call, write) -> Call:
    write("make.py", MAKE)
    done = python("make.py")
    assert done.code == 0, done.err
    return runstone


def database(history: Path, sql: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(history / "history.db")) as connection, connection:
        return connection.execute(sql, values).fetchall()


def states(root: Path) -> dict[str, str]:
    """Every file with its content, but for what SQLite keeps beside a database that is open."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def lines(done: Done, title: str) -> list[str]:
    """The lines of one part of the report."""
    found: list[str] = []
    inside = False
    for line in done.out.splitlines():
        inside = line.startswith(title) or (inside and line.startswith(" " * 10))
        if inside:
            found.append(line[10:])
    return found


def test_a_whole_history_is_called_whole(filled, history: Path):
    before = states(history)
    done = filled("doctor")
    assert (done.code, done.err) == (0, "")
    assert lines(done, "Damage") == ["none: database, metrics and files are whole"]
    assert lines(done, "Journals") == ["nothing is waiting"]
    assert lines(done, "Recovery") == ["nothing to do"]
    assert "2 runs" in lines(done, "History")[1]
    assert done.out.splitlines()[-1] == "Whole."
    assert states(history) == before


def test_the_report_is_there_for_programs_too(filled, history: Path):
    report = filled("doctor", "-o", "json").json
    assert (report["whole"], report["runs"], report["damage"]) == (True, 2, [])
    assert report["history"] == str(history)
    assert report["versions"]["SQLite" if "SQLite" in report["versions"] else "Python"]


def test_where_there_is_no_history_there_is_nothing_to_look_over(runstone, history: Path):
    done = runstone("doctor")
    assert (done.code, done.out) == (0, "")
    assert "There is no history yet" in done.err
    assert list(history.iterdir()) == []


def test_a_database_that_is_gone_is_told_from_a_history_that_was_never_there(filled, history: Path):
    for path in history.glob("history.db*"):
        path.unlink()
    done = filled("doctor")
    assert done.code == 1
    assert f"{history / 'history.db'} is gone" in done.err
    assert not (history / "history.db").exists()


def test_nothing_is_repaired_in_a_history_that_is_damaged(filled, history: Path, write, python):
    write("killed.py", KILLED)
    assert python("killed.py").code == -signal.SIGKILL
    content = next(history.glob("blobs/??/*"))
    content.unlink()
    before = states(history)
    done = filled("doctor", "--repair")
    assert done.code == 1
    assert "Nothing was repaired" in done.out
    assert states(history) == before


def test_the_journal_of_a_killed_process_is_named_and_taken_in_on_request(
    filled, history: Path, write, python
):
    write("killed.py", KILLED)
    assert python("killed.py").code == -signal.SIGKILL
    before = states(history)
    done = filled("doctor")
    assert done.code == 0
    (waiting,) = lines(done, "Journals")
    assert waiting.startswith("default/killed: ")
    assert "its process is gone" in waiting
    (ending,) = lines(done, "Recovery")
    assert ending.startswith("default/killed would be ended as Failed: The process ")
    assert "runstone doctor --repair" in done.out
    assert states(history) == before
    repaired = filled("doctor", "--repair")
    assert (lines(repaired, "Journals"), lines(repaired, "Recovery")) == (
        ["nothing is waiting"],
        ["nothing to do"],
    )
    row = filled("run", "show", "-r", "killed").json
    assert (row["status"], row["metrics"]) == ("Failed", {"loss": 99.0})


def test_a_journal_that_one_may_not_read_is_named(filled, history: Path, write, python):
    write("killed.py", KILLED)
    assert python("killed.py").code == -signal.SIGKILL
    (journal,) = (history / "journal").iterdir()
    journal.chmod(0)
    write("look.py", HUMBLE + "from runstone.cli.main import main\nmain(['doctor', '-o', 'table'])\n")
    done = python("look.py")
    assert lines(done, "Journals") == ["nothing is waiting"]
    (left,) = lines(done, "Left over")
    assert left.startswith(f"{journal}: a journal that you may not read")
    journal.chmod(0o700)


@pytest.fixture
def running(filled: Call) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of its run, that the history cannot be shipped to: its journal waits."""
    text = (
        "import sys, time\nfrom runstone import Experiment, Workspace\n"
        "run = Experiment(Workspace.from_config(), 'digits').start_logging(run_id='living', capture='none')\n"
        "for step in range(100):\n    run.log('loss', step, step=step)\n"
        "print('ready', flush=True)\nsys.stdin.read()\nrun.complete()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", text],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
        process.communicate("")
    assert process.returncode == 0


def test_a_living_process_is_left_alone(running, filled):
    os.kill(running.pid, signal.SIGSTOP)
    try:
        done = filled("doctor")
    finally:
        os.kill(running.pid, signal.SIGCONT)
    assert done.code == 0
    assert lines(done, "Recovery") == ["nothing to do"]
    assert all("its process lives" in line for line in lines(done, "Journals") if "living" in line)


def test_a_damaged_chunk_is_named_with_its_points_and_run(filled, history: Path):
    database(
        history,
        "UPDATE metric_chunk SET data = zeroblob(100) WHERE run = 1 AND seq = "
        "(SELECT MIN(seq) FROM metric_chunk WHERE run = 1 AND n > 1000) AND n > 1000",
    )
    done = filled("doctor")
    assert done.code == 1
    (line,) = lines(done, "Damage")
    assert line == "The points 1 to 4,096 of the metric 'loss' of default/first are lost."
    assert "Not whole" in done.out.splitlines()[-1]
    assert filled("run", "show", "-r", "second").json["metrics"]["accuracy"] == 0.9


def test_a_missing_and_a_short_file_are_named(filled, history: Path):
    contents = {
        name: sha
        for name, sha in database(
            history,
            "SELECT r.id, a.sha256 FROM artifacts a JOIN runs r ON "
            "r.n = a.run WHERE a.name = 'outputs/model.bin'",
        )
    }
    blobs = {path.name: path for path in (history / "blobs").rglob("*") if path.is_file()}
    blobs[str(contents["first"])].unlink()
    blobs[str(contents["second"])].write_bytes(b"short")
    done = filled("doctor")
    assert done.code == 1
    found = lines(done, "Damage")
    assert len(found) == 2
    assert all("'outputs/model.bin' (version 1) of default/" in line for line in found)
    assert any("default/first is lost: its content is missing" in line for line in found)


def test_a_changed_byte_in_a_file_is_found_by_a_thorough_look(filled, history: Path):
    (sha,) = database(
        history,
        "SELECT a.sha256 FROM artifacts a JOIN runs r ON r.n = a.run "
        "WHERE a.name = 'outputs/model.bin' AND r.id = 'first'",
    )[0]
    (blob,) = (path for path in (history / "blobs").rglob("*") if path.name == sha)
    content = bytearray(blob.read_bytes())
    content[10] ^= 1
    blob.chmod(0o600)
    blob.write_bytes(content)
    assert filled("doctor").code == 0
    done = filled("doctor", "--thorough")
    assert done.code == 1
    assert "outputs/model.bin" in lines(done, "Damage")[0]


@pytest.mark.parametrize("thing", ["a page", "half of it", "all of it", "its head"])
def test_a_damaged_database_is_told_without_a_trace(thing: str, filled, history: Path):
    path = history / "history.db"
    database(history, "PRAGMA wal_checkpoint(TRUNCATE)")
    for beside in history.glob("history.db-*"):
        beside.unlink()
    content = bytearray(path.read_bytes())
    if thing == "a page":
        content[4096 * 3 : 4096 * 40] = os.urandom(4096 * 37)
    elif thing == "half of it":
        del content[len(content) // 2 :]
    elif thing == "all of it":
        content[:] = b"this is no database at all" * 1000
    else:
        content[:100] = bytes(100)
    path.write_bytes(content)
    done = filled("doctor")
    assert done.code == 1
    assert lines(done, "Damage") != ["none: database, metrics and files are whole"]
    assert "Traceback" not in done.out + done.err
    assert "Copy" in done.out or "copy" in done.out
    assert filled("doctor", "--repair").code == 1
    assert path.read_bytes() == content


def test_a_hole_in_a_journal_is_named(filled, history: Path, write, python):
    write("killed.py", KILLED)
    python("killed.py")
    (segment,) = (history / "journal").rglob("*.rsj")
    content = bytearray(segment.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    segment.write_bytes(content)
    done = filled("doctor")
    assert done.code == 1
    assert any("default/killed" in line or "journal" in line for line in lines(done, "Damage"))


def test_the_next_thing_to_do_is_said_by_every_command_on_a_damaged_database(filled, history: Path):
    (history / "history.db").write_bytes(b"this is no database at all" * 1000)
    for beside in history.glob("history.db-*"):
        beside.unlink()
    done = filled("run", "list")
    assert (done.code, done.out) == (1, "")
    assert "run `runstone doctor`" in done.err
    assert done.err.count("\n") == 1

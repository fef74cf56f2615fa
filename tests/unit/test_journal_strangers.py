"""Journals that others have left, dead or alive: delivered by whoever comes, deleted when those are gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runstone.journal.shipper import Shipper
from runstone.journal.writer import Writer
from tests.journals import SMALL, History, eventually, files, history, journal, log, shipper, told

__all__ = ["history", "journal", "shipper", "told"]


@pytest.fixture
def stranger(journal: Path) -> Callable[..., str]:
    """Leaves a journal of a process that is dead; its writer's id."""

    def leave(count: int = 100, run: str = "run") -> str:
        code = (
            "import os, sys, pathlib\n"
            "from runstone.journal.writer import Writer\n"
            "from runstone.journal.sink import Limits\n"
            f"writer = Writer(pathlib.Path({str(journal)!r}), {run!r}, limits=Limits(segment_bytes=1024))\n"
            f"for n in range({count}): writer.log('m', n)\n"
            "print(writer.id, flush=True)\n"
            "os.kill(os.getpid(), 9)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        return done.stdout.strip()

    return leave


def test_what_a_dead_process_left_is_delivered_and_deleted(
    journal: Path, history: History, shipper: Shipper, stranger: Callable[..., str]
):
    stranger(500, "one")
    stranger(10, "two")
    found = {left.run: left for left in shipper.left()}
    assert {run: left.alive for run, left in found.items()} == {"one": False, "two": False}
    assert found["one"].bytes > 10_000
    assert shipper.drain_all()
    assert history.values("one", "m") == list(range(500))
    assert history.values("two", "m") == list(range(10))
    assert files(journal) == []
    assert list(shipper.left()) == []


def test_what_the_history_has_already_is_not_sent_by_a_stranger(
    journal: Path, history: History, shipper: Shipper, stranger: Callable[..., str]
):
    writer = stranger(500)
    assert shipper.drain_all()
    other = Shipper(history, journal)
    batches = history.batches
    assert other.drain_all()
    assert history.batches == batches
    assert history.acked == {writer: 500}


def test_two_processes_may_deliver_one_journal_at_once(
    journal: Path, history: History, stranger: Callable[..., str]
):
    history.persists = False
    for _ in range(5):
        stranger(300)
    shippers = [Shipper(history, journal) for _ in range(8)]
    threads = [threading.Thread(target=shipper.drain_all) for shipper in shippers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(history.values("run", "m")) == sorted(list(range(300)) * 5)


def test_a_living_processs_journal_is_delivered_and_left_to_it(journal: Path, history: History):
    writer = Writer(journal, "run", limits=SMALL)
    stranger = Shipper(history, journal)
    for n in range(10):
        log(writer, n * 30, n * 30 + 30)
        assert stranger.drain_all()
        assert history.values("run", "m") == list(range(n * 30 + 30))
    assert len(files(journal)) > 3
    assert next(stranger.left()).alive is True


def test_a_journal_of_another_host_is_delivered_and_left_for_a_day(
    journal: Path,
    history: History,
    shipper: Shipper,
    stranger: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
):
    stranger(100)
    monkeypatch.setattr("runstone.journal.delivery.alive", lambda process: None)
    assert shipper.drain_all()
    assert history.values("run", "m") == list(range(100))
    assert files(journal) != []
    for file in files(journal):
        os.utime(file, (1, 1))
    assert shipper.drain_all()
    assert files(journal) == []


def test_a_forked_child_delivers_as_a_writer_of_its_own(history: History, shipper: Shipper, journal: Path):
    writer = shipper.writer("run")
    log(writer, 0, 5)
    assert shipper.drain(writer)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            log(writer, 100, 105)
            eventually(lambda: history.values("run", "m")[5:] == [100, 101, 102, 103, 104])
            os.write(writing, b"arrived")
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert os.read(reading, 100) == b"arrived"
    os.close(reading)
    os.close(writing)
    assert history.values("run", "m") == list(range(5)), "the child's history is a copy"
    assert shipper.drain_all()
    assert history.values("run", "m") == [*range(5), *range(100, 105)]


def test_at_the_end_of_the_interpreter_all_is_delivered(journal: Path, tmp_path: Path):
    code = f"""
import pathlib
from runstone.journal.shipper import Shipper
class Runs:
    last = 0
    def append(self, run, *, writer, first, records, lost=0):
        from runstone.journal import frames
        self.last = first + sum(frames.is_record(frame.shape) for frame in frames.walk(records)) - 1
        pathlib.Path({str(tmp_path / "arrived")!r}).write_text(str(self.last))
        return self.last
    def acknowledged(self, run, *, writer):
        return self.last
class Service:
    runs = Runs()
    def persist(self):
        return True
writer = Shipper(Service(), pathlib.Path({str(journal)!r})).writer("run")
for n in range(1000):
    writer.log("m", n)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "arrived").read_text() == "1000"
    assert files(journal) == []

"""The writer: threads, signals, finalisers, forks, rotation, the cap; and what others do to its files."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runstone.journal import segment
from runstone.journal.sink import Limits
from runstone.journal.writer import Writer
from tests.journals import Said, Told, journal, left, told, values, writer

__all__ = ["journal", "told", "writer"]

SMALL = Limits(segment_bytes=4096)


@contextlib.contextmanager
def alarms(every: float, action: Any) -> Iterator[None]:
    """Have a signal handler called again and again."""
    before = signal.signal(signal.SIGALRM, lambda *_: action())
    signal.setitimer(signal.ITIMER_REAL, every, every)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """The interpreter drops what is raised in callbacks of its garbage collector."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_nothing_is_made_before_the_first_call(journal: Path, writer: Writer):
    writer.sync()
    writer.close()
    assert not journal.exists()


def test_what_was_logged_is_in_the_file_when_the_call_returns(writer: Writer):
    for n in range(100):
        writer.log("m", n, step=n)
        if n % 10 == 0:
            assert left(writer.journal, writer.id)[-1] == Said({"m": n}, n)
    assert values(writer) == list(range(100))


def test_a_segment_says_whose_it_is(journal: Path, writer: Writer):
    writer.log("m", 1)
    (file,) = segment.segments(journal, writer.id)
    head = segment.head(file)
    assert head is not None
    assert (head.run, head.writer, head.segment, head.first, head.lost) == ("run", writer.id, 1, 1, 0)
    assert head.pid == os.getpid()
    assert file == journal / writer.id / "00000001.rsj"
    assert file.stat().st_mode & 0o077 == 0
    assert segment.writers(journal) == [writer.id]


def test_a_full_segment_is_followed_by_another_and_numbers_go_on(journal: Path):
    writer = Writer(journal, "run", limits=SMALL)
    for n in range(1000):
        writer.log("m", n)
        writer.log_metrics({"a": n, "b": 0.5}, step=n)
    files = segment.segments(journal, writer.id)
    assert len(files) > 10
    heads = [segment.head(file) for file in files]
    assert [head.segment for head in heads if head] == list(range(1, len(files) + 1))
    assert values(writer) == values(writer, "a") == list(range(1000))
    for after in (1, 77, 1500, 1999, 2000):
        assert len(left(journal, writer.id, after)) == 2000 - after


def test_logging_goes_on_after_close_in_another_segment(writer: Writer):
    writer.log("m", 1)
    writer.close()
    writer.close()
    writer.log("m", 2)
    assert values(writer) == [1, 2]
    assert len(segment.segments(writer.journal, writer.id)) == 2


def test_threads_never_interleave(journal: Path):
    writer = Writer(journal, "run", limits=Limits(segment_bytes=64 * 1024))

    def work(thread: int) -> None:
        for n in range(200):
            writer.log(f"m{thread}", n, step=n)
            writer.log_metrics({f"a{thread}": n, "x": "text", f"b{thread}": 0.5}, step=n)
            if n % 100 == 0:
                writer.sync()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = left(journal, writer.id)
    for n in range(16):
        for name in (f"m{n}", f"a{n}", f"b{n}"):
            assert [record.step for record in found if name in record.values] == list(range(200))
    assert writer.written == 16 * 200 * 3


def test_logging_from_a_signal_handler_neither_deadlocks_nor_interleaves(journal: Path, told: Told):
    writer = Writer(journal, "run", limits=SMALL, warn=told)
    calls = 0

    def handler() -> None:
        nonlocal calls
        calls = mine = calls + 1  # the handler may be interrupted by itself
        writer.log("signal", mine)
        writer.log_metrics({"x": mine, "y": "text"})

    with alarms(0.001, handler):
        deadline = time.monotonic() + 1.0
        n = 0
        while time.monotonic() < deadline or calls < 100:
            writer.log("m", n, step=n)
            writer.log("t", "text")
            n += 1
    assert values(writer) == list(range(n))
    assert sorted(values(writer, "signal")) == sorted(values(writer, "x")) == list(range(1, calls + 1))
    assert writer.written == len(left(journal, writer.id))
    assert told == []


class Alarm(Exception):
    """As somebody's own time limit raises."""


# a file that the exception meets between open() and `with` is closed by the interpreter, which says so
@pytest.mark.filterwarnings("ignore:.*<_io.FileIO:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("alarm", "limits"), [(Alarm, SMALL), (TimeoutError, Limits())])
def test_an_exception_from_a_signal_handler_reaches_the_script_and_nothing_is_lost_or_doubled(
    journal: Path, alarm: type[Exception], limits: Limits
):
    def handler() -> None:
        nonlocal armed
        if armed:
            armed = False
            raise alarm("somebody's time is up")

    writer = Writer(journal, "run", limits=limits)
    armed = False
    writer.log("first", 1)
    caught = n = 0
    returned = []
    with alarms(0.0007, handler), no_collection():
        while caught < 200:
            n += 1
            armed = True
            try:
                writer.log("m", n, step=n)
                returned.append(n)
            except alarm:
                caught += 1
            armed = False
    writer.log("last", 1)
    found = values(writer)
    assert found == sorted(set(found)), "in order, none twice"
    assert set(returned) <= set(found)
    assert values(writer, "last") == [1]
    other = threading.Thread(target=writer.log, args=("thread", 1))
    other.start()
    other.join(10)
    assert values(writer, "thread") == [1], "the lock is free"


def test_logging_from_a_finaliser_in_the_middle_of_logging(writer: Writer):
    class Finalised:
        def __init__(self) -> None:
            self.circle = self

        def __del__(self) -> None:
            writer.log("finalised", 1)

    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for n in range(300):
            Finalised()
            writer.log("m", n)
            writer.log_metrics({"a": {"b": n}})
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert values(writer) == values(writer, "a/b") == list(range(300))
    assert len(values(writer, "finalised")) == 300


def test_a_number_that_logs_while_it_is_read(writer: Writer):
    class Chatty:
        def __float__(self) -> float:
            writer.log("inner", 1)
            return 0.5

    writer.log("outer", Chatty())
    assert values(writer, "outer") == [0.5]
    assert values(writer, "inner") == [1]


def child(action: Any) -> int:
    """Run something in a forked child; its exit code."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
        finally:
            os._exit(0 if os.sys.exc_info()[0] is None else 1)  # type: ignore[attr-defined]
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_child_is_a_writer_of_its_own(journal: Path, writer: Writer):
    writer.log("m", 1)
    before = writer.id

    def forked() -> None:
        assert writer.id != before
        for n in range(100):
            writer.log("m", 100 + n)

    assert [child(forked) for _ in range(3)] == [0, 0, 0]
    writer.log("m", 2)
    assert values(writer) == [1, 2]
    others = [id for id in segment.writers(journal) if id != before]
    assert [[record.values["m"] for record in left(journal, id)] for id in others] == [
        list(range(100, 200))
    ] * 3


def test_a_fork_while_other_threads_log_never_deadlocks(journal: Path, writer: Writer):
    going = True

    def work() -> None:
        while going:
            writer.log("m", 1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()

    def forked() -> None:
        signal.alarm(20)
        writer.log("forked", 1)
        writer.sync()

    try:
        assert [child(forked) for _ in range(20)] == [0] * 20
    finally:
        going = False
        for thread in threads:
            thread.join()
    found = [record for id in segment.writers(journal) for record in left(journal, id)]
    assert sum("forked" in record.values for record in found) == 20
    assert sum("m" in record.values for record in found) == writer.written


def test_at_the_cap_points_are_thinned_counted_and_said_once(journal: Path, told: Told):
    limits = Limits(segment_bytes=16 * 1024, journal_bytes=256 * 1024)
    writer = Writer(journal, "run", limits=limits, warn=told)
    for n in range(100_000):
        writer.log("m", n, step=n)
        if n % 1000 == 0:
            writer.record({"kind": "describe", "name": "m", "text": str(n)})
    kept = values(writer)
    assert kept == sorted(set(kept))
    assert len(kept) + writer.counters["thinned"] == 100_000
    assert sum(segment.size(file) for file in segment.segments(journal, writer.id)) < 300 * 1024
    assert kept[:5000] == list(range(5000)), "nothing is thinned below the cap"
    assert kept[-1] > 20_000
    assert len(left(journal, writer.id)) == len(kept) + 100, "other records are kept"
    assert len(told) == 1
    assert "cap" in told[0]


def test_thinning_ends_when_the_history_has_caught_up(journal: Path):
    writer = Writer(journal, "run", limits=Limits(segment_bytes=16 * 1024, journal_bytes=128 * 1024))
    while not writer.counters["thinned"]:
        writer.log("m", 0.5)
    files = segment.segments(journal, writer.id)
    segment.remove([file for file in files if segment.number(file) < writer.segment])
    writer.sync()
    before = writer.counters["thinned"]
    for n in range(100):
        writer.log("m", n)
    assert writer.counters["thinned"] == before


def test_counters_travel_as_records_of_what_was_added(writer: Writer):
    writer.log("m", None)
    writer.log("m", 10**400)
    writer.sync()
    writer.sync()
    writer.log("m", None)
    writer.close()
    counts = [record.values for record in left(writer.journal, writer.id)]
    assert counts == [{"kind": "count", "refused": 1, "none": 1}, {"kind": "count", "none": 1}]

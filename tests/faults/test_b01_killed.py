"""b1, b3: killed at any time, alone or with its group: what `log()` returned from is there once, in order."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from runstone import Run
from runstone.model.runs import iso
from tests.scripts import Stage, error_of, kill, line, quality, until, zombie

Array = npt.NDArray[Any]

# One metric in one thread, as fast as it goes. `done` is written after log() has returned.
FLAT_OUT = """
run, done = begin(), counts()
for i in range(100_000_000):
    run.log("loss", i / 7, step=i)
    done[0] = i + 1
"""

# Five metrics a step from three threads, told apart by their steps.
FIVE = """
run, done = begin(), counts()

def work(thread):
    for i in range(100_000_000):
        at = thread * 2**40 + i
        run.log_metrics({"a": i / 7, "b": i, "c": -i / 3, "d": i % 2 == 0, "e": float(thread)}, step=at)
        done[thread] = i + 1

for thread in range(3):
    threading.Thread(target=work, args=(thread,)).start()
"""

FORMS: dict[str, Callable[[Array], Array]] = {
    "a": lambda i: i / 7,
    "b": lambda i: i,
    "c": lambda i: -i / 3,
    "d": lambda i: i % 2 == 0,
}

ENDS = {
    "segfault": "import ctypes; ctypes.string_at(0)",
    "exit": "os._exit(3)",
    "abort": "os.abort()",
    # as the kernel does it when memory is used up: no group, no warning
    "out of memory": "os.kill(os.getpid(), signal.SIGKILL)",
}
AND_THEN = """
run, done = begin(), counts()
for i in range(5_000):
    run.log("loss", i / 7, step=i)
done[0] = 5_000
"""


def told_dead(run: Run) -> None:
    assert run.status == "Failed"
    assert error_of(run)["reason"] == "infrastructure"
    assert quality(run) == {}


def flat_out_is_whole(run: Run, done: int) -> None:
    found = run.get_metric_series("loss")
    at = np.arange(len(found.steps))
    assert np.array_equal(found.steps, at)
    assert np.array_equal(found.values, at / 7)
    assert done <= len(at) <= done + 1


def five_are_whole(run: Run, done: list[int]) -> None:
    for name, form in FORMS.items():
        found = run.get_metric_series(name)
        for thread, returned in enumerate(done):
            mine = found.steps // 2**40 == thread
            at = np.arange(np.count_nonzero(mine))
            assert np.array_equal(found.steps[mine] - thread * 2**40, at)
            assert np.array_equal(found.values[mine], form(at))
            assert returned <= len(at) <= returned + 1
    found = run.get_metric_series("e")
    assert np.array_equal(found.steps // 2**40, found.values)


@pytest.mark.parametrize("part", range(2))
def test_a_killed_process_has_lost_nothing(stage: Stage, count, rng: random.Random, part: int):
    rng.seed(rng.random() + part)
    for number in range(count(10, 500)):
        done = stage.counts()
        process = stage.start(FLAT_OUT.replace("begin()", f"begin('r{number}')"))
        until(lambda done=done: done[0])
        time.sleep(rng.random() * 0.3)
        kill(process)
        # waited for by nobody, it stays a zombie
        (process.wait if number % 2 else partial(zombie, process))()
        run = stage.see(f"r{number}")
        flat_out_is_whole(run, done[0])
        told_dead(run)


def test_a_killed_run_has_ended_when_it_died_and_not_when_somebody_looked(stage: Stage):
    done = stage.counts()
    process = stage.start(FLAT_OUT)
    until(lambda: done[0])
    kill(process)
    process.wait()
    died = iso(time.time_ns() // 1000)
    # it lies there for a while
    time.sleep(1)
    run = stage.see()
    details = run.get_details()
    last = int(run.get_metric_series("loss").times[-1])
    assert iso(last * 1000) <= details["endTimeUtc"] <= died
    assert iso((run._record.started or 0) + round((run._record.duration or 0) * 1e6)) == details["endTimeUtc"]


@pytest.mark.parametrize("part", range(2))
def test_five_metrics_from_three_threads_are_whole_after_a_kill(
    stage: Stage, count, rng: random.Random, part: int
):
    rng.seed(rng.random() + part)
    for number in range(count(10, 500)):
        done = stage.counts()
        process = stage.start(FIVE.replace("begin()", f"begin('r{number}')"))
        until(lambda done=done: all(done[:3]))
        time.sleep(rng.random() * 0.3)
        kill(process)
        process.wait()
        run = stage.see(f"r{number}")
        five_are_whole(run, list(done[:3]))
        told_dead(run)


def test_a_reader_drains_while_the_process_is_killed(stage: Stage, count, rng: random.Random):
    for number in range(count(4, 200)):
        done = stage.counts()
        process = stage.start(FIVE.replace("begin()", f"begin('r{number}')"))
        until(lambda done=done: all(done[:3]))
        run = stage.see(f"r{number}")
        readers = [threading.Thread(target=quality, args=(run,)) for _ in range(2)]
        for reader in readers:
            reader.start()
        time.sleep(rng.random() / 4)
        kill(process)
        assert quality(run) == {}
        process.wait()
        for reader in readers:
            reader.join()
        five_are_whole(run, list(done[:3]))
        run.get_status()
        told_dead(run)


@pytest.mark.parametrize("end", ENDS)
def test_a_process_that_dies_by_itself_has_lost_nothing(stage: Stage, end: str):
    done = stage.counts()
    ended = stage.run(AND_THEN + ENDS[end])
    assert ended.returncode != 0
    run = stage.see()
    flat_out_is_whole(run, done[0])
    assert done[0] == 5_000
    told_dead(run)


def test_a_reader_sees_what_a_living_process_has_logged(stage: Stage):
    done = stage.counts()
    process = stage.start(FLAT_OUT)
    until(lambda: done[0])
    for _ in range(5):
        before = done[0]
        found = stage.see().get_metric_series("loss")
        assert np.array_equal(found.values, np.arange(len(found.values)) / 7)
        assert len(found.values) >= before
    run = stage.see()
    assert run.status == "Running"
    kill(process, signal.SIGKILL)


def test_only_the_killed_one_is_ended(stage: Stage):
    script = "run = begin(sys.argv[1])\nrun.log('loss', 1.0)\nsay('ready')\ntime.sleep(60)"
    first, second = stage.start(script, "first"), stage.start(script, "second")
    assert (line(first), line(second)) == ("ready", "ready")
    kill(first)
    first.wait()
    assert stage.see("first").status == "Failed"
    assert stage.see("second").status == "Running"

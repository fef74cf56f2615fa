"""b19: sixteen threads, signal handlers at a high rate, finalisers, a busy collector, atexit, asyncio."""

from __future__ import annotations

import numpy as np
import pytest

from runstone import Run
from tests.scripts import Stage, points, quality

THREADS = """
run = begin()

def work(thread):
    for i in range(2_000):
        at = thread * 2**40 + i
        run.log("loss", i / 7, step=at)
        run.log_metrics({"a": i, "b": float(thread)}, step=at)
        if i % 500 == 0:
            run.log_row("rows", thread=thread, i=i)
            run.tag(f"thread{thread}", str(i))

threads = [threading.Thread(target=work, args=(thread,)) for thread in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""

# The handler interrupts whatever the main thread does: log(), a tag, the delivery, itself.
SIGNALS = """
import itertools
run, done = begin(), counts()
ticks = itertools.count()

def tick(*_):
    at = next(ticks)
    run.log("tick", at / 3, step=at)
    done[1] = max(done[1], at + 1)

signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for i in range(int(sys.argv[1])):
    run.log("loss", i / 7, step=i)
    done[0] = i + 1
    if i % 10_000 == 0:
        run.tag("at", str(i))
        run.log_row("rows", i=i)
        run.flush(30)
signal.setitimer(signal.ITIMER_REAL, 0)
run.complete()
"""

FINALISERS = """
import gc
import itertools
gc.set_threshold(1)
run = begin()
# a finaliser may run in any thread
ended, told = itertools.count(), []

class Last:
    def __del__(self):
        at = next(ended)
        run.log("ended", float(at), step=at)
        told.append(at)

def cycle():
    one, other = Last(), Last()
    one.other, other.one = other, one

for i in range(3_000):
    cycle()
    run.log("loss", i / 7, step=i)
    run.log_metrics({"a": i, f"b{i % 7}": [i][0]}, step=i)
# another thread may be collecting at this moment
while len(told) < 6_000:
    gc.collect()
run.tag("ended", str(next(ended)))
"""

ATEXIT = """
import atexit
run = begin()
atexit.register(lambda: run.log("late", 2.0))
run.log("loss", 1.0)

class Last:
    def __del__(self):
        run.log("very late", 3.0)

kept = Last()
"""

ASYNCIO = """
import asyncio
run = begin()

async def work(task):
    for i in range(200):
        run.log("loss", i / 7, step=task * 2**40 + i)
        await asyncio.sleep(0)

async def main():
    await asyncio.gather(*(work(task) for task in range(10)))
    await asyncio.to_thread(run.flush)

asyncio.run(main())
"""

# A time limit within a step, as tests and data loaders have them.
ALARMS = """
run, done = begin(), counts()

class Alarm(Exception):
    pass

def ring(*_):
    raise Alarm

signal.signal(signal.SIGALRM, ring)
rung = i = 0
while rung < int(sys.argv[1]):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.002)
        while True:
            at, i = i, i + 1
            run.log("loss", at / 7, step=at)
            done[0] = i
    except Alarm:
        rung += 1
"""


def clean(stage: Stage, script: str, *arguments: object) -> Run:
    ended = stage.run(script, *arguments)
    assert (ended.returncode, ended.stderr) == (0, "")
    run = stage.see()
    assert (run.status, quality(run)) == ("Completed", {})
    assert stage.left() == []
    return run


def in_order(run: Run, name: str, count: int, by: int) -> bool:
    found = run.get_metric_series(name)
    at = np.arange(count)
    return np.array_equal(found.steps, at) and np.array_equal(found.values, at / by)


def test_sixteen_threads_interleave_no_frames(stage: Stage):
    run = clean(stage, THREADS)
    for name in ("loss", "a"):
        found = run.get_metric_series(name)
        assert len(found.steps) == 32_000
        for thread in range(16):
            mine = found.steps // 2**40 == thread
            assert np.array_equal(found.steps[mine] - thread * 2**40, np.arange(2_000))
    found = run.get_metric_series("b")
    assert np.array_equal(found.steps // 2**40, found.values)
    rows = run.get_metrics("rows")["rows"]
    assert len(rows["i"]) == 64
    assert run.get_tags() == {f"thread{thread}": "1500" for thread in range(16)}


def test_a_signal_handler_logs_whatever_it_interrupts(stage: Stage, count):
    done = stage.counts()
    run = clean(stage, SIGNALS, count(60_000, 3_000_000))
    assert in_order(run, "loss", done[0], 7)
    ticks = points(run, "tick")
    assert len(ticks) == done[1] > 100
    assert sorted(ticks) == [(i, i / 3) for i in range(done[1])]


def test_finalisers_log_while_the_collector_is_at_work(stage: Stage):
    run = clean(stage, FINALISERS)
    assert in_order(run, "loss", 3_000, 7)
    assert run.get_tags() == {"ended": "6000"}
    assert sorted(points(run, "ended")) == [(i, i) for i in range(6_000)]


def test_what_is_logged_at_exit_is_kept(stage: Stage):
    ended = stage.run(ATEXIT)
    assert (ended.returncode, ended.stderr) == (0, "")
    run = stage.see()
    assert run.status == "Completed"
    assert run.get_metrics() == {"loss": 1.0, "late": 2.0, "very late": 3.0}
    assert quality(run) == {"late": 1}


def test_coroutines_log(stage: Stage):
    found = clean(stage, ASYNCIO).get_metric_series("loss")
    for task in range(10):
        mine = found.steps // 2**40 == task
        assert np.array_equal(found.values[mine], np.arange(200) / 7)


def test_an_exception_from_a_signal_handler_goes_to_the_script_and_costs_at_most_that_call(
    stage: Stage, count
):
    done = stage.counts()
    run = clean(stage, ALARMS, count(300, 20_000))
    found = run.get_metric_series("loss")
    # a call that was interrupted may have been kept or not, but never twice
    assert np.all(np.diff(found.steps) > 0)
    assert np.array_equal(found.values, found.steps / 7)
    assert done[0] - 1 in found.steps
    assert done[0] - len(found.steps) <= count(300, 20_000)


@pytest.mark.parametrize("switch", [1e-6, 5e-3])
def test_threads_that_change_places_all_the_time_keep_their_frames(stage: Stage, switch: float):
    clean(stage, f"sys.setswitchinterval({switch})\n" + THREADS.replace("2_000", "600"))

"""Drives one tracker through one task, in the tracker's own environment, and prints what it took as JSON.

``python -m benchmarks.drive <tracker> <task> <count>``
"""

from __future__ import annotations

import importlib
import json
import math
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from benchmarks.timing import cpu, least, least_cpu

if TYPE_CHECKING:
    from benchmarks.trackers.contract import Tracker

SEED = 20261123
BATCHES = 100
NAMES = [f"train/metric-{number}" for number in range(10)]


def first(tracker: Tracker, count: int) -> dict[str, float]:
    """A whole script: one run, one value. It is timed from outside."""
    tracker.start()
    tracker.log("loss", 0.5, step=0)
    tracker.finish()
    return {}


def log(tracker: Tracker, count: int) -> dict[str, float]:
    """Seconds per call that logs one value, five and ten: the quickest of a hundred batches."""
    tracker.start()
    steps = iter(range(10**9))
    each = max(count // BATCHES, 1)

    def one() -> None:
        for step in islice(steps, each):
            tracker.log("loss", 0.5, step=step)

    def many(values: Mapping[str, float]) -> None:
        for step in islice(steps, each):
            tracker.log_many(values, step)

    found = {"one": least(one, BATCHES) / each}
    for word, width in (("five", 5), ("ten", 10)):
        found[word] = least(partial(many, dict.fromkeys(NAMES[:width], 0.5)), BATCHES) / each
    tracker.finish()
    return found


def points(tracker: Tracker, count: int) -> dict[str, float]:
    """CPU seconds to log a long series, to log it and have it kept, and to read it back."""
    values = series(count)
    tracker.start()
    start, mine = cpu(), time.thread_time()
    tracker.bulk("loss", values)
    calls = time.thread_time() - mine
    tracker.settle()
    tracker.finish()
    close = getattr(tracker, "close", None)
    if close is not None:
        close()
    kept = cpu() - start
    began = cpu()
    found = tracker.read("loss")
    read = cpu() - began if found else math.nan
    if found not in (0, count):
        raise AssertionError(f"{count} points were logged and {found} read back")
    return {"calls": calls, "kept": kept, "read": read}


def runs(tracker: Tracker, count: int) -> dict[str, float]:
    """CPU seconds of one run with one value, in a process that has had others: the cheapest of several."""
    found = []
    for _ in range(count):
        start = cpu()
        tracker.start()
        tracker.log("loss", 0.5, step=0)
        tracker.finish()
        found.append(cpu() - start)
    return {"cpu": min(found)}


def create(tracker: Tracker, count: int) -> dict[str, float]:
    """CPU seconds to create a run that nobody starts here."""
    tracker.start()
    found = {"cpu": least_cpu(tracker.create, count)}
    tracker.finish()
    return found


def series(count: int) -> list[float]:
    """A loss that falls, with noise in every bit."""
    source = random.Random(SEED)
    return [math.exp(-step / count) + source.gauss(0, 0.02) for step in range(count)]


TASKS: Mapping[str, Callable[[Tracker, int], dict[str, float]]] = {
    "first": first,
    "log": log,
    "points": points,
    "runs": runs,
    "create": create,
}


def main(arguments: Sequence[str]) -> None:
    """Drive a tracker; the last line printed is a JSON object."""
    name, task, count = arguments
    tracker = importlib.import_module(f"benchmarks.trackers.{name.lower()}").Tracker()
    print()
    print(json.dumps(TASKS[task](tracker, int(count))))


if __name__ == "__main__":
    main(sys.argv[1:])

"""What a log() call costs beside the write that it cannot do without: blocks of both, in turns."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from benchmarks.figures import Figure, Goal, beside
from benchmarks.peers import measured
from runstone import Experiment, Run, Workspace

BLOCK = 500
ROUNDS = 200
# length, shape, time, step and checksum of a frame; each value is 8 bytes more
FRAME = 28
WIDTHS = {1: Goal(3, ratio=True), 5: Goal(3.5, ratio=True), 10: None}


def figures(*, quick: bool) -> Iterator[Figure]:
    """A line for each number of metrics in a call, beside a bare os.write of as many bytes."""
    found = measured("journal_cost", str(4 if quick else ROUNDS))
    for width, goal in WIDTHS.items():
        what = "log(), one metric" if width == 1 else f"log_metrics(), {width} metrics"
        size = FRAME + 8 * width
        figure = Figure(what, found[f"log {width}"], "s", goal=goal)
        yield from beside(figure, {f"os.write of {size} bytes": found[f"write {width}"]})


def main(rounds: int) -> None:
    """Print the seconds of the quickest block of each kind, per call."""
    started = Experiment(Workspace.from_config(), "bench").start_logging(outputs=False)
    steps = iter(range(10**9))
    file = os.open("bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    found = {}
    for width in WIDTHS:
        log = partial(_log_one, started, steps) if width == 1 else partial(_log_many, started, steps, width)
        found[f"log {width}"], found[f"write {width}"] = _in_turns(
            log, partial(_write, file, bytes(FRAME + 8 * width)), rounds
        )
    started.complete()
    Path("bare").unlink()
    print(json.dumps(found))


def _in_turns(log: Callable[[], None], write: Callable[[], None], rounds: int) -> tuple[float, float]:
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for times, block in zip(took, (log, write), strict=True):
            start = time.perf_counter()
            block()
            times.append(time.perf_counter() - start)
    return min(took[0]) / BLOCK, min(took[1]) / BLOCK


def _log_one(run: Run, steps: Iterator[int]) -> None:
    log = run.log
    for step in islice(steps, BLOCK):
        log("loss", 0.5, step=step)


def _log_many(run: Run, steps: Iterator[int], width: int) -> None:
    log, values = run.log_metrics, {f"train/metric-{number}": number / 7 for number in range(width)}
    for step in islice(steps, BLOCK):
        log(values, step=step)


def _write(file: int, data: bytes) -> None:
    write = os.write
    for _ in range(BLOCK):
        write(file, data)


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""Memory over ten million log() calls, on request: it takes a minute."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from benchmarks.figures import Figure, Goal
from benchmarks.peers import measured
from benchmarks.trackers.runstone import Tracker

CALLS = 10_000_000
EARLY = 2_000_000
# What is on its way to the history comes and goes: the least of several samples counts.
SAMPLED = 50_000
# One byte a call: less cannot be told from what the database's cache holds at the moment.
ALLOWED = CALLS - EARLY


def figures() -> Iterator[Figure]:
    """How much more memory the process has at the end of ten million calls than at the end of two."""
    found = measured("memory")
    yield Figure(
        f"memory gained over {CALLS - EARLY:,} log() calls",
        (found["late"] - found["early"]) / 2**20,
        "MiB",
        f"after {EARLY:,} calls",
        found["early"] / 2**20,
        Goal(ALLOWED / 2**20),
    )


def main() -> None:
    """Log, and print the least resident memory of the second million of calls and of the last."""
    tracker = Tracker()
    tracker.start()
    steps = iter(range(CALLS))
    samples = []
    for _ in range(0, CALLS, SAMPLED):
        for step in islice(steps, SAMPLED):
            tracker.log("loss", 0.5, step=step)
        samples.append(_resident())
    tracker.finish()
    million = 1_000_000 // SAMPLED
    print(json.dumps({"early": min(samples[million : 2 * million]), "late": min(samples[-million:])}))


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()

"""Memory over ten million log() calls, on request: it takes a minute."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from benchmarks.figures import Figure, Goal
from benchmarks.peers import measured

CALLS = 10_000_000
WARM = CALLS // 10
# What is more than this is a leak: one byte a call would be 9 MB.
ALLOWED = 4 * 2**20


def figures() -> Iterator[Figure]:
    """How much more memory the process has after ten million calls than after the first million."""
    found = measured("memory")
    yield Figure(
        f"memory gained from call {WARM:,} to call {CALLS:,}",
        (found["last"] - found["warm"]) / 2**20,
        "MiB",
        f"after call {WARM:,}",
        found["warm"] / 2**20,
        Goal(ALLOWED / 2**20),
    )


def main() -> None:
    """Log, and print the resident memory after the first tenth of the calls and at the end."""
    from benchmarks.trackers.runstone import Tracker

    tracker = Tracker()
    tracker.start()
    steps = iter(range(CALLS))
    found = {}
    for name, calls in (("warm", WARM), ("last", CALLS - WARM)):
        for step in islice(steps, calls):
            tracker.log("loss", 0.5, step=step)
        found[name] = _resident()
    tracker.finish()
    print(json.dumps(found))


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()

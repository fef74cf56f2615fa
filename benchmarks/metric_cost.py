"""A million points of one metric: shipped and sealed, on disk, read, drawn; each beside a plain way."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.drive import series
from benchmarks.figures import Figure, Goal
from benchmarks.peers import measured, size
from benchmarks.timing import cpu, least_cpu
from benchmarks.trackers.runstone import Tracker
from runstone.service.connect import disconnect

MILLION = 1_000_000
BUCKETS = 1000
REPEATS = 7


def figures(*, quick: bool) -> Iterator[Figure]:
    """Lines for the way of a long series into the history and out again."""
    count = 5_000 if quick else MILLION
    found = measured("metric_cost", str(count))
    what = f"{count:,} points"
    lines = (
        (
            f"{what} shipped and sealed: CPU beyond log()",
            "shipped",
            "s",
            "as many rows inserted into SQLite",
            2.0,
        ),
        (f"{what} on disk, each", "bytes", "B", "the same rows", 10),
        (f"{what} read as numpy arrays: CPU", "read", "s", "numpy.load of the three arrays", 0.15),
        (f"{what} as a chart of {BUCKETS:,} buckets: CPU", "chart", "s", "numpy, arrays in memory", 0.03),
    )
    for text, key, unit, beside, most in lines:
        yield Figure(text, found[key], unit, beside, found[f"plain {key}"], None if quick else Goal(most))


def main(count: int) -> None:
    """Log a series, seal, read and draw it; print what each took, and what a plain way takes."""
    home, values = Path(os.environ["BENCH_DIRECTORY"]), series(count)
    tracker = Tracker()
    tracker.start()
    empty, start, mine = size(home), cpu(), time.thread_time()
    tracker.bulk("loss", values)
    calls = time.thread_time() - mine
    tracker.settle()
    found = {"shipped": cpu() - start - calls}
    tracker.finish()
    run = tracker.run
    found["read"] = least_cpu(lambda: run.get_metric_series("loss"), REPEATS)
    found["chart"] = least_cpu(lambda: run.get_metric_chart("loss", buckets=BUCKETS), REPEATS)
    # at rest: a history that is open has a write-ahead log beside it
    disconnect(tracker.workspace.location)
    found["bytes"] = (size(home) - empty) / count
    print(json.dumps(found | _plain(home, values)))


def _plain(home: Path, values: list[float]) -> dict[str, float]:
    """The same done plainly: a row for each point, arrays in files, a chart of arrays that are in memory."""
    start = cpu()
    database = sqlite3.connect(home / "plain.db")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE points (run INT, metric INT, step INT, time INT, value REAL)")
    database.executemany(
        "INSERT INTO points VALUES (1, 1, ?, ?, ?)", ((n, n, each) for n, each in enumerate(values))
    )
    database.commit()
    database.close()
    found = {"plain shipped": cpu() - start, "plain bytes": (home / "plain.db").stat().st_size / len(values)}
    arrays = {"steps": np.arange(len(values)), "values": np.array(values), "times": np.arange(len(values))}
    for name, array in arrays.items():
        np.save(home / name, array)
    found["plain read"] = least_cpu(lambda: [np.load(home / f"{name}.npy") for name in arrays], REPEATS)
    found["plain chart"] = least_cpu(lambda: _buckets(arrays["steps"], arrays["values"]), REPEATS)
    return found


def _buckets(steps: np.ndarray, values: np.ndarray) -> None:
    edges = np.searchsorted(steps, np.linspace(steps[0], steps[-1], BUCKETS, endpoint=False))
    for reduce in (np.minimum, np.maximum, np.add):
        reduce.reduceat(values, edges)


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""`make bench` works and prints every line; what it measures is not a test's business."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.figures import Figure, Goal, line
from tests.sources import ROOT

LINES = (
    "import runstone",
    "modules that it loads",
    "import, start a run, log, end it: CPU",
    "log(), one metric",
    "log_metrics(), 5 metrics",
    "ten metrics a step",
    "a point logged and kept",
    "a point on disk",
    "a run started and ended",
    "shipped and sealed",
    "read as numpy arrays",
    "as a chart of 1,000 buckets",
    "search 300 runs: acc > 0.9",
    "search 300 runs: a rare param",
    "search 300 runs: a word",
    "search 300 runs: a page",
    "8 no-op runs, 4 at a time: median",
    "submit(): median",
    "a printed line until it is seen",
    "runstone --help",
    "runstone run list, 300 runs",
)


def test_the_command_prints_every_line(tmp_path: Path):
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--quick",
        "--peers",
        "none",
        "--json",
        tmp_path / "figures.json",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [text for text in LINES if text not in done.stdout] == []
    assert "Load before:" in done.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert len(figures) >= len(LINES)


def test_a_line_tells_the_ratio_and_whether_the_goal_is_met():
    beside = Figure("a call", 2e-6, "s", "a write", 1e-6, Goal(3, ratio=True))
    assert words(beside) == "a call 2 µs a write 1 µs 2 at most 3 times: yes"
    missed = Figure("a point", 12, "B", "a peer", 1200, Goal(10))
    assert words(missed) == "a point 12 B a peer 1,200 B 1/100 at most 10 B: NO"
    assert (
        words(Figure("a call", 2e-6, "s", "a peer: not to be had")) == "a call 2 µs a peer: not to be had - -"
    )


def words(figure: Figure) -> str:
    return " ".join(line(figure).split())

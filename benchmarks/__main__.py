"""Measures and prints one table: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks import (
    command_line,
    journal_cost,
    memory,
    metric_cost,
    recording,
    searching,
    startup,
    submitting,
)
from benchmarks.figures import Figure, header, line, load, machine
from benchmarks.peers import REQUIREMENTS, Tracker, peer
from runstone import __version__

SUBJECTS = ("start", "log", "peers", "points", "search", "submit", "cli")
RUNS = (10_000, 100_000)
FEW_RUNS = (300,)
# MLflow is searched among no more: each of its queries takes seconds from there on.
MLFLOW_RUNS = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, line by line as it is measured."""
    options = _options(arguments)
    about = machine()
    print(f"Runstone {__version__}, {about['when']}: {about['software']}, {about['machine']}.")
    print(f"Load before: {about['load']}. Less is better on every line.\n")
    print(header(), flush=True)
    # nobody beside whom submitting could be measured
    peers = [peer(name) for name in options.peers if options.only != "submit"]
    found: list[Figure] = []
    for figure in _figures(peers, options):
        same = bool(found) and found[-1].what == figure.what
        print(line(replace(figure, what="", goal=None) if same else figure), flush=True)
        found.append(figure)
    print(f"\nLoad after: {load()}.")
    if options.json:
        lines = [{**asdict(figure), "ratio": figure.ratio, "met": figure.met} for figure in found]
        options.json.write_text(json.dumps({**about, "version": __version__, "figures": lines}, indent=1))
    return 0


def _figures(peers: list[Tracker], options: argparse.Namespace) -> Iterator[Figure]:
    quick = options.quick
    counts = FEW_RUNS if quick else options.runs
    subjects: tuple[Callable[[], Iterator[Figure]], ...] = (
        lambda: startup.figures(peers, 1 if quick else 6),
        lambda: journal_cost.figures(quick=quick),
        lambda: recording.figures(peers, quick=quick),
        lambda: metric_cost.figures(quick=quick),
        lambda: _searches(peers, counts),
        lambda: submitting.figures(8 if quick else options.submissions),
        lambda: command_line.figures(counts[-1], quick=quick),
    )
    for name, figures in zip(SUBJECTS, subjects, strict=True):
        if options.only in (None, name):
            yield from figures()
    if options.long:
        yield from memory.figures()


def _searches(peers: list[Tracker], counts: Sequence[int]) -> Iterator[Figure]:
    for count in counts:
        searched = [each for each in peers if each.name == "mlflow" and count <= MLFLOW_RUNS]
        yield from searching.figures(searched, count)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What Runstone costs, beside its peers."
    )
    parser.add_argument(
        "--quick", action="store_true", help="small counts, to see that it works: under a minute"
    )
    parser.add_argument(
        "--peers", type=_peers, default=list(REQUIREMENTS), help="all, none, or names with commas"
    )
    parser.add_argument(
        "--runs", type=int, nargs="+", default=RUNS, help="search among so many runs, e.g. 1000000"
    )
    parser.add_argument("--submissions", type=int, default=500, help="so many submitted runs that do nothing")
    parser.add_argument("--long", action="store_true", help="memory over ten million log() calls too")
    parser.add_argument("--only", choices=SUBJECTS, help="only the lines of one subject")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    return parser.parse_args(arguments)


def _peers(text: str) -> list[str]:
    names = {"all": list(REQUIREMENTS), "none": []}.get(text, text.split(","))
    unknown = [name for name in names if name not in REQUIREMENTS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no peer is named {unknown[0]!r}; there are {', '.join(REQUIREMENTS)}"
        )
    return names


if __name__ == "__main__":
    sys.exit(main())

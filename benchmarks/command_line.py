"""What a command line costs beside a bare start of the interpreter."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from benchmarks.figures import Figure, Goal, beside
from benchmarks.peers import Place, environment, place
from benchmarks.searching import WORKSPACE, load
from benchmarks.timing import run
from runstone.service.connect import Settings, connect, disconnect

REPEATS = 12
MOST = 4.0
BARE = ("-c", "pass")
MODULE = ("-m", "runstone")


def figures(count: int, *, quick: bool) -> Iterator[Figure]:
    """Lines for `--help` and for lists of a history with so many runs."""
    repeats = 1 if quick else REPEATS
    with place() as found:
        bare = {"a bare Python": _least(found, *BARE, repeats=repeats)}
        yield from _line(found, "runstone --help", "--help", bare=bare, repeats=repeats)
        yield from _line(
            found, "runstone run list --help", "run", "list", "--help", bare=bare, repeats=repeats
        )
        service = connect(found.data / "history", Settings.of(environment(found)))
        try:
            load(service, count)
        finally:
            disconnect(found.data / "history")
        words = ("run", "list", "-w", WORKSPACE)
        yield from _line(found, f"runstone run list, {count:,} runs", *words, bare=bare, repeats=repeats)


def _line(found: Place, what: str, *words: str, bare: Mapping[str, float], repeats: int) -> Iterator[Figure]:
    took = _least(found, *MODULE, *words, repeats=repeats)
    yield from beside(Figure(f"{what}: wall", took, "s", goal=Goal(MOST, ratio=True)), {**bare})


def _least(found: Place, *words: str, repeats: int) -> float:
    """The shortest of so many processes, on the clock."""
    # with what Python keeps compiled, as a person has it
    given = {key: value for key, value in environment(found).items() if key != "PYTHONDONTWRITEBYTECODE"}
    costs = [run([sys.executable, *words], environment=given, directory=found.work) for _ in range(repeats)]
    return min(cost.wall for cost in costs)

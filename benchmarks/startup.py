"""What it takes until something is tracked: importing, and the first run of a script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.figures import Figure, Goal, beside
from benchmarks.peers import OURS, Tracker, answer, drive, each, environment, place
from benchmarks.timing import Cost, run

COUNT = """import sys
bare = len(sys.modules)
{}
print('{{"bare": %d, "added": %d}}' % (bare, len(sys.modules) - bare))"""
LAZY = "import runstone"
WHOLE = "from runstone import Experiment, Run, Workspace"
NOTHING = "pass"


def figures(peers: Sequence[Tracker], repeats: int) -> Iterator[Figure]:
    """Lines for imports, and for the wall and CPU time of a script with one run and one value."""
    bare = {"a bare Python": _import(OURS, NOTHING, repeats)}
    lazy, whole = (_added(OURS, text, repeats) for text in (LAZY, WHOLE))
    yield from beside(Figure("import runstone: CPU beyond a bare Python", lazy, "s", goal=Goal(0.050)), bare)
    modules = _modules(LAZY)
    own = {"a bare Python's own": modules["bare"]}
    yield from beside(Figure("modules that it loads", modules["added"], "", goal=Goal(100)), own)
    others = each(peers, lambda peer: _added(peer, f"import {peer.module}", repeats))
    yield from beside(Figure("import Workspace, Experiment and Run: CPU", whole, "s"), others)
    yield from _first_runs(peers, max(repeats // 3, 1))


def _first_runs(peers: Sequence[Tracker], repeats: int) -> Iterator[Figure]:
    wall, cpu = _first_run(OURS, repeats)
    theirs = each(peers, lambda peer: _first_run(peer, repeats))
    for what, ours, of in (("wall", wall, 0), ("CPU", cpu, 1)):
        others = {name: took if isinstance(took, str) else took[of] for name, took in theirs.items()}
        yield from beside(Figure(f"import, start a run, log, end it: {what}", ours, "s"), others)


def _first_run(tracker: Tracker, repeats: int) -> tuple[float, float]:
    """The least wall and CPU time of a script that begins with an empty directory."""
    costs = [drive(tracker, "first", count=1).cost for _ in range(repeats)]
    return min(cost.wall for cost in costs), min(cost.cpu for cost in costs)


def _added(tracker: Tracker, text: str, repeats: int) -> float:
    return _import(tracker, text, repeats) - _import(tracker, NOTHING, repeats)


def _import(tracker: Tracker, text: str, repeats: int) -> float:
    return min(_python(tracker, text).cpu for _ in range(repeats))


def _modules(text: str) -> Mapping[str, float]:
    return answer(_python(OURS, COUNT.format(text)))


def _python(tracker: Tracker, text: str) -> Cost:
    with place() as found:
        return run([str(tracker.python), "-c", text], environment=environment(found), directory=found.work)

"""What logging costs beside the peers: each call, a point until it is kept and read again, a new run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.figures import Figure, beside
from benchmarks.peers import OURS, Tracker, drive, each, picked

WORDS = {
    "one": "log(): one metric a call",
    "five": "log_metrics(): five metrics",
    "ten": "ten metrics a step, one call",
}


@dataclass(frozen=True)
class Counts:
    """How often something is done: calls of each kind, points of one series, runs."""

    calls: int
    points: int
    runs: int

    def least(self) -> Counts:
        """As few as show that it works."""
        return Counts(min(self.calls, 200), min(self.points, 2000), 2)


# What is slower is done less often; the figures are per call, per point and per run.
COUNTS = {
    "runstone": Counts(40_000, 1_000_000, 20),
    "mlflow": Counts(400, 20_000, 20),
    "trackio": Counts(4_000, 100_000, 20),
    "wandb": Counts(4_000, 100_000, 10),
    "tensorboardX": Counts(4_000, 100_000, 20),
}


def figures(peers: Sequence[Tracker], *, quick: bool) -> Iterator[Figure]:
    """Lines for calls, points and runs, beside each peer."""
    counts = {name: each.least() if quick else each for name, each in COUNTS.items()}
    yield from _calls(peers, counts)
    yield from _points(peers, counts)
    yield from _runs(peers, counts)
    yield from _creations(peers, counts)


def _calls(peers: Sequence[Tracker], counts: Mapping[str, Counts]) -> Iterator[Figure]:
    def measure(tracker: Tracker) -> Mapping[str, float]:
        return drive(tracker, "log", count=counts[tracker.name].calls).answer

    ours, theirs = measure(OURS), each(peers, measure)
    for word, what in WORDS.items():
        yield from beside(Figure(what, ours[word], "s"), picked(theirs, word))


def _points(peers: Sequence[Tracker], counts: Mapping[str, Counts]) -> Iterator[Figure]:
    def measure(tracker: Tracker) -> Mapping[str, float]:
        return _per_point(tracker, counts[tracker.name].points)

    ours = measure(OURS)
    theirs = each(peers, measure)
    shown = {name: f"{name}, {counts[name].points:,} points" for name in theirs}
    for word, what, unit in (
        ("cpu", "a point logged and kept, of a long series: CPU", "s"),
        ("bytes", "a point on disk", "B"),
        ("read", "a million points read back: CPU", "s"),
    ):
        others = {shown[name]: value for name, value in picked(theirs, word).items()}
        yield from beside(Figure(what, ours[word], unit), others)


def _runs(peers: Sequence[Tracker], counts: Mapping[str, Counts]) -> Iterator[Figure]:
    def measure(tracker: Tracker) -> float:
        return drive(tracker, "runs", count=counts[tracker.name].runs).answer["cpu"]

    theirs = each(peers, measure)
    yield from beside(Figure("a run started and ended, one value logged: CPU", measure(OURS), "s"), theirs)


def _creations(peers: Sequence[Tracker], counts: Mapping[str, Counts]) -> Iterator[Figure]:
    def measure(tracker: Tracker) -> float:
        return drive(tracker, "create", count=counts[tracker.name].runs).answer["cpu"]

    # the others know no run that was not started
    theirs = each([peer for peer in peers if peer.name == "mlflow"], measure)
    yield from beside(Figure("a run created for another process: CPU", measure(OURS), "s"), theirs)


def _per_point(tracker: Tracker, count: int) -> Mapping[str, float]:
    """CPU and bytes of one point, without what an empty run takes, and the time to read back a million."""
    empty = drive(tracker, "first", count=1)
    full = drive(tracker, "points", count=count)
    read = full.answer["read"] * 1_000_000 / count
    return {"cpu": full.answer["kept"] / count, "bytes": (full.size - empty.size) / count, "read": read}

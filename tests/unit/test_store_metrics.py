"""Metrics against a plain model: random records, deliveries, refreshes and seals, in any order."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runstone.model.metrics import BOOL, FLOAT, INT, LARGE, Series
from runstone.store.database import open_database
from tests.histories import KINDS, address
from tests.logged import START, Logged, Writer

NAMES = ("loss", "acc", "한글")
MS = 10**6
# What a burst repeats: enough to begin another chunk now and then.
BURSTS = (1, 1, 1, 17, 40, 3000)


@dataclass
class Plain:
    """One series as a list of (kind, step, time in ms, value); kind is scalar or that of an entry."""

    entries: list[tuple[str, float, int, Any]] = field(default_factory=list)

    def add(self, kind: str, step: float | None, at: int, value: Any) -> None:
        place = len(self.entries) if step is None else step
        self.entries.append((kind, place, at // MS, value))

    @property
    def points(self) -> list[tuple[float, int, Any]]:
        return [(step, at, value) for kind, step, at, value in self.entries if kind == "scalar"]


@dataclass(frozen=True)
class Call:
    """One call of a script, to be repeated with growing steps and times."""

    kind: str
    names: tuple[str, ...]
    value: Any
    step: float | None
    at: int
    times: int = 1

    def write(self, writer: Writer) -> list[Call]:
        """Log it; the records that this makes."""
        if self.kind == "scalar":
            made = [self.moved(n) for n in range(self.times)]
            for one in made:
                writer.log(dict.fromkeys(one.names, one.value), one.step, one.at)
            return made
        bodies: dict[str, dict[str, Any]] = {
            "text": {"kind": "value", "type": "text", "value": self.value},
            "int": {"kind": "value", "type": "int", "value": str(self.value)},
            "list": {"kind": "list", "items": self.value},
            "row": {"kind": "row", "columns": self.value},
            "image": {"kind": "artifact", "type": "image", "uri": self.value},
            "describe": {"kind": "describe", "text": self.value},
        }
        body = bodies[self.kind]
        writer.record(body.pop("kind"), self.at, name=self.names[0], step=self.step, **body)
        return [self]

    def moved(self, n: int) -> Call:
        step = None if self.step is None else self.step + n
        return Call(self.kind, self.names, self.value, step, self.at + n * MS)

    def apply(self, series: dict[str, Plain]) -> None:
        for name in self.names:
            plain = series.setdefault(name, Plain())
            if self.kind == "list":
                numbers = all(
                    isinstance(i, float) or (type(i) in (int, bool) and abs(i) <= 2**53) for i in self.value
                )
                step = None if numbers else self.step
                for item in self.value:
                    plain.add("scalar" if numbers else "item", step, self.at, item)
            elif self.kind == "int":
                plain.add("scalar", self.step, self.at, self.value)
            elif self.kind != "describe":
                plain.add(self.kind, self.step, self.at, self.value)


floats = st.floats(width=64) | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 0.0, 1.5])
ints = (
    st.integers(-9, 9) | st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1])
)
huge = st.integers(2**63, 2**200) | st.integers(-(2**200), -(2**63) - 1)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
items = st.lists(floats | ints | st.booleans() | texts | st.none(), max_size=4) | st.lists(floats, max_size=4)
steps = st.none() | st.integers(0, 30) | st.integers(-(2**50), 2**50) | st.floats(-9, 9, width=32)
moments = st.integers(0, 10**6).map(lambda ms: START + ms * MS + 999_999)
of_kind = {
    "scalar": floats | ints | st.booleans(),
    "text": texts,
    "int": huge,
    "list": items,
    "row": st.dictionaries(st.sampled_from("xyz"), st.integers(0, 9) | texts, max_size=2),
    "image": st.just("aml://artifactId/ExperimentRun/dcid.run/plot.png"),
    "describe": texts,
}


@st.composite
def calls(draw: st.DrawFn) -> Call:
    kind = draw(st.sampled_from(["scalar"] * 6 + sorted(of_kind)))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    times = draw(st.sampled_from(BURSTS)) if kind == "scalar" else 1
    names = names if kind == "scalar" else names[:1]
    return Call(kind, tuple(names), draw(of_kind[kind]), draw(steps), draw(moments), times)


acts = st.one_of(
    st.tuples(st.just("log"), st.integers(0, 1), calls()),
    st.tuples(st.just("deliver"), st.integers(0, 1), st.tuples(st.integers(0, 50), st.integers(0, 400))),
    st.tuples(st.sampled_from(["refresh", "seal"]), st.just(0), st.none()),
)


class Machine:
    """A run and its plain model, driven side by side."""

    def __init__(self, history: Logged) -> None:
        self.history = history
        self.run = history.start()
        self.writers = [Writer("first"), Writer("second")]
        self.logged: list[list[Call]] = [[], []]
        self.applied = [0, 0]
        self.model: dict[str, Plain] = {}

    def act(self, name: str, which: int, given: Any) -> None:
        if name == "log":
            self.logged[which] += given.write(self.writers[which])
        elif name == "deliver":
            self.deliver(which, back=given[0], forth=given[1])
        elif name == "refresh":
            self.history.refresh(self.run)
        else:
            self.history.seal(self.run)

    def deliver(self, which: int, *, back: int, forth: int) -> None:
        """Some that were delivered before, and some that were not."""
        acked = self.applied[which]
        first = max(1, acked + 1 - back)
        last = min(acked + forth, len(self.logged[which]))
        if last < first:
            return
        done = self.history.take(self.run, self.writers[which], first, last)
        assert done == max(acked, last)
        for call in self.logged[which][acked:done]:
            call.apply(self.model)
        self.applied[which] = done

    def check(self) -> None:
        present = {name: plain for name, plain in self.model.items() if plain.entries}
        found = self.history.metrics.values([self.run])[self.run]
        assert set(found) == set(present)
        latest = self.history.metrics.latest(self.run)
        assert set(latest) == set(present)
        for name, plain in present.items():
            check_series(found[name], plain)
            check_series(self.history.metrics.series(self.run, name), plain)
            check_latest(latest[name], plain)
            for buckets in (1, 7, 500):
                check_chart(self.history.metrics.chart(self.run, name, buckets=buckets), plain, "step")
            check_chart(self.history.metrics.chart(self.run, name, buckets=13, x="time"), plain, "time")
        check_quality(self.history.metrics.quality(self.run), present)


def check_series(found: Series, plain: Plain) -> None:
    assert [same(value) for value in found.values.tolist()] == [same(rounded(v)) for _, _, v in plain.points]
    kinds = [FLOAT] * len(found.values) if found.kinds is None else found.kinds.tolist()
    assert kinds == [kind_of(value) for _, _, value in plain.points]
    assert found.times.tolist() == [at for _, at, _ in plain.points]
    expected = [float(step) for step, _, _ in plain.points]
    assert [float(step) for step in found.steps.tolist()] == expected
    logged = [(("scalar" if kind == "item" else kind), same(value)) for kind, _, _, value in plain.entries]
    assert [(kind, same(value)) for kind, value in found.logged()] == logged
    beside = [(kind, float(step), at) for kind, step, at, _ in plain.entries if kind != "scalar"]
    assert [(e.kind, float(e.step), e.time) for e in found.entries if e.kind != "int"] == beside


def check_latest(found: Any, plain: Plain) -> None:
    values = [rounded(value) for _, _, value in plain.points]
    numbers = [value for value in values if not math.isnan(value)]
    assert (found.count, found.points, found.nans) == (
        len(plain.entries),
        len(numbers),
        len(values) - len(numbers),
    )
    assert unsigned(found.last) == unsigned(values[-1] if values else None)
    assert (found.min, found.max) == (min(numbers, default=None), max(numbers, default=None))
    assert unsigned(found.first) == unsigned(numbers[0] if numbers else None)
    kind, step, at, value = plain.entries[-1]
    assert (found.last_step, found.last_time) == (float(step), at)
    if kind == "text":
        assert (found.kind, found.value) == ("text", value)
    check_mean(found.mean, numbers)


def check_chart(found: Any, plain: Plain, x: str) -> None:
    points = [(float(step if x == "step" else at), rounded(value)) for step, at, value in plain.points]
    assert found.points == len(points)
    width = (found.stop - found.start) / found.buckets
    edges = [found.start + width * n for n in range(1, found.buckets)] if width else []
    buckets: dict[int, list[tuple[float, float]]] = {}
    for at, value in points:
        buckets.setdefault(sum(edge <= at for edge in edges), []).append((at, value))
    assert found.index.tolist() == sorted(buckets)
    for place, number in enumerate(found.index.tolist()):
        xs = [at for at, _ in buckets[number]]
        values = [value for _, value in buckets[number]]
        numbers = [value for value in values if not math.isnan(value)]
        assert (found.x_first[place], found.x_last[place]) == (min(xs), max(xs))
        assert (found.n[place], found.nans[place]) == (len(values), len(values) - len(numbers))
        assert unsigned(float(found.min[place])) == unsigned(min(numbers, default=math.nan))
        assert unsigned(float(found.max[place])) == unsigned(max(numbers, default=math.nan))
        assert same(float(found.first[place])) == same(values[0])
        assert same(float(found.last[place])) == same(values[-1])
        check_mean(float(found.mean[place]), numbers)


def check_mean(found: float | None, numbers: list[float]) -> None:
    if not numbers or found is None or math.isnan(found):
        assert not numbers or math.isnan(plain_sum(numbers)) or overflows(numbers)
        return
    mean = plain_sum(numbers) / len(numbers)
    scale = max(map(abs, numbers))
    assert math.isclose(found, mean, rel_tol=1e-9, abs_tol=scale * 1e-9) or overflows(numbers)


def check_quality(found: Any, present: dict[str, Plain]) -> None:
    expected = {"late": 0, "lost": 0, "damaged": 0, "nan": 0, "repeated": 0}
    for plain in present.values():
        expected["nan"] += sum(math.isnan(rounded(value)) for _, _, value in plain.points)
        expected["repeated"] += len(plain.points) - len({float(step) for step, _, _ in plain.points})
    # the clock of this model goes as it likes; what is counted of it, test_b09_clocks.py shows
    assert {name: n for name, n in found.items() if name != "odd_times"} == expected


def plain_sum(numbers: list[float]) -> float:
    total = 0.0
    for number in numbers:
        total += number
    return total


def overflows(numbers: list[float]) -> bool:
    """Whether the order of adding decides if a sum of finite numbers is finite."""
    return sum(abs(number) / 1e308 for number in numbers) > 0.5


def kind_of(value: Any) -> int:
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return INT if abs(value) <= 2**53 else LARGE
    return FLOAT


def rounded(value: Any) -> float:
    return float(value)


def unsigned(value: float | None) -> Any:
    """For summaries, since SQLite's own REAL has no negative zero."""
    return same(value if value is None else value + 0.0)


def same(value: Any) -> Any:
    """Something to compare by: floats by their bits, all NaN alike, numbers with their type."""
    if isinstance(value, float):
        if math.isnan(value):
            return "nan"
        return struct.pack("<d", value)
    return type(value).__name__, value


@pytest.fixture(params=KINDS)
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Logged]:
    with address(request.param, tmp_path, request) as at, closing(open_database(at)) as database:
        found = Logged(database)
        found.begin()
        yield found


@settings(suppress_health_check=list(HealthCheck))
@given(st.lists(acts, max_size=30))
def test_what_is_read_is_what_a_plain_model_says(history: Logged, acts: list[tuple[str, int, Any]]):
    machine = Machine(history)
    for act in acts:
        machine.act(*act)
    machine.deliver(0, back=0, forth=10**6)
    machine.check()
    machine.deliver(1, back=0, forth=10**6)
    history.seal(machine.run)
    machine.check()

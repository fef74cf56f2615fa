"""b20-b23: every kind of value and step comes back as it was logged, through the journal, before and after
sealing, as a list, an array, a chart, a summary, a search and a table; or is refused by name."""

from __future__ import annotations

import csv
import io
import json
import math
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from runstone import Experiment, Run
from runstone.exceptions import UserErrorException
from runstone.journal import frames
from runstone.journal.shipper import Shipper
from runstone.journal.writer import Writer
from runstone.model.errors import Invalid
from runstone.store import sealing, search
from runstone.store.database import open_database
from tests.histories import KINDS, address
from tests.logged import Logged
from tests.scripts import Stage

INF, NAN = math.inf, math.nan


class Tensor:
    """What torch, jax and tensorflow hand over: a shape and a number, by one way or the other."""

    def __init__(self, value: Any, shape: tuple[int, ...] = (), *, device: str = "cpu", **_: Any) -> None:
        self.value, self.shape, self.device = value, shape, device
        self.requires_grad = True

    def __getattr__(self, name: str) -> Any:
        if name == "item" and self.device == "lost":
            return self._lost
        if name == "item" and self.device not in ("jax", "tracer"):
            return lambda: self.value
        raise AttributeError(name)

    def _lost(self) -> Any:
        raise RuntimeError("CUDA error: device-side assert triggered")

    def __array__(self) -> Any:
        raise TypeError(f"can't convert {self.device} device type tensor to numpy")

    def __float__(self) -> float:
        if self.device == "tracer":
            raise TypeError("Abstract tracer value encountered where concrete value is expected")
        return float(self.value)


# Whatever is logged, and what is read.
NUMBERS: dict[str, tuple[Any, Any]] = {
    "not a number": (NAN, NAN),
    "infinity": (INF, INF),
    "minus infinity": (-INF, -INF),
    "a literal beyond floats": (1e400, INF),
    "minus zero": (-0.0, -0.0),
    "the least float": (5e-324, 5e-324),
    "a denormal": (-2.225073858507201e-308, -2.225073858507201e-308),
    "the greatest float": (1.7976931348623157e308, 1.7976931348623157e308),
    "a tenth": (0.1, 0.1),
    "an int": (-7, -7),
    "an int beyond 2^53": (2**53 + 1, 2**53 + 1),
    "the greatest int of 64 bits": (2**63 - 1, 2**63 - 1),
    "the least int of 64 bits": (-(2**63), -(2**63)),
    "an int of 64 bits": (2**63, 2**63),
    "a negative one": (-(2**63) - 1, -(2**63) - 1),
    "an int of 300 digits": (10**300 + 1, 10**300 + 1),
    "true": (True, True),
    "false": (False, False),
    "a decimal": (Decimal("0.1"), 0.1),
    "a decimal without a number": (Decimal("NaN"), NAN),
    "a decimal without an end": (Decimal("-Infinity"), -INF),
    "a fraction": (Fraction(1, 3), 1 / 3),
    "numpy float32": (np.float32(0.1), float(np.float32(0.1))),
    "numpy float16": (np.float16("inf"), INF),
    "numpy float64": (np.float64("nan"), NAN),
    "numpy int8": (np.int8(-128), -128),
    "numpy uint64": (np.uint64(2**64 - 1), 2**64 - 1),
    "numpy bool": (np.bool_(True), True),
    "numpy 0-d": (np.array(-0.0), -0.0),
    "numpy 0-d of ints": (np.array(2**63 - 1), 2**63 - 1),
    "numpy one element": (np.array([[2.5]], np.float32), 2.5),
    "a tensor": (Tensor(0.25), 0.25),
    "a tensor of one element": (Tensor(3, (1,)), 3),
    "a tensor on a GPU": (Tensor(NAN, device="cuda:0", dtype="bfloat16"), NAN),
    "a tensor of jax": (Tensor(0.5, device="jax"), 0.5),
    "a text": ("빠름", "빠름"),
    "a text like a number": ("NaN", "NaN"),
    "numpy text": (np.str_("x"), "x"),
    "an empty text": ("", ""),
}
REFUSED: dict[str, Any] = {
    "an int beyond floats": 10**400,
    "a negative one": -(10**309),
    "a fraction beyond floats": Fraction(10**400),
    "a decimal that signals": Decimal("sNaN"),
    "a tensor that is traced": Tensor(0, device="tracer", shape=()),
    "a tensor whose device is gone": Tensor(NAN, device="lost"),
}
WRONG: dict[str, tuple[Any, str]] = {
    "a list": ([1, 2], "log_list"),
    "a tuple": ((1,), "log_list"),
    "a set": ({1}, "log_list"),
    "an array of two": (np.array([1, 2]), r"shape \(2,\).*log_list"),
    "an array of none": (np.array([]), r"shape \(0,\).*log_list"),
    "a tensor of two": (Tensor(None, (2, 1)), r"shape \(2, 1\).*log_table"),
    "complex": (1j, "real and the imaginary"),
    "numpy complex": (np.complex128(1j), "number or a text"),
    "bytes": (b"x", "text"),
    "an object": (object(), "number or a text"),
    "a function": (len, "number or a text"),
    "a list of nothing": ([], "log_list"),
}


STRICT = """
run = begin("strict")
try:
    run.log("huge", 10**400)
except Exception as error:
    say(error)
"""


@pytest.fixture(params=KINDS)
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Logged]:
    with address(request.param, tmp_path, request) as at, closing(open_database(at)) as database:
        found = Logged(database)
        found.begin()
        yield found


class Door:
    """A history as a shipper sees it, and what was said on the way."""

    def __init__(self, history: Logged, folder: Path) -> None:
        self.said: list[str] = []
        service = SimpleNamespace(runs=history.runs, persist=lambda: True)
        self.shipper = Shipper(service, folder / "journal", warn=self.said.append)

    def log(self, run: str, call: Callable[[Writer], object]) -> None:
        """Log something to a run, and have it all arrive."""
        writer = self.shipper.writer(run)
        call(writer)
        assert self.shipper.finish(writer, timeout=30)


@pytest.fixture
def door(history: Logged, tmp_path: Path) -> Iterator[Door]:
    found = Door(history, tmp_path)
    yield found
    found.shipper.close()


def same(one: Any, other: Any) -> bool:
    """Of one type and, bit by bit, one value; NaN is NaN."""
    if type(one) is not type(other) or not isinstance(one, float):
        return type(one) is type(other) and bool(one == other)
    return (math.isnan(one) and math.isnan(other)) or struct.pack("d", one) == struct.pack("d", other)


def seals(history: Logged, run: str) -> Iterator[None]:
    """Once as it waits, once sealed in a hurry, once sealed again."""
    for seal in (lambda run: None, history.refresh, history.seal, history.seal):
        seal(run)
        yield


def test_every_value_comes_back_before_and_after_sealing(history: Logged, door: Door):
    run = history.start()
    for _ in range(2):
        door.log(run, lambda writer: [writer.log(name, value) for name, (value, _) in NUMBERS.items()])
        door.log(run, lambda writer: writer.log_metrics({f"m/{name}": NUMBERS[name][0] for name in NUMBERS}))
    for _ in seals(history, run):
        found = history.metrics.values([run])[run]
        for name, (_, expected) in NUMBERS.items():
            for series in (found[name], found[f"m/{name}"]):
                values = [value for _, value in series.logged()]
                assert len(values) == 2
                assert same(values[0], expected), (name, values)
                assert same(values[1], expected), (name, values)
    assert door.said == []


def test_series_charts_and_summaries_agree_on_every_number(history: Logged, door: Door):
    run = history.start()
    names = [name for name, (_, kept) in NUMBERS.items() if not isinstance(kept, str)]
    for step in range(3):
        door.log(run, lambda writer, at=step: [writer.log(name, NUMBERS[name][0], step=at) for name in names])
    for _ in seals(history, run):
        latest = history.metrics.latest(run)
        for name in names:
            value = float(NUMBERS[name][1])
            series = history.metrics.series(run, name)
            assert series.steps.tolist() == [0, 1, 2]
            assert all(same(one, value) for one in series.values.tolist())
            chart = history.metrics.chart(run, name, buckets=4)
            expected = NAN if math.isnan(value) else value
            assert all(same(one, expected) for one in chart.min.tolist()), name
            assert all(same(one, expected) for one in chart.max.tolist()), name
            assert int(chart.nans.sum()) == 3 * math.isnan(value)
            one = latest[name]
            assert (one.points, one.nans) == ((0, 3) if math.isnan(value) else (3, 0))
            assert one.last == value or (math.isnan(value) and math.isnan(one.last or 0.0))
            assert one.min == (None if math.isnan(value) else value)


def test_what_cannot_be_kept_is_refused_with_one_warning_and_its_name(history: Logged, door: Door):
    run = history.start()
    for name, value in REFUSED.items():
        mixed = {"before": 1.0, name: value, "after": 2}
        door.said.clear()

        def both(writer: Writer, mixed: dict[str, Any] = mixed, name: str = name) -> None:
            writer.log_metrics(mixed)
            writer.log(name, mixed[name], step=5)
            writer.log_metrics({name: mixed[name]})

        door.log(run, both)
        assert len(door.said) == 1, door.said
        assert repr(name) in door.said[0]
        assert len(door.said[0]) < 300
    for _ in seals(history, run):
        found = history.metrics.values([run])[run]
        assert set(found) == {"before", "after"}
        assert found["before"].values.tolist() == [1.0] * len(REFUSED)
        assert [value for _, value in found["after"].logged()] == [2] * len(REFUSED)
        assert history.metrics.quality(run)["refused"] == 3 * len(REFUSED)


def test_none_is_passed_over_and_dicts_are_flattened(history: Logged, door: Door):
    run = history.start()
    nested = {"loss": {"train": 0.5, "deep": {"er": [None][0], "est": True}}, "none": None, 7: 3}
    door.log(run, lambda writer: writer.log_metrics(nested, step=1))
    door.log(run, lambda writer: writer.log("top", {"a": 1, "b": {"c": "x"}}))
    for _ in seals(history, run):
        found = history.metrics.values([run])[run]
        values = {name: [value for _, value in series.logged()] for name, series in found.items()}
        assert values == {
            "loss/train": [0.5],
            "loss/deep/est": [True],
            "7": [3],
            "top/a": [1],
            "top/b/c": ["x"],
        }
        assert history.metrics.quality(run)["none"] == 2


@pytest.mark.parametrize("case", WRONG)
def test_a_value_of_another_kind_is_told_the_right_call(case: str, tmp_path: Path):
    value, right = WRONG[case]
    writer = Writer(tmp_path, "ws/r", warn=pytest.fail)
    for call in (
        lambda: writer.log("metric", value),
        lambda: writer.log_metrics({"metric": value}),
        lambda: writer.log("metric", {"x": value}),
    ):
        with pytest.raises(Invalid, match=rf"(?s){right}.*metric 'metric"):
            call()
    assert writer.written == 0


STEPS: dict[str, tuple[list[Any], list[float]]] = {
    "negative": ([-5, -1, 0], [-5, -1, 0]),
    "repeated": ([3, 3, 3], [3, 3, 3]),
    "decreasing": ([9, 5, -2], [9, 5, -2]),
    "fractions": ([0.5, 1e-300, -2.25], [0.5, 1e-300, -2.25]),
    "mixed": ([1, 0.5, 3], [1, 0.5, 3]),
    "huge": ([2**63 - 1, -(2**63), 0], [2**63 - 1, -(2**63), 0]),
    "missing": ([None, None, None], [0, 1, 2]),
    "of other kinds": ([np.int32(4), Decimal(5), True], [4, 5, 1]),
    "minus zero": ([-0.0, 0.0, 0], [0, 0, 0]),
}


@pytest.mark.parametrize("case", STEPS)
def test_a_step_may_be_any_number_in_any_order(history: Logged, door: Door, case: str):
    given, kept = STEPS[case]
    run = history.start()
    door.log(run, lambda writer: [writer.log("loss", float(n), step=step) for n, step in enumerate(given)])
    for _ in seals(history, run):
        series = history.metrics.series(run, "loss")
        assert series.steps.tolist() == kept
        assert series.values.tolist() == [0, 1, 2]
        chart = history.metrics.chart(run, "loss", buckets=10)
        assert (chart.points, int(chart.n.sum())) == (3, 3)
        assert (min(chart.min), max(chart.max)) == (0, 2)
    # counted when it was sealed
    assert history.metrics.latest(run)["loss"].repeated == 3 - len(set(kept))


@pytest.mark.parametrize(
    "step", [2**63, -(2**63) - 1, 10**400, NAN, INF, np.float64("-inf"), np.uint64(2**63)]
)
def test_a_step_beyond_all_axes_is_refused_and_counted(history: Logged, door: Door, step: Any):
    run = history.start()
    door.log(run, lambda writer: [writer.log("loss", 1.0, step=3), *[writer.log("loss", 2.0, step=step)] * 1])
    door.log(run, lambda writer: writer.log_metrics({"loss": 3.0, "acc": 1}, step=step))
    series = history.metrics.series(run, "loss")
    assert (series.steps.tolist(), series.values.tolist()) == ([3], [1.0])
    assert history.metrics.quality(run)["refused"] == 3
    assert any("'loss'" in text for text in door.said)


def test_a_search_finds_what_stands_at_the_edge(history: Logged, door: Door):
    run = history.start()
    door.log(run, lambda writer: [writer.log(name, value) for name, (value, _) in NUMBERS.items()])
    history.seal(run)
    sealing.refresh_stale(history.database)
    for text, found in {
        "metrics.infinity = inf": True,
        "metrics.infinity > 1e308": True,
        "metrics.`minus infinity` < -1e308": True,
        "metrics.`not a number` = nan": True,
        "metrics.`not a number` > 0": False,
        "has metrics.`not a number`": True,
        "metrics.`minus zero` = 0": True,
        "metrics.`the least float` > 0": True,
        "metrics.`the greatest int of 64 bits` >= 9223372036854775000": True,
        "metrics.`an int of 300 digits` > 1e299": True,
        "metrics.true = 1": True,
    }.items():
        assert bool(search.search(history.database, 1, filter=text).runs) is found, text


@pytest.fixture
def run(stage: Stage) -> Iterator[Run]:
    started = Experiment(stage.workspace(), "values").start_logging(run_id="r", outputs=False)
    yield started
    started.complete()


def test_the_sdk_gives_back_what_was_logged_and_tables_hold_it(run: Run, stage: Stage):
    for name, (value, _) in NUMBERS.items():
        run.log(name, value)
    found = run.get_metrics()
    assert found.keys() == NUMBERS.keys()
    assert all(same(found[name], expected) for name, (_, expected) in NUMBERS.items())
    runs = stage.workspace().search_runs("")
    numbers = {name: kept for name, (_, kept) in NUMBERS.items() if not isinstance(kept, str)}
    for table in (runs.to_pandas(), runs.to_polars().to_pandas(), runs.to_arrow().to_pandas()):
        for name, kept in numbers.items():
            (cell,) = table[f"metrics.{name}"].tolist()
            assert cell == float(kept) or (math.isnan(cell) and math.isnan(kept)), name
    written = list(csv.DictReader(io.StringIO(runs.to_pandas().to_csv(na_rep="NaN"))))
    for name, kept in numbers.items():
        cell = float(written[0][f"metrics.{name}"])
        assert cell == float(kept) or (math.isnan(cell) and math.isnan(kept)), name


def test_lists_rows_and_tables_hold_the_same_values(run: Run):
    kept = {name: pair for name, pair in NUMBERS.items() if not isinstance(pair[0], Decimal | Fraction)}
    values = [value for value, _ in kept.values()]
    run.log_list("list", values)
    run.log_row("row", **{f"c{n}": value for n, value in enumerate(values)})
    run.log_table("table", {"x": values, "y": list(range(len(values)))})
    found = run.get_metrics()
    for part in (found["list"], list(found["row"].values()), found["table"]["x"]):
        for one, (name, (_, expected)) in zip(part, kept.items(), strict=True):
            assert same(one, expected), (name, one)


def test_what_stands_in_a_journal_is_json_that_anyone_can_read(tmp_path: Path):
    writer = Writer(tmp_path, "ws/r", warn=pytest.fail)
    values = {"a": NAN, "b": [INF, -INF], "c": 10**300, "$float": "NaN", "d": {"$x": NAN}}
    writer.record({"kind": "row", "name": "row", "columns": values})
    writer.log("large", 2**70)
    (file,) = tmp_path.rglob("*.rsj")
    data = file.read_bytes()
    bodies = []
    for frame in frames.walk(data, len(frames.PREAMBLE)):
        text = data[frame.offset + frames.HEADER.size : frame.offset + frame.length - frames.CRC.size]
        if frame.shape == frames.RECORD:
            json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
            bodies.append(frames.body(data, frame))
    assert str(bodies[0]["columns"]) == str(values)
    assert bodies[1]["value"] == str(2**70)


def test_strict_says_at_the_call_what_cannot_be_kept(run: Run, stage: Stage):
    done = stage.run(
        STRICT,
        environment={"RUNSTONE_STRICT": "1"},
    )
    assert "'huge'" in done.stdout
    with pytest.raises(UserErrorException):
        run.log("wrong", object())  # type: ignore[arg-type]

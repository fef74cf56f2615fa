"""What may be logged: every kind of value, name and step has one stated outcome."""

from __future__ import annotations

import enum
import math
import threading
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy
import pytest

from runstone.journal.sink import Limits
from runstone.journal.writer import Writer
from runstone.model.errors import RunstoneError, UserErrorException
from tests.journals import Said, journal, left

__all__ = ["journal"]


class Level(enum.IntEnum):
    HIGH = 3


class Broken:
    def __float__(self) -> float:
        raise RuntimeError("on another device")


class Tensor:
    """As a tensor of PyTorch looks from outside."""

    def __init__(self, *values: float) -> None:
        self.values = values
        self.shape = (len(values),) if len(values) != 1 else ()

    def item(self) -> float:
        return self.values[0]


class Scribe:
    def __init__(self, journal: Path, **options: Any) -> None:
        self.warnings: list[str] = []
        self.writer = Writer(journal, "run", warn=self.warnings.append, **options)
        self.log = self.writer.log
        self.log_metrics = self.writer.log_metrics

    @property
    def said(self) -> list[Said]:
        return left(self.writer.journal, self.writer.id)

    def count(self, name: str) -> int:
        return self.writer.counters[name]


@pytest.fixture
def scribe(journal: Path) -> Scribe:
    return Scribe(journal)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (0.5, 0.5),
        (-0.0, -0.0),
        (5e-324, 5e-324),
        (float("1e400"), math.inf),
        (-math.inf, -math.inf),
        (3, 3),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
        (True, True),
        (Level.HIGH, 3),
        (numpy.float64(0.1), 0.1),
        (numpy.float32(0.5), 0.5),
        (numpy.float16(0.5), 0.5),
        (numpy.longdouble(0.5), 0.5),
        (numpy.int64(-7), -7),
        (numpy.uint8(7), 7),
        (numpy.bool_(True), True),
        (numpy.array(0.5), 0.5),
        (numpy.array(3), 3),
        (numpy.array([[2.5]]), 2.5),
        (Tensor(0.5), 0.5),
        (Decimal("0.25"), 0.25),
        (Fraction(1, 4), 0.25),
    ],
)
def test_any_number_is_a_number(scribe: Scribe, value: Any, kept: float):
    for _ in range(2):
        scribe.log("m", value)
    assert scribe.said == [Said({"m": kept})] * 2
    assert [type(record.values["m"]) for record in scribe.said] == [type(kept)] * 2
    assert math.copysign(1, scribe.said[0].values["m"]) == math.copysign(1, kept)


def test_not_a_number_is_kept(scribe: Scribe):
    scribe.log("m", math.nan)
    scribe.log("m", numpy.float32("nan"))
    assert all(math.isnan(record.values["m"]) for record in scribe.said)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 2**70, numpy.uint64(2**64 - 1)])
def test_an_integer_beyond_64_bits_is_kept_as_text(scribe: Scribe, value: Any):
    scribe.log("m", 1)
    scribe.log("m", value, step=4)
    record = Said({"kind": "value", "name": "m", "type": "int", "value": str(value)}, 4)
    assert scribe.said == [Said({"m": 1}), record]


def test_a_text_is_kept_as_text(scribe: Scribe):
    scribe.log("m", "caf\u0065\u0301 \ud800", step=1)
    assert scribe.said == [Said({"kind": "value", "name": "m", "type": "text", "value": "café ?"}, 1)]


def test_a_metric_may_change_its_kind_from_call_to_call(scribe: Scribe):
    for value in (1, 2.5, True, "x", numpy.float32(0.5), 2**70, 3):
        scribe.log("m", value)
    found = [record.values.get("m", record.values.get("value")) for record in scribe.said]
    assert found == [1, 2.5, True, "x", 0.5, str(2**70), 3]
    assert [type(value) for value in found] == [int, float, bool, str, float, str, int]


@pytest.mark.parametrize("value", [10**400, -(10**309), Fraction(10**400), Decimal("sNaN"), Broken()])
def test_what_cannot_be_kept_is_refused_with_one_warning_and_the_others_are_kept(scribe: Scribe, value: Any):
    for step in range(3):
        scribe.log_metrics({"a": 1.0, "bad": value, "z": 2}, step=step)
    assert scribe.said == [Said({"a": 1.0, "z": 2}, step) for step in range(3)]
    assert scribe.count("refused") == 3
    assert len(scribe.warnings) == 1
    assert "bad" in scribe.warnings[0]


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ([1, 2], "run.log does not support list type. Use run.log_list instead"),
        ((1,), "Use run.log_list instead"),
        ({1, 2}, "Use run.log_list instead"),
        (range(3), "Use run.log_list instead"),
        ((n for n in range(3)), "Use run.log_list instead"),
        (numpy.array([1.0, 2.0]), "Use run.log_list instead"),
        (numpy.zeros((2, 3)), "Use run.log_table or run.log_image instead"),
        (numpy.array([]), "Use run.log_list instead"),
        (Tensor(1.0, 2.0), "Use run.log_list instead"),
        (1j, "two metrics"),
        (numpy.complex64(1j), "number"),
        (b"x", "run.upload_file"),
        (object(), "number or a text"),
        (threading.Lock(), "number or a text"),
    ],
)
def test_a_value_for_another_call_raises_and_says_which(scribe: Scribe, value: Any, right: str):
    with pytest.raises(UserErrorException) as caught:
        scribe.log("metric-name", value)
    assert right in str(caught.value)
    assert "metric-name" in str(caught.value)
    with pytest.raises(UserErrorException):
        scribe.log_metrics({"before": 1.0, "metric-name": value})
    assert scribe.said == [], "nothing is half written"


def test_none_is_passed_over_and_counted(scribe: Scribe):
    scribe.log("m", None)
    scribe.log_metrics({"a": None, "b": 1})
    assert scribe.said == [Said({"b": 1})]
    assert scribe.count("none") == 2


def test_dicts_are_flattened(scribe: Scribe):
    scribe.log("loss", {"train": 0.5, "val": {"a": 1, 2: "x"}}, step=1)
    numbers, text = scribe.said
    assert numbers == Said({"loss/train": 0.5, "loss/val/a": 1}, 1)
    assert (text.values["name"], text.values["value"]) == ("loss/val/2", "x")


def test_a_dict_without_end_is_refused(scribe: Scribe):
    endless: dict[str, Any] = {}
    endless["again"] = endless
    with pytest.raises(UserErrorException, match="nested"):
        scribe.log("m", endless)


def test_names_that_become_the_same_keep_all_values(scribe: Scribe):
    scribe.log_metrics({"a": {"b": 1}, "a/b": 2, "\u00e9": 3, "e\u0301": 4})
    assert scribe.said == [Said({"a/b": 1}), Said({"a/b": 2, "é": 3}), Said({"é": 4})]


def test_metrics_that_are_no_dict_are_refused(scribe: Scribe):
    for wrong in ([("a", 1)], "abc", None, 5):
        with pytest.raises(UserErrorException, match="takes a dict"):
            scribe.log_metrics(wrong)
    scribe.log_metrics({})
    assert scribe.said == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("loss/train", "loss/train"),
        (" a ", " a "),
        ("e\u0301", "\u00e9"),
        ("a\ud800", "a?"),
        ("\u202eabc\u200b🙂", "\u202eabc\u200b🙂"),
        (5, "5"),
        (None, "None"),
        (("a", 1), "('a', 1)"),
        (["a"], "['a']"),
        ("x" * 1024, "x" * 1024),
    ],
)
def test_names_are_normalised(scribe: Scribe, name: Any, kept: str):
    for _ in range(2):
        scribe.log(name, 1.5)
    assert scribe.said == [Said({kept: 1.5})] * 2
    assert scribe.count("coerced") == (0 if isinstance(name, str) else 2)


@pytest.mark.parametrize("name", ["", "a\x00b", "a\nb", "\x1b[0m", "x" * 1025])
def test_names_that_cannot_be_are_refused(scribe: Scribe, name: str):
    with pytest.raises(UserErrorException):
        scribe.log(name, 1.0)
    with pytest.raises(UserErrorException):
        scribe.log_metrics({"good": 1.0, name: 1.0})
    assert scribe.said == []


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        (0, 0),
        (-5, -5),
        (2**63 - 1, 2**63 - 1),
        (0.5, 0.5),
        (2.0, 2.0),
        (True, 1),
        (numpy.int32(7), 7),
        (numpy.float32(0.5), 0.5),
        (numpy.array(3), 3),
        (Decimal("1.5"), 1.5),
        (Tensor(4), 4),
    ],
)
def test_any_number_is_a_step(scribe: Scribe, step: Any, kept: float):
    for _ in range(2):
        scribe.log("m", 1.0, step=step)
        scribe.log_metrics({"a": 1, "b": 2}, step=step)
    assert [record.step for record in scribe.said] == [kept] * 4
    assert {type(record.step) for record in scribe.said} == {type(kept)}


@pytest.mark.parametrize("step", [2**63, -(2**63) - 1, math.nan, math.inf, 10**400, numpy.float64("nan")])
def test_a_step_that_cannot_be_kept_refuses_the_call_with_a_warning(scribe: Scribe, step: Any):
    for _ in range(2):
        scribe.log("m", 1.0, step=step)
    scribe.log_metrics({"a": 1, "b": 2}, step=step)
    assert scribe.said == []
    assert scribe.count("refused") == 4
    assert "(metric 'm')" in scribe.warnings[0]


@pytest.mark.parametrize("step", ["1", [1], object(), 1j, numpy.array([1, 2])])
def test_a_step_that_is_no_number_raises(scribe: Scribe, step: Any):
    with pytest.raises(UserErrorException, match="step"):
        scribe.log("m", 1.0, step=step)


def test_steps_come_in_any_order_and_kind(scribe: Scribe):
    steps = [5, 3, 3, -1, 0.5, None, 2**40, 1]
    for step in steps:
        scribe.log("m", 1.0, step=step)
    assert [record.step for record in scribe.said] == steps


def test_more_names_than_the_cap_are_refused_and_counted(journal: Path):
    scribe = Scribe(journal, limits=Limits(names=10))
    for n in range(50):
        scribe.log(f"m{n}", n)
        scribe.log_metrics({"m0": 0, f"m{n}": 1, f"t{n}": "text"})
    assert scribe.count("refused") > 40
    names = {name for record in scribe.said for name in record.values if name.startswith("m")}
    assert names == {f"m{n}" for n in range(5)}, "and as many names of texts"
    assert len(scribe.warnings) == 1
    assert "10" in scribe.warnings[0]
    scribe.log("m3", 5.0)
    assert scribe.said[-1] == Said({"m3": 5.0})


def test_dicts_of_ever_other_keys_keep_all_values_in_bounded_memory(journal: Path):
    scribe = Scribe(journal, limits=Limits(wide_shapes=3))
    for n in range(20):
        scribe.log_metrics({"a": n, f"b{n}": 1.5}, step=n)
    found = [(name, value, record.step) for record in scribe.said for name, value in record.values.items()]
    assert found == [item for n in range(20) for item in (("a", n, n), (f"b{n}", 1.5, n))]


def test_a_dict_of_very_many_keys_is_several_frames(scribe: Scribe):
    metrics = {f"m{n}": float(n) for n in range(2500)}
    scribe.log_metrics(metrics, step=1)
    assert {name: value for record in scribe.said for name, value in record.values.items()} == metrics
    assert len(scribe.said) == 3


def test_in_strict_mode_a_refusal_raises_and_the_others_are_kept(journal: Path):
    scribe = Scribe(journal, strict=True)
    with pytest.raises(RunstoneError, match="bad"):
        scribe.log_metrics({"good": 1.0, "bad": 10**400})
    assert scribe.said == [Said({"good": 1.0})]


def test_a_warning_that_raises_does_not_reach_the_script(journal: Path):
    def raising(message: str) -> None:
        raise RuntimeWarning(message)

    writer = Writer(journal, "run", warn=raising)
    writer.log("m", 10**400)
    assert writer.counters["refused"] == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda writer: writer.record({"kind": "list", "name": "a\x00", "items": []}),
        lambda writer: writer.record(
            {"kind": "value", "name": "a", "type": "text", "value": "x", "step": "y"}
        ),
        lambda writer: writer.record({"kind": "text", "text": "x" * 17_000_000}),
        lambda writer: writer.record({"kind": "operation", "call": "x", "arguments": deep(100)}),
    ],
)
def test_a_record_that_no_history_would_take_is_refused_at_the_call(
    scribe: Scribe, call: Callable[[Writer], None]
):
    with pytest.raises(UserErrorException):
        call(scribe.writer)
    assert scribe.said == []


def deep(levels: int) -> list[Any]:
    return [deep(levels - 1)] if levels else []


def test_records_of_other_kinds_are_kept_in_order_with_their_time(scribe: Scribe):
    scribe.log("m", 1)
    scribe.writer.record({"kind": "row", "name": "r", "columns": {"x": 1, "y": math.inf}})
    scribe.log("m", 2)
    assert scribe.said == [
        Said({"m": 1}),
        Said({"kind": "row", "name": "r", "columns": {"x": 1, "y": math.inf}}),
        Said({"m": 2}),
    ]

"""What may be logged: every kind of number and step, lists, rows and tables (4.3)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from runstone import Run
from runstone.exceptions import AzureMLException, UserErrorException


class Half:
    """A number of somebody else's."""

    def __float__(self) -> float:
        return 0.5


class Tensor:
    """What torch hands over: a shape, and `item()` for those of one element."""

    def __init__(self, *values: float, shape: tuple[int, ...] = ()) -> None:
        self.values = values
        self.shape = shape

    def item(self) -> float:
        if len(self.values) != 1:
            raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")
        return self.values[0]

    def tolist(self) -> Any:
        return list(self.values) if self.shape else self.values[0]

    def __float__(self) -> float:
        return float(self.item())


NUMBERS = [
    (3, 3, int),
    (2.5, 2.5, float),
    (True, True, bool),
    (np.int64(7), 7, int),
    (np.uint8(255), 255, int),
    (np.float32(0.5), 0.5, float),
    (np.float64(0.1), 0.1, float),
    (np.bool_(True), True, bool),
    (np.array(4), 4, int),
    (np.array([1.5]), 1.5, float),
    (np.longdouble(0.5), 0.5, float),
    (Decimal("0.25"), 0.25, float),
    (Fraction(1, 4), 0.25, float),
    (Half(), 0.5, float),
    (Tensor(0.75), 0.75, float),
    (Tensor(3, shape=(1,)), 3, int),
    (2**53 + 1, 2**53 + 1, int),
    (-(2**63), -(2**63), int),
    (2**64, 2**64, int),
    ("text", "text", str),
    (math.inf, math.inf, float),
    (-0.0, -0.0, float),
    (5e-324, 5e-324, float),
]


@pytest.mark.parametrize(("value", "kept", "kind"), NUMBERS, ids=lambda value: repr(value)[:24])
def test_any_number_is_kept_as_what_it_was(run: Run, value: Any, kept: Any, kind: type) -> None:
    run.log("value", value)
    run.log_list("list", [value, 0])
    run.log_row("row", cell=value)
    run.log_table("table", {"cells": [value, value]})
    found = run.get_metrics()
    kinds = (kind, bool) if kind is bool else (kind,)
    for seen in (found["value"], found["list"][0], found["row"]["cell"], found["table"]["cells"][1]):
        assert (seen, type(seen) in kinds) == (kept, True)


def test_nan_is_kept_and_counted(run: Run) -> None:
    run.log("loss", 1.0)
    run.log("loss", math.nan)
    run.log_list("list", [math.nan, -math.inf])
    run.log_row("row", cell=math.nan)
    found = run.get_metrics()
    assert math.isnan(found["loss"][1])
    assert math.isnan(found["list"][0])
    assert found["list"][1] == -math.inf
    assert math.isnan(found["row"]["cell"])
    assert run.get_data_quality()["nan"] >= 1


def test_none_is_no_value(run: Run) -> None:
    run.log("absent", None)
    run.log("twice", 1)
    run.log("twice", None)
    assert run.get_metrics() == {"twice": 1}
    assert run.get_data_quality()["none"] == 2


def test_a_number_that_no_float_holds_is_refused_and_the_rest_of_the_call_is_kept(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    run.log_metrics({"huge": 10**400, "loss": 0.5})
    assert run.get_metrics() == {"loss": 0.5}
    assert "'huge'" in caplog.text
    assert run.get_data_quality()["refused"] == 1


def test_huge_numbers_in_lists_and_rows_do_no_harm(run: Run) -> None:
    run.log_list("list", [1, 10**400, 2])
    run.log_row("row", cell=10**400)
    run.log_table("table", {"cells": [10**400, 1]})
    run.log("after", 1)
    assert run.get_metrics("after") == {"after": 1}
    assert run.get_metrics()["list"][0] == 1


@pytest.mark.parametrize(
    ("value", "call"),
    [
        ([1, 2], "run.log does not support list type. Use run.log_list instead"),
        ((1, 2), "run.log_list"),
        ({1, 2}, "run.log_list"),
        ((number for number in range(3)), "run.log_list"),
        (np.array([1, 2]), "run.log_list"),
        (Tensor(1, 2, shape=(2,)), "run.log_list"),
        (3j, "two metrics"),
        (b"bytes", "upload_file"),
        (object(), "number or a text"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_another_kind_of_value_is_told_which_call_is_right(run: Run, value: Any, call: str) -> None:
    with pytest.raises(UserErrorException, match="'loss'") as caught:
        run.log("loss", value)
    assert call in caught.value.message
    assert run.get_metrics() == {}


def test_a_dict_is_flattened(run: Run) -> None:
    run.log("loss", {"train": 0.5, "test": {"clean": 0.6, 7: np.float32(0.75)}}, step=2)
    assert run.get_metrics() == {"loss/train": 0.5, "loss/test/clean": 0.6, "loss/test/7": 0.75}


@pytest.mark.parametrize(
    "steps",
    [[0, 1, 2], [2, 1, 0], [-5, -5, 7], [0.5, 1, 1.25], [2**63 - 1, -(2**63), 0]],
    ids=["rising", "falling", "repeated", "fractions", "ends"],
)
def test_steps_come_in_any_order_and_nothing_is_dropped(run: Run, steps: list[float]) -> None:
    for value, step in enumerate(steps):
        run.log("loss", value, step=step)
    series = run.get_metric_series("loss")
    assert series.steps.tolist() == steps
    assert series.values.tolist() == [0, 1, 2]
    assert all(time > 1_700_000_000_000 for time in series.times.tolist())
    assert run.get_metrics() == {"loss": [0, 1, 2]}


@pytest.mark.parametrize("step", [np.int64(3), np.float32(3), Decimal(3), True + 2, Tensor(3)])
def test_a_step_is_any_number(run: Run, step: Any) -> None:
    run.log("loss", 0.5, step=step)
    assert run.get_metric_series("loss").steps.tolist() == [3]


def test_values_without_a_step_have_their_position(run: Run) -> None:
    for value in (5, 6, 7):
        run.log("loss", value)
    assert run.get_metric_series("loss").steps.tolist() == [0, 1, 2]


@pytest.mark.parametrize("step", ["first", [1], {}])
def test_a_step_that_is_no_number_is_refused_at_the_call(run: Run, step: Any) -> None:
    with pytest.raises(UserErrorException, match="A step is a number"):
        run.log("loss", 0.5, step=step)


@pytest.mark.parametrize("step", [math.nan, math.inf, 2**63])
def test_a_step_that_is_no_place_on_an_axis_costs_the_value_and_one_warning(
    run: Run, step: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run.log("loss", 0.5, step=step)
    assert run.get_metrics() == {}
    assert "'loss'" in caplog.text


@pytest.mark.parametrize("name", ["loss ", " loss", "손실", "loss/train", "`odd` \"name'", "x" * 1024])
def test_a_name_is_kept_as_it_is(run: Run, name: str) -> None:
    run.log(name, 1)
    run.log_list(name + "!"[: 1024 - len(name)] if len(name) < 1024 else name[:-1], [1, 2])
    assert run.get_metrics(name) == {name: 1}
    assert name in run.get_metrics()


@pytest.mark.parametrize("name", ["", "x" * 1025, "two\nlines", "nul\0"])
@pytest.mark.parametrize("call", ["log", "log_list", "log_row", "log_table"])
def test_a_name_beyond_the_limits_is_refused_at_the_call(run: Run, name: str, call: str) -> None:
    arguments: dict[str, tuple[Any, ...]] = {"log": (1,), "log_list": ([1],), "log_table": ({"x": [1]},)}
    with pytest.raises(UserErrorException):
        getattr(run, call)(name, *arguments.get(call, ()))
    assert run.get_metrics() == {}


def test_other_kinds_of_names_become_text(run: Run) -> None:
    run.log(7, 1)  # type: ignore[arg-type]
    run.log(None, 2)  # type: ignore[arg-type]
    assert run.get_metrics() == {"7": 1, "None": 2}


def numbers() -> Iterator[int]:
    yield from range(3)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ((1, 2.5), [1, 2.5]),
        (numbers(), [0, 1, 2]),
        (range(2), [0, 1]),
        ("abc", ["a", "b", "c"]),
        (np.array([1, 2]), [1, 2]),
        (np.array([0.5, 1.5]), [0.5, 1.5]),
        ([np.int64(1), np.int64(2)], [1, 2]),
        (Tensor(1, 2, shape=(2,)), [1, 2]),
        ([1, "x", None, True], [1, "x", None, True]),
        ([7], 7),
        ({"a": 1, "b": 2}, ["a", "b"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_list_is_any_iterable(run: Run, value: Any, kept: Any) -> None:
    run.log_list("list", value)
    assert run.get_metrics() == {"list": kept}


def test_an_empty_list_is_no_record(run: Run) -> None:
    run.log_list("list", [])
    run.log_list("list", iter(()))
    assert run.get_metrics() == {}


def test_a_list_is_of_any_length(run: Run) -> None:
    run.log_list("list", range(12_345))
    assert run.get_metrics() == {"list": list(range(12_345))}


def test_lists_of_one_name_follow_each_other(run: Run) -> None:
    run.log_list("list", [1, 2])
    run.log("list", 3)
    run.log_list("list", [4])
    assert run.get_metrics() == {"list": [1, 2, 3, 4]}


@pytest.mark.parametrize("value", [5, None, 0.5])
def test_what_is_no_list_is_told_so(run: Run, value: Any) -> None:
    with pytest.raises(UserErrorException, match=r"Use run\.log\."):
        run.log_list("list", value)


def test_a_list_of_lists_is_refused(run: Run) -> None:
    with pytest.raises(AzureMLException, match="is not supported"):
        run.log_list("list", [[1], [2]])
    assert run.get_metrics() == {}


def test_a_row_takes_no_list(run: Run) -> None:
    message = "Rows cannot contain list values, column x contains a list."
    with pytest.raises(AzureMLException, match=message):
        run.log_row("row", x=[1, 2])
    with pytest.raises(AzureMLException):
        run.log_row("row", x=np.array([1, 2]))
    assert run.get_metrics() == {}


def test_a_row_has_columns_of_any_name_and_number(run: Run) -> None:
    columns = {f"column {number}": number for number in range(50)}
    run.log_row("row", **columns, 길이=1)
    assert run.get_metrics() == {"row": {**columns, "길이": 1}}


def test_a_ragged_table_is_refused(run: Run) -> None:
    message = "Columns must have the same length, column x had length 2, however, column y had length 1."
    with pytest.raises(AzureMLException, match=message):
        run.log_table("table", {"x": [1, 2], "y": [1]})
    with pytest.raises(UserErrorException, match="dict of columns"):
        run.log_table("table", [[1, 2]])  # type: ignore[arg-type]
    assert run.get_metrics() == {}


def test_a_table_takes_arrays_generators_and_scalars(run: Run) -> None:
    run.log_table("table", {"x": np.arange(3), "y": (letter for letter in "abc")})
    run.log_table("one", {"x": "asd", "y": np.int64(1)})
    run.log_table("long", {"x": range(12_000)})
    found = run.get_metrics()
    assert found["table"] == {"x": [0, 1, 2], "y": ["a", "b", "c"]}
    assert found["one"] == {"x": "asd", "y": 1}
    assert found["long"] == {"x": list(range(12_000))}


def test_rows_follow_a_table_of_the_same_name(run: Run) -> None:
    run.log_table("table", {"x": [1, 2]})
    run.log_row("table", x=3)
    run.log_row("table", x=4, y="new")
    assert run.get_metrics() == {"table": {"x": [1, 2, 3, 4], "y": [None, None, None, "new"]}}


def test_a_description_of_a_metric_is_kept(run: Run) -> None:
    run.log("loss", 0.5, "how wrong it is")
    run.log_list("list", [1, 2], "numbers")
    run.log_row("row", "a row", x=1)
    run.log_row("named", description="another", x=1)
    run.flush()
    latest = run._service.metrics.latest(run._ref)
    assert {name: one.description for name, one in latest.items()} == {
        "loss": "how wrong it is",
        "list": "numbers",
        "row": "a row",
        "named": "another",
    }


def test_what_is_logged_after_the_end_is_kept_and_counted(run: Run) -> None:
    run.log("loss", 1)
    run.complete()
    run.log("loss", 2)
    assert run.get_metrics() == {"loss": [1, 2]}
    assert run.get_data_quality()["late"] == 1
    assert run.get_status() == "Completed"


def test_flushing_waits_until_everything_has_arrived(run: Run) -> None:
    for step in range(1_000):
        run.log_metrics({"loss": step, "accuracy": 1 - step}, step=step)
    run.flush()
    run.flush(timeout_seconds=1)
    assert len(run.get_metric_series("accuracy").values) == 1_000

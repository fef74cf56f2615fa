"""What is derived from operations: each has a way to travel, and values arrive as they were sent."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from collections import Counter

import numpy as np
import pytest

from runstone import service
from runstone.model import errors
from runstone.model.errors import Busy, Conflict, FilterError, Invalid, NotFound
from runstone.model.metrics import Entry, Series
from runstone.service import wire
from runstone.service.operation import operations
from runstone.service.problems import problem, raised


def declared() -> set[tuple[str, str]]:
    modules = (
        importlib.import_module(f"runstone.service.{one.name}")
        for one in pkgutil.iter_modules(service.__path__)
    )
    kinds = {kind for module in modules for _, kind in inspect.getmembers(module, inspect.isclass)}
    return {(kind.__name__, name) for kind in kinds for name, _, _ in operations(kind)}


def test_every_operation_travels():
    assert {(wire.RESOURCES[call.resource].__name__, call.name) for call in wire.calls()} == declared()


def test_no_two_operations_share_a_route():
    routes = Counter((call.verb, call.path) for call in wire.calls())
    assert [route for route, count in routes.items() if count > 1] == []


@pytest.mark.parametrize("call", wire.calls(), ids=lambda call: f"{call.resource}.{call.name}")
def test_what_a_path_carries_is_an_argument(call: wire.Call):
    arguments = set(inspect.signature(call.method).parameters) | {"workspace"}
    assert set(call.in_path) <= arguments
    if not call.in_query:
        assert set(wire.body_type(call).__struct_fields__) == set(call.fields)


def test_arrays_and_integers_of_any_size_arrive_as_they_were():
    values = np.array([1.0, math.nan, math.inf, -0.0])
    entries = (Entry(0, "int", 1, 2, 10**30), Entry(3, "text", 0.5, 2, "한국어 \ud800"))
    sent = Series("loss", "scalar", np.arange(4), values, np.arange(4), None, entries)
    found = wire.unpacked(wire.packed(sent), Series)
    assert found.values.tobytes() == values.tobytes()
    assert found.values.flags.writeable
    assert (found.steps.dtype, found.entries[0].value) == (np.int64, 10**30)
    assert found.entries[1].value == "한국어 ?"


def test_json_has_no_number_that_json_does_not_have():
    sent = {"a": math.nan, "b": [math.inf, -math.inf, 1.5], "c": np.array([math.nan, 2.0])}
    assert wire.spelt(sent) == b'{"a":"NaN","b":["Infinity","-Infinity",1.5],"c":["NaN",2.0]}'


KNOWN = {call.name: call for call in wire.calls() if call.resource == "runs"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"tags": {"a": 3}}', r"Expected `str \| null`, got `int` - at `\$\.tags\[\.\.\.\]`"),
        (b'{"tags": {}, "more": 1}', "unknown field `more`"),
        (b"{}", "missing required field `tags`"),
        (b"\xff", ""),
        (b'{"tags": ' + b'{"a":' * 100_000, ""),
    ],
)
def test_a_body_that_is_not_what_an_operation_takes_is_refused(body: bytes, told: str):
    with pytest.raises(Invalid, match=f"(?s)The body of POST /runs/.*{told}"):
        wire.from_body(KNOWN["tag"], body, media=wire.JSON)


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ([("limit", "ten")], "limit='ten' in the address"),
        ([("limit", "3"), ("nope", "1")], "takes no 'nope'; it takes filter, order_by, limit, cursor"),
    ],
)
def test_a_query_that_is_not_what_an_operation_takes_is_refused(pairs: list[tuple[str, str]], told: str):
    with pytest.raises(Invalid, match=told):
        wire.from_query(KNOWN["search"], pairs)


def test_what_goes_into_a_query_comes_out_of_it():
    given = {"filter": "tags.a = 'b & c'", "order_by": "", "limit": 3, "cursor": None}
    assert wire.from_query(KNOWN["search"], wire.to_query(KNOWN["search"], given)) == {
        "filter": "tags.a = 'b & c'",
        "order_by": "",
        "limit": 3,
    }
    keys = {"keys": ["a", "1", ""]}
    assert wire.from_query(KNOWN["untag"], wire.to_query(KNOWN["untag"], keys)) == keys


@pytest.mark.parametrize(
    "error",
    [
        NotFound("no run 'x'"),
        Conflict("gap", expected=7),
        FilterError("at 3: a value", position=2),
        Busy("later"),
    ],
)
def test_an_error_is_the_same_on_the_other_side(error: errors.ServiceException):
    status, document = problem(error)
    again = raised(status, document, address="https://runs.example.org")
    assert (type(again), str(again), status) == (type(error), str(error), error.status)
    for name in ("expected", "position"):
        assert vars(again).get(name) == vars(error).get(name)


def test_what_is_no_error_of_ours_tells_nothing():
    status, document = problem(RuntimeError("password=hunter2"))
    assert status == 500
    assert b"hunter2" not in document


@pytest.mark.parametrize(
    "content", [b"", b"<html>Login</html>", b"{}", b'{"title": "OSError", "detail": "x"}']
)
def test_an_answer_that_no_history_gave_may_pass(content: bytes):
    assert isinstance(raised(502, content, address="https://runs.example.org"), Busy)

"""The filter language under chance: every tree prints as text that reads as the same tree."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from runstone.model.errors import FilterError
from runstone.model.query import (
    ATTRIBUTES,
    Attribute,
    Expression,
    Field,
    Operand,
    Order,
    parse,
    parse_order,
)
from runstone.model.query.times import duration, moment
from runstone.model.query.tree import NotANumber
from tests import filters

T = TypeVar("T")
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=timezone.utc)

# NFC and no controls: what a name or a text is made of once it is stored
_LETTERS = "aZ09_ .-'\"`%()=<>!,/é한글ß\U0001f600\u00a0\n"
names = st.one_of(
    st.sampled_from(
        ["acc", "loss", "loss.min", "train/loss", "a b", "and", "x.last", 'say "so"', "min", "한글"]
    ),
    st.text(_LETTERS, min_size=1, max_size=8),
)
texts = st.text(_LETTERS, max_size=8)
numbers = st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.floats(allow_nan=False), st.just(NotANumber()))
moments = st.sampled_from(
    ["now", "now - 7d", "today", "today + 1h", "last 7 days", "2026-11-23", "2026-11-23T07:20:00Z"]
).map(lambda text: moment(text, NOW))
durations = st.sampled_from(["90s", "15m", "1h30m", "0.5d"]).map(duration)
statuses = st.sampled_from(["Completed", "Failed", "Running", "scheduled"])


@st.composite
def fields(draw: st.DrawFn) -> Field:
    group = draw(st.sampled_from(["metrics", "system", "params", "tags", "properties"]))
    name = draw(names)
    if group not in ("metrics", "system"):
        return Field(group, name)
    if draw(st.booleans()):
        return Field(group, name, draw(st.sampled_from(["", "min", "last", "count"])))
    return Field(group, "loss", "min", "loss.min")


operands: st.SearchStrategy[Operand] = st.one_of(fields(), st.sampled_from(sorted(ATTRIBUTES)).map(Attribute))
_VALUES = {
    "number": st.one_of(numbers, st.booleans()),
    "text": texts,
    "loose": st.one_of(texts, numbers, st.booleans()),
    "status": statuses,
    "time": st.one_of(moments, st.integers(0, 1 << 60)),
    "duration": st.one_of(durations, st.integers(0, 1000)),
    "flag": st.booleans(),
}


def value(draw: st.DrawFn, operand: Operand) -> Any:
    return draw(_VALUES[operand.kind])


words = st.one_of(names, st.text(_LETTERS, min_size=1, max_size=6)).map(str.strip).filter(bool)
trees = filters.trees(operands, value, patterns=texts, words=words, most=8)


@given(trees)
def test_a_tree_prints_as_text_that_reads_as_the_same_tree(tree: Expression) -> None:
    assert parse(str(tree), now=NOW) == tree


@given(st.lists(filters.keys(operands), min_size=1, max_size=4))
def test_an_order_prints_as_text_that_reads_as_the_same_order(keys: list[Order]) -> None:
    assert parse_order(", ".join(map(str, keys))) == tuple(keys)


_WORDS = """metrics. params. tags. metrics.acc params.lr tags.x status started duration and or not in is null
between like has missing ( ) , = != < > >= == ' " ` 'a' "b" `c` 0.9 1e3 nan now today - 7d true error
.min . ! true'"""
_PIECES = st.sampled_from(_WORDS.split())


@given(st.lists(st.one_of(_PIECES, st.text(max_size=4)), max_size=30), st.sampled_from(["", " "]))
def test_any_text_is_read_or_refused_with_a_place(pieces: list[str], between: str) -> None:
    text = between.join(pieces)
    tree = _read(lambda: parse(text, now=NOW))
    if tree is not None:
        assert parse(str(tree), now=NOW) == tree
    order = _read(lambda: parse_order(text))
    if order is not None:
        assert parse_order(", ".join(map(str, order))) == order


def _read(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except FilterError as error:
        if str(error).startswith(f"at {error.position + 1}: ") and error.position >= 0:
            return None
        raise

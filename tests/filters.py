"""Filters by chance: leaves and trees of the filter language, from the operands and values of a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from runstone.model.query import (
    Between,
    Compare,
    Expression,
    Has,
    In,
    Like,
    Missing,
    Not,
    Operand,
    Order,
    Text,
    all_of,
    any_of,
)

# What a leaf's operand is compared with.
Value = Callable[[st.DrawFn, Operand], Any]


def trees(
    operands: st.SearchStrategy[Operand],
    value: Value,
    *,
    patterns: st.SearchStrategy[str],
    words: st.SearchStrategy[str],
    most: int,
) -> st.SearchStrategy[Expression]:
    """Expressions of at most so many leaves, each a comparison of an operand or a text of some words."""
    found = st.lists(words, min_size=1, max_size=3).map(lambda some: Text(tuple(some)))
    return st.recursive(
        st.one_of(_leaves(operands, value, patterns), found),
        lambda parts: st.one_of(
            parts.map(Not),
            st.lists(parts, min_size=2, max_size=3).map(lambda some: all_of(*some)),
            st.lists(parts, min_size=2, max_size=3).map(lambda some: any_of(*some)),
        ),
        max_leaves=most,
    )


def keys(operands: st.SearchStrategy[Operand]) -> st.SearchStrategy[Order]:
    """Keys of an order."""
    return st.builds(Order, operands, st.booleans(), st.sampled_from(["first", "last"]))


@st.composite
def _leaves(
    draw: st.DrawFn,
    operands: st.SearchStrategy[Operand],
    value: Value,
    patterns: st.SearchStrategy[str],
) -> Expression:
    operand = draw(operands)
    first = value(draw, operand)
    ordered = operand.kind not in ("status", "flag")
    shapes = ["compare", "compare", "in", "has", "missing", *(["between", "null"] if ordered else [])]
    if operand.kind in ("text", "loose", "status"):
        shapes.append("like")
    shape = draw(st.sampled_from(shapes))
    if shape == "has":
        return Has(operand)
    if shape == "missing":
        return Missing(operand)
    if shape == "in":
        return In(operand, (first, value(draw, operand)), draw(st.booleans()))
    if shape == "like":
        op = draw(st.sampled_from(["like", "ilike", "contains", "startswith"]))
        return Like(operand, op, draw(patterns), draw(st.booleans()))
    if shape == "null":
        return Compare(operand, draw(st.sampled_from(["=", "!="])), None)
    if shape == "between":
        second = value(draw, operand)
        if isinstance(first, str) == isinstance(second, str):
            return Between(operand, first, second)
    ops = ["=", "!=", "<", "<=", ">", ">="] if ordered else ["=", "!="]
    return Compare(operand, draw(st.sampled_from(ops)), first)

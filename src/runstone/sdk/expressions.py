"""Conditions on the rows of a tabular data set: ``(dataset["age"] > 30) & (dataset["city"] == "Seoul")``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from runstone.model.errors import UserErrorException

_COMPARED: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_JOINED: Mapping[str, Callable[[Any, Any], Any]] = {"and": operator.and_, "or": operator.or_}


class Expression:
    """A condition, kept as a document: ``["<", "age", 30]``, ``["and", [...], [...]]``."""

    def __init__(self, document: list[Any]) -> None:
        self.document = document

    def __and__(self, other: Expression) -> Expression:
        return Expression(["and", self.document, _condition(other).document])

    def __or__(self, other: Expression) -> Expression:
        return Expression(["or", self.document, _condition(other).document])

    def __invert__(self) -> Expression:
        return Expression(["not", self.document])

    def __bool__(self) -> bool:
        raise UserErrorException(
            "Conditions are joined by &, | and ~, each in parentheses; not by and, or, not."
        )


class Column:
    """A column by its name, to be compared with a text, a number or a truth value."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return self._compared("==", other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return self._compared("!=", other)

    def __lt__(self, other: object) -> Expression:
        return self._compared("<", other)

    def __le__(self, other: object) -> Expression:
        return self._compared("<=", other)

    def __gt__(self, other: object) -> Expression:
        return self._compared(">", other)

    def __ge__(self, other: object) -> Expression:
        return self._compared(">=", other)

    def __hash__(self) -> int:
        return hash(self.name)

    def is_null(self) -> Expression:
        """True where the column has no value."""
        return Expression(["null", self.name])

    def _compared(self, how: str, other: object) -> Expression:
        if not isinstance(other, str | int | float):
            raise UserErrorException(
                f"A column is compared with a text, a number or a truth value; got {other!r}."
            )
        return Expression([how, self.name, other])


def holds(table: Any, document: list[Any]) -> Any:
    """For each row of a pandas DataFrame whether the condition holds."""
    how, *parts = document
    if how == "not":
        return ~holds(table, parts[0])
    if how in _JOINED:
        return _JOINED[how](holds(table, parts[0]), holds(table, parts[1]))
    if parts[0] not in table.columns:
        raise UserErrorException(f"There is no column {parts[0]!r}; there are: {[*table.columns]}.")
    if how == "null":
        return table[parts[0]].isna()
    try:
        return _COMPARED[how](table[parts[0]], parts[1]).fillna(False).astype(bool)
    except TypeError as error:
        raise UserErrorException(
            f"The column {parts[0]!r} cannot be compared with {parts[1]!r} ({error})."
        ) from error


def _condition(given: object) -> Expression:
    if isinstance(given, Expression):
        return given
    raise UserErrorException(f"Conditions are joined with conditions, each in parentheses; got {given!r}.")

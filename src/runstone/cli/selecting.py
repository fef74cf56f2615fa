"""What is printed of documents: the columns that were asked for, and plain values as rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from runstone.cli.values import number

Document = Mapping[str, Any]
# What a terminal shows of a list or an object that stands in a table.
CELL = 60


def picked(document: Document, columns: Sequence[str]) -> dict[str, Any]:
    """The columns of a document that were asked for: its keys, or ``metrics.loss`` within one."""
    return {column: _column(document, column) for column in columns}


def within(value: Any, columns: Sequence[str]) -> Any:
    """The same of the object, or of each object in the list, that a query has found; others as they are."""
    if isinstance(value, list):
        return [picked(one, columns) if isinstance(one, Mapping) else one for one in value]
    return picked(value, columns) if isinstance(value, Mapping) else value


def rows(value: Any, *, exact: bool = False) -> list[dict[str, str]]:
    """Any value as rows: objects by their keys, lists by their positions, others alone.

    Args:
        value: the value.
        exact: with every digit, and whole; else as much as a person looks at.
    """
    if value is None:
        return []
    values = value if isinstance(value, (list, tuple)) else [value]
    objects = [_cells(one, _whole if exact else _cell) for one in values]
    names = list(dict.fromkeys(name for one in objects for name in one))
    return [{name: one.get(name, "") for name in names} for one in objects]


def pairs(document: Document) -> list[tuple[str, str]]:
    """Names and values of one document, those inside an object under names of their own."""
    found = []
    for name, value in document.items():
        if isinstance(value, Mapping) and value:
            found += [(f"{name}.{key}", _text(inner)) for key, inner in value.items()]
        elif value not in (None, "", {}, []):
            found.append((name, _text(value)))
    return found


def _cells(one: Any, cell: Callable[[Any], str]) -> dict[str, str]:
    if isinstance(one, Mapping):
        return {str(name): cell(value) for name, value in one.items()}
    if isinstance(one, (list, tuple)):
        return {f"Column{at}": cell(value) for at, value in enumerate(one, 1)}
    return {"Result": cell(one)}


def _whole(value: Any) -> str:
    return repr(value) if isinstance(value, float) else _text(value)


def _cell(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= CELL or not isinstance(value, (Mapping, list)) else f"{text[: CELL - 1]}…"


def _text(value: Any) -> str:
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, ensure_ascii=False) if value else ""
    if isinstance(value, bool):
        return str(value).lower()
    return number(value)


def _column(document: Document, column: str) -> Any:
    keys = {key.lower(): key for key in document}
    if column.lower() in keys:
        return document[keys[column.lower()]]
    group, dot, name = column.partition(".")
    inside = document.get(keys.get(group.lower(), ""))
    if dot and isinstance(inside, Mapping):
        return inside.get(name)
    if dot and inside is None and group.lower() in keys:
        return None
    raise click.UsageError(
        f"There is no column {column!r}; there are: {', '.join(document)}, and what is inside one, "
        f"as metrics.loss."
    )

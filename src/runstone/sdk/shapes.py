"""The shapes of logged values: from what a script hands over to records, and from series to what get_metrics
returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from runstone.model import names
from runstone.model.errors import AzureMLException, UserErrorException
from runstone.model.metrics import Series

# Items of a list, or rows of a table, that go into one record.
PART = 5_000
# Characters of a text in a list, a row or a table.
TEXT = 64 * 1024

_NOTHING = object()


def metric_name(name: Any) -> str:
    """The name as it is kept."""
    return names.metric_name(name)


def list_parts(name: str, value: Any) -> Iterator[dict[str, Any]]:
    """A list in records of bounded size; nothing for an empty one."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, Iterable):
        raise UserErrorException(
            f"log_list takes a list or another iterable; got {value!r} for {name!r}. Use run.log."
        )
    items = iter(value)
    part = [scalar(name, item) for item in islice(items, PART)]
    while part:
        following = [scalar(name, item) for item in islice(items, PART)]
        yield {"items": part, "more": bool(following)}
        part = following


def table_parts(name: str, value: Mapping[str, Any]) -> Iterator[dict[str, list[Any]]]:
    """A table in records of bounded size."""
    columns = {str(column): _column(name, cells) for column, cells in value.items()}
    lengths = {column: len(cells) for column, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        (first, n), (other, m) = next(
            (a, b) for a in lengths.items() for b in lengths.items() if a[1] != b[1]
        )
        raise AzureMLException(
            f"Columns must have the same length, column {first} had length {n}, however, column {other} had "
            f"length {m}."
        )
    height = max(lengths.values(), default=0)
    for start in range(0, height, PART):
        yield {column: cells[start : start + PART] for column, cells in columns.items()}


def scalar(name: str, value: Any) -> Any:
    """A cell or an item as JSON takes it: number, text, bool or None."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return _bounded(name, value)
    for convert in ("item", "__float__"):
        if hasattr(value, convert):
            try:
                plain = getattr(value, convert)()
            except (TypeError, ValueError):
                break
            # numpy's longdouble is no more plain than before
            if type(plain) is not type(value):
                return scalar(name, plain)
    if isinstance(value, (list, tuple, dict)) or hasattr(value, "shape"):
        raise AzureMLException(
            f"Value of type {type(value)} is not supported in {name!r}: give single values."
        )
    return str(value)


def pivot(metrics: Mapping[str, Series]) -> dict[str, Any]:
    """Metrics in the original's shapes: one value alone, several as a list, rows and tables as columns."""
    found = {name: _pivoted(name, list(series.logged())) for name, series in metrics.items()}
    return {name: value for name, value in found.items() if value is not _NOTHING}


def _bounded(name: str, value: Any) -> Any:
    # numpy's scalars are subclasses of float and str: JSON gets the plain kind
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return names.clean(str(value), f"text in metric {name!r}", limit=TEXT)
    return value


def _column(name: str, cells: Any) -> list[Any]:
    if hasattr(cells, "tolist"):
        cells = cells.tolist()
    if isinstance(cells, (str, bytes)) or not isinstance(cells, Iterable):
        return [scalar(name, cells)]
    return [scalar(name, cell) for cell in cells]


def _pivoted(name: str, logged: list[tuple[str, Any]]) -> Any:
    if any(kind in ("row", "table") for kind, _ in logged):
        return _table([_as_row(name, kind, value) for kind, value in logged])
    artifacts = [value for kind, value in logged if kind not in ("scalar", "text", "list")]
    if artifacts:
        return artifacts[0]
    values: list[Any] = []
    for kind, value in logged:
        values.extend(value if kind == "list" else [value])
    if not values:
        return _NOTHING
    return values[0] if len(values) == 1 else values


def _as_row(name: str, kind: str, value: Any) -> tuple[str, Any]:
    """What stands between rows is one, too: its column is called as the metric is."""
    if kind in ("row", "table"):
        return kind, value
    return "table", {name: value if kind == "list" else [value]}


def _table(rows: list[tuple[str, Any]]) -> dict[str, Any]:
    columns: dict[str, list[Any]] = {}
    height = 0
    for kind, cells in rows:
        part = {name: cell if kind == "table" else [cell] for name, cell in cells.items()}
        for name, values in part.items():
            # a column that appears late has None in the rows before it
            columns.setdefault(name, []).extend([None] * (height - len(columns.get(name, ()))))
            columns[name].extend(values)
        height += max((len(values) for values in part.values()), default=1)
    padded = {name: values + [None] * (height - len(values)) for name, values in columns.items()}
    return {name: values[0] for name, values in padded.items()} if height == 1 else padded

"""The order of a search: its keys as SQL, and the cursor that goes on where a page ended."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from runstone.model.errors import Invalid
from runstone.model.query import Attribute, Field, Operand, Order
from runstone.store.search_leaves import COLUMNS, INDEXED_REDUCERS, REDUCED, Scope, exact
from runstone.store.search_names import KINDS

NEWEST = Order(Attribute("created"), descending=True)
# Attributes that every run has, and those that an index has in order.
ALWAYS = frozenset(
    {"status", "experiment", "experiment_id", "display_name", "run_id", "run_number", "target", "created"}
    | {"root", "depth", "children", "artifact_uri"}
)
SORTED_ATTRIBUTES = ("created", "started")
LONGEST_CURSOR = 16_384

CursorValue: TypeAlias = str | int | float | None


@dataclass(frozen=True)
class Key:
    """One key: ``expression`` over the run ``r`` and the row ``alias`` that ``join`` brings for ``{n}``.

    ``row`` says whose row that is, so that a term on the same row can be tested right there, and ``reading``
    which value of it the key is; ``column`` is set where an index has it in order, within ``scope``.
    """

    expression: str
    descending: bool
    nulls_first: bool
    nullable: bool
    text: bool
    table: str = "runs"
    alias: str = "r"
    scope: str = ""
    column: str = ""
    row: tuple[object, ...] = ("runs",)
    reading: str = ""

    @property
    def join(self) -> str:
        if self.table == "runs":
            return ""
        return f" LEFT JOIN {self.table} {self.alias} ON {self.alias}.run = {{n}} AND {self.scope}"


@dataclass(frozen=True)
class Cursor:
    """Where a page ended: the values of its keys, the run's number, and when the search began."""

    values: tuple[CursorValue, ...]
    run: int
    now: int

    def text(self, signature: str) -> str:
        """The cursor as it is handed out."""
        body = json.dumps([signature, self.now, self.run, *self.values], separators=(",", ":"))
        return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def read_cursor(text: str, signature: str) -> Cursor:
    """The cursor of a page of this same search; Invalid for any other text."""
    wrong = Invalid("This cursor is of another search; use it with the filter and order that it came from.")
    try:
        if len(text) > LONGEST_CURSOR:
            raise wrong
        found = json.loads(base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise wrong from error
    if not isinstance(found, list) or len(found) < 3 or found[0] != signature:
        raise wrong
    now, run, *values = found[1:]
    plain = all(value is None or type(value) in (str, int, float) for value in values)
    if not plain or not all(type(number) is int and abs(number) < 1 << 62 for number in (now, run)):
        raise wrong
    return Cursor(tuple(values), run, now)


def check_cursor(cursor: Cursor, keys: Sequence[Key]) -> None:
    """Invalid where a cursor's values cannot be those of the keys."""
    fits = len(cursor.values) == len(keys) and all(
        value is None or isinstance(value, str) == key.text
        for value, key in zip(cursor.values, keys, strict=True)
    )
    if not fits:
        raise Invalid("This cursor is of another search; start again without one.")


def signature(workspace: int, *texts: str) -> str:
    """What ties a cursor to its search."""
    return hashlib.sha256(json.dumps([workspace, *texts]).encode()).hexdigest()[:16]


def keys(order: Sequence[Order], scope: Scope) -> list[Key]:
    """The keys of an order; a param, tag or property is ordered as a number first, then as text."""
    found: list[Key] = []
    for position, one in enumerate(order or (NEWEST,)):
        found.extend(_keys(one, scope, f"k{position}"))
    return found


def place_of(operand: Operand, scope: Scope) -> tuple[tuple[object, ...], str]:
    """Whose row a field is in, and which value of it a number is compared with."""
    if isinstance(operand, Attribute):
        return ("runs",), operand.name
    if operand.group in KINDS:
        return ("attributes", KINDS[operand.group], operand.name), "number"
    metric, reducer = scope.names.metric(operand)
    return ("metric_latest", metric), reducer


def _keys(one: Order, scope: Scope, alias: str) -> list[Key]:
    if isinstance(one.field, Attribute):
        return [_attribute(one, one.field, scope)]
    if one.field.group in KINDS:
        return _loose(one, one.field, scope, alias)
    return [_metric(one, one.field, scope, alias)]


def _attribute(one: Order, attribute: Attribute, scope: Scope) -> Key:
    name = attribute.name
    column = COLUMNS[name].replace("{x}", "r")
    text = attribute.kind in ("text", "status")
    return Key(
        f"{column} {exact(scope.dialect)}".strip() if text else column,
        one.descending,
        one.nulls == "first",
        name not in ALWAYS,
        text,
        column=column if name in SORTED_ATTRIBUTES else "",
        reading=name,
    )


def _loose(one: Order, operand: Field, scope: Scope, alias: str) -> list[Key]:
    kind = KINDS[operand.group]
    name = scope.bind(operand.name)

    def key(suffix: str, expression: str, *, column: str = "") -> Key:
        x = alias + suffix
        return Key(
            expression.replace("{x}", x),
            one.descending,
            False,
            True,
            suffix == "t",
            table="attributes",
            alias=x,
            scope=f"{x}.kind = '{kind}' AND {x}.key = {name}",
            column=column.replace("{x}", x),
            row=("attributes", kind, operand.name),
            reading=column.removeprefix("{x}."),
        )

    both = [
        key("n", "{x}.number", column="{x}.number"),
        key("t", f"{{x}}.text {exact(scope.dialect)}".strip(), column="{x}.text"),
    ]
    if one.nulls == "last":
        return both
    there = key("p", "CASE WHEN {x}.text IS NULL THEN 0 ELSE 1 END")
    return [replace(there, descending=False, nullable=False), *both]


def _metric(one: Order, operand: Field, scope: Scope, alias: str) -> Key:
    metric, reducer = scope.names.metric(operand)
    column = REDUCED.get(reducer, "{x}.last").replace("{x}", alias)
    return Key(
        column,
        one.descending,
        one.nulls == "first",
        True,
        False,
        table="metric_latest",
        alias=alias,
        # no metric has the number -1
        scope=f"{alias}.metric = {scope.bind(-1 if metric is None else metric)}",
        column=column if reducer in INDEXED_REDUCERS and metric is not None else "",
        row=("metric_latest", metric),
        reading=reducer,
    )

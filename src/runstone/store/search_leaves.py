"""One term of a filter on the rows of one table: the columns it looks at, and what it tests there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeAlias

from runstone.model.query import (
    STATUSES,
    Attribute,
    Between,
    Compare,
    Duration,
    Has,
    In,
    Like,
    Missing,
    Moment,
    Value,
)
from runstone.store.attributes import INDEXED
from runstone.store.search_names import KINDS, Names
from runstone.store.search_text import pattern

NOTHING = "1 = 0"
FAR = 1 << 62

# {x} is the row of the run, or of its metric.
REDUCED = {
    "last": "{x}.last",
    "min": "{x}.min",
    "max": "{x}.max",
    "first": "{x}.first",
    "count": "{x}.count",
    "mean": "{x}.sum / NULLIF({x}.points, 0)",
}
INDEXED_REDUCERS = ("last", "min", "max")
WHOLE = "({x}.text || COALESCE({x}.rest, ''))"
COLUMNS = {
    "status": "{x}.status",
    "experiment": "(SELECT e.name FROM experiments e WHERE e.id = {x}.experiment)",
    "experiment_id": "{x}.experiment",
    "display_name": "COALESCE({x}.display_name, {x}.id)",
    "name": "{x}.name",
    "description": "{x}.description",
    "run_id": "{x}.id",
    "run_number": "{x}.number",
    "type": "{x}.type",
    "target": "{x}.target",
    "submitter": "{x}.submitter",
    "created": "{x}.created",
    "started": "{x}.started",
    "ended": "{x}.ended",
    "duration": "COALESCE({x}.duration, :now - {x}.started)",
    "parent": "(SELECT p.id FROM runs p WHERE p.n = {x}.parent)",
    "root": "(SELECT p.id FROM runs p WHERE p.n = {x}.root)",
    "depth": "{x}.depth",
    "children": "{x}.children",
    "archived": "{x}.archived",
    "deleted": "{x}.deleted",
    "artifact_uri": "('aml://artifactId/ExperimentRun/dcid.' || {x}.id)",
}
# Whether a run has them, where that is not the same as their value being there.
PRESENT = {
    "display_name": "{x}.display_name IS NOT NULL",
    "children": "{x}.children > 0",
}
# MLflow's words for a data set: where it is looked for, and the column that says it.
DATASETS = {
    "name": ("{x}.kind = 'dataset'", "{x}.asset"),
    "context": ("{x}.kind IN ('dataset', 'dataset-definition')", "{x}.name"),
}
# What has an index of its own, without the workspace.
INDEXED_ALONE = ("experiment", "experiment_id", "parent", "root")
INDEXED_ATTRIBUTES = (
    "run_id",
    "status",
    "experiment",
    "experiment_id",
    "parent",
    "root",
    "created",
    "started",
)


@dataclass
class Scope:
    """What the parts of one search share: dialect, workspace, moment, names, and the bound values."""

    dialect: str
    workspace: int
    now: int
    names: Names
    values: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.values.update({"workspace": self.workspace, "now": self.now, "all": FAR})

    def bind(self, value: object) -> str:
        """A name for a value, as it stands in the SQL."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f":{name}"


@dataclass(frozen=True)
class Leaf:
    """A term on the rows of one table: ``scope`` picks the field, ``test`` the values; {x} is the row.

    ``indexed`` says that both together are a range of an index, ``many`` that a run may have several rows.
    """

    table: str
    scope: str
    test: str
    indexed: bool = False
    absent: bool = False
    many: bool = False


class Leaves:
    """Makes leaves for one search."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def leaf(self, term: Compare | In | Between | Like | Has | Missing) -> Leaf:
        """Where a term looks, and what it tests there."""
        operand = term.field
        if isinstance(operand, Attribute):
            scope = "1 = 1" if operand.name in INDEXED_ALONE else "{x}.workspace = :workspace"
            return Leaf("runs", scope, *self._attribute(term, operand))
        if operand.group in KINDS:
            key = self.scope.bind(operand.name)
            scope = f"{{x}}.kind = '{KINDS[operand.group]}' AND {{x}}.key = {key}"
            return Leaf("attributes", scope, *self._loose(term))
        if operand.group == "datasets" and operand.name in DATASETS:
            scope, column = DATASETS[operand.name]
            return Leaf("lineage", scope, *self._dataset(term, column), many=True)
        metric, reducer = self.scope.names.metric(operand)
        if metric is None:
            absent = isinstance(term, Missing) or term == Compare(operand, "=", None)
            return Leaf("metric_latest", NOTHING, NOTHING, not absent, absent)
        return Leaf(
            "metric_latest", f"{{x}}.metric = {self.scope.bind(metric)}", *self._metric(term, reducer)
        )

    # -- metrics

    def _metric(self, term: _Term, reducer: str) -> tuple[str, bool, bool]:
        column = REDUCED[reducer]
        if isinstance(term, Has):
            return "1 = 1", True, False
        if isinstance(term, Missing):
            return "1 = 1", False, True
        nan = "{x}.last_nan = 1" if reducer == "last" else None
        if term == Compare(term.field, "=", None):
            return self._number(column, "!=", None, nan), False, True
        test = self._combined(term, lambda op, value: self._number(column, op, value, nan))
        return test, _ranged(term) and reducer in INDEXED_REDUCERS, False

    def _number(self, column: str, op: str, value: Value, nan: str | None) -> str:
        if value is None:
            # the only comparison with null that comes here
            return f"({column} IS NOT NULL OR {nan})" if nan else f"{column} IS NOT NULL"
        number = float(value) if isinstance(value, (bool, int, float)) else math.nan
        if math.isnan(number):
            return nan or NOTHING if op == "=" else f"{column} IS NOT NULL" if op == "!=" else NOTHING
        test = f"{column} {_sql(op)} {self.scope.bind(number)}"
        return f"({test} OR {nan})" if op == "!=" and nan else test

    # -- params, tags, properties

    def _loose(self, term: _Term) -> tuple[str, bool, bool]:
        if isinstance(term, Has):
            return "1 = 1", True, False
        if isinstance(term, Missing):
            return "1 = 1", False, True
        if term == Compare(term.field, "=", None):
            return "{x}.text IS NOT NULL", False, True
        if isinstance(term, Like):
            # kept by code point, where PostgreSQL would know the case of ASCII alone
            any_case = ' COLLATE "default"' if self.scope.dialect == "postgres" else ""
            return self._like(WHOLE + any_case, term), False, False
        return self._combined(term, self._loose_value), _ranged(term) and _numeric_or_equal(term), False

    def _loose_value(self, op: str, value: Value) -> str:
        if value is None:
            return "{x}.text IS NOT NULL"
        if isinstance(value, bool):
            word = str(value)
            spelled = ", ".join(self.scope.bind(form) for form in (word, word.lower(), word.upper()))
            words = {"=": "IN", "!=": "NOT IN"}
            return f"{{x}}.text {words[op]} ({spelled})" if op in words else NOTHING
        if isinstance(value, (int, float)):
            return self._number("{x}.number", op, value, None)
        text = str(value)
        if op not in ("=", "!="):
            return f"{WHOLE} {self._exact()} {_sql(op)} {self.scope.bind(text)}"
        same = f"{{x}}.text = {self.scope.bind(text[:INDEXED])}"
        if len(text) >= INDEXED:
            rest = f"= {self.scope.bind(text[INDEXED:])}" if text[INDEXED:] else "IS NULL"
            same = f"({same} AND {{x}}.rest {rest})"
        return same if op == "=" else f"({{x}}.text IS NOT NULL AND ({same}) IS NOT TRUE)"

    # -- data sets that a run reads or makes: there may be several

    def _dataset(self, term: _Term, column: str) -> tuple[str, bool, bool]:
        if isinstance(term, (Has, Missing)):
            return "1 = 1", False, isinstance(term, Missing)
        if isinstance(term, Like):
            return self._like(column, term), False, False
        if term == Compare(term.field, "=", None):
            return "1 = 1", False, True
        test = self._combined(term, lambda op, value: self._dataset_value(column, op, value))
        return test, column == "{x}.asset" and _ranged(term) and _equal(term), False

    def _dataset_value(self, column: str, op: str, value: Value) -> str:
        if value is None:
            return "1 = 1"
        exact = "" if op in ("=", "!=") else self._exact()
        return f"{column} {exact} {_sql(op)} {self.scope.bind(str(value))}"

    # -- attributes of the run itself

    def _attribute(self, term: _Term, operand: Attribute) -> tuple[str, bool, bool]:
        column = COLUMNS[operand.name]
        if isinstance(term, (Has, Missing)):
            present = PRESENT.get(operand.name, f"{column} IS NOT NULL")
            return present if isinstance(term, Has) else f"({present}) IS NOT TRUE", False, False
        if isinstance(term, Like):
            test = self._status_like(term) if operand.kind == "status" else self._like(column, term)
            return test, False, False
        test = self._combined(term, lambda op, value: self._attribute_value(operand, op, value))
        ordered = operand.kind == "time" or _equal(term)
        return test, operand.name in INDEXED_ATTRIBUTES and _ranged(term) and ordered, False

    def _attribute_value(self, operand: Attribute, op: str, value: Value) -> str:
        column, kind = COLUMNS[operand.name], operand.kind
        if value is None:
            return f"{column} {'IS NULL' if op == '=' else 'IS NOT NULL'}"
        if kind == "time":
            return self._time(column, op, value)
        if kind == "duration":
            seconds = value.seconds if isinstance(value, Duration) else value
            return self._number(column, op, float(seconds) * 1e6, None)  # type: ignore[arg-type]
        if kind == "flag":
            return f"{column} {'IS NOT NULL' if (value is True) == (op == '=') else 'IS NULL'}"
        if kind == "status":
            return self.among("{x}.status", [status.value for status in STATUSES[str(value).lower()]], op=op)
        if kind == "number":
            return self._number(column, op, value, None)
        return self._text(operand.name, op, str(value))

    def _time(self, column: str, op: str, value: Value) -> str:
        if isinstance(value, Moment):
            first, after, above = value.first, value.after, value.first + 1
        else:
            # MLflow's milliseconds
            first = int(max(-FAR, min(FAR, float(value) * 1000)))  # type: ignore[arg-type]
            after = above = first + 1000
        low, high = self.scope.bind(first), self.scope.bind(after)
        if op == "=":
            return f"({column} >= {low} AND {column} < {high})"
        if op == "!=":
            return f"({column} < {low} OR {column} >= {high})"
        # "> today" means from midnight on, and "<= today" includes today
        if op == ">":
            return f"{column} >= {self.scope.bind(above)}"
        return f"{column} {'>= ' + low if op == '>=' else '< ' + (low if op == '<' else high)}"

    def _text(self, name: str, op: str, value: str) -> str:
        if op in ("=", "!=") and name == "experiment":
            return self.among("{x}.experiment", list(self.scope.names.experiments.get(value, ())), op=op)
        if op in ("=", "!=") and name in ("parent", "root"):
            bound = self.scope.bind(value)
            found = f"SELECT p.n FROM runs p WHERE p.workspace = :workspace AND p.id = {bound}"
            if op == "=":
                return f"{{x}}.{name} IN ({found})"
            # what is NULL is "not in" an empty set
            return f"({{x}}.{name} IS NOT NULL AND {{x}}.{name} NOT IN ({found}))"
        exact = "" if op in ("=", "!=") else self._exact()
        return f"{COLUMNS[name]} {exact} {_sql(op)} {self.scope.bind(value)}"

    def among(self, column: str, values: list[str], *, op: str = "=") -> str:
        if not values:
            return NOTHING if op == "=" else f"{column} IS NOT NULL"
        spelled = ", ".join(map(self.scope.bind, values))
        return f"{column} {'IN' if op == '=' else 'NOT IN'} ({spelled})"

    def _status_like(self, term: Like) -> str:
        matching = {
            status.value
            for name, statuses in STATUSES.items()
            for status in statuses
            if _matches(term.op, term.pattern.lower(), name)
        }
        return self.among("{x}.status", sorted(matching), op="!=" if term.negated else "=")

    def _like(self, column: str, term: Like) -> str:
        template, bound = pattern(term.op, term.pattern, dialect=self.scope.dialect)
        test = template.replace("{e}", column).replace("{p}", self.scope.bind(bound))
        return f"({column} IS NOT NULL AND NOT ({test}))" if term.negated else f"({test})"

    # -- what they share

    def _combined(self, term: _Term, one: Callable[[str, Value], str]) -> str:
        if isinstance(term, Compare):
            return one(term.op, term.value)
        if isinstance(term, Between):
            return f"({one('>=', term.low)} AND {one('<=', term.high)})"
        if isinstance(term, In) and term.negated:
            return "(" + " AND ".join(one("!=", value) for value in term.values) + ")"
        assert isinstance(term, In)  # Like, Has and Missing are answered before
        return "(" + " OR ".join(one("=", value) for value in term.values) + ")"

    def _exact(self) -> str:
        return exact(self.scope.dialect)


_Term: TypeAlias = Compare | In | Between | Like | Has | Missing


def exact(dialect: str) -> str:
    """What makes a text compare by code point, whatever the database was set up for."""
    return 'COLLATE "C"' if dialect == "postgres" else ""


def _sql(op: str) -> str:
    return "<>" if op == "!=" else op


def _ranged(term: _Term) -> bool:
    if isinstance(term, Compare):
        return term.op != "!=" and term.value is not None and not _is_nan(term.value)
    if isinstance(term, In):
        return not term.negated and not any(map(_is_nan, term.values))
    return isinstance(term, Between)


def _is_nan(value: Value) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _equal(term: _Term) -> bool:
    return isinstance(term, In) or (isinstance(term, Compare) and term.op == "=")


def _numeric_or_equal(term: _Term) -> bool:
    values = term.values if isinstance(term, In) else (term.value,) if isinstance(term, Compare) else ()
    if isinstance(term, Between):
        values = (term.low, term.high)
    texts = [isinstance(value, (str, bool)) for value in values]
    return not any(texts) or (all(texts) and _equal(term))


def _matches(op: str, wanted: str, name: str) -> bool:
    if op == "contains":
        return wanted in name
    if op == "startswith":
        return name.startswith(wanted)

    # positions in the name that the pattern so far can end at
    def step(ends: set[int], letter: str) -> set[int]:
        if letter == "%":
            return set(range(min(ends), len(name) + 1)) if ends else ends
        return {end + 1 for end in ends if end < len(name) and letter in ("_", name[end])}

    return len(name) in reduce(step, wanted, {0})

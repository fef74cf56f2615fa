"""The statement of a page: from a driver, or along the index of its first key, from a cursor on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from runstone.store.search_leaves import Scope
from runstone.store.search_order import Cursor, CursorValue, Key

WORKSPACE = "r.workspace = :workspace"
# A test that no index answers: what is read in another order stays in it.
WORKSPACE_TESTED = "(r.workspace = :workspace) IS TRUE"

# PostgreSQL makes a join of an EXISTS. That is right where all runs of a driver are tested; along an index it
# would hash a whole table for the fifty rows that are asked for, and an offset keeps it from that.
PROBES = {"postgres": " LIMIT 1 OFFSET 0", "sqlite": ""}

# A stretch of an order: the runs that have the key of this index and none of those before it. The index
# after the last key stands for the runs that have none.
Part: TypeAlias = int


def parts(keys: Sequence[Key], present: Sequence[bool]) -> list[Part]:
    """The stretches of an order as they follow one another; ``present``: keys that no run found lacks."""
    found = [len(keys)]
    for index in reversed(range(len(keys))):
        if present[index] or not keys[index].nullable:
            found = [index]
        elif keys[index].nulls_first:
            found = [*found, index]
        else:
            found = [index, *found]
    return found


def part_of(cursor: Cursor) -> Part:
    """The stretch that a cursor is in."""
    there = [index for index, value in enumerate(cursor.values) if value is not None]
    return there[0] if there else len(cursor.values)


@dataclass(frozen=True)
class Statements:
    """Writes the statements of one search; ``tests`` are what each run must pass.

    ``workspace`` is how every run of it is read: by an index, or where there is no other workspace, in their
    own order. ``merged`` are tests on the row of the key itself, and for a key of the run its workspace.
    """

    scope: Scope
    keys: Sequence[Key]
    tests: Sequence[str]
    workspace: str = WORKSPACE

    def gathered(self, sources: Sequence[str], part: Part | None, *, after: Cursor | None, limit: int) -> str:
        """All that the sources find (or every run), sorted: one stretch of it, or with None the whole."""
        start, where = _driven(sources, self.workspace if part is None else WORKSPACE_TESTED)
        # what a source gives is tested for all that needs no more than the number before the run is read
        number = "d.n" if sources else "r.n"
        steps = [_Step(key.expression, key.descending, key.nullable, key.nulls_first) for key in self.keys]
        start += "".join(key.join for key in self.keys)
        rows = _Rows(start, where, number)
        return _with(sources) + self._select(rows, steps, part=part, after=after, limit=limit)

    def walked(
        self, part: Part, *, after: Cursor | None, limit: int, merged: Sequence[str], edge: CursorValue
    ) -> str:
        """Along the index of the stretch's key, as far as ``edge``; it stops when the page is full."""
        walked = self.keys[part]
        where = [*_along(walked), *merged]
        start = "runs r"
        if walked.table != "runs":
            start = f"{walked.table} {walked.alias} CROSS JOIN runs r"
            where += [f"r.n = {walked.alias}.run", WORKSPACE_TESTED]
        if edge is not None:
            where.append(f"{walked.column} {'>=' if walked.descending else '<='} {self.scope.bind(edge)}")
        start += "".join(key.join for key in self.keys if key is not walked)
        steps = [
            _Step(walked.column, walked.descending)
            if key is walked
            else _Step(key.expression, key.descending, key.nullable, key.nulls_first)
            for key in self.keys
        ]
        rows = _Rows(start, where, _number(walked), PROBES[self.scope.dialect])
        return self._select(rows, steps, part=part, after=after, limit=limit)

    def edge(self, part: Part, *, after: Cursor | None, merged: Sequence[str], window: int) -> str:
        """The value of the stretch's key ``window`` rows further along its index."""
        walked = self.keys[part]
        where = [*_along(walked), *merged]
        if after is not None:
            bound = self.scope.bind(after.values[part])
            where.append(f"{walked.column} {'<=' if walked.descending else '>='} {bound}")
        way = " DESC" if walked.descending else ""
        return (
            f"SELECT {walked.column} AS edge FROM {walked.table} {walked.alias} WHERE {' AND '.join(where)}"
            f" ORDER BY {walked.column}{way}, {_number(walked)}{way} LIMIT 1 OFFSET {self.scope.bind(window)}"
        )

    def counted(self, sources: Sequence[str], limit: int) -> str:
        """How many runs pass, as far as ``limit``."""
        start, where = _driven(sources, self.workspace)
        if len(sources) == 1:
            # read no further than it takes to count
            start = f"({sources[0]}) d CROSS JOIN runs r"
        tests = (
            " AND ".join([*where, *self.tests])
            .replace("{n}", "d.n" if sources else "r.n")
            .replace("{probe}", "")
        )
        body = f"SELECT 1 FROM {start} WHERE {tests}"
        first = _with(sources) if len(sources) > 1 else ""
        return f"{first}SELECT COUNT(*) AS count FROM ({body} LIMIT {self.scope.bind(limit)}) c"

    def _select(
        self, rows: _Rows, steps: Sequence[_Step], *, part: Part | None, after: Cursor | None, limit: int
    ) -> str:
        columns = "".join(f", {step.expression} AS c{index}" for index, step in enumerate(steps))
        first = part or 0
        tests = [*rows.where, *(f"{step.expression} IS NULL" for step in steps[:first])]
        left = list(steps[first:])
        if part is not None and left and left[0].nullable:
            tests.append(f"{left[0].expression} IS NOT NULL")
            left[0] = _Step(left[0].expression, left[0].descending)
        left.append(_Step(rows.number, self.keys[-1].descending))
        if after is not None:
            tests += self._beyond(left, [*after.values[first:], after.run])
        text = (
            f"SELECT {rows.number} AS n{columns} FROM {rows.start}"
            f" WHERE {' AND '.join([*tests, *self.tests])}"
            f" ORDER BY {', '.join(step.order() for step in left)} LIMIT {self.scope.bind(limit)}"
        )
        return text.replace("{n}", rows.number).replace("{probe}", rows.probe)

    def _beyond(self, steps: Sequence[_Step], values: Sequence[CursorValue]) -> list[str]:
        """Tests that a run comes after these values in the order of the steps."""
        bound = [None if value is None else self.scope.bind(value) for value in values]
        if len({step.descending for step in steps}) == 1 and not any(step.nullable for step in steps):
            left = ", ".join(step.expression for step in steps)
            return [f"({left}) {'<' if steps[0].descending else '>'} ({', '.join(map(str, bound))})"]
        ways = []
        for index, step in enumerate(steps):
            beyond = step.beyond(bound[index])
            if beyond:
                same = [steps[before].same(bound[before]) for before in range(index)]
                ways.append(f"({' AND '.join([*same, beyond])})")
        found = [f"({' OR '.join(ways)})"]
        if not steps[0].nullable:
            # what an index can begin with
            found.insert(0, f"{steps[0].expression} {'<=' if steps[0].descending else '>='} {bound[0]}")
        return found


@dataclass(frozen=True)
class _Rows:
    """Where a statement begins, what narrows it there, and what the run's number is called."""

    start: str
    where: Sequence[str]
    number: str
    probe: str = ""


@dataclass(frozen=True)
class _Step:
    expression: str
    descending: bool
    nullable: bool = False
    nulls_first: bool = False

    def order(self) -> str:
        way = " DESC" if self.descending else ""
        if not self.nullable:
            return f"{self.expression}{way}"
        return f"({self.expression} IS NULL){' DESC' if self.nulls_first else ''}, {self.expression}{way}"

    def beyond(self, value: str | None) -> str:
        if value is None:
            return f"{self.expression} IS NOT NULL" if self.nulls_first else ""
        further = f"{self.expression} {'<' if self.descending else '>'} {value}"
        if self.nullable and not self.nulls_first:
            return f"({further} OR {self.expression} IS NULL)"
        return further

    def same(self, value: str | None) -> str:
        return f"{self.expression} IS NULL" if value is None else f"{self.expression} = {value}"


def _driven(sources: Sequence[str], workspace: str) -> tuple[str, list[str]]:
    if not sources:
        return "runs r", [workspace]
    return "d CROSS JOIN runs r", ["r.n = d.n", WORKSPACE_TESTED]


def _with(sources: Sequence[str]) -> str:
    if not sources:
        return ""
    # in the order of the runs, so that their pages lie together; without a limit SQLite drops the order
    return f"WITH d (n) AS MATERIALIZED ({' UNION '.join(sources)} ORDER BY n LIMIT :all)\n"


def _along(walked: Key) -> list[str]:
    there = [f"{walked.column} IS NOT NULL"] if walked.nullable else []
    return there if walked.table == "runs" else [walked.scope, *there]


def _number(walked: Key) -> str:
    return "r.n" if walked.table == "runs" else f"{walked.alias}.run"

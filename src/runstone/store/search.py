"""Searching runs: a filter and an order to one page; the driver of each statement is chosen by counting."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from runstone.model.errors import Busy
from runstone.model.query import (
    And,
    Attribute,
    Between,
    Compare,
    Expression,
    In,
    Order,
    Text,
    all_of,
    parse,
    parse_order,
    terms,
)
from runstone.store.database import Database, Row, Transaction
from runstone.store.search_estimates import CAP, Estimate, Estimates
from runstone.store.search_leaves import Scope
from runstone.store.search_names import resolve, with_aliases
from runstone.store.search_order import Cursor, Key, check_cursor, keys, place_of, read_cursor, signature
from runstone.store.search_statement import WORKSPACE, WORKSPACE_TESTED, Part, Statements, part_of, parts
from runstone.store.search_terms import Terms

BUDGET = 2.0
COUNTED = 10_000
# So few runs are sorted without asking whether a walk along an index would be quicker still.
FEW = 200
# A walk is given so many times the rows that it should need before the driver is asked instead.
PATIENCE = 3
# More than one is as good as many.
WORKSPACES = "SELECT COUNT(*) AS count FROM (SELECT id FROM workspaces LIMIT 2) w"
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Page:
    """The numbers of runs in order, the cursor of the next page, and what the asker should know."""

    runs: tuple[int, ...]
    cursor: str | None = None
    warnings: tuple[str, ...] = ()


def search(
    db: Database,
    workspace: int,
    *,
    filter: str = "",
    order_by: str = "",
    limit: int = 100,
    cursor: str | None = None,
    base: Expression | None = None,
) -> Page:
    """One page of the runs that match ``filter`` (and ``base``), newest first unless ordered otherwise.

    Deleted runs are left out unless the filter names ``deleted``. Ties are in the order of creation, in the
    direction of the last key. Raises FilterError for a text that cannot be read, Invalid for a cursor of
    another search, Busy when the budget of 2 s is spent.
    """
    signed = signature(workspace, filter, order_by, str(base))
    after = None if cursor is None else read_cursor(cursor, signed)
    now = time.time_ns() // 1000 if after is None else after.now
    tree = _whole(filter, now, base)
    order = parse_order(order_by)
    wide: list[str] = []
    with _told(wide), db.read(budget=BUDGET) as tx:
        names = resolve(tx, workspace, tree=tree, order=order)
        found = _Search(tx, Scope(tx.dialect, workspace, now, names), tree=tree, order=order, wide=wide)
        rows = found.page(after, limit + 1)
    following = _cursor(rows[limit - 1], now).text(signed) if len(rows) > limit else None
    return Page(tuple(row["n"] for row in rows[:limit]), following, tuple(names.warnings))


def count(db: Database, workspace: int, *, filter: str = "", base: Expression | None = None) -> int:
    """How many runs match; exact to 10,000, then 10,001. Raises as ``search`` does."""
    now = time.time_ns() // 1000
    tree = _whole(filter, now, base)
    wide: list[str] = []
    with _told(wide), db.read(budget=BUDGET) as tx:
        names = resolve(tx, workspace, tree=tree, order=())
        return _Search(tx, Scope(tx.dialect, workspace, now, names), tree=tree, order=(), wide=wide).count()


class _Search:
    def __init__(
        self, tx: Transaction, scope: Scope, *, tree: Expression, order: Sequence[Order], wide: list[str]
    ) -> None:
        self.tx = tx
        self.scope = scope
        self.terms = Terms(scope)
        self.conjuncts = tree.parts if isinstance(tree, And) else (tree,)
        self.tests = [self.terms.condition(part) for part in self.conjuncts]
        self.keys = keys(order, scope)
        self.statements = Statements(scope, self.keys, self.tests)
        self.estimates = Estimates(tx, self.terms)
        self.known: list[tuple[int, Estimate]] = []
        self.wide = wide

    def page(self, after: Cursor | None, limit: int) -> list[Row]:
        if after is not None:
            check_cursor(after, self.keys)
        best = self._driver()
        if best is None and not self.wide:
            return self._stretches(after, limit)
        # to sort what a wide part finds takes longer than to walk so far
        window = max(self._window(limit), CAP if best is None else 0)
        begins = not self.keys[0].nulls_first if after is None else part_of(after) == 0
        if self.keys[0].column and begins and (best is None or FEW < best.count > window):
            found = self._walk(0, after, limit, window)
            if len(found) == limit:
                return found
        best = best or self._narrowest()
        if best is None:
            return self._stretches(after, limit)
        statements = Statements(self.scope, self.keys, self._left(best))
        return self._run(statements.gathered(best.sources, None, after=after, limit=limit))

    def count(self) -> int:
        best = self._driver() or self._narrowest()
        statements = Statements(self.scope, self.keys, self._left(best), self._workspace())
        rows = self._run(statements.counted(best.sources if best else (), COUNTED + 1))
        return int(rows[0]["count"])

    def _left(self, best: Estimate | None) -> list[str]:
        """The tests that are left when an estimate's sources drive."""
        sources = best.sources if best and best.exact else ()
        done = {position for position, one in self.known if sources and one.sources == sources}
        return [test for position, test in enumerate(self.tests) if position not in done]

    def _driver(self) -> Estimate | None:
        """The part of the filter that lets the fewest runs through, unless that is too many to sort."""
        for position, part in enumerate(self.conjuncts):
            estimate = self.estimates.of(part)
            if estimate is None:
                continue
            self.known.append((position, estimate))
            if estimate.count <= FEW and not estimate.wide:
                break
            if estimate.wide:
                self.wide.append(str(part))
        narrow = [estimate for _, estimate in self.known if not estimate.wide]
        return min(narrow, key=lambda one: one.count, default=None)

    def _workspace(self) -> str:
        row = self.tx.one(WORKSPACES)
        return WORKSPACE_TESTED if row and row["count"] == 1 else WORKSPACE

    def _narrowest(self) -> Estimate | None:
        return self.estimates.narrowest(estimate for _, estimate in self.known if estimate.wide)

    def _stretches(self, after: Cursor | None, limit: int) -> list[Row]:
        """Stretch by stretch along the indexes of the keys, or at once where the first has none."""
        if not self.keys[0].column:
            statements = Statements(self.scope, self.keys, self.tests, self._workspace())
            return self._run(statements.gathered((), None, after=after, limit=limit))
        found: list[Row] = []
        stretches = parts(self.keys, [self._is_present(key) for key in self.keys])
        begun = None if after is None else part_of(after)
        for part in stretches[stretches.index(begun) :] if begun in stretches else stretches:
            since = after if part == begun else None
            more = limit - len(found)
            if part < len(self.keys) and self.keys[part].column:
                found += self._walk(part, since, more, None)
            else:
                found += self._run(self.statements.gathered((), part, after=since, limit=more))
            if len(found) >= limit:
                break
        return found

    def _walk(self, part: Part, after: Cursor | None, limit: int, window: int | None) -> list[Row]:
        key = self.keys[part]
        here = [self._on_row(one, key) for one in self.conjuncts]
        merged = [test for test in here if test]
        if key.table == "runs":
            # an experiment has its own runs in the order of creation
            within = any(self._is_place(one, key) for one in self.conjuncts)
            merged.append(WORKSPACE_TESTED if within else WORKSPACE)
        edge = None
        if window is not None:
            rows = self._run(self.statements.edge(part, after=after, merged=merged, window=window))
            edge = rows[0]["edge"] if rows else None
        left = [test for test, merge in zip(self.tests, here, strict=True) if not merge]
        statements = Statements(self.scope, self.keys, left)
        return self._run(statements.walked(part, after=after, limit=limit, merged=merged, edge=edge))

    def _window(self, limit: int) -> int:
        """How many rows of the first index a page should take, with patience, if parts are independent."""
        key = self.keys[0]
        runs = self.estimates.runs()
        rows = float(limit)
        for position, estimate in self.known:
            if not self._on_row(self.conjuncts[position], key):
                rows /= estimate.share(runs)
        return int(min(rows, runs)) * PATIENCE

    def _on_row(self, tree: Expression, key: Key) -> str | None:
        """The test of a term right on the row of a key, where it is about that row."""
        if not isinstance(tree, (Compare, In, Between)):
            return None
        row, reading = place_of(tree.field, self.scope)
        if row != key.row:
            return None
        if key.table == "runs" and reading != key.reading and not self._is_place(tree, key):
            return None
        leaf = self.terms.leaves.leaf(tree)
        return None if leaf.absent else leaf.test.replace("{x}", key.alias)

    def _is_place(self, tree: Expression, key: Key) -> bool:
        """Whether a term names one experiment, and the key is the order that its index has."""
        if key.reading != "created" or not isinstance(tree, Compare) or tree.op != "=":
            return False
        if tree.field == Attribute("experiment"):
            return len(self.scope.names.experiments.get(str(tree.value), ())) == 1
        return tree.field == Attribute("experiment_id") and tree.value is not None

    def _is_present(self, key: Key) -> bool:
        for tree in self.conjuncts:
            if not isinstance(tree, (Compare, In, Between)):
                continue
            leaf = self.terms.leaves.leaf(tree)
            here = place_of(tree.field, self.scope) == (key.row, key.reading)
            if here and leaf.indexed and (key.reading != "number" or ".number" in leaf.test):
                return True
        return False

    def _run(self, text: str) -> list[Row]:
        return self.tx.execute(text, self.scope.values)


def _whole(filter: str, now: int, base: Expression | None) -> Expression:
    tree = all_of(parse(filter, now=EPOCH + timedelta(microseconds=now)), base)
    kept = Compare(Attribute("deleted"), "=", False)
    if tree is None:
        return kept
    asked = any(not isinstance(term, Text) and term.field == kept.field for term in terms(tree))
    tree = with_aliases(tree)
    return tree if asked else all_of(tree, kept) or kept


def _cursor(row: Row, now: int) -> Cursor:
    values = [row[name] for name in row.keys() if name != "n"]  # noqa: SIM118 - a sqlite3.Row iterates values
    return Cursor(tuple(values), row["n"], now)


@contextmanager
def _told(wide: Sequence[str]) -> Iterator[None]:
    """Say what to narrow when the budget is spent."""
    began = time.monotonic()
    try:
        yield
    except Busy as error:
        if time.monotonic() - began < BUDGET:
            raise
        parts = "; ".join(f"'{part}' alone lets many runs through" for part in wide[:3])
        raise Busy(
            f"The search took longer than its budget of {BUDGET:g} s. Narrow it, for instance by "
            f"experiment = '...' or started > now - 7d{': ' + parts if parts else ''}."
        ) from error

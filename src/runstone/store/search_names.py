"""What the names in a filter stand for in this workspace, and warnings for those that it does not know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from runstone.model.query import (
    SYSTEM,
    TAG_ALIASES,
    And,
    Attribute,
    Compare,
    Expression,
    Field,
    In,
    Missing,
    Not,
    Operand,
    Or,
    Order,
    Text,
    all_of,
    any_of,
    nearest,
    terms,
)
from runstone.model.query.tree import Term
from runstone.store import metric_names
from runstone.store.attributes import PARAM, PROPERTY, TAG
from runstone.store.database import Transaction

KINDS = {"params": PARAM, "tags": TAG, "properties": PROPERTY}
# How many names are looked through for one that is like an unknown one, and how many such are tried.
CANDIDATES = 2_000
TRIED = 3

# Bounded: a metric may have a million runs, all of them in other workspaces.
METRIC_IS_USED = """
SELECT 1 AS found
  FROM (SELECT run FROM metric_latest WHERE metric = :metric LIMIT 10000) l
  JOIN runs r ON r.n = l.run
 WHERE r.workspace = :workspace
 LIMIT 1"""

METRIC_NAMES = "SELECT id, name FROM metrics ORDER BY id DESC LIMIT :limit"

KEY_IS_KNOWN = "SELECT 1 AS found FROM attributes WHERE kind = :kind AND key = :key LIMIT 1"

KEY_IS_USED = """
SELECT 1 AS found
  FROM (SELECT run FROM attributes WHERE kind = :kind AND key = :key LIMIT 10000) a
  JOIN runs r ON r.n = a.run
 WHERE r.workspace = :workspace
 LIMIT 1"""

# From key to key through the index; a DISTINCT would read every run.
KEYS = """
WITH RECURSIVE known (key) AS (
    SELECT MIN(key) FROM attributes WHERE kind = :kind
    UNION ALL
    SELECT (SELECT MIN(a.key) FROM attributes a WHERE a.kind = :kind AND a.key > known.key)
      FROM known
     WHERE known.key IS NOT NULL
)
SELECT key FROM known WHERE key IS NOT NULL LIMIT :limit"""

EXPERIMENTS = "SELECT id FROM experiments WHERE workspace = :workspace AND name = :name AND deleted IS NULL"


@dataclass
class Names:
    """The metrics of a search by number, its experiments by id, and what to tell the asker."""

    metrics: dict[str, int] = field(default_factory=dict)
    experiments: dict[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def metric(self, operand: Field) -> tuple[int | None, str]:
        """Number and reducer: a metric that is really called ``loss.min`` beats the reducer."""
        if operand.group not in ("metrics", "system"):
            return None, ""
        prefix = SYSTEM if operand.group == "system" else ""
        if operand.written and prefix + operand.written in self.metrics:
            return self.metrics[prefix + operand.written], "last"
        return self.metrics.get(prefix + operand.name), operand.reducer or "last"


def resolve(tx: Transaction, workspace: int, *, tree: Expression | None, order: Sequence[Order]) -> Names:
    """Look up every name of a filter and an order."""
    names = Names()
    uses = [*_uses(terms(tree)), *((key.field, str(key)) for key in order)]
    missing = (term.field for term in terms(tree) if isinstance(term, Missing))
    _find_metrics(tx, workspace, names, [*missing, *(operand for operand, _ in uses)])
    for operand, text in uses:
        warning = _unknown(tx, workspace, names, operand)
        if warning:
            names.warnings.append(f"{warning}: {text}")
    for term in terms(tree):
        for name in _experiments(term):
            rows = tx.execute(EXPERIMENTS, {"workspace": workspace, "name": name})
            names.experiments[name] = tuple(row["id"] for row in rows)
    return names


def with_aliases(tree: Expression) -> Expression:
    """The tree with MLflow's own tags answered by attributes, for runs that have no such tag."""
    if isinstance(tree, Not):
        return Not(with_aliases(tree.part))
    if isinstance(tree, And):
        return all_of(*map(with_aliases, tree.parts)) or tree
    if isinstance(tree, Or):
        return any_of(*map(with_aliases, tree.parts))
    if isinstance(tree, Text) or not isinstance(tree.field, Field) or tree.field.group != "tags":
        return tree
    name = TAG_ALIASES.get(tree.field.name)
    if name is None:
        return tree
    instead = _about(tree, Attribute(name, tree.field.at))
    if isinstance(tree, Missing):
        return all_of(tree, instead) or tree
    return any_of(tree, all_of(Missing(tree.field), instead) or instead)


def _about(term: Term, operand: Operand) -> Expression:
    assert not isinstance(term, Text)
    return replace(term, field=operand)


def _uses(found: Iterable[Term]) -> Iterator[tuple[Operand, str]]:
    for term in found:
        if not isinstance(term, (Text, Missing)):
            yield term.field, str(term)


def _experiments(term: Term) -> Iterator[str]:
    if isinstance(term, (Compare, In)) and term.field == Attribute("experiment"):
        values = term.values if isinstance(term, In) else (term.value,)
        yield from (value for value in values if isinstance(value, str))


def _find_metrics(tx: Transaction, workspace: int, names: Names, operands: Iterable[Operand]) -> None:
    plain: set[str] = set()
    written: set[str] = set()
    for operand in operands:
        if isinstance(operand, Field) and operand.group in ("metrics", "system"):
            prefix = SYSTEM if operand.group == "system" else ""
            plain.add(prefix + operand.name)
            written |= {prefix + operand.written} if operand.written else set()
    for name, number in metric_names.find(tx, sorted(plain | written)).items():
        # another workspace's metric `loss.min` must not change what `metrics.loss.min` means in this one
        if name in plain or tx.one(METRIC_IS_USED, {"metric": number, "workspace": workspace}):
            names.metrics[name] = number


def _unknown(tx: Transaction, workspace: int, names: Names, operand: Operand) -> str | None:
    if not isinstance(operand, Field):
        return None
    at = f"at {operand.name_at + 1}:"
    if operand.group == "datasets":
        return f"{at} no digests of data sets are kept" if operand.name == "digest" else None
    if operand.group in KINDS:
        values: dict[str, object] = {"kind": KINDS[operand.group], "key": operand.name}
        if tx.one(KEY_IS_KNOWN, values):
            return None
        values["workspace"] = workspace
        noun = operand.group.removesuffix("s") if operand.group != "properties" else "property"
        return f"{at} unknown {noun} '{operand.name}'{_key_like(tx, values)}"
    if names.metric(operand)[0] is not None:
        return None
    return f"{at} unknown metric '{operand.name}'{_metric_like(tx, workspace, operand)}"


def _metric_like(tx: Transaction, workspace: int, operand: Field) -> str:
    prefix = SYSTEM if operand.group == "system" else ""
    numbers = {row["name"]: row["id"] for row in tx.execute(METRIC_NAMES, {"limit": CANDIDATES})}
    for _ in range(TRIED):
        near = nearest(prefix + operand.name, numbers)
        if near is None:
            return ""
        # a name of another workspace is not told
        if tx.one(METRIC_IS_USED, {"metric": numbers.pop(near), "workspace": workspace}):
            return f" (did you mean '{near.removeprefix(prefix)}'?)"
    return ""


def _key_like(tx: Transaction, values: dict[str, object]) -> str:
    keys = {str(row["key"]) for row in tx.execute(KEYS, {"kind": values["kind"], "limit": CANDIDATES})}
    for _ in range(TRIED):
        near = nearest(str(values["key"]), keys)
        if near is None:
            return ""
        if tx.one(KEY_IS_USED, {**values, "key": near}):
            return f" (did you mean '{near}'?)"
        keys.discard(near)
    return ""

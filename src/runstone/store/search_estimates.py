"""How many runs the parts of a filter let through: counted by index, no further than it matters."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from runstone.model.query import And, Expression, Not, Or, Text
from runstone.store.database import Transaction
from runstone.store.search_terms import Terms

# More than this is no driver: to sort what it finds would take longer than to walk along an index.
CAP = 20_000
# So many are still sorted where a walk has found too little.
DEEP = 200_000
# A hit in a text costs the index more.
TEXT_CAP = 2_000
# So many statements at most are spent on counting.
COUNTS = 16

NEWEST = "SELECT COALESCE(MAX(n), 0) AS n FROM runs"


@dataclass(frozen=True)
class Estimate:
    """What finds the runs that a part lets through, and how many they are; ``wide``: at least so many.

    ``exact``: it finds no others.
    """

    count: int
    wide: bool
    sources: tuple[str, ...]
    exact: bool = True

    def share(self, runs: int) -> float:
        """Which part of all runs that is; of a wide one the middle of what it may be."""
        least = max(1, min(runs, self.count)) / runs
        return math.sqrt(least) if self.wide else least


class Estimates:
    """Counts for one search."""

    def __init__(self, tx: Transaction, terms: Terms) -> None:
        self._tx = tx
        self._terms = terms
        self._left = COUNTS

    def runs(self) -> int:
        """About how many runs there are, from above."""
        row = self._tx.one(NEWEST)
        return max(1, int(row["n"])) if row else 1

    def of(self, tree: Expression) -> Estimate | None:
        """The estimate of a part; None where no index helps."""
        if isinstance(tree, Not):
            return None
        if isinstance(tree, And):
            known = [one for one in map(self.of, tree.parts) if one is not None]
            best = min(known, key=lambda one: (one.wide, one.count), default=None)
            return None if best is None else replace(best, exact=False)
        if isinstance(tree, Or):
            return self._any(tree)
        sources = self._terms.sources(tree)
        if not sources:
            return None
        if isinstance(tree, Text):
            return self._counted(sources, TEXT_CAP, exact=False)
        return self._counted(sources, CAP, exact=True)

    def narrowest(self, wide: Iterable[Estimate]) -> Estimate | None:
        """The best driver among those that are wide, counted further; None if all are too wide even so."""
        best: Estimate | None = None
        for one in wide:
            most = DEEP if best is None else best.count
            found = self._counted(one.sources, most, exact=one.exact)
            if found is not None and not found.wide:
                best = found
        return best

    def _any(self, tree: Or) -> Estimate | None:
        known: list[Estimate] = []
        for part in tree.parts:
            one = self.of(part)
            if one is None:
                return None
            known.append(one)
        count = sum(one.count for one in known)
        wide = count > CAP or any(one.wide for one in known)
        sources = tuple(source for one in known for source in one.sources)
        return Estimate(count, wide, sources, all(one.exact for one in known))

    def _counted(self, sources: tuple[str, ...], cap: int, *, exact: bool) -> Estimate | None:
        count = 0
        for source in sources:
            if self._left == 0:
                return None
            self._left -= 1
            limit = self._terms.scope.bind(cap + 1)
            row = self._tx.one(
                f"SELECT COUNT(*) AS count FROM ({source} LIMIT {limit}) c", self._terms.scope.values
            )
            count += int(row["count"]) if row else 0
        return Estimate(count, count > cap, sources, exact)

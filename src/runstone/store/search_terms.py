"""A filter as SQL: the test for one run, and where an index helps, the runs that pass a term."""

from __future__ import annotations

import re
from collections.abc import Iterable

from runstone.model.query import And, Expression, Not, Or, Term, Text
from runstone.model.runs import Status
from runstone.store.search_leaves import Leaf, Leaves, Scope
from runstone.store.search_text import pattern, phrases

# NotResponding is "Not" and "Responding".
PARTS = re.compile("[A-Z][a-z]+")


class Terms:
    """Compiles terms for one search. Results may be NULL, which is as good as false until it is negated."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.leaves = Leaves(scope)
        self._aliases = 0

    def condition(self, tree: Expression) -> str:
        """The test of a tree for the run ``r``, whose number is ``{n}``; see ``PROBES`` for ``{probe}``."""
        if isinstance(tree, Not):
            return f"({self.condition(tree.part)}) IS NOT TRUE"
        if isinstance(tree, And):
            return "(" + " AND ".join(map(self.condition, _deepest_first(tree.parts))) + ")"
        if isinstance(tree, Or):
            return "(" + " OR ".join(map(self.condition, _deepest_first(tree.parts))) + ")"
        if isinstance(tree, Text):
            return "(" + " AND ".join(map(self._word, tree.words)) + ")"
        return self._probe(self.leaves.leaf(tree))

    def sources(self, term: Term) -> tuple[str, ...]:
        """Statements that an index answers and that together find every run that passes; none if none can."""
        if isinstance(term, Text):
            return self._text_sources(term.words)
        leaf = self.leaves.leaf(term)
        if not leaf.indexed or leaf.absent:
            return ()
        number = "n" if leaf.table == "runs" else "run"
        once = "DISTINCT " if leaf.many else ""
        found = f"SELECT {once}x.{number} AS n FROM {leaf.table} x WHERE {leaf.scope} AND {leaf.test}"
        return (found.replace("{x}", "x"),)

    def _probe(self, leaf: Leaf) -> str:
        if leaf.table == "runs":
            # IS TRUE keeps SQLite from choosing an index by it: the driver is chosen by us
            return f"({leaf.test}) IS TRUE".replace("{x}", "r")
        self._aliases += 1
        x = f"x{self._aliases}"
        about = f"{leaf.scope} AND {leaf.test}"
        # IS TRUE keeps SQLite from looking through all runs of a data set for each run
        about = f"({about}) IS TRUE" if leaf.many else about
        test = f"{x}.run = {{n}} AND {about}".replace("{x}", x)
        found = _exists(f"{leaf.table} {x}", test)
        return f"NOT {found}" if leaf.absent else found

    def _word(self, word: str) -> str:
        self._aliases += 1
        x = f"x{self._aliases}"
        contained = self._contains(f"{x}.text", word)
        found = _exists(f"run_text {x}", f"{x}.run = {{n}} AND {contained}")
        statuses = statuses_with(word)
        if not statuses:
            return found
        return f"({self.leaves.among('r.status', statuses)} OR {found})"

    def _text_sources(self, words: tuple[str, ...]) -> tuple[str, ...]:
        # a word that is part of a status may be found there instead; what is found is tested for all words
        plain = tuple(word for word in words if not statuses_with(word))
        texts = self._text_source(plain or words[:1])
        if plain or not texts:
            return texts
        statuses = self.leaves.among("x.status", statuses_with(words[0]))
        return (*texts, f"SELECT x.n FROM runs x WHERE x.workspace = :workspace AND {statuses}")

    def _text_source(self, words: tuple[str, ...]) -> tuple[str, ...]:
        if self.scope.dialect == "postgres":
            tests = (self._contains("x.text", word) for word in words)
            return (f"SELECT x.run AS n FROM run_text x WHERE {' AND '.join(tests)}",)
        for table, asked in zip(("run_trigrams", "run_bigrams"), phrases(words), strict=True):
            if asked:
                return (f"SELECT rowid AS n FROM {table} WHERE {table} MATCH {self.scope.bind(asked)}",)
        return ()

    def _contains(self, column: str, word: str) -> str:
        template, bound = pattern("contains", word, dialect=self.scope.dialect)
        return template.replace("{e}", column).replace("{p}", self.scope.bind(bound))


def statuses_with(word: str) -> list[str]:
    """The statuses that a word begins, or begins a part of: "fail", "responding", but not "vision"."""
    sought = word.lower()
    return [
        status.value
        for status in Status
        if any(part.lower().startswith(sought) for part in (status.value, *PARTS.findall(status.value)))
    ]


def _exists(table: str, test: str) -> str:
    return f"EXISTS (SELECT 1 FROM {table} WHERE {test}{{probe}})"


def _deepest_first(parts: Iterable[Expression]) -> list[Expression]:
    # SQLite's parser has a stack of 100: what stands before a deep part takes of it at every level
    return sorted(parts, key=_depth, reverse=True)


def _depth(tree: Expression) -> int:
    if isinstance(tree, Not):
        return 1 + _depth(tree.part)
    if isinstance(tree, (And, Or)):
        return 1 + max(map(_depth, tree.parts))
    return 0

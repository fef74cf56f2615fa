"""b57, c13, c26: a filter is data. It is read or refused at once, and reaches a database as bound values."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstone.model.errors import FilterError, Invalid
from runstone.model.query import parse, parse_order
from runstone.model.runs import NewRun
from runstone.store import experiments, runs
from runstone.store.database import Database, Row, Transaction, open_database
from runstone.store.search import count, search
from runstone.store.sqlite import Sqlite
from tests.histories import KINDS, address

INJECTIONS = (
    "' OR 1=1 --",
    "'; DROP TABLE runs; --",
    "x') UNION SELECT 1 --",
    '" OR ""="',
    "%",
    "_",
    "\\",
    "*",
    "[a-z]",
    "?",
    ":workspace",
    "%(now)s",
    "{x}",
    "{n}",
    "{id}",
    "$1",
    "~",
    "(a+)+$",
    "NEAR(a b)",
    "text : a*",
    "/*",
    "\u202eevil",
    "\U0001f600",
    "__class__",
    "{0.__class__}",
)
FIELDS = ("params.{}", "tags.{}", "metrics.{}", "properties.{}", "system.{}")


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with address(request.param, tmp_path, request) as at, closing(open_database(at)) as opened:
        with opened.write() as tx:
            experiments.add_workspace(tx, "ws", labels={}, now=1)
            experiment = experiments.add(tx, experiments.workspace(tx, "ws").id, "explore", now=1).id
            new = [
                NewRun(id=f"r{position}", experiment=experiment, params={text: text}, tags={"t": text})
                for position, text in enumerate(INJECTIONS)
            ]
            runs.create(tx, new, now=1)
        yield opened


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def named(text: str) -> str:
    return "`" + text.replace("`", "``") + "`"


def found(database: Database, text: str, order: str = "") -> list[int]:
    return list(search(database, 1, filter=text, order_by=order).runs)


def test_a_hostile_value_or_name_finds_itself_and_nothing_else(database: Database):
    for position, text in enumerate(INJECTIONS, 1):
        assert found(database, f"tags.t = {quoted(text)}") == [position]
        assert found(database, f"params.{named(text)} = {quoted(text)}") == [position]
        assert found(database, f"tags.t in ({quoted(text)})") == [position]
        assert position in found(database, f"tags.t contains {quoted(text)}")
        assert position in found(database, quoted(text))
        assert found(database, f"experiment = {quoted(text)} or run_id = {quoted(text)}") == []
        assert found(database, "has tags.t", f"params.{named(text)}")[0] == position
        for field in (field.format(named(text)) for field in FIELDS):
            search(database, 1, filter=f"{field} = 1 or missing tags.t", order_by=field)
    assert count(database, 1) == len(INJECTIONS)


def test_wild_cards_of_any_database_are_letters_where_no_pattern_is_asked_for(database: Database):
    for wild in ("%", "_", "*", "?", "~", "[a-z]"):
        assert found(database, f"tags.t contains {quoted(wild)}") == [
            position for position, text in reversed(list(enumerate(INJECTIONS, 1))) if wild in text
        ]
    assert found(database, "tags.t like '*'") == [INJECTIONS.index("*") + 1]
    assert found(database, "tags.t like '\\'") == [INJECTIONS.index("\\") + 1]


HOSTILE: dict[str, Callable[[], str]] = {
    "10,000 parentheses": lambda: "(" * 10_000,
    "parentheses within the size": lambda: "(" * 2_000 + "a" + ")" * 2_000,
    "10 kB": lambda: "a = 1 and " * 1_000,
    "a megabyte of quotes": lambda: "'" * 1_000_000,
    "an endless not": lambda: "not " * 1_000 + "a",
    "too many terms": lambda: " and ".join(["params.a = 1"] * 101),
    "too many words": lambda: " ".join("a" * 101),
    "4 kB in bytes, not letters": lambda: "한" * 1_366,
    "an unknown key": lambda: "nonsense = 1",
    "a number against a text": lambda: "metrics.a > 'x'",
    "a text against a number": lambda: "run_number > abc",
    "NUL": lambda: "tags.t = 'a\x00b'",
    "code": lambda: "__import__('os').system('true')",
    "a regular expression as an operator": lambda: "tags.t ~ '(a+)+$'",
    "a sub-select": lambda: "tags.t = (select 1)",
    "a comment": lambda: "tags.t = 1 -- and",
    "two statements": lambda: "status = failed; select 1",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_filter_is_refused_at_once_with_a_place(case: str):
    text = HOSTILE[case]()
    began = time.process_time()
    with pytest.raises(FilterError, match=r"^at \d+: "):
        parse(text)
    assert time.process_time() - began < 1.0  # c26: the budget of a parser


def test_the_bounds_themselves_are_allowed():
    assert parse("(" * 50 + "a" + ")" * 50) is not None
    assert parse("not " * 50 + "a") is not None
    assert parse(" and ".join(["params.a = 1"] * 100)) is not None
    assert parse("'" + "한" * 1_364 + "'") is not None
    with pytest.raises(FilterError, match="at 51: a filter nests at most 50 deep"):
        parse("(" * 51 + "a" + ")" * 51)
    with pytest.raises(FilterError, match="a filter has at most 100 terms; this is one more"):
        parse(" or ".join(["a"] * 101))
    with pytest.raises(FilterError, match="at most 4,096 bytes; this one has 4,097"):
        parse("a" * 4_097)


def test_the_deepest_and_longest_filters_are_answered(database: Database):
    deep = "not (" * 24 + "has params.a or (status = failed and (a or metrics.b > 1))" + ")" * 24
    stair = "(missing tags.x and (status = failed or " * 25 + "a" + "))" * 25
    knot = "not (a or not (has params.b and " * 12 + "a" + "))" * 12
    wide = " or ".join(["params.lr < 0.5 and missing tags.x"] * 50)
    for text in (deep, stair, knot, wide, " and ".join(f"not metrics.m{n}.mean > {n}" for n in range(100))):
        assert len(found(database, text, "metrics.a.mean desc, params.b nulls first")) <= len(INJECTIONS)


def test_a_filter_of_any_shape_within_the_bounds_is_answered(database: Database, rng: random.Random):
    for _ in range(20):
        text = _nested(rng, rng.randrange(40, 95), rng.randrange(20, 48))
        try:
            parse(text)
        except FilterError as error:
            assert "at most" in str(error)  # noqa: PT017 - a text that is too long says so
            continue
        assert len(found(database, text, "params.a")) <= len(INJECTIONS)


def _nested(rng: random.Random, terms: int, depth: int) -> str:
    """So many terms, nested as deep as may be, heavy on one side or on both."""
    if terms <= 1 or depth <= 1:
        return rng.choice(("a", "has tags.x", "params.b = 1", "depth = 0", "missing metrics.c"))
    left = rng.choice((1, terms // 2, terms - 1))
    parts = [_nested(rng, left, depth - 1), _nested(rng, terms - left, depth - 1)]
    inner = f" {rng.choice(('and', 'or'))} ".join(parts)
    return f"not ({inner})" if rng.random() < 0.2 and depth > 2 else f"({inner})"


def test_patterns_that_ruin_a_matcher_cost_nothing_much(database: Database):
    with database.write() as tx:
        runs.edit(tx, 1, {"description": "a" * 60_000})
    for pattern in ("%a" * 100 + "b", "%" * 1_000 + "b", "_%" * 500 + "b", "(a+)+$", "a%" * 300 + "É"):
        began = time.process_time()
        assert (
            found(database, f"description like {quoted(pattern)} or description ilike {quoted(pattern)}")
            == []
        )
        assert time.process_time() - began < 5.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.a = nan", 0),
        ("metrics.a < nan or metrics.a >= nan", 0),
        ("metrics.a != nan", 0),
        ("not metrics.a = nan", len(INJECTIONS)),
        ("run_number < inf", len(INJECTIONS)),
        ("run_number > -1e400", len(INJECTIONS)),
        ("run_number = 99999999999999999999999999", 0),
        ("params.`%` = 9223372036854775808", 0),
        ("created > 99999999999999999999", 0),
        ("created > -inf", len(INJECTIONS)),
        ("started > now - 999999999999d", 0),
        ("created < now + 99999999999999999999w", len(INJECTIONS)),
        ("duration < 1e308", 0),
    ],
)
def test_numbers_at_the_edge_are_compared_not_stumbled_over(database: Database, text: str, expected: int):
    assert len(found(database, text)) == expected


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str):
    for read in (parse, parse_order):
        _refused_or_read(partial(read, text))


def test_any_text_is_searched_for_or_refused(database: Database, rng: random.Random):
    pieces = [
        *INJECTIONS,
        *[
            "metrics.a",
            "params.lr",
            "tags.t",
            "=",
            ">",
            "like",
            "in",
            "(",
            ")",
            "and",
            "not",
            "'",
            '"',
            "`",
            "has",
        ],
    ]
    for _ in range(300):
        text = " ".join(rng.choice(pieces) for _ in range(rng.randrange(1, 9)))
        _refused_or_read(partial(found, database, text, rng.choice(["", "metrics.a", text])))


def test_a_cursor_is_not_trusted(database: Database, rng: random.Random):
    cursor = search(database, 1, order_by="params.lr, display_name", limit=3).cursor
    assert cursor is not None
    for _ in range(300):
        letters = list(cursor)
        letters[rng.randrange(len(letters))] = rng.choice("ABCxyz019-_=! é")
        changed = "".join(letters)
        _refused_or_read(partial(search, database, 1, order_by="params.lr, display_name", cursor=changed))


class Recorded(Transaction):
    """A transaction that notes the text of each statement, as it is before values are bound."""

    dialect = "sqlite"

    def __init__(self, inner: Transaction, texts: list[str]) -> None:
        self.inner, self.texts = inner, texts

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        self.texts.append(sql)
        return self.inner.execute(sql, values)

    def many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        raise AssertionError("a search writes nothing")

    def script(self, sql: str) -> None:
        raise AssertionError("a search writes nothing")


class Watched(Sqlite):
    """A history whose reading transactions are recorded."""

    def __init__(self, path: Path) -> None:
        self.texts: list[str] = []
        super().__init__(path)

    @contextmanager
    def read(self, *, budget: float | None = None) -> Iterator[Transaction]:
        with super().read(budget=budget) as tx:
            yield Recorded(tx, self.texts)


def test_no_part_of_what_was_written_stands_in_a_statement(tmp_path: Path):
    watched = Watched(tmp_path / "history.db")
    canary = "canary4711"
    name = f"`{canary}`"
    rests = ("= 4711", "in (4711, nan)", "between 4711 and 4712")
    terms = [f"{field.format(name)} {rest}" for field in FIELDS for rest in rests]
    ops = ("=", "<", "like", "ilike", "contains", "startswith", "not like")
    terms += [f"tags.{name} {op} '{canary}'" for op in ops]
    texts = ("experiment", "parent", "root", "run_id", "display_name", "name")
    terms += [f"{attribute} = '{canary}'" for attribute in texts]
    terms += [
        f"'{canary}'",
        f"{canary} 'two words'",
        "run_number > 4711",
        "created > 4711",
        "duration > 4711s",
    ]
    for term in terms:
        order = f"metrics.{name} desc, params.{name} nulls first, tags.{name}"
        search(watched, 1, filter=f"{term} or not {term}", order_by=order)
        count(watched, 1, filter=term)
    watched.close()
    assert len(watched.texts) > len(terms)
    assert [text for text in watched.texts if "4711" in text] == []


def _refused_or_read(read: Callable[[], object]) -> None:
    try:
        read()
    except Invalid as error:
        assert str(error)  # noqa: PT017 - any other error is what must not be

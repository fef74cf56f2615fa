"""Searching under chance, on both databases: a search answers what asking every run would answer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstone.model.query import (
    Attribute,
    Expression,
    Field,
    Operand,
    Order,
    parse,
)
from runstone.model.query.times import duration, moment
from runstone.store import search, search_estimates
from runstone.store.database import Database, open_database
from tests import filters
from tests.conftest import SEED
from tests.found import EXPERIMENTS, START, expected, fill
from tests.histories import KINDS, address

RUNS = 120
NOW = datetime(2026, 11, 12, tzinfo=timezone.utc)


class Filled:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.workspace, self.samples = fill(database, RUNS, random.Random(SEED))

    def pages(self, tree: Expression | None, order: list[Order], limit: int) -> list[int]:
        """Every page, from cursor to cursor."""
        text, keys = str(tree or ""), ", ".join(map(str, order))
        found: list[int] = []
        cursor = None
        for _ in range(RUNS + 1):
            page = search.search(
                self.database, self.workspace, filter=text, order_by=keys, limit=limit, cursor=cursor
            )
            found += page.runs
            cursor = page.cursor
            if cursor is None:
                break
        assert cursor is None
        return found


@pytest.fixture(scope="module", params=KINDS)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("search")
    with address(request.param, folder, request) as at, closing(open_database(at)) as database:
        yield Filled(database)


WORDS = """vision Vision and un 한국어 한글 글 학습 ÉLAN é baseline error 700 fail Running kim 100%
done_now explore run-01 ~ [a]"""
PATTERNS = "% vision VISION v% %a% _bc %é% É% %한글 100% done_ x%tail kim %[a]% ~"
ATTRIBUTES = """status experiment display_name name description run_id run_number type target submitter
created started ended parent root depth children archived deleted artifact_uri"""
words = st.sampled_from([*WORDS.split(), "모델 학습", "team vision"])
patterns = st.sampled_from([*PATTERNS.split(), ""])
numbers = st.sampled_from([0, 0.25, 0.5, 1, 0.1, 0.01, 10, float("inf"), float("nan"), True, -1, 2**62])
_TEXTS = {
    "lr": st.sampled_from(["0.1", "0.01", "1e-2", "abc", "ünder", "Ünder"]),
    "note": st.sampled_from(["x" * 249, "x" * 250, "x" * 251, "x" * 250 + "tail", "short", ""]),
    "team": st.sampled_from(["vision", "speech", "음성"]),
    "author": st.sampled_from(["azureml-user", "kim"]),
    "experiment": st.sampled_from([*EXPERIMENTS, "none"]),
    "submitter": st.sampled_from(["kim", "tagged", "nobody"]),
}
metrics = st.builds(
    Field,
    st.just("metrics"),
    st.sampled_from(["acc", "loss", "loss.min", "train/f1"]),
    st.sampled_from(["", "min", "max", "first", "count", "mean"]),
)
given_names = [("params", "lr"), ("params", "note"), ("tags", "team"), ("tags", "worth another look")]
fields = st.one_of(
    metrics, st.sampled_from([*given_names, ("properties", "author")]).map(lambda pair: Field(*pair))
)
# without duration, whose answer moves with the clock
operands: st.SearchStrategy[Operand] = st.one_of(fields, st.sampled_from(ATTRIBUTES.split()).map(Attribute))
times = st.one_of(
    st.integers(0, 60).map(lambda minutes: START // 1000 + minutes * 60_000),
    st.sampled_from(["2026-11-18", "2026-11-18T12:00", "last 7 days", "now - 6d", "today"]).map(
        lambda text: moment(text, NOW)
    ),
)
_VALUES = {
    "number": numbers,
    "status": st.sampled_from(["Completed", "Running", "scheduled", "Failed"]),
    "time": times,
    "flag": st.booleans(),
    "duration": st.sampled_from(["3h", "5h"]).map(duration),
}


def value(draw: st.DrawFn, operand: Operand) -> Any:
    if operand.kind in _VALUES:
        return draw(_VALUES[operand.kind])
    text = draw(_TEXTS.get(operand.name, words))
    return draw(numbers) if operand.kind == "loose" and draw(st.booleans()) else text


trees = filters.trees(operands, value, patterns=patterns, words=words, most=5)
orders = st.lists(filters.keys(operands), max_size=3)


# how many runs a driver may find, and how many are sorted at once: by these the statements are chosen
choices = st.tuples(
    st.sampled_from([0, 10, 20_000]),
    st.sampled_from([0, 5, 200]),
    st.sampled_from([0, 3]),
    st.sampled_from([0, 30]),
)


@given(tree=trees, order=orders, limit=st.sampled_from([7, 40, 1000]), choice=choices)
def test_a_search_answers_what_asking_every_run_would(
    filled: Filled, tree: Expression, order: list[Order], limit: int, choice: tuple[int, ...]
) -> None:
    read = parse(str(tree), now=datetime.now(timezone.utc))
    wanted = expected(filled.samples, read, order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_estimates, "CAP", choice[0])
        patch.setattr(search, "FEW", choice[1])
        patch.setattr(search, "PATIENCE", choice[2])
        patch.setattr(search_estimates, "DEEP", choice[3])
        assert filled.pages(tree, order, limit) == wanted
        assert search.count(filled.database, filled.workspace, filter=str(tree)) == len(wanted)


@given(order=orders, limit=st.sampled_from([7, 40]))
def test_an_order_alone_pages_through_every_run_once(filled: Filled, order: list[Order], limit: int) -> None:
    assert filled.pages(None, order, limit) == expected(filled.samples, None, order)

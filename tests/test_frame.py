"""The frame of the tests themselves: a clean place, and a real PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.postgres import Postgres


def test_a_fresh_database_is_empty_and_speaks_utf8(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("SELECT * FROM pg_tables WHERE schemaname = 'public'").fetchall()
        (lower,) = connection.execute("SELECT lower('ÄÖ') || '한글'").fetchone() or ("",)
    assert tables == []
    assert lower == "äö한글"


def test_databases_of_two_tests_do_not_see_each_other(postgres: Postgres) -> None:
    with postgres.database() as first, postgres.database() as second:
        with psycopg.connect(first) as connection:
            connection.execute("CREATE TABLE mine (n INT)")
        with psycopg.connect(second) as connection:
            assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)


def test_a_template_is_prepared_once(postgres: Postgres) -> None:
    prepared = []

    def prepare(url: str) -> None:
        prepared.append(url)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept (n INT)")

    for _ in range(2):
        with (
            postgres.database(postgres.template("frame", prepare)) as url,
            psycopg.connect(url) as connection,
        ):
            assert connection.execute("SELECT to_regclass('kept')").fetchone() == ("kept",)
    assert len(prepared) == 1


def test_a_test_starts_in_a_place_of_its_own(history: Path, count: Callable[[int, int], int]) -> None:
    assert Path.cwd() == history.parent.parent
    assert Path(os.environ["RUNSTONE_HOME"]).parent == Path.cwd()
    assert not [name for name in os.environ if name.startswith("AZUREML_")]
    assert count(1, 2) == (2 if settings.get_current_profile_name() == "drill" else 1)


def test_chance_is_the_same_every_time(rng: Random) -> None:
    if settings.get_current_profile_name() == "test":
        assert rng.randrange(10**6) == Random(20261123).randrange(10**6)


@given(st.integers())
def test_the_fixtures_for_all_do_not_disturb_hypothesis(number: int) -> None:
    assert number == number + 0

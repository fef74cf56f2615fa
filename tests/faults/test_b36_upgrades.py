"""b36, b37: an upgrade killed at any statement is completed by the next process, two at once do it once, the
old history is copied aside first; a database newer than the program is refused and left as it is."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from runstone.model.errors import Conflict
from runstone.service.connect import connect, disconnect
from runstone.store import experiments, migrations
from runstone.store.database import Database, open_database
from tests.histories import KINDS
from tests.postgres import Postgres
from tests.sources import ROOT

# What a later version might bring: three statements, of which two change what is there.
SECOND = """
CREATE TABLE planets (n {id}, name TEXT NOT NULL);
INSERT INTO planets (n, name) SELECT id, name FROM workspaces;
UPDATE workspaces SET labels = '{"upgraded":"once"}' WHERE labels = '{}';
"""
THIRD = "ALTER TABLE planets ADD COLUMN rings BIGINT NOT NULL DEFAULT 0;\n"

CHILD = """
import os, signal, sys
from pathlib import Path
from runstone.store import migrations, sqlite
from runstone.store.database import open_database

at, kind, left = sys.argv[1], sys.argv[2], [int(sys.argv[3])]
schema = {1: migrations.steps(kind)[1], 2: sys.argv[4], 3: sys.argv[5]}

def count(*_):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

class Watched(sqlite.Sqlite):
    def _connect(self):
        connection = super()._connect()
        connection.set_trace_callback(count)
        return connection

if kind == "sqlite":
    Watched(Path(at), schema=schema).close()
else:
    import psycopg
    execute = psycopg.Connection.execute
    def counted(self, *arguments, **more):
        count()
        return execute(self, *arguments, **more)
    psycopg.Connection.execute = counted
    open_database(at, schema=schema).close()
print(1000 - left[0])
"""


def schema(kind: str) -> dict[int, str]:
    return {1: migrations.steps(kind)[1], 2: SECOND, 3: THIRD}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fresh(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """The address of another database with a workspace in it, of the first version."""
    with ExitStack() as stack:

        def prepare(at: str) -> None:
            first = {1: migrations.steps(kind)[1]}
            with closing(open_database(at, schema=first)) as database, database.write() as tx:
                experiments.add_workspace(tx, "ws", labels={}, now=1)

        def make(number: list[int] = [0]) -> str:  # noqa: B006 - it counts
            number[0] += 1
            if kind == "sqlite":
                folder = tmp_path / str(number[0])
                folder.mkdir()
                prepare(str(folder / "history.db"))
                return str(folder / "history.db")
            server: Postgres = request.getfixturevalue("postgres")
            return stack.enter_context(server.database(server.template("version 1", prepare)))

        yield make


@contextmanager
def upgrading(at: str, kind: str, dies: int) -> Iterator[subprocess.Popen[str]]:
    words = [at, kind, str(dies), SECOND, THIRD]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def upgrade(at: str, kind: str, *, dies: int = 1000) -> int:
    """Upgrade in another process, that kills itself at a statement; how many there were when it did not."""
    with upgrading(at, kind, dies) as process:
        out, err = process.communicate(timeout=60)
    if process.returncode == -signal.SIGKILL:
        return 0
    assert process.returncode == 0, err
    return int(out)


def rows(database: Database, sql: str) -> list[dict[str, Any]]:
    with database.read() as tx:
        return [dict(row) for row in tx.execute(sql)]


def upgraded_once(at: str, kind: str) -> None:
    with closing(open_database(at, schema=schema(kind))) as database:
        assert rows(database, "SELECT version FROM schema_version ORDER BY version") == [
            {"version": version} for version in (1, 2, 3)
        ]
        assert rows(database, "SELECT n, name, rings FROM planets") == [{"n": 1, "name": "ws", "rings": 0}]
        assert rows(database, "SELECT labels FROM workspaces") == [{"labels": '{"upgraded":"once"}'}]


def copied_aside(at: str) -> None:
    """Beside the history lies what it was, and no half of a copy."""
    folder = Path(at).parent
    assert not list(folder.glob("*.part"))
    for version, tables in ((1, {"workspaces"}), (2, {"workspaces", "planets"})):
        with closing(sqlite3.connect(folder / f"history.db.version-{version}")) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            names = {name for (name,) in copy.execute("SELECT name FROM sqlite_master")}
            assert names & {"workspaces", "planets"} == tables
            if version == 1:
                break


def test_an_upgrade_that_is_killed_at_any_statement_is_completed_by_the_next(
    kind: str, fresh: Callable[[], str], count: Callable[[int, int], int]
):
    statements = upgrade(fresh(), kind)
    assert statements > 6
    # each statement in `make drill`, every third one otherwise
    for dies in range(1, statements + 1, count(3, 1)):
        at = fresh()
        assert upgrade(at, kind, dies=dies) == 0
        upgraded_once(at, kind)
        if kind == "sqlite":
            copied_aside(at)


def test_the_making_of_a_history_that_is_killed_is_completed_by_the_next(
    tmp_path: Path, count: Callable[[int, int], int]
):
    at = tmp_path / "whole.db"
    statements = upgrade(str(at), "sqlite")
    assert statements > 40
    for dies in range(1, statements + 1, count(12, 1)):
        at = tmp_path / f"killed-{dies}.db"
        assert upgrade(str(at), "sqlite", dies=dies) == 0
        with closing(open_database(at, schema=schema("sqlite"))) as database:
            versions = rows(database, "SELECT version FROM schema_version ORDER BY version")
            assert versions == [{"version": version} for version in (1, 2, 3)]
            with database.write() as tx:
                experiments.add_workspace(tx, "ws", labels={}, now=1)


def test_two_processes_that_upgrade_at_once_do_it_once(
    kind: str, fresh: Callable[[], str], count: Callable[[int, int], int]
):
    for _ in range(count(2, 50)):
        at = fresh()
        with ExitStack() as stack:
            started = [stack.enter_context(upgrading(at, kind, 1000)) for _ in range(3)]
            ended = [process.communicate(timeout=60) for process in started]
        assert [process.returncode for process in started] == [0, 0, 0], ended
        upgraded_once(at, kind)
        if kind == "sqlite":
            copied_aside(at)


def test_an_upgrade_that_fails_leaves_the_version_before_it(kind: str, fresh: Callable[[], str]):
    at = fresh()
    broken = {**schema(kind), 3: "INSERT INTO planets (n, name) VALUES (2, 'x');\nSELECT nonsense;\n"}
    with pytest.raises(Exception, match="nonsense"):
        open_database(at, schema=broken)
    second = {version: text for version, text in schema(kind).items() if version < 3}
    with closing(open_database(at, schema=second)) as database:
        assert rows(database, "SELECT n FROM planets") == [{"n": 1}]
    upgraded_once(at, kind)


def test_half_a_copy_that_a_killed_process_left_is_no_copy(tmp_path: Path):
    at = str(tmp_path / "history.db")
    first = {1: migrations.steps("sqlite")[1]}
    with closing(open_database(at, schema=first)) as database, database.write() as tx:
        experiments.add_workspace(tx, "ws", labels={}, now=1)
    (tmp_path / "history.db.version-1.part").write_bytes(b"half")
    upgraded_once(at, "sqlite")
    copied_aside(at)


def test_a_history_without_an_upgrade_is_not_copied(fresh: Callable[[], str], kind: str, tmp_path: Path):
    at = fresh()
    for _ in range(2):
        open_database(at, schema={1: migrations.steps(kind)[1]}).close()
    assert not list(tmp_path.rglob("*.version-*"))


def test_a_database_newer_than_the_program_is_refused_and_unchanged(kind: str, fresh: Callable[[], str]):
    at = fresh()
    open_database(at, schema=schema(kind)).close()
    before = content(at)
    with pytest.raises(Conflict) as refused:
        open_database(at, schema={1: migrations.steps(kind)[1]})
    assert "schema version 3" in refused.value.message
    assert "versions up to 1" in refused.value.message
    assert "pip install -U runstone" in refused.value.message
    assert content(at) == before
    upgraded_once(at, kind)


def test_a_newer_history_is_refused_by_the_front_door(tmp_path: Path):
    connect(tmp_path / "history")
    disconnect(tmp_path / "history")
    at = tmp_path / "history" / "history.db"
    with closing(sqlite3.connect(at)) as newer, newer:
        newer.execute("INSERT INTO schema_version VALUES (99, 1)")
    before = content(str(at))
    for _ in range(2):
        with pytest.raises(Conflict, match=r"schema version 99.*nothing was changed"):
            connect(tmp_path / "history")
    assert content(str(at)) == before


def content(at: str) -> str:
    """What a database of either kind holds, or for SQLite its bytes."""
    if Path(at).exists():
        return hashlib.sha256(Path(at).read_bytes()).hexdigest()
    with closing(open_database(at, schema=schema("postgres"))) as database:
        return str([rows(database, f"SELECT * FROM {table}") for table in ("planets", "schema_version")])

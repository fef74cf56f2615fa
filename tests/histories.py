"""Histories on both databases, with files, for tests that need no more than that."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from runstone.model.runs import NewRun
from runstone.service.artifacts import Artifacts
from runstone.store import experiments, runs
from runstone.store.blobs import Directory
from runstone.store.database import Database, open_database
from tests.postgres import Postgres

KINDS = ("sqlite", "postgres")
RUNS = ("ws/first", "ws/second")


@contextmanager
def address(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a new database is, brought up to the present schema."""
    if kind == "sqlite":
        open_database(folder / "history.db").close()
        yield str(folder / "history.db")
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database(server.template("files", lambda url: open_database(url).close())) as url:
        yield url


class Filed:
    """Two runs, and what can be done with their files. `at` and `root` let another process open the same."""

    def __init__(self, at: str, root: Path) -> None:
        self.at = at
        self.root = root
        self.blobs = Directory(root)
        self.database: Database = open_database(at)
        self.settled = 0
        self.artifacts = Artifacts(self.database, self.blobs, settle=self.settle)

    def settle(self) -> None:
        self.settled += 1

    def begin(self) -> None:
        with self.database.write() as tx:
            experiments.add_workspace(tx, "ws", labels={}, now=1)
            experiment = experiments.add(tx, experiments.workspace(tx, "ws").id, "files", now=1)
            new = [NewRun(id=run.partition("/")[2], experiment=experiment.id) for run in RUNS]
            runs.create(tx, new, now=1)

    def delete_run(self, run: str) -> None:
        with self.database.write() as tx:
            runs.delete(tx, runs.find(tx, run)["n"], 2)

    @property
    def kept(self) -> list[str]:
        """The files in the directory of blobs, the lock aside."""
        paths = [path for path in self.root.rglob("*") if path.is_file() and path.name != "lock"]
        return sorted(str(path.relative_to(self.root)) for path in paths)

    def age(self, seconds: float = 2 * 24 * 3600) -> None:
        """Make every content look as if it had been put that long ago."""
        then = time.time() - seconds
        for name in self.kept:
            os.utime(self.root / name, (then, then))


@contextmanager
def filed(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Filed]:
    with address(kind, folder, request) as at:
        found = Filed(at, folder / "blobs")
        with closing(found.database):
            found.begin()
            yield found

"""What contract tests share: a history on each database, to log metrics to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runstone.store.database import open_database
from tests.histories import KINDS, address
from tests.logged import Logged
from tests.over_http import FACES, through


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with address(request.param, tmp_path, request) as at:
        yield at


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def logged(place: str, face: str) -> Iterator[Logged]:
    with closing(open_database(place)) as database:
        found = Logged(database)
        found.begin()
        with through(face, runs=found.runs, metrics=found.metrics) as asked:
            found.runs, found.metrics = asked.runs, asked.metrics
            yield found


@pytest.fixture(params=["waiting", "sealed"])
def settled(request: pytest.FixtureRequest) -> str:
    return str(request.param)

"""What contract tests share: a history on each database, to log metrics to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runstone.store.database import open_database
from tests.histories import KINDS, address
from tests.logged import Logged


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with address(request.param, tmp_path, request) as at:
        yield at


@pytest.fixture
def logged(place: str) -> Iterator[Logged]:
    with closing(open_database(place)) as database:
        found = Logged(database)
        found.begin()
        yield found


@pytest.fixture(params=["waiting", "sealed"])
def settled(request: pytest.FixtureRequest) -> str:
    return str(request.param)

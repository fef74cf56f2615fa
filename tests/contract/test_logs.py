"""Parts of logs, those that grow and those that are kept, on both databases."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from runstone.model.artifacts import LogPart
from runstone.model.errors import NotFound
from runstone.service.logs import Logs
from runstone.service.recovery import spool_of
from tests.histories import KINDS, RUNS, filed

RUN = RUNS[0]
NAME = "user_logs/std_log.txt"


@pytest.fixture(params=["growing", "kept"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=KINDS)
def logs(request: pytest.FixtureRequest, tmp_path: Path, how: str) -> Iterator[Logs]:
    with filed(request.param, tmp_path, request) as found:
        if how == "kept":
            found.artifacts.upload(RUN, NAME, content=io.BytesIO(b"0123456789"))
        else:
            path = spool_of(tmp_path, RUN) / NAME
            path.parent.mkdir(parents=True)
            path.write_bytes(b"0123456789")
        yield Logs(found.database, artifacts=found.artifacts, settle=lambda: None, root=tmp_path)


@pytest.mark.parametrize(
    ("offset", "most", "begin", "data"),
    [
        (0, 4, 0, b"0123"),
        (4, 100, 4, b"456789"),
        (-3, 100, 7, b"789"),
        (-3, 1, 7, b"7"),
        (-100, 2, 0, b"01"),
        (10, 5, 10, b""),
        (99, 5, 99, b""),
    ],
)
def test_a_part_is_counted_from_the_start_or_the_end(
    logs: Logs, how: str, offset: int, most: int, begin: int, data: bytes
):
    part = logs.part(RUN, NAME, offset=offset, most=most)
    assert part == LogPart(begin, data, 10, how == "growing")
    assert logs.read(RUN, NAME, offset=offset, most=most) == data


def test_an_unknown_log_is_not_found(logs: Logs):
    assert logs.names(RUN) == (NAME,)
    with pytest.raises(NotFound, match=r"logs/other\.txt"):
        logs.part(RUN, "logs/other.txt")

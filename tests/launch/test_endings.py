"""How ends are told: whose fault it was that a run was not prepared, and the last lines of any log."""

from __future__ import annotations

from pathlib import Path

import pytest

from runstone.launch.endings import last_lines, unprepared
from runstone.model.errors import Busy, Full, Invalid, NotFound


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Invalid("no such package"), "code"),
        (NotFound("no such snapshot"), "code"),
        (ValueError("embedded null byte"), "code"),
        (Busy("later"), "infrastructure"),
        (Full("no space"), "infrastructure"),
        (OSError("disk"), "infrastructure"),
    ],
)
def test_what_the_user_asked_for_is_told_apart_from_what_the_machine_lacks(error: Exception, reason: str):
    told = unprepared(error).error
    assert told is not None
    assert told["reason"] == reason


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (b"", []),
        (b"one", ["one"]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"begun\n 1%\r 2%\r100%\ndone\n", ["begun", "100%", "done"]),
        (b"".join(b"%d\n" % i for i in range(50)), [str(i) for i in range(30, 50)]),
        ("가".encode() * 20_000 + b"\nend\n", ["end"]),
        (b"x" * 100_000, ["x" * 2_000]),
        (b"\xff\x00\n", ["\ufffd\0"]),
    ],
)
def test_the_last_lines_of_any_log_are_few_and_short(tmp_path: Path, written: bytes, lines: list[str]):
    log = tmp_path / "log"
    log.write_bytes(written)
    assert last_lines(log) == lines

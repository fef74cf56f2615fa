"""The console script, called as a person calls it: in a process of its own, from a fresh home."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SRC = Path(__file__).parents[2] / "src"
PROGRAM = str(Path(sys.executable).with_name("runstone"))


@dataclass(frozen=True)
class Done:
    """How a command line ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        assert self.code == 0, self.err
        return json.loads(self.out)


Call = Callable[..., Done]


def environment(**more: str) -> dict[str, str]:
    """That of the tests, with our source and nobody's coloured output."""
    return os.environ | {"PYTHONPATH": str(SRC), "NO_COLOR": "1", "COLUMNS": "200"} | more


def call(*words: str, env: dict[str, str] | None = None, stdin: str = "", cwd: Path | None = None) -> Done:
    done = subprocess.run(
        list(words),
        capture_output=True,
        text=True,
        check=False,
        env=env or environment(),
        input=stdin,
        cwd=cwd,
        timeout=300,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def runstone(history: Path) -> Call:
    """`runstone("run", "list")` in a project with a history of its own."""
    return lambda *words, **more: call(PROGRAM, *words, **more)


@pytest.fixture
def python(history: Path) -> Call:
    """`python("train.py")`: the interpreter itself, to compare with."""
    return lambda *words, **more: call(sys.executable, *words, **more)


@pytest.fixture
def write(history: Path) -> Callable[[str, str], Path]:
    """`write("train.py", text)` in the current directory."""

    def file(name: str, text: str) -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return file


def on_a_terminal(*words: str, columns: int = 80) -> str:
    """What the command line prints on a terminal of that width, its lines ended as everywhere."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    env = {name: value for name, value in environment().items() if name != "COLUMNS"}
    with subprocess.Popen(
        [PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=env
    ) as process:
        os.close(theirs)
        text = b"".join(_until_closed(ours))
    os.close(ours)
    assert process.returncode in (0, 1)
    return text.decode().replace("\r\n", "\n")


def _until_closed(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:
            # Linux says so when the last program has left the terminal
            return
        if not part:
            return
        yield part

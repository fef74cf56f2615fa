"""The console script, called as a person calls it: in a process of its own, from a fresh home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
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


def call(*words: str, env: dict[str, str] | None = None, stdin: str = "") -> Done:
    done = subprocess.run(
        list(words), capture_output=True, text=True, check=False, env=env or environment(), input=stdin
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

"""The console script, called as a person calls it: in a process of its own, from a fresh home."""

from __future__ import annotations

import fcntl
import json
import logging
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

from runstone.cli.main import main
from runstone.service.connect import disconnect

SRC = Path(__file__).parents[2] / "src"
PROGRAM = str(Path(sys.executable).with_name("runstone"))

MAKE = """
from runstone import Experiment, Workspace

ws = Workspace.from_config()
digits = Experiment(ws, "digits")
for number, accuracy in enumerate([0.5, 0.75, 0.9]):
    with digits.start_logging(run_id=f"run-{number}", display_name=f"try {number}", capture="none") as run:
        run.log_params({"lr": 10.0**-number, "kind": "linear"})
        run.log("accuracy", accuracy)
        run.log("loss", 1 - accuracy, step=3)
        run.tag("number", str(number))
        print("said", number)
run.tag("worth another look")
run.set_tags({"quality": "fantastic run"})
run.add_properties({"author": "azureml-user"})
run.description = "# Notes\\n\\nThe best."
with run.child_run(run_id="child") as child:
    child.log("accuracy", 0.99)
other = Experiment(ws, "other").start_logging(run_id="failed", capture="none")
other.log("loss", float("nan"))
other.fail("out of luck", "Luck")
Workspace(workspace_name="second")
"""


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


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three runs, a child, and a failed run of another experiment, for looking only."""
    root = tmp_path_factory.mktemp("project")
    (root / ".runstone" / "history").mkdir(parents=True)
    (root / "make.py").write_text(MAKE, encoding="utf-8")
    done = call(sys.executable, "make.py", cwd=root)
    assert done.code == 0, done.err
    return root


@pytest.fixture
def filled(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Call]:
    """The command line in that project, called by the function that the console script calls."""
    monkeypatch.chdir(project)

    def here(*words: str) -> Done:
        code = main(words)
        return Done(code, *capfd.readouterr())

    level = logging.getLogger("runstone").level
    yield here
    logging.getLogger("runstone").setLevel(level)  # --verbose and --only-show-errors are for one process
    disconnect(project / ".runstone" / "history")


def on_a_terminal(*words: str, columns: int = 80, **more: str) -> str:
    """What the command line prints on a terminal of that width, its lines ended as everywhere."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    env = {name: value for name, value in environment(**more).items() if name != "COLUMNS"}
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

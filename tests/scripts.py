"""Scripts that run as processes of their own on one history, and are ended with the test whatever happens."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from runstone import Run, Workspace
from runstone.service.connect import disconnect
from tests.sources import ROOT

# What every script begins with.
BEGINNING = """
import os, signal, sys, threading, time
from runstone import Experiment, Workspace

def experiment():
    return Experiment(Workspace.from_config(), "faults")

def begin(run_id="r", **more):
    return experiment().start_logging(run_id=run_id, outputs=False, **more)

def say(text):
    print(text, flush=True)

def wait_for(name):
    while not os.path.exists(name):
        time.sleep(0.005)

def counts(path="counts"):
    import mmap
    with open(path, "r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
"""
# Gives up what root may do, so that permissions mean something to the script; others have nothing to give up.
HUMBLE = """
import ctypes, struct
ctypes.CDLL(None).capset(struct.pack("Ii", 0x20080522, 0), bytes(24))
"""
SECONDS = 60.0
OURS = ("RUNSTONE_", "AZUREML_")


class Stage:
    """A directory with a history in it, scripts that log to it, and a reader that is none of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.history = folder / "history"
        self._started: list[subprocess.Popen[str]] = []
        self._counts: list[mmap.mmap] = []
        for name in ("tmp", "home"):
            (folder / name).mkdir(exist_ok=True)

    @property
    def journal(self) -> Path:
        return self.history / "journal"

    def start(
        self,
        script: str,
        *arguments: object,
        options: Sequence[str] = (),
        environment: Mapping[str, str | None] | None = None,
        **more: Any,
    ) -> subprocess.Popen[str]:
        """Start a script, leader of a process group of its own; its output is piped."""
        number = len(self._started)
        path = self.folder / f"script{number}.py"
        path.write_text(BEGINNING + script, encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, *options, str(path), *map(str, arguments)],
            **{"cwd": self.folder, "stderr": subprocess.PIPE, **more},
            env=self._environment(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def run(self, script: str, *arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a script to its end."""
        process = self.start(script, *arguments, **more)
        out, err = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def workspace(self) -> Workspace:
        """The history, opened by this process."""
        return Workspace(history=self.history)

    def see(self, id: str = "r") -> Run:
        """A run as this process finds it."""
        return self.workspace().get_run(id)

    def leave(self) -> None:
        """Close the history in this process."""
        disconnect(self.history)

    def counts(self, name: str = "counts") -> memoryview:
        """64 numbers in shared memory, for what a killed process has to tell."""
        (self.folder / name).write_bytes(bytes(64 * 8))
        with open(self.folder / name, "r+b") as file:
            self._counts.append(mmap.mmap(file.fileno(), 0))
        return memoryview(self._counts[-1]).cast("q")

    def tell(self, name: str) -> None:
        """Let the scripts go on that wait for a word."""
        (self.folder / name).touch()

    def left(self) -> list[Path]:
        """The segments that lie in the journal."""
        return sorted(self.journal.rglob("*.rsj"))

    def close(self) -> None:
        """End what was started and has not ended."""
        for process in self._started:
            kill(process)
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        self.leave()

    def _environment(self, given: Mapping[str, str | None]) -> dict[str, str]:
        base = {
            key: value for key, value in os.environ.items() if not key.startswith(("RUNSTONE_", "AZUREML_"))
        }
        base |= {
            "PYTHONPATH": str(ROOT / "src"),
            "RUNSTONE_HISTORY": str(self.history),
            "RUNSTONE_HOME": str(self.folder / "home"),
            "RUNSTONE_CAPTURE": "none",
            "TMPDIR": str(self.folder / "tmp"),
            # Python 3.12 warns of every fork of a process with threads
            "PYTHONWARNINGS": "ignore::DeprecationWarning",
        }
        merged: dict[str, str | None] = {**base, **given}
        return {key: value for key, value in merged.items() if value is not None}


def kill(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    """Send a signal to the whole process group."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def zombie(process: subprocess.Popen[str]) -> None:
    """Wait until a killed process is dead, and leave it as a zombie."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def line(process: subprocess.Popen[str]) -> str:
    """The next line that a script says; its complaint when it ended instead."""
    assert process.stdout is not None
    said = process.stdout.readline().strip()
    if not said:
        _, complaint = process.communicate(timeout=SECONDS)
        raise AssertionError(f"the script ended with {process.returncode}: {complaint}")
    return said


def until(true: Callable[[], Any], *, seconds: float = SECONDS) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not true within {seconds} s"
        time.sleep(0.005)


def points(run: Run, name: str) -> list[tuple[float, float]]:
    """The steps and values of a metric, in the order in which they are kept."""
    series = run.get_metric_series(name)
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def error_of(run: Run) -> dict[str, Any]:
    """How a run failed."""
    found: dict[str, Any] = dict(run._record.error or {})
    return found


def quality(run: Run) -> dict[str, int]:
    """What was out of the ordinary."""
    return {name: number for name, number in run.get_data_quality().items() if number}

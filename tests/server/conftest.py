"""Servers that are processes of their own, and scripts that work with them by address."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources import ROOT

PROGRAM = (sys.executable, "-m", "runstone")
OURS = ("RUNSTONE_", "AZUREML_")


class Served:
    """A history and the server in front of it, which may be killed and started again at the same address."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        self.history = folder / "served"
        self.log = folder / "server.log"
        self._more = more
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return (self.history / "server.token").read_text(encoding="ascii").strip()

    def environment(self, **more: str) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(OURS)}
        home = str(self.folder / "home")
        return {**inherited, "PYTHONPATH": str(ROOT / "src"), "RUNSTONE_HOME": home, **more}

    def start(self) -> None:
        words = [*PROGRAM, "server", "--port", str(self.port), *self._more]
        environment = self.environment(RUNSTONE_HISTORY=str(self.history))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + 60
        while not self.answers():
            assert self._process.poll() is None, self.log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(timeout=60)

    def kill(self) -> None:
        assert self.stop(signal.SIGKILL) == -signal.SIGKILL

    def begin(self, text: str, *words: str, **more: str) -> subprocess.Popen[str]:
        """A script that works with the server."""
        theirs = {"RUNSTONE_HISTORY": self.address, "RUNSTONE_TOKEN": self.token, **more}
        environment = self.environment(**theirs)
        command = [sys.executable, "-c", text, *words]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=self.folder,
        )

    def run(self, text: str, *words: str, **more: str) -> str:
        """What such a script prints; it must end well, and say nothing else."""
        with self.begin(text, *words, **more) as process:
            out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, ""), err
        return out

    def ask(self, path: str, **headers: str) -> tuple[int, bytes]:
        request = urllib.request.Request(f"{self.address}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    found = Served(tmp_path)
    found.start()
    yield found
    found.close()

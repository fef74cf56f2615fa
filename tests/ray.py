"""A real Ray head for the tests, in an environment of its own, started with a token and ended with them."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.slurm import answers, end, free_port, until

REQUIREMENT = "ray[default]==2.60.0"
# Beside the project's own environment, and kept: it holds 380 MB.
FOLDER = Path(__file__).resolve().parent.parent / ".venv" / "parts" / "ray"
MISSING = f"The tests need a Ray: `make parts` puts {REQUIREMENT} into {FOLDER.name} beside the environment."


def installed() -> bool:
    """Whether the environment is there, whole."""
    return (FOLDER / "complete").exists()


def install() -> None:
    """Make the environment."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(FOLDER)], check=True)
    python = str(FOLDER / "bin" / "python")
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, REQUIREMENT], check=True)
    (FOLDER / "complete").touch()


@dataclass(frozen=True)
class Ray:
    """A cluster of this machine: the address of its job server, and its token."""

    address: str
    token: str

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Ray]:
        """Start the head; fail, saying how to install it, where it is not there."""
        if not installed():
            pytest.fail(MISSING, pytrace=False)
        token, port = secrets.token_hex(24), free_port()
        # a short path: Ray's sockets lie below it
        root = Path(tempfile.mkdtemp(prefix="ray-"))
        ray = str(FOLDER / "bin" / "ray")
        environ = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_TMPDIR": str(root)}
        words = [ray, "start", "--head", f"--port={free_port()}", "--node-ip-address=127.0.0.1"]
        words += ["--dashboard-host=127.0.0.1", f"--dashboard-port={port}", "--num-cpus=2"]
        # its own port is a fixed one, which another head on this machine may have; jobs need this agent
        words.append(f"--dashboard-agent-listen-port={free_port()}")
        words += ["--object-store-memory=100000000", f"--temp-dir={root}", "--disable-usage-stats", "--block"]
        with open(root / "head.log", "wb") as log:
            head = subprocess.Popen(words, env=environ, stdout=log, stderr=log, start_new_session=True)
        try:
            cls._wait(port, head)
            yield cls(f"http://127.0.0.1:{port}", token)
        finally:
            end(head)
            shutil.rmtree(root, ignore_errors=True)

    @staticmethod
    def _wait(port: int, head: subprocess.Popen[bytes]) -> None:
        until(lambda: head.poll() is not None or answers(port), "Ray's job server did not come up", 90)
        assert head.poll() is None, "Ray's head ended at its start"

"""This machine as a target: a supervisor for each job, forked from the agent, which has everything loaded."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runstone.journal.identity import alive, identify
from runstone.launch import supervisor
from runstone.launch.launcher import GONE, RUNNING, Seen
from runstone.model.jobs import Job
from runstone.model.runs import Process


class Local:
    """Jobs of this machine, as many at a time as it has cores unless the target says otherwise."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.concurrent: int | None = int(config.get("concurrent") or os.cpu_count() or 1)
        self.every = 0.0

    def start(self, job: Job, command: Sequence[str], *, folder: Path) -> str:
        """Fork a supervisor that outlives us. ``command`` is what a new interpreter would be told."""
        pid = os.fork()
        if pid == 0:
            _supervise(command, folder)
        return handle_of(pid)

    def ask(self, handles: Sequence[str]) -> Mapping[str, Seen]:
        """Whether each supervisor lives; one look at the table of processes."""
        return {handle: Seen(RUNNING if alive(_process(handle)) else GONE) for handle in handles}

    def stop(self, handle: str) -> None:
        """Nothing: a local supervisor asks the history itself whether its job's end was asked for."""


def handle_of(pid: int) -> str:
    """A process in one word."""
    process = identify(pid)
    return f"{process.pid}:{process.start}:{process.boot}:{process.host}" if process else f"{pid}:0::"


def _process(handle: str) -> Process:
    pid, start, boot, host = handle.split(":", 3)
    return Process(host, boot, int(pid), int(start))


def _supervise(command: Sequence[str], folder: Path) -> None:
    """In the forked child: a session of its own, its words into a file, and never back to the agent's
    code."""
    code = 1
    try:
        os.setsid()
        supervisor.ignore_hangups()
        folder.mkdir(parents=True, exist_ok=True)
        log = os.open(folder / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = supervisor.main(command[3:])
    finally:
        if sys.exc_info()[0]:
            # the supervisor's log is the last that hears of it
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        # no atexit of the agent's, and no return into its loop
        os._exit(code)

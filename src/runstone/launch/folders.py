"""Where a job's files are on the machine that runs it, and the code restored there."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runstone.service.connect import Service
from runstone.service.recovery import spool_of

LOG = "user_logs/std_log.txt"
PART = 1 << 20


@dataclass(frozen=True)
class Folder:
    """The folder of one attempt of a job, and the mark that its processes carry in their environment."""

    root: Path
    log: Path
    mark: str

    @classmethod
    def of(cls, history: Path, run: str, *, attempt: int) -> Folder:
        """The folder for an attempt; the reference is data and never a path."""
        name = hashlib.sha256(run.encode()).hexdigest()[:32]
        root = history / "work" / name / str(attempt)
        # another history on this machine may have a run of the same id
        place = hashlib.sha256(os.fsencode(os.path.realpath(history))).hexdigest()[:16]
        return cls(root, spool_of(history, run) / LOG, f"{run}#{attempt}@{place}")

    @property
    def code(self) -> Path:
        """What the script sees as its current directory."""
        return self.root / "code"

    @property
    def exit_code(self) -> Path:
        """Where the script's exit code is written when it ends, whoever is left to read it."""
        return self.root / "exit"

    def make(self) -> None:
        """Make the folder, and the log's."""
        self.code.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)

    def begun(self) -> float:
        """When the attempt began, by the clock of this machine that never jumps; noted the first time, for
        whoever takes over."""
        now = time.monotonic()
        with suppress(OSError, ValueError):
            # a later one is of the time before the machine was restarted
            return min(float((self.root / "begun").read_text(encoding="ascii")), now)
        with suppress(OSError):
            self.root.mkdir(parents=True, exist_ok=True)
            (self.root / "begun").write_text(repr(now), encoding="ascii")
        return now

    def remove(self) -> None:
        """Remove the job's working files; the log is the run's."""
        shutil.rmtree(self.root.parent, ignore_errors=True)


def restore(service: Service, snapshot: str, *, target: Path, look: Callable[[], None]) -> None:
    """Write a snapshot's files into a directory: only below it, never through a link. ``look`` is called
    again and again; what it raises ends the work."""
    for file in service.snapshots.get(snapshot).files:
        path = target.joinpath(*file.path.split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with service.snapshots.open(file.sha256) as source, open(path, "xb") as copy:
            while part := source.read(PART):
                look()
                copy.write(part)
        if file.executable:
            os.chmod(path, 0o755)

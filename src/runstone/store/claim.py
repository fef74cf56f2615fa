"""A claim on a directory: one process at a time may do a certain work there, and a dead one's claim is
void."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from runstone.journal.identity import here
from runstone.model.documents import read_json
from runstone.model.errors import Conflict, Invalid
from runstone.model.runs import Process

_held: set[int] = set()


class Claim:
    """Hold ``directory/<work>.lock``; Conflict, naming the holder, while another living process has it."""

    def __init__(self, directory: Path, work: str) -> None:
        self._path = directory / f"{work}.lock"
        self._file = -1

    def __enter__(self) -> Claim:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        holder = self._holder()
        if not self._lock():
            os.close(self._file)
            who = f"process {holder.pid} on {holder.host}" if holder else "another process"
            raise Conflict(f"{self._path} is held by {who}; wait for it, or end it.")
        _held.add(self._file)
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps(asdict(here())).encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # the file stays: removing it would let two processes hold two files of one name
        os.ftruncate(self._file, 0)
        _held.discard(self._file)
        os.close(self._file)

    def _lock(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _holder(self) -> Process | None:
        try:
            return Process(**read_json(os.pread(self._file, 4096, 0).decode(), "claim"))
        except (ValueError, TypeError, Invalid):
            return None


def held(directory: Path, work: str) -> bool:
    """Whether a process has the claim at this moment."""
    try:
        with open(directory / f"{work}.lock", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # not by closing: a child that was forked meanwhile has the same file open
            fcntl.flock(file, fcntl.LOCK_UN)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


@contextmanager
def waiting_claim(directory: Path, work: str) -> Iterator[None]:
    """Hold the claim, after waiting for as long as another process has it."""
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / f"{work}.lock", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def _forked() -> None:
    # a child would hold its parent's claims after the parent's death
    for file in _held:
        os.close(file)
    _held.clear()


os.register_at_fork(after_in_child=_forked)

"""Prepared environments that nobody has used for long are removed, and none that a job still uses."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from runstone.model.errors import Conflict
from runstone.store.claim import Claim

MOST = 20


def use(environment: Path, job: Path) -> None:
    """Say that a job uses an environment, for as long as the job's folder is there. To be said before looking
    whether the environment is there."""
    users = environment / "users"
    users.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(os.fsencode(job)).hexdigest()[:32]
    (users / name).write_text(str(job), encoding="utf-8", errors="surrogateescape")
    with suppress(FileNotFoundError):
        # by this time the environments are put in order
        os.utime(environment / "ready")


def prune(environments: Path, *, most: int = MOST) -> None:
    """Remove the environments that were used least recently, but for ``most`` of them and those in use."""
    made = []
    for ready in environments.glob("*/ready"):
        with suppress(FileNotFoundError):
            made.append((ready.stat().st_mtime, ready.parent))
    for _, environment in sorted(made)[: max(0, len(made) - most)]:
        with suppress(Conflict, OSError), Claim(environment, "making"):
            _remove_unused(environment)


def _remove_unused(environment: Path) -> None:
    if _used(environment):
        return
    os.replace(environment / "ready", environment / "removing")
    if _used(environment):
        # by one that came in between: it has found the environment, or waits for our claim
        os.replace(environment / "removing", environment / "ready")
        return
    for made in environment.glob("made-*"):
        shutil.rmtree(made, ignore_errors=True)
    # the lock stays: without it two processes could make the same at once
    (environment / "removing").unlink()


def _used(environment: Path) -> bool:
    """Whether a job uses it; what those said that have ended is forgotten."""
    found = False
    for user in (environment / "users").glob("*"):
        with suppress(OSError):
            job = Path(user.read_text(encoding="utf-8", errors="surrogateescape"))
            if job.exists():
                found = True
            else:
                user.unlink()
    return found

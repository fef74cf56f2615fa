"""The environment in which a run was submitted, left for whoever starts it on this machine, and for nobody
else."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

# What belongs to the submitting process alone, and would mislead another.
_OWN = ("RUNSTONE_RUN_ID", "AZUREML_RUN_ID", "RUNSTONE_JOB", "RUNSTONE_EXPERIMENT", "PWD", "OLDPWD", "_")


def work_folder(history: Path, run: str) -> Path:
    """The folder of a job's working files; the reference is data and never a path."""
    return history / "work" / hashlib.sha256(run.encode()).hexdigest()[:32]


def leave(history: Path, run: str, *, environ: Mapping[str, str]) -> None:
    """Write the environment down, for this user's eyes only: it may hold secrets, and no database should."""
    folder = work_folder(history, run)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = {name: value for name, value in environ.items() if name not in _OWN}
    file = os.open(folder / "environment.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(file, "w", encoding="utf-8", errors="surrogateescape") as stream:
        json.dump(kept, stream)


def remove(history: Path, run: str) -> None:
    """Remove what was left for a run that nobody will start, and its other working files."""
    shutil.rmtree(work_folder(history, run), ignore_errors=True)


def left(history: Path, run: str) -> dict[str, str] | None:
    """The environment that was left; None when there is none to be read."""
    with suppress(OSError, ValueError):
        text = (work_folder(history, run) / "environment.json").read_text("utf-8", "surrogateescape")
        return {str(name): str(value) for name, value in json.loads(text).items()}
    return None

"""The environment in which a run was submitted, left for whoever starts it on this machine, and for nobody
else."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from runstone.model.errors import Invalid
from runstone.model.jobs import Spec

# Between what is left for a run and the run itself there are moments only.
LONG_SECONDS = 3600.0
_ENVIRONMENT, _ASIDE = "environment.json", "job.json"
# What of a job may hold secrets.
_PRIVATE = ("command", "environment", "variables", "plan")
# What belongs to the submitting process alone, and would mislead another.
_OWN = ("RUNSTONE_RUN_ID", "AZUREML_RUN_ID", "RUNSTONE_JOB", "RUNSTONE_EXPERIMENT", "PWD", "OLDPWD", "_")


def work_folder(history: Path, run: str) -> Path:
    """The folder of a job's working files; the reference is data and never a path."""
    return history / "work" / hashlib.sha256(run.encode()).hexdigest()[:32]


def leave(history: Path, run: str, *, environ: Mapping[str, str]) -> None:
    """Write the environment down, for this user's eyes only: it may hold secrets, and no database should."""
    kept = {name: value for name, value in environ.items() if name not in _OWN}
    _write(history, run, _ENVIRONMENT, kept)


def put_aside(history: Path, run: str, *, spec: Spec) -> None:
    """Keep what a job's secrets are in, in the same way."""
    kept = {key: value for key, value in asdict(spec).items() if key in _PRIVATE}
    _write(history, run, _ASIDE, kept)


def whole(history: Path, run: str, *, spec: Spec) -> Spec:
    """What is to be run, its secrets in place; Invalid when they were left and are gone."""
    if not spec.aside:
        return spec
    try:
        kept = json.loads((work_folder(history, run) / _ASIDE).read_text("utf-8", "surrogateescape"))
    except (OSError, ValueError) as error:
        raise Invalid(
            f"The file that had the secrets of what was submitted is gone ({error}); submit it again."
        ) from None
    return replace(spec, **{**kept, "command": tuple(kept["command"])})


def remove(history: Path, run: str) -> None:
    """Remove what was left for a run that nobody will start, and its other working files."""
    shutil.rmtree(work_folder(history, run), ignore_errors=True)


def sweep(history: Path, *, active: Collection[str], older_than: float = LONG_SECONDS) -> None:
    """Remove what killed processes left for runs that are not active, after ``older_than`` seconds."""
    kept = {work_folder(history, run).name for run in active}
    before = time.time() - older_than
    for folder in (history / "work").glob("[0-9a-f]" * 32):
        with suppress(OSError):
            if folder.name not in kept and folder.stat().st_mtime < before:
                shutil.rmtree(folder)


def left(history: Path, run: str) -> dict[str, str] | None:
    """The environment that was left; None when there is none to be read."""
    with suppress(OSError, ValueError):
        text = (work_folder(history, run) / _ENVIRONMENT).read_text("utf-8", "surrogateescape")
        return {str(name): str(value) for name, value in json.loads(text).items()}
    return None


def _write(history: Path, run: str, name: str, content: Mapping[str, Any]) -> None:
    folder = work_folder(history, run)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(file, "w", encoding="utf-8", errors="surrogateescape") as stream:
        json.dump(content, stream)

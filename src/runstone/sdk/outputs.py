"""The directories of a run's output and logs: what is new or changed in them becomes files of the run."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from runstone.model.errors import RunstoneError
from runstone.sdk import output
from runstone.sdk.handle import warn
from runstone.service import folders

if TYPE_CHECKING:
    from runstone.sdk.files import Files

PART = 1 << 20
LOGS = "logs"
# Seconds by which the clock of a file system may be behind.
TICK = 0.1


def upload(run: Files) -> None:
    """Upload the run's output directory, if it has one; what cannot be uploaded is warned of."""
    directory = run._outputs
    if not directory or not Path(directory).is_dir():
        return
    try:
        known = {artifact.name: artifact.sha256 for artifact in run._service.artifacts.list(run._ref)}
        prefix = _prefix(directory)
        for relative, path in folders.walk_folder(directory, note=warn):
            name = f"{prefix}/{relative}"
            if name not in known or known[name] != _sha256(path):
                run.upload_file(name, path)
    except (RunstoneError, OSError) as error:
        warn(f"The output directory {directory!r} of run {run.id} was not uploaded whole: {error}")


def upload_logs(run: Files, since: float) -> None:
    """Upload what was written below ``logs`` since a moment; what cannot be uploaded is warned of."""
    if not Path(LOGS).is_dir():
        return
    try:
        for relative, path in folders.walk_folder(LOGS):
            if path.stat().st_mtime > since - TICK and f"{LOGS}/{relative}" != output.NAME:
                run.upload_file(f"{LOGS}/{relative}", path)
    except (RunstoneError, OSError) as error:
        warn(f"The logs of run {run.id} in {LOGS!r} were not uploaded whole: {error}")


def _prefix(directory: str) -> str:
    """What the files' names begin with: the directory as it was given, its own name when it is elsewhere."""
    parts = PurePath(directory).parts
    if parts and ".." not in parts and not os.path.isabs(directory):
        return "/".join(parts)
    return Path(directory).resolve().name or "outputs"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with folders.opened(path) as stream:
        while part := stream.read(PART):
            digest.update(part)
    return digest.hexdigest()

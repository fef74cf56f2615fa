"""The source directory of a run: which files belong to it, kept once each, and given back."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstone.model.errors import SnapshotException
from runstone.model.jobs import SnapshotFile
from runstone.sdk.handle import warn
from runstone.service import folders

if TYPE_CHECKING:
    from runstone.service.connect import Service

MOST_BYTES = 300 * 1024 * 1024
MOST_FILES = 2_000
# One of these alone counts, the first that is there.
IGNORE_FILES = (".amlignore", ".gitignore")
ALWAYS_IGNORED = (".git/", ".runstone/", "__pycache__/", "*.pyc", ".ipynb_checkpoints/")


def take(service: Service, source: Any, *, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES) -> str:
    """Keep a directory, or one file; the snapshot's id.

    Raises:
        SnapshotException: it is too large, or there is no such directory.
    """
    files = list(_files(Path(source)))
    size = sum(path.stat().st_size for _, path in files)
    if size > most_bytes or len(files) > most_files:
        raise SnapshotException(
            f"While attempting to take snapshot of {source}: Your total snapshot size exceeds the limit of "
            f"{most_bytes / 1024 / 1024:.1f} MB or {most_files:,} files (it has {size / 1024 / 1024:.1f} MB "
            f"in {len(files):,} files). Name in .amlignore what the script does not need."
        )
    return service.snapshots.create([_kept(service, name, path) for name, path in files]).id


def restore(service: Service, id: str, target: Path) -> Path:
    """Write a snapshot as a ZIP file; its path."""
    path = target / f"{id}.zip" if target.is_dir() else target
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in service.snapshots.get(id).files:
            with service.snapshots.open(file.sha256) as source, archive.open(file.path, "w") as entry:
                shutil.copyfileobj(source, entry)
    return path


def _files(source: Path) -> Iterator[tuple[str, Path]]:
    if source.is_file():
        yield source.name, source
        return
    if not source.is_dir():
        raise SnapshotException(f"The source directory {source} does not exist, or is no directory.")
    # only those who submit need to match patterns
    import pathspec

    lines = next((_lines(source / name) for name in IGNORE_FILES if (source / name).is_file()), [])
    ignored = pathspec.GitIgnoreSpec.from_lines([*ALWAYS_IGNORED, *lines])
    for name, path in folders.walk_folder(source, note=warn):
        if not ignored.match_file(name):
            yield name, path


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _kept(service: Service, name: str, path: Path) -> SnapshotFile:
    with folders.opened(path) as stream:
        blob = service.snapshots.keep(stream)
    return SnapshotFile(name, blob.sha256, blob.size, os.access(path, os.X_OK))

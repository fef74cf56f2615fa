"""The source directory of a run: which files belong to it, kept once each, and given back."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from runstone.model.errors import NotFound, SnapshotException
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
# A file that changed a moment ago may change again without looking different, on a clock this coarse.
REST_SECONDS = 2.0
MOST_TAKEN = 100

_Look = tuple[tuple[object, ...], ...]
# What this process has taken of each history's directories, by how their files looked.
_taken: WeakKeyDictionary[Service, dict[_Look, str]] = WeakKeyDictionary()


def take(service: Service, source: Any, *, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES) -> str:
    """Keep a directory, or one file; the snapshot's id. Files that look unchanged are not read again.

    Raises:
        SnapshotException: it is too large, or there is no such directory.
    """
    begun = time.time()
    files = [(name, path, path.stat()) for name, path in _files(Path(source))]
    size = sum(found.st_size for *_, found in files)
    if size > most_bytes or len(files) > most_files:
        raise SnapshotException(
            f"While attempting to take snapshot of {source}: Your total snapshot size exceeds the limit of "
            f"{most_bytes / 1024 / 1024:.1f} MB or {most_files:,} files (it has {size / 1024 / 1024:.1f} MB "
            f"in {len(files):,} files). Name in .amlignore what the script does not need."
        )
    look = tuple((name, str(path), *_look(found)) for name, path, found in files)
    known = _known(service, look)
    if known is not None:
        return known
    id = service.snapshots.create([_kept(service, name, path) for name, path, _ in files]).id
    if all(found.st_ctime < begun - REST_SECONDS for *_, found in files):
        _remember(service, look, id)
    return id


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


def _look(found: os.stat_result) -> Sequence[object]:
    # the time of the last change of anything, which no program can set back
    return found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _known(service: Service, look: _Look) -> str | None:
    id = _taken.get(service, {}).get(look)
    if id is None:
        return None
    try:
        return service.snapshots.get(id).id
    except NotFound:
        return None


def _remember(service: Service, look: _Look, id: str) -> None:
    taken = _taken.setdefault(service, {})
    if len(taken) >= MOST_TAKEN:
        taken.clear()
    taken[look] = id


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _kept(service: Service, name: str, path: Path) -> SnapshotFile:
    with folders.opened(path) as stream:
        blob = service.snapshots.keep(stream)
    return SnapshotFile(name, blob.sha256, blob.size, os.access(path, os.X_OK))

"""What a script writes, kept while it runs and at its end: ``outputs/``, ``logs/``, and what it prints."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from runstone.launch.folders import LOG, Folder
from runstone.model.errors import RunstoneError
from runstone.service.folders import opened, walk_folder

if TYPE_CHECKING:
    from runstone.service.connect import Service

EVERY_SECONDS = 10.0
# A file that was written to a moment ago will be written to again.
REST_SECONDS = 5.0
KEPT = ("outputs", "logs")


class Keeper:
    """Uploads files of a job when they have changed and come to rest, and all of them at the end."""

    def __init__(self, service: Service, run: str, *, folder: Folder) -> None:
        self._service = service
        self._run = run
        self._folder = folder
        self._kept: dict[str, tuple[int, int]] = {}
        self._again = time.monotonic() + EVERY_SECONDS

    def look(self, meanwhile: Callable[[], object]) -> None:
        """Upload what has changed, every ten seconds. ``meanwhile`` is called for every part of a file; what
        it raises ends the upload."""
        if time.monotonic() < self._again:
            return
        self._keep(REST_SECONDS, meanwhile)
        self._again = time.monotonic() + EVERY_SECONDS

    def keep_files(self, meanwhile: Callable[[], object]) -> None:
        """Upload every file that is not there yet as it is now."""
        self._keep(0.0, meanwhile)

    def keep_log(self, meanwhile: Callable[[], object]) -> None:
        """Make what the script has printed a file of the run; it grows no more."""
        with suppress(OSError, RunstoneError):
            if self._folder.log.stat().st_size:
                self._upload(LOG, self._folder.log, meanwhile)
            self._folder.log.unlink()

    def _keep(self, rest: float, meanwhile: Callable[[], object]) -> None:
        for name in KEPT:
            root = self._folder.code / name
            if not root.is_dir():
                continue
            for relative, path in walk_folder(root, note=lambda _: None):
                meanwhile()
                with suppress(OSError, RunstoneError):
                    self._changed(f"{name}/{relative}", path, rest=rest, meanwhile=meanwhile)

    def _changed(self, name: str, path: Path, *, rest: float, meanwhile: Callable[[], object]) -> None:
        now = path.stat()
        seen = (now.st_size, now.st_mtime_ns)
        if self._kept.get(name) == seen or time.time() - now.st_mtime < rest:
            return
        self._upload(name, path, meanwhile)
        self._kept[name] = seen

    def _upload(self, name: str, path: Path, meanwhile: Callable[[], object]) -> None:
        with opened(path) as stream:
            watched = cast(BinaryIO, _Watched(stream, meanwhile))
            self._service.artifacts.upload(self._run, name, content=watched)


@dataclass(frozen=True)
class _Watched:
    """What an upload needs of a file; somebody is called before each part is read."""

    stream: BinaryIO
    look: Callable[[], object]

    def read(self, size: int) -> bytes:
        self.look()
        return self.stream.read(size)

"""What runs print: read while it grows, and afterwards, from the same places in the same text."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from runstone.model.errors import NotFound
from runstone.service.artifacts import Artifacts
from runstone.service.operation import operation
from runstone.service.recovery import spool_of
from runstone.store import runs
from runstone.store.database import Database

FOLDERS = ("logs/", "user_logs/", "system_logs/", "azureml-logs/")
PART = 1 << 20


class Logs:
    """The logs of a history's runs: files that grow in the spool, and become artifacts at the run's end."""

    def __init__(
        self, database: Database, *, artifacts: Artifacts, settle: Callable[[], None], root: Path
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._settle = settle
        self._root = root

    @operation("GET /runs/{run}/logs")
    def names(self, run: str) -> tuple[str, ...]:
        """The names of the run's logs, those that still grow among them, sorted."""
        kept = {one.name for one in self._artifacts.list(run) if one.name.startswith(FOLDERS)}
        return tuple(sorted(kept | self._growing(run)))

    def read(self, run: str, name: str, *, offset: int = 0, most: int = PART) -> bytes:
        """At most ``most`` bytes of a log from an offset on (GET /runs/{run}/log, with a range); none at its
        end.

        NotFound when the run has no such log.
        """
        with self._database.read() as tx:
            runs.find(tx, run)
        path = spool_of(self._root, run) / name
        grows = name in self._growing(run)
        if grows:
            with suppress(FileNotFoundError), open(path, "rb") as growing:
                growing.seek(offset)
                return growing.read(most)
        try:
            size = self._artifacts.get(run, name).size
        except NotFound:
            if grows:
                # it has ended meanwhile, and held nothing that would have been kept
                return b""
            raise
        if offset >= size:
            return b""
        with self._artifacts.open(run, name, offset=offset) as kept:
            return kept.read(most)

    def _growing(self, run: str) -> set[str]:
        folder = spool_of(self._root, run)
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*.txt")}

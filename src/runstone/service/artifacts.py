"""Operations on the files of runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

from runstone.model.artifacts import Artifact, Blob, Damage
from runstone.model.errors import Busy, NotFound, Unreadable
from runstone.model.names import artifact_name, folder_name
from runstone.service.operation import operation
from runstone.store import artifacts, asset_files, runs
from runstone.store.blobs import GRACE, Blobs
from runstone.store.database import Database, Transaction

NAMES_IN_ERROR = 100


class Artifacts:
    """The files of a history's runs. A name is data, never a path; an upload makes a new version of it."""

    def __init__(self, database: Database, blobs: Blobs, *, settle: Callable[[], None]) -> None:
        self._database = database
        self._blobs = blobs
        self._settle = settle

    @operation("GET /runs/{run}/artifacts")
    def list(
        self, run: str, prefix: str | None = None, *, after: str = "", limit: int | None = None
    ) -> tuple[Artifact, ...]:
        """The newest version of each file, by name, in a folder when one is given.

        ``after`` is the cursor: the last name of the page before; ``limit`` is how many names a page has.
        """
        self._settle()
        with self._database.read() as tx:
            found = artifacts.under(tx, runs.find(tx, run)["n"], folder_name(prefix or ""))
        return tuple([one for one in found if one.name > after][:limit])

    @operation("GET /runs/{run}/artifact")
    def get(self, run: str, name: str, *, version: int | None = None) -> Artifact:
        """The newest version of a file, or the one asked for; NotFound names the files that there are."""
        self._settle()
        with self._database.read() as tx:
            return _found(tx, runs.find(tx, run)["n"], artifact_name(name), version)

    @operation("GET /runs/{run}/artifact/versions")
    def versions(self, run: str, name: str) -> tuple[Artifact, ...]:
        """All versions of a file, oldest first; NotFound when there is none."""
        self._settle()
        with self._database.read() as tx:
            n = runs.find(tx, run)["n"]
            _found(tx, n, artifact_name(name), None)
            return tuple(artifacts.versions(tx, n, artifact_name(name)))

    @operation("DELETE /runs/{run}/artifact")
    def delete(self, run: str, name: str) -> None:
        """Remove all versions of a file; its content goes later, once nothing else refers to it."""
        name = artifact_name(name)
        with self._database.write() as tx:
            n = runs.find(tx, run)["n"]
            if not artifacts.remove(tx, n, name, now=_now()):
                raise _missing(tx, n, name)

    def upload(self, run: str, name: str, *, content: BinaryIO, overwrite: bool = True) -> Artifact:
        """Keep what the stream ``content`` still holds as a new version of the name
        (PUT /runs/{run}/artifact/content).

        Conflict when the name is there and not ``overwrite``. On return the bytes survive a loss of power.
        """
        name = artifact_name(name)
        with self._database.read() as tx:
            row = runs.find(tx, run)
            # asked before a large file is read for nothing; asked again in the writing transaction
            if not overwrite and artifacts.find(tx, row["n"], name):
                raise artifacts.taken(row["id"], name)
        blob = self._blobs.put(content)
        with self._database.write() as tx:
            added = artifacts.add(
                tx, runs.find(tx, run)["n"], name, blob=blob, now=_now(), overwrite=overwrite
            )
            if not self._blobs.exists(blob.sha256, size=blob.size):
                raise Busy(f"The content of {name!r} was removed while it was uploaded; upload it again.")
        return added

    def open(self, run: str, name: str, *, version: int | None = None, offset: int = 0) -> BinaryIO:
        """A file's bytes from an offset on (GET /runs/{run}/artifact/content, with a range).

        Read from start to end they are verified: Unreadable comes with the last read at the latest.
        """
        return self._blobs.open(self.get(run, name, version=version).sha256, offset=offset)

    def sweep(self, *, older_than: float = GRACE) -> int:
        """Remove what was deleted, or came to nothing, over ``older_than`` seconds ago; how many contents."""
        with self._database.write() as tx:
            artifacts.purge(tx, _now() - int(older_than * 1e6))
            asset_files.purge(tx, _now() - int(older_than * 1e6))
        return len(self._blobs.sweep(self._referenced, older_than=older_than))

    def damaged(self, *, thorough: bool = False) -> tuple[Damage, ...]:
        """Files whose content is missing or has another size; ``thorough`` reads every byte of every one."""
        with self._database.read() as tx:
            known = tuple(artifacts.contents(tx))
        # the files are read outside of a transaction: it may take hours
        wrong = {blob.sha256: reason for blob in known if (reason := self._wrong(blob, thorough))}
        with self._database.read() as tx:
            return tuple(
                Damage(owner, artifact, reason)
                for sha256, reason in wrong.items()
                for owner, artifact in _owners(tx, sha256)
            )

    def _wrong(self, blob: Blob, thorough: bool) -> str | None:
        if not self._blobs.exists(blob.sha256):
            return "its content is missing"
        if not self._blobs.exists(blob.sha256, size=blob.size):
            return f"its content is not {blob.size:,} bytes long, as it was"
        try:
            if thorough:
                self._blobs.verify(blob.sha256)
        except Unreadable as error:
            return error.message
        return None

    def _referenced(self, sha256: str) -> bool:
        with self._database.write() as tx:
            return not artifacts.forget(tx, sha256)


def _found(tx: Transaction, run: int, name: str, version: int | None) -> Artifact:
    found = artifacts.find(tx, run, name, version=version)
    if found is None:
        raise _missing(tx, run, name, version)
    return found


def _owners(tx: Transaction, sha256: str) -> Iterator[tuple[str, Artifact]]:
    for workspace, id, artifact in artifacts.with_content(tx, sha256):
        yield runs.reference(workspace, id), artifact
    yield from asset_files.with_content(tx, sha256)


def _missing(tx: Transaction, run: int, name: str, version: int | None = None) -> NotFound:
    there = [str(one.version) for one in artifacts.versions(tx, run, name)]
    if there:
        return NotFound(
            f"The file {name} has no version {version},\navailable versions are: {','.join(there)}."
        )
    names = [one.name for one in artifacts.under(tx, run)]
    more = f",... ({len(names):,} in all)" if len(names) > NAMES_IN_ERROR else ""
    return NotFound(
        f"File with path {name} was not found,\n"
        f"available files include: {','.join(names[:NAMES_IN_ERROR])}{more}."
    )


def _now() -> int:
    return time.time_ns() // 1000

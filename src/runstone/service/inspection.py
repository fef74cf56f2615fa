"""Looks a history over without changing it: is it whole, what is waiting, what would recovery do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from runstone.journal import segment
from runstone.journal.identity import alive
from runstone.journal.reader import Reader
from runstone.model.errors import RunstoneError
from runstone.model.inspection import Ending, Report, Waiting
from runstone.service import recovery
from runstone.service.artifacts import Artifacts
from runstone.store import inspection, runs
from runstone.store.blobs import Directory
from runstone.store.database import Database


def inspect(root: Path, *, thorough: bool = False) -> Report:
    """The state of the history in a directory; ``thorough`` reads every byte of every file of its runs."""
    database = inspection.open_untouched(root / "history.db")
    try:
        damage = [*inspection.damage(database), *_lost_files(database, root, thorough)]
        waiting = list(_journals(database, root / "journal", damage))
        return Report(
            history=str(root),
            version=inspection.version(database),
            runs=inspection.count_runs(database),
            bytes=_size(root),
            damage=tuple(damage),
            waiting=tuple(waiting),
            endings=tuple(_endings(database)),
            leftovers=tuple(_leftovers(database, root)),
        )
    finally:
        database.close()


def _lost_files(database: Database, root: Path, thorough: bool) -> Iterator[str]:
    artifacts = Artifacts(database, Directory(root / "blobs"), settle=lambda: None)
    try:
        for one in artifacts.damaged(thorough=thorough):
            yield (
                f"The file {one.artifact.name!r} (version {one.artifact.version}) of {one.run} is lost: "
                f"{one.reason}."
            )
    except RunstoneError as error:
        yield f"The files of runs cannot be listed: {error}"


def _journals(database: Database, journal: Path, damage: list[str]) -> Iterator[Waiting]:
    acknowledged = inspection.acknowledged(database)
    for writer in segment.writers(journal):
        files = segment.segments(journal, writer)
        heads = [head for head in map(segment.head, files) if head is not None]
        if not heads:
            # it never came so far as to say whose it is
            continue
        reader = Reader(journal, writer, after=acknowledged.get(writer, 0))
        batches = list(reader.batches())
        if missing := sum(batch.lost for batch in batches):
            damage.append(f"{missing:,} records of {heads[0].run} are in no journal any more.")
        if reader.damaged:
            damage.append(f"{reader.damaged:,} bytes of the journal {files[0].parent} are no records.")
        if batches:
            yield Waiting(
                run=heads[0].run,
                writer=writer,
                records=sum(batch.count for batch in batches),
                bytes=sum(len(batch.records) for batch in batches),
                alive=alive(heads[-1].process),
                place=str(files[0].parent),
            )


def _endings(database: Database) -> Iterator[Ending]:
    try:
        for ref, status, why in recovery.lost(database):
            yield Ending(ref, status, why)
    except RunstoneError:
        # said already: the database cannot be read
        return


def _leftovers(database: Database, root: Path) -> Iterator[str]:
    for path in sorted((root / "journal").glob("*")):
        if path.is_dir() and not os.access(path, os.R_OK | os.X_OK):
            yield f"{path}: a journal that you may not read; its owner's next look at the history takes it in"
    try:
        with database.read() as tx:
            going_on = {recovery.spool_of(root, ref) for ref, *_ in runs.unfinished(tx)}
    except RunstoneError:
        return
    for path in sorted((root / "spool").rglob("*.txt")):
        if not any(path.is_relative_to(folder) for folder in going_on):
            yield f"{path}: what a run printed, {path.stat().st_size:,} bytes; the run has ended"
    for path in sorted((root / "blobs" / "tmp").glob("*")):
        yield f"{path}: an upload that did not come to its end, or goes on"


def _size(root: Path) -> int:
    return sum(path.stat().st_size for path in root.glob("history.db*"))

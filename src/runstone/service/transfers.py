"""Operations by which runs travel from one history to another, each whole or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from runstone.model import names
from runstone.model.artifacts import Blob
from runstone.model.documents import read_json
from runstone.model.errors import Busy, Invalid
from runstone.model.portable import Arrival, Portable
from runstone.model.runs import Experiment
from runstone.service.operation import operation
from runstone.store import experiments, runs
from runstone.store.blobs import Blobs
from runstone.store.database import Database

if TYPE_CHECKING:
    from runstone.store.records import Record


_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, eq=False)
class Leaving:
    """A run on its way out: its document as JSON, and its records, to be read while the export is open."""

    document: bytes
    records: Iterable[Record]


class Transfers:
    """Runs as documents and records, out of a history and into another."""

    # The modules behind it need numpy and msgspec, which a process that only logs does not.

    def __init__(self, database: Database, blobs: Blobs, *, settle: Callable[[], None]) -> None:
        self._database = database
        self._blobs = blobs
        self._settle = settle

    @contextmanager
    def export(self, run: str) -> Iterator[Leaving]:
        """The run as of one moment, also while it is logged to (GET /runs/{run}/export).

        The contents of its files and of its snapshot are asked for by their hashes.
        """
        from runstone.store import departure

        self._settle()
        with self._database.read() as tx:
            n = runs.find(tx, run)["n"]
            document = json.dumps(asdict(departure.document(tx, n)))
            yield Leaving(document.encode(), departure.leaving(tx, n))

    @operation("POST /workspaces/{workspace}/import/experiments")
    def take_experiment(self, workspace: str, experiment: Experiment) -> str:
        """The id of the experiment that stands for one of another history: that of its id, else the active
        one of its name, else a new one like it. Repeating is harmless."""
        from runstone.store import arrival

        with self._database.write() as tx:
            return arrival.experiment(tx, experiments.workspace(tx, workspace).id, experiment)

    @operation("POST /contents/missing")
    def missing(self, contents: Sequence[Blob]) -> tuple[str, ...]:
        """The hashes of those contents that the history does not have."""
        from runstone.store import arrival

        for blob in contents:
            arrival.check_content(blob)
        wanted = {blob.sha256: blob.size for blob in contents}
        return tuple(sha for sha, size in wanted.items() if not self._blobs.exists(sha, size=size))

    @operation("POST /workspaces/{workspace}/import/known")
    def known(self, workspace: str, document: bytes) -> Arrival | None:
        """Whether a run is there already: ``PRESENT`` when it is as the document says, ``DIFFERENT`` when it
        is not; None when there is no run of its id."""
        from runstone.store import arrival, departure

        given = portable(document)
        with self._database.read() as tx:
            experiments.workspace(tx, workspace)
            row = tx.one(runs.FIND, {"workspace": workspace, "id": given.run.id})
            if row is None:
                return None
            same = arrival.same(departure.document(tx, row["n"]), given)
        return Arrival.PRESENT if same else Arrival.DIFFERENT

    def take(
        self,
        workspace: str,
        document: bytes,
        *,
        records: Iterable[Record],
        experiment: str,
        lost: frozenset[str] = frozenset(),
    ) -> Arrival:
        """Add a run of another history, all of it or nothing (POST /workspaces/{workspace}/import).

        A run of its id that is there already stays as it is: ``PRESENT`` when it is the same, ``DIFFERENT``
        when it has changed, here or there; its ``records`` are then not asked for. ``experiment`` is what
        ``take_experiment`` said. What its files are made of was kept before, but for contents that are
        ``lost``. Invalid, and nothing is kept, when something in it cannot be.
        """
        from runstone.store import arrival

        known = self.known(workspace, document)
        if known is not None:
            return known
        given = portable(document)
        kept: set[tuple[str, int]] = set()
        with self._database.write() as tx:
            if tx.one(runs.FIND, {"workspace": workspace, "id": given.run.id}):
                # somebody else has taken it in, a moment ago
                return Arrival.PRESENT
            arriving = _noting(records, kept)
            n = arrival.take(tx, given, experiment=experiment, arriving=arriving, lost=lost)
            row = tx.one(runs.REFERENCE, {"run": n})
            if row is None or row["workspace"] != workspace:
                raise Invalid(f"The experiment {experiment!r} is none of the workspace {workspace!r}.")
            self._require(kept, lost)
        return Arrival.ADDED

    def _require(self, kept: set[tuple[str, int]], lost: frozenset[str]) -> None:
        for sha256, size in sorted(kept):
            if sha256 not in lost and not self._blobs.exists(sha256, size=size):
                raise Busy(f"The content {sha256} was removed while its run was taken in; import it again.")


def _noting(records: Iterable[Record], kept: set[tuple[str, int]]) -> Iterator[Record]:
    from runstone.store.records import File

    for record in records:
        if isinstance(record, File):
            kept.add((record.sha256, record.size))
        yield record


def portable(document: bytes) -> Portable:
    """What the document of a run says; Invalid when it cannot be read."""
    import msgspec

    try:
        found = msgspec.convert(read_json(document.decode(), "document of a run"), Portable)
        for id in (found.run.id, found.run.parent):
            if id is not None:
                names.run_id(id)
        if found.run.snapshot is not None and not _SHA256.fullmatch(found.run.snapshot):
            raise Invalid(f"A run has the snapshot {found.run.snapshot!r:.80}, which cannot be.")
        return found
    except (UnicodeDecodeError, msgspec.ValidationError) as error:
        raise Invalid(f"The document of a run cannot be read: {error}.") from error

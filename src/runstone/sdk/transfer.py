"""Runs into an archive, and out of one: which belong together, in which order, and what each is made of."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from runstone import __version__
from runstone.model import runs as model
from runstone.model.artifacts import Blob
from runstone.model.errors import Full, Gone, NotFound, Unreadable
from runstone.model.jobs import SnapshotFile
from runstone.model.portable import Arrival, Exported, Imported
from runstone.sdk import finding
from runstone.service import archive, archive_reader
from runstone.service.transfers import portable
from runstone.store import records
from runstone.store.runs import reference

if TYPE_CHECKING:
    from runstone.service.connect import Service

PAGE = 1_000


class Progress(Protocol):
    """Who is told how far work has come."""

    def __call__(self, done: int, total: int, *, text: str) -> None:
        """``done`` of ``total``, and what is being worked on."""


@dataclass(frozen=True)
class Member:
    """A run among others that are to travel with it."""

    id: str
    parent: str | None
    root: str
    created: int
    number: int
    alone: bool

    @classmethod
    def of(cls, run: model.Run) -> Member:
        """What the order needs to know of a run."""
        alone = run.parent is None and not run.children
        return cls(run.id, run.parent, run.root or run.id, run.created, run.number, alone)


def searched(service: Service, workspace: str, filter: str, order_by: str = "") -> Iterator[model.Run]:
    """Every run that matches, page by page."""
    cursor: str | None = None
    while True:
        page = service.runs.search(workspace, filter, order_by=order_by, limit=PAGE, cursor=cursor)
        yield from page.runs
        cursor = page.cursor
        if cursor is None:
            return


def chosen(service: Service, workspace: str, filter: str, *, family: bool) -> list[str]:
    """The ids of the runs that match and, with ``family``, of all below and above them: parents first."""
    found = {run.id: Member.of(run) for run in searched(service, workspace, filter)}
    if family:
        for root in sorted({one.root for one in found.values() if not one.alone}):
            tree = searched(service, workspace, f"root = {finding.quoted(root)}")
            found |= _relatives({run.id: Member.of(run) for run in tree}, found)
    return list(_parents_first(found))


def export_archive(
    service: Service, workspace: str, *, filter: str, path: Path, family: bool, progress: Progress
) -> Exported:
    """Write an archive of the runs that match; it is there whole, or not at all."""
    ids = chosen(service, workspace, filter, family=family)
    with archive.Writer(path) as writer:
        leaving = _Departure(service, workspace, writer)
        for done, id in enumerate(ids):
            progress(done, len(ids), text=id)
            leaving.add(id)
        said = {"workspace": workspace, "filter": filter, "created": model.iso(time.time_ns() // 1000)}
        said["runstone"] = __version__
        size = writer.finish({**said, "lost": sorted(leaving.lost)}, leaving.experiments.values())
        progress(len(ids), len(ids), text="")
    return Exported(len(ids) - leaving.gone, size, tuple(leaving.warnings))


def import_archive(service: Service, workspace: str, *, path: Path, progress: Progress) -> Imported:
    """Take in the runs of an archive, each whole or not at all; those that are there already stay."""
    with archive_reader.Reader(path) as reader:
        free = shutil.disk_usage(service.root).free
        if reader.size > free:
            raise Full(f"{path} unpacks to {reader.size:,} bytes, and {free:,} are free at {service.root}.")
        arriving = _Arrivals(service, workspace, reader)
        for line in reader.lines():
            progress(line.number - 1, reader.manifest.runs, text=line.id)
            arriving.add(line)
        progress(reader.manifest.runs, reader.manifest.runs, text="")
    service.persist()
    return arriving.done()


class _Departure:
    """Runs as they go into an archive, and what has gone already."""

    def __init__(self, service: Service, workspace: str, writer: archive.Writer) -> None:
        self._service = service
        self._workspace = workspace
        self._writer = writer
        self.experiments: dict[str, Mapping[str, Any]] = {}
        self.lost: set[str] = set()
        self.warnings: list[str] = []
        self.gone = 0

    def add(self, id: str) -> None:
        contents: dict[str, int] = {}
        try:
            with self._service.transfers.export(reference(self._workspace, id)) as leaving:
                run = json.loads(leaving.document)["run"]
                noted = _noting(leaving.records, contents)
                self._writer.add_run(id, leaving.document, records=records.packed(noted))
        except (NotFound, Gone):
            self.gone += 1
            self.warnings.append(f"The run {id} was deleted meanwhile, and is not in the archive.")
            return
        if run["experiment_id"] not in self.experiments:
            experiment = self._service.experiments.get(run["experiment_id"])
            self.experiments[experiment.id] = asdict(experiment)
        if run["snapshot"] is not None:
            contents |= self._add_snapshot(run["snapshot"])
        for sha256, size in contents.items():
            self._add_content(id, sha256, size)

    def _add_snapshot(self, id: str) -> dict[str, int]:
        if archive.snapshot_of(id) in self._writer:
            return {}
        files = self._service.snapshots.get(id).files
        self._writer.add(archive.snapshot_of(id), json.dumps([astuple(file) for file in files]).encode())
        return {file.sha256: file.size for file in files}

    def _add_content(self, id: str, sha256: str, size: int) -> None:
        if sha256 in self.lost or archive.content_of(sha256) in self._writer:
            return
        try:
            with self._service.snapshots.open(sha256) as stream:
                self._writer.add_content(sha256, size, stream=stream)
        except Unreadable as error:
            self.lost.add(sha256)
            self.warnings.append(f"A file of the run {id} is lost and not in the archive: {error.message}")


class _Arrivals:
    """Runs as they come out of an archive."""

    def __init__(self, service: Service, workspace: str, reader: archive_reader.Reader) -> None:
        self._service = service
        self._workspace = workspace
        self._reader = reader
        self._lost = frozenset(reader.manifest.lost)
        self._given = {experiment.id: experiment for experiment in reader.experiments()}
        self._experiments: dict[str, str] = {}
        self._snapshots: set[str] = set()
        self._counts = dict.fromkeys(Arrival, 0)
        self._different: list[str] = []
        self._orphans = 0
        self._without: set[str] = set()

    def add(self, line: archive_reader.Line) -> None:
        document = self._reader.document(line)
        outcome = self._service.transfers.known(self._workspace, document)
        if outcome is None:
            outcome = self._take(line, document)
        self._counts[outcome] += 1
        if outcome is Arrival.DIFFERENT:
            self._different.append(line.id)

    def done(self) -> Imported:
        there = self._counts[Arrival.PRESENT] + self._counts[Arrival.DIFFERENT]
        warnings = []
        if self._orphans:
            warnings.append(
                f"{self._orphans:,} runs stand without their parents, which are neither in the archive nor "
                f"in the workspace."
            )
        if self._without:
            warnings.append(
                f"{len(self._without):,} contents were lost where the archive was made; their files are left "
                f"out."
            )
        return Imported(self._counts[Arrival.ADDED], there, tuple(self._different), tuple(warnings))

    def _take(self, line: archive_reader.Line, document: bytes) -> Arrival:
        run = portable(document).run
        experiment = self._experiment(run.experiment_id)
        files = {
            Blob(record.sha256, record.size)
            for record in records.unpacked(self._reader.records(line))
            if isinstance(record, records.File)
        }
        self._without |= {blob.sha256 for blob in files} & self._lost
        self._keep(files)
        if run.snapshot is not None and run.snapshot not in self._snapshots:
            self._keep_snapshot(run.snapshot)
        if run.parent is not None and not self._is_there(run.parent):
            self._orphans += 1
        return self._service.transfers.take(
            self._workspace,
            document,
            records=records.unpacked(self._reader.records(line)),
            experiment=experiment,
            lost=self._lost,
        )

    def _experiment(self, id: str) -> str:
        if id not in self._experiments:
            if id not in self._given:
                raise self._reader.refused(f"a run is of the experiment {id!r:.80}, which it does not have")
            given = self._given[id]
            self._experiments[id] = self._service.transfers.take_experiment(self._workspace, given)
        return self._experiments[id]

    def _keep(self, contents: Iterable[Blob]) -> None:
        wanted = {blob.sha256: blob for blob in contents if blob.sha256 not in self._lost}
        blobs = iter(wanted.values())
        missing: list[str] = []
        while some := tuple(islice(blobs, PAGE)):
            missing += self._service.transfers.missing(some)
        for sha256 in missing:
            with self._reader.content(sha256, wanted[sha256].size) as stream:
                found = self._service.snapshots.keep(stream)
            if found != wanted[sha256]:
                raise self._reader.refused(f"{archive.content_of(sha256)} is not what its name says")

    def _keep_snapshot(self, id: str) -> None:
        try:
            self._service.snapshots.get(id)
        except NotFound:
            files = [_file(self._reader, file) for file in self._reader.snapshot(id)]
            self._keep(Blob(file.sha256, file.size) for file in files)
            if self._service.snapshots.create(files).id != id:
                raise self._reader.refused(f"{archive.snapshot_of(id)} is not what its name says") from None
        self._snapshots.add(id)

    def _is_there(self, run: str) -> bool:
        try:
            self._service.snapshots.of_run(reference(self._workspace, run))
        except Gone:
            return True
        except NotFound:
            return False
        return True


def _relatives(tree: Mapping[str, Member], found: Mapping[str, Member]) -> dict[str, Member]:
    """Those of a tree that are above or below somebody who was found."""
    kept = {id for id in tree if id in found}
    for id in tuple(kept):
        while (parent := tree[id].parent) in tree and parent is not None and parent not in kept:
            kept.add(parent)
            id = parent
    for one in _parents_first(tree):
        if _below(tree, one, found):
            kept.add(one)
    return {id: tree[id] for id in kept}


def _below(tree: Mapping[str, Member], id: str, found: Mapping[str, Member]) -> bool:
    seen: set[str] = set()
    at: str | None = tree[id].parent
    while at is not None and at in tree and at not in seen:
        if at in found:
            return True
        seen.add(at)
        at = tree[at].parent
    return False


def _parents_first(members: Mapping[str, Member]) -> Iterator[str]:
    """In the order of their creation; where a clock was wrong, no child before its parent."""
    out: set[str] = set()
    for one in sorted(members.values(), key=lambda one: (one.created, one.number, one.id)):
        line: list[str] = []
        at: str | None = one.id
        while at is not None and at in members and at not in out and at not in line:
            line.append(at)
            at = members[at].parent
        out.update(line)
        yield from reversed(line)


def _noting(leaving: Iterable[records.Record], contents: dict[str, int]) -> Iterator[records.Record]:
    for record in leaving:
        if isinstance(record, records.File):
            contents[record.sha256] = record.size
        yield record


def _file(reader: archive_reader.Reader, given: Any) -> SnapshotFile:
    try:
        path, sha256, size, executable = given
    except (TypeError, ValueError) as error:
        raise reader.refused(f"a snapshot holds {given!r:.80}, which is no file") from error
    if not (isinstance(path, str) and isinstance(sha256, str) and type(size) is int):
        raise reader.refused(f"a snapshot holds {given!r:.80}, which is no file")
    return SnapshotFile(path, sha256, size, bool(executable))

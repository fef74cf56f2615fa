"""A run as it comes into a history: checked record by record, all of it in one transaction."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping, Set
from dataclasses import asdict, replace
from typing import Any

from runstone.model import names
from runstone.model.artifacts import Blob
from runstone.model.errors import Busy, Conflict, Invalid, NotFound
from runstone.model.jobs import ENDED, Spec
from runstone.model.portable import Portable
from runstone.model.runs import Experiment, Run
from runstone.store import (
    attributes,
    chunks,
    experiments,
    ingest,
    records,
    runs,
    sealing,
    snapshots,
    summaries,
    texts,
)
from runstone.store.database import Row, Transaction

OWN_EXPERIMENT = "SELECT workspace, archived FROM experiments WHERE id = :id AND deleted IS NULL"

TAKEN_EXPERIMENT = "SELECT 1 AS found FROM experiments WHERE id = :id"

ADD_EXPERIMENT = """
INSERT INTO experiments (id, workspace, name, created, archived, description)
VALUES (:id, :workspace, :name, :created, :archived, :description)
    ON CONFLICT DO NOTHING
RETURNING id"""

LOCK_EXPERIMENT = "SELECT workspace, runs FROM experiments WHERE id = :id {for_update}"

COUNT_RUN = "UPDATE experiments SET runs = :runs WHERE id = :id"

NUMBER_TAKEN = "SELECT 1 AS found FROM runs WHERE experiment = :id AND number = :number LIMIT 1"

PARENT = "SELECT n, root, depth FROM runs WHERE workspace = :workspace AND id = :id"

ADD = """
INSERT INTO runs (workspace, experiment, id, number, parent, root, depth, status, type, target, name,
                  display_name, description, submitter, created, started, ended, duration, error, process,
                  heartbeat, archived, quality, snapshot, definition)
VALUES (:workspace, :experiment, :id, :number, :parent, :root, :depth, :status, :type, :target, :name,
        :display_name, :description, :submitter, :created, :started, :ended, :duration, :error, :process,
        :heartbeat, :archived, :quality, :snapshot, :definition)
RETURNING n"""

ADD_JOB = """
INSERT INTO jobs (run, workspace, target, state, priority, spec, attempt, agent, handle, created, beat)
VALUES (:run, :workspace, :target, :state, :priority, :spec, :attempt, :agent, :handle, :created, :created)"""

ADD_EVENT = """
INSERT INTO events (workspace, run, sequence, time, category, body)
VALUES (:workspace, :run, :sequence, :time, :category, :body)"""

COUNT_EVENTS = "UPDATE runs SET events = :events WHERE n = :run"

ADD_BLOB = """
INSERT INTO blobs (sha256, size, created)
VALUES (:sha256, :size, :created)
ON CONFLICT (sha256) DO NOTHING"""

ADD_FILE = """
INSERT INTO artifacts (run, name, version, sha256, size, created)
VALUES (:run, :name, :version, :sha256, :size, :created)"""

LATEST_TIME = 253_402_300_799_000_000  # the year 9999, in microseconds
_LONGEST = 2**63
_SHA256 = re.compile(r"[0-9a-f]{64}")
# What a history decides for itself, and what an archive without the parent cannot bring.
_OWN: dict[str, Any] = {"number": 0, "experiment_id": "", "depth": 0, "children": 0}
_OWN |= dict.fromkeys(("process", "parent", "root", "archived", "deleted", "locked"))


def experiment(tx: Transaction, workspace: int, given: Experiment) -> str:
    """The id of the experiment that stands for one of another history, added when there is none: that of the
    same id, else the active one of the same name."""
    name, own = names.experiment_name(given.name), names.run_id(given.id)
    _check_times(given.created, given.archived)
    # another workspace of this history may have the original
    second = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{workspace}/{own}"))
    for id in (own, second):
        known = tx.one(OWN_EXPERIMENT, {"id": id})
        if known is not None and known["workspace"] == workspace:
            return id
    if given.archived is None:
        active = tx.one(experiments.ACTIVE_EXPERIMENT, {"workspace": workspace, "name": name})
        if active is not None:
            return str(active["id"])
    id = second if tx.one(TAKEN_EXPERIMENT, {"id": own}) else own
    values = {"id": id, "workspace": workspace, "name": name, "created": given.created}
    if tx.one(ADD_EXPERIMENT, {**values, "archived": given.archived, "description": None}) is None:
        raise Busy(f"The experiment {name!r} was made by somebody else at this moment; try again.")
    experiments.describe(tx, id, given.description)
    experiments.set_tags(tx, id, given.tags)
    return id


def same(known: Portable, given: Portable) -> bool:
    """Whether two documents tell of one run alike, but for what each history decides for itself."""
    return known.logged == given.logged and replace(known.run, **_OWN) == replace(given.run, **_OWN)


def take(
    tx: Transaction, given: Portable, *, experiment: str, arriving: Iterable[records.Record], lost: Set[str]
) -> int:
    """Add a run with everything that belongs to it; its internal number. Conflict when its id is taken.

    The contents of its files and its snapshot are in place already, but for those that are ``lost``.
    """
    run = _checked(given)
    place = tx.one(LOCK_EXPERIMENT, {"id": experiment})
    if place is None:
        raise NotFound(f"There is no experiment with the id {experiment!r}.")
    workspace = int(place["workspace"])
    if tx.one(runs.EXISTS, {"workspace": workspace, "id": run.id}):
        raise Conflict(f"A run with the id {run.id!r} exists already.")
    parent = tx.one(PARENT, {"workspace": workspace, "id": run.parent}) if run.parent else None
    number = _number(tx, experiment, run.number, place["runs"])
    n = _add(
        tx,
        replace(given, run=run),
        parent,
        {"workspace": workspace, "experiment": experiment, "number": number},
    )
    attributes.set_tags(tx, n, run.tags)
    attributes.add_once(tx, n, kind=attributes.PROPERTY, values=run.properties)
    attributes.add_once(tx, n, kind=attributes.PARAM, values=run.params)
    if given.job is not None and run.status.terminal:
        _add_job(tx, n, workspace, given.job)
    arrived = _Arriving(tx, n, workspace=workspace, lost=lost)
    for record in arriving:
        arrived.add(record)
    arrived.finish()
    texts.index(tx, n)
    return n


class _Arriving:
    """The records of one run, each in its place."""

    def __init__(self, tx: Transaction, run: int, *, workspace: int, lost: Set[str]) -> None:
        self._tx = tx
        self._run = run
        self._workspace = workspace
        self._lost = lost
        self._events = 0
        self._files: set[tuple[str, int]] = set()
        self._latest: dict[str, Any] = {}
        self._metrics: dict[str, int] | None = None
        self._ends: dict[tuple[str, str], int] = {}
        self._partial: set[str] = set()
        self._summarized = 0

    def add(self, record: records.Record) -> None:
        if isinstance(record, records.Event):
            self._add_event(record)
        elif isinstance(record, records.File):
            self._add_file(record)
        elif isinstance(record, records.Summary):
            self._announce(record)
        elif isinstance(record, records.Chunk):
            self._add_chunk(record)
        elif isinstance(record, records.Entry):
            self._add_entry(record)
        else:
            self._add_batch(record)

    def finish(self) -> None:
        self._series()
        self._tx.execute(COUNT_EVENTS, {"run": self._run, "events": self._events})
        summaries.mark(self._tx, self._run, last=self._summarized)

    def _add_event(self, event: records.Event) -> None:
        self._events += 1
        if event.sequence != self._events:
            raise Invalid(f"The event {event.sequence} of a run stands where {self._events} is expected.")
        _check_times(event.time)
        _document(event.body, "event")
        category = names.clean(event.category, "category of an event", limit=names.KEY, name=True)
        values = {"workspace": self._workspace, "run": self._run, "sequence": event.sequence}
        self._tx.execute(ADD_EVENT, {**values, "time": event.time, "category": category, "body": event.body})

    def _add_file(self, file: records.File) -> None:
        check_content(Blob(file.sha256, file.size))
        _check_times(file.created)
        key = (names.artifact_name(file.name), file.version)
        if key in self._files or not 0 < file.version < _LONGEST:
            raise Invalid(f"The version {file.version} of {file.name!r:.200} cannot be, or is there twice.")
        self._files.add(key)
        if file.sha256 in self._lost:
            return
        blob = {"sha256": file.sha256, "size": file.size, "created": file.created}
        self._tx.execute(ADD_BLOB, blob)
        self._tx.execute(ADD_FILE, {**blob, "run": self._run, "name": key[0], "version": file.version})

    def _announce(self, summary: records.Summary) -> None:
        latest = summary.latest
        name = names.metric_name(latest.name)
        counts = (latest.count, latest.points, latest.nans, latest.repeated, latest.last_time or 0)
        sound = all(-_LONGEST <= count < _LONGEST for count in counts)
        texts = f"{latest.kind}{latest.value or ''}{latest.description or ''}"
        if self._metrics is not None or name in self._latest or not sound or "\0" in texts:
            raise Invalid(f"The summary of the series {name!r:.200} is twice, or out of its place, or wrong.")
        self._latest[name] = replace(latest, name=name)

    def _add_chunk(self, chunk: records.Chunk) -> None:
        metric = self._metric(chunk.metric)
        found = chunks.strange(chunk.data)
        self._follow("chunk", chunk.metric, chunk.seq)
        if chunk.metric in self._partial:
            raise Invalid(f"A chunk of {chunk.metric!r:.200} follows one that is not full.")
        if found.n < chunks.POINTS:
            self._partial.add(chunk.metric)
        row = sealing.described(
            chunk.seq, chunk.data, steps=found.steps(), values=found.values(), times=found.times()
        )
        self._tx.execute(sealing.WRITE_CHUNK, {"run": self._run, "metric": metric, **row})

    def _add_entry(self, entry: records.Entry) -> None:
        metric = self._metric(entry.metric)
        self._follow("entry", entry.metric, entry.seq)
        if not 0 <= entry.at < _LONGEST or not -_LONGEST <= entry.time < _LONGEST or entry.step != entry.step:
            raise Invalid(f"An entry of {entry.metric!r:.200} stands at no place: {entry.at}, {entry.time}.")
        kind = names.clean(entry.type, "kind of an entry", limit=names.KEY, name=True)
        _document(entry.body, "entry", anything=True)
        where = {"run": self._run, "metric": metric, "seq": entry.seq, "at": entry.at, "kind": kind}
        self._tx.execute(
            sealing.WRITE_ROW, {**where, "step": entry.step, "time": entry.time, "body": entry.body}
        )

    def _add_batch(self, batch: records.Batch) -> None:
        self._series()
        writer = names.clean(batch.writer, "writer", limit=names.RUN_ID, name=True)
        if not (0 < batch.first < _LONGEST and 0 <= batch.received < _LONGEST):
            raise Invalid(f"A batch begins with the record {batch.first}, at {batch.received}.")
        id = ingest.keep(
            self._tx, self._run, batch.data, writer=writer, first=batch.first, received=batch.received
        )
        if batch.summarized:
            self._summarized = id

    def _series(self) -> dict[str, int]:
        if self._metrics is None:
            # all at once: two that add the same names must not wait for each other
            self._metrics = summaries.write(self._tx, self._run, self._latest)
        return self._metrics

    def _metric(self, name: str) -> int:
        found = self._series().get(name)
        if found is None:
            raise Invalid(f"There are points of a series {name!r:.200}, and no summary of it.")
        return found

    def _follow(self, what: str, name: str, seq: int) -> None:
        """A chunk that was damaged is missing; the order of the others stays."""
        last = self._ends.get((what, name), -1)
        if not last < seq < _LONGEST // chunks.POINTS:
            raise Invalid(f"The {what} {seq} of {name!r:.200} comes after number {last}.")
        self._ends[what, name] = seq


def check_content(blob: Blob) -> None:
    """Invalid unless a content has a hash and a size that it can have."""
    if not _SHA256.fullmatch(blob.sha256) or not 0 <= blob.size < _LONGEST:
        raise Invalid(f"A file has the hash {blob.sha256!r:.80} and the size {blob.size}, which cannot be.")


def _checked(given: Portable) -> Run:
    """The run with its texts as a history keeps them; Invalid for what no history could have."""
    run = given.run
    _check_times(run.created, run.started, run.ended, run.archived, given.heartbeat)
    numbers = [run.number, run.elapsed or 0, *run.quality.values()]
    if not all(0 <= number < _LONGEST for number in numbers):
        raise Invalid(f"The run {run.id!r:.300} has a number, duration or count that cannot be.")
    if run.error is not None:
        names.clean(json.dumps(dict(run.error)), "error of a run", limit=names.ERROR)
    return replace(
        run,
        id=names.run_id(run.id),
        parent=None if run.parent is None else names.run_id(run.parent),
        target=names.clean(run.target, "target of a run", limit=names.KEY),
        type=_cleaned(run.type, "type of a run", names.KEY),
        name=_cleaned(run.name, "name of a run", names.DISPLAY_NAME),
        display_name=_cleaned(run.display_name, "display name", names.DISPLAY_NAME),
        description=_cleaned(run.description, "description", names.DESCRIPTION),
        submitter=_cleaned(run.submitter, "submitter of a run", names.DISPLAY_NAME),
    )


def _cleaned(text: str | None, what: str, limit: int) -> str | None:
    return None if text is None else names.clean(text, what, limit=limit)


def _number(tx: Transaction, experiment: str, wanted: int, last: int) -> int:
    """The run's own number, or the next one when another run of the experiment has it."""
    taken = wanted <= last and tx.one(NUMBER_TAKEN, {"id": experiment, "number": wanted})
    number = last + 1 if taken else wanted
    tx.execute(COUNT_RUN, {"id": experiment, "runs": max(last, number)})
    return number


def _add(tx: Transaction, given: Portable, parent: Row | None, values: Mapping[str, Any]) -> int:
    run = given.run
    if run.snapshot is not None:
        snapshots.find(tx, run.snapshot)
    # nobody here hears of the process of a run that goes on, or may end the run for its silence
    process = run.process if run.status.terminal else None
    plain = ("id", "type", "target", "name", "display_name", "description", "submitter", "created", "started")
    row = tx.one(
        ADD,
        {
            **values,
            **{field: asdict(run)[field] for field in (*plain, "ended", "archived", "snapshot")},
            "parent": parent["n"] if parent else None,
            "root": parent["root"] if parent else None,
            "depth": parent["depth"] + 1 if parent else 0,
            "status": str(run.status),
            "duration": run.elapsed,
            "error": None if run.error is None else json.dumps(dict(run.error)),
            "process": None if process is None else json.dumps(asdict(process)),
            "heartbeat": given.heartbeat,
            "quality": json.dumps(dict(run.quality)),
            "definition": None if run.definition is None else json.dumps(dict(run.definition)),
        },
    )
    assert row is not None
    n = int(row["n"])
    if parent:
        tx.execute(runs.COUNT_CHILDREN, {"parent": parent["n"], "count": 1})
    else:
        tx.execute(runs.SET_ROOT, {"run": n})
    return n


def _add_job(tx: Transaction, run: int, workspace: int, job: Mapping[str, Any]) -> None:
    """What the run was to do, for who asks; it has ended, and nobody here carries it out."""
    try:
        Spec(**job["spec"])
        values = {key: job[key] for key in ("target", "agent", "handle")}
        numbers = {key: int(job[key]) for key in ("priority", "attempt", "created")}
    except (TypeError, ValueError, LookupError) as error:
        raise Invalid(f"What a submitted run was to do cannot be read: {error!r:.200}.") from error
    texts = {key: _cleaned(value, f"{key} of a job", names.DISPLAY_NAME) for key, value in values.items()}
    if not all(-_LONGEST <= number < _LONGEST for number in numbers.values()):
        raise Invalid(f"What a submitted run was to do has numbers that cannot be: {numbers}.")
    own = {"run": run, "workspace": workspace, "state": ENDED, "spec": json.dumps(job["spec"])}
    tx.execute(ADD_JOB, {**own, **texts, **numbers})


def _check_times(*times: int | None) -> None:
    for time in times:
        if time is not None and not 0 <= time <= LATEST_TIME:
            raise Invalid(f"A time of {time} microseconds since 1970 is no date that can be shown.")


def _document(text: str, what: str, *, anything: bool = False) -> None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"An {what} of a run is no JSON: {error}.") from error
    if not anything and not isinstance(value, dict):
        raise Invalid(f"An {what} of a run is no object: {text!r:.80}.")

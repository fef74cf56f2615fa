"""Runs in the database: created, found, read, moved from state to state, edited, deleted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from runstone.model import names
from runstone.model.errors import Conflict, Gone, NotFound
from runstone.model.runs import NewRun, Process, Run, Status, may_move
from runstone.store import attributes, events, lineage, texts
from runstone.store.database import Row, Transaction

FIND = """
SELECT r.*
  FROM runs r
  JOIN workspaces w ON w.id = r.workspace
 WHERE w.name = :workspace
   AND r.id = :id"""

LOCK = "SELECT * FROM runs WHERE n = :run {for_update}"

LOAD = """
SELECT r.*, e.name AS experiment_name, p.id AS parent_id, t.id AS root_id
  FROM runs r
  JOIN experiments e ON e.id = r.experiment
  LEFT JOIN runs p ON p.n = r.parent
  LEFT JOIN runs t ON t.n = r.root
 WHERE r.n IN ({runs})"""

REFERENCE = (
    "SELECT w.name AS workspace, r.id FROM runs r JOIN workspaces w ON w.id = r.workspace WHERE r.n = :run"
)

TAKE_NUMBER = """
UPDATE experiments SET runs = runs + :count
 WHERE id = :id
   AND deleted IS NULL
RETURNING runs, workspace"""

EXISTS = "SELECT 1 AS found FROM runs WHERE workspace = :workspace AND id = :id"

ADD = """
INSERT INTO runs (workspace, experiment, id, number, parent, root, depth, status, type, target, name,
display_name,
                  description, submitter, created, started, process, heartbeat)
VALUES (:workspace, :experiment, :id, :number, :parent, :root, :depth, :status, :type, :target, :name,
:display_name,
        :description, :submitter, :created, :started, :process, :created)
RETURNING n"""

SET_ROOT = "UPDATE runs SET root = n WHERE n = :run"

COUNT_CHILDREN = "UPDATE runs SET children = children + :count WHERE n = :parent"

MOVE = """
UPDATE runs
   SET status = :status, started = :started, ended = :ended, duration = :duration, error = :error, process =
   :process
 WHERE n = :run"""

BEAT = "UPDATE runs SET heartbeat = :now WHERE n = :run"

HEARD = """
SELECT r.started, r.ended, r.heartbeat, (SELECT MAX(w.newest) FROM writers w WHERE w.run = r.n) AS newest
  FROM runs r
 WHERE r.n = :run"""

DATE_END = "UPDATE runs SET ended = :ended, duration = :duration WHERE n = :run"

EDIT_DISPLAY_NAME = "UPDATE runs SET display_name = :value WHERE n = :run"

EDIT_DESCRIPTION = "UPDATE runs SET description = :value WHERE n = :run"

DELETE = "UPDATE runs SET deleted = :now WHERE n = :run"

SET_LOCK = "UPDATE runs SET locked = :now WHERE n = :run"

ADD_QUALITY = "UPDATE runs SET quality = :quality WHERE n = :run"

# Down the tree, level by level; UNION keeps a damaged tree from going round for ever.
DESCENDANTS = """
WITH RECURSIVE tree (n) AS (
    SELECT n FROM runs WHERE parent = :run
    UNION
    SELECT r.n FROM runs r JOIN tree t ON r.parent = t.n
)
SELECT n FROM tree ORDER BY n"""

OPEN = """
SELECT r.n, r.id, r.status, r.process, r.heartbeat, w.name AS workspace
  FROM runs r
  JOIN workspaces w ON w.id = r.workspace
 WHERE r.ended IS NULL
   AND r.process IS NOT NULL
   AND r.status IN ('Running', 'NotResponding', 'CancelRequested', 'Finalizing', 'Preparing', 'Starting')
   AND r.deleted IS NULL
   AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.run = r.n AND j.state <> 'ended')"""

OPEN_ONE = f"{OPEN} AND w.name = :workspace AND r.id = :id"


def reference(workspace: str, id: str) -> str:
    """The text by which every room names a run."""
    return f"{workspace}/{id}"


def find(tx: Transaction, ref: str, *, deleted: bool = False) -> Row:
    """The row of a referenced run; NotFound, or Gone when it was deleted (unless ``deleted``)."""
    workspace, _, id = ref.partition("/")
    row = tx.one(FIND, {"workspace": workspace, "id": id})
    if row is None:
        raise NotFound(
            f"There is no run {id!r} in the workspace {workspace!r}; `runstone run list` shows the runs."
        )
    if row["deleted"] and not deleted:
        raise Gone(f"The run {id!r} was deleted; `runstone run restore -r {id}` brings it back.")
    return row


def load(tx: Transaction, numbers: Iterable[int]) -> list[Run]:
    """The runs with these internal numbers, in that order, tags, properties and params included."""
    wanted = [int(n) for n in numbers]
    if not wanted:
        return []
    rows = tx.execute(LOAD.replace("{runs}", ", ".join(map(str, wanted))))
    sets = attributes.of_runs(tx, wanted)
    found = {row["n"]: _run(row, sets[row["n"]]) for row in rows}
    return [found[n] for n in wanted if n in found]


def create(tx: Transaction, new: Iterable[NewRun], *, now: int) -> list[int]:
    """Create runs of one experiment, in order; their internal numbers. All of them, or none."""
    batch = list(new)
    taken = tx.one(TAKE_NUMBER, {"id": batch[0].experiment, "count": len(batch)})
    if taken is None:
        raise NotFound(f"There is no experiment with the id {batch[0].experiment!r}.")
    number = int(taken["runs"]) - len(batch)
    created = []
    for offset, run in enumerate(batch):
        parent = find(tx, run.parent) if run.parent else None
        created.append(
            _add(
                tx,
                run,
                parent,
                {"workspace": taken["workspace"], "number": number + offset + 1, "created": now},
            )
        )
    return created


def move(
    tx: Transaction,
    run: int,
    status: Status,
    *,
    now: int,
    error: Mapping[str, Any] | None = None,
    process: Process | None = None,
    seconds: float | None = None,
) -> bool:
    """Move a run to another state and record the event; False when it is there already. ``seconds`` is how
    long it ran, where somebody knows better than the time of day.

    Conflict when the states forbid it: the first terminal state wins, but for a provisional one (see
    ``may_move``).
    """
    row = tx.one(LOCK, {"run": run})
    assert row is not None
    old = Status(row["status"])
    known = json.loads(row["error"]) if row["error"] else None
    provisional = old is Status.FAILED and (known or {}).get("reason") == "infrastructure"
    if old is status and not provisional:
        return False
    if not may_move(old, status, provisional=provisional):
        raise Conflict(
            f"The run {row['id']!r} is {old} already; it cannot become {status}.", expected=str(old)
        )
    if status is Status.RUNNING and provisional:
        known = None
    values = _moved(row, status, now, error or known, process, seconds)
    tx.execute(MOVE, values)
    events.record(tx, run, category="RunStatusChanged", body=_event(old, status, error), now=now)
    return True


def beat(tx: Transaction, run: int, now: int) -> None:
    """Note that the run's process was heard of."""
    tx.execute(BEAT, {"run": run, "now": now})


def end_when_last_heard(tx: Transaction, run: int) -> None:
    """Have a run that was found dead end with its last sign of life, and not when somebody looked."""
    row = tx.one(HEARD, {"run": run})
    assert row is not None
    signs = [row["started"], row["heartbeat"], row["newest"] and row["newest"] // 1000]
    # the clock that gave a point its time may be ahead of ours
    ended = min(row["ended"], max(sign for sign in signs if sign is not None))
    duration = None if row["started"] is None else max(0, ended - row["started"])
    tx.execute(DATE_END, {"run": run, "ended": ended, "duration": duration})


def edit(tx: Transaction, run: int, changes: Mapping[str, str | None]) -> None:
    """Set ``display_name`` or ``description`` (Markdown); None removes."""
    statements = {"display_name": EDIT_DISPLAY_NAME, "description": EDIT_DESCRIPTION}
    limits = {"display_name": names.DISPLAY_NAME, "description": names.DESCRIPTION}
    for field, value in changes.items():
        text = None if value is None else names.clean(value, field.replace("_", " "), limit=limits[field])
        tx.execute(statements[field], {"run": run, "value": text})
    texts.index(tx, run)


def delete(tx: Transaction, run: int, now: int | None) -> None:
    """Mark the run as deleted at that time, or as not deleted with None."""
    tx.execute(DELETE, {"run": run, "now": now})


def lock(tx: Transaction, run: int, now: int | None) -> None:
    """Protect the run from that time on, or no more with None."""
    tx.execute(SET_LOCK, {"run": run, "now": now})


def refuse_locked(tx: Transaction, run: int) -> None:
    """Conflict for a run that somebody has locked."""
    row = tx.one(LOCK, {"run": run})
    if row is not None and row["locked"] is not None:
        raise Conflict(
            f"The run {row['id']!r} is locked: it cannot be deleted, and its tags, name and description "
            f"stay as they are. `runstone run unlock -r {row['id']}` permits it."
        )


def add_quality(tx: Transaction, run: int, counts: Mapping[str, int]) -> None:
    """Add to the run's data-quality counts."""
    row = tx.one("SELECT quality FROM runs WHERE n = :run {for_update}", {"run": run})
    quality: dict[str, int] = json.loads(row["quality"]) if row else {}
    for name, count in counts.items():
        quality[name] = quality.get(name, 0) + int(count)
    tx.execute(ADD_QUALITY, {"run": run, "quality": json.dumps(quality)})


def descendants(tx: Transaction, run: int) -> list[int]:
    """The internal numbers of all runs below a run."""
    return [row["n"] for row in tx.execute(DESCENDANTS, {"run": run})]


def unfinished(tx: Transaction, ref: str | None = None) -> list[tuple[str, Status, Process, int]]:
    """Runs, but no jobs (their agent looks after them), that a process ran when last heard of: reference,
    status, process, time of the last beat; all of them, or the referenced one if it is such a run."""
    if ref is None:
        rows = tx.execute(OPEN)
    else:
        workspace, _, id = ref.partition("/")
        rows = tx.execute(OPEN_ONE, {"workspace": workspace, "id": id})
    return [
        (
            reference(row["workspace"], row["id"]),
            Status(row["status"]),
            Process(**json.loads(row["process"])),
            row["heartbeat"] or 0,
        )
        for row in rows
    ]


def _add(tx: Transaction, run: NewRun, parent: Row | None, values: Mapping[str, Any]) -> int:
    if tx.one(EXISTS, {"workspace": values["workspace"], "id": names.run_id(run.id)}):
        raise Conflict(f"A run with the id {run.id!r} exists already; give another id, or none.")
    row = tx.one(
        ADD,
        {
            **values,
            "experiment": run.experiment,
            "id": run.id,
            "parent": parent["n"] if parent else None,
            "root": parent["root"] if parent else None,
            "depth": parent["depth"] + 1 if parent else 0,
            "status": str(run.status),
            "type": run.type,
            "target": run.target,
            "name": _text(run.name, "name", names.DISPLAY_NAME),
            "display_name": _text(run.display_name, "display name", names.DISPLAY_NAME),
            "description": _text(run.description, "description", names.DESCRIPTION),
            "submitter": run.submitter,
            "started": values["created"] if run.status is Status.RUNNING else None,
            "process": json.dumps(asdict(run.process)) if run.process else None,
        },
    )
    assert row is not None
    n = int(row["n"])
    if parent:
        tx.execute(COUNT_CHILDREN, {"parent": parent["n"], "count": 1})
    else:
        tx.execute(SET_ROOT, {"run": n})
    attributes.set_tags(tx, n, run.tags)
    attributes.add_once(tx, n, kind=attributes.PROPERTY, values=run.properties)
    attributes.add_once(tx, n, kind=attributes.PARAM, values=run.params)
    for link in run.links:
        lineage.record(tx, n, link, now=values["created"])
    texts.index(tx, n)
    events.record(
        tx, n, category="RunStatusChanged", body=_event(None, run.status, None), now=values["created"]
    )
    return n


def _moved(
    row: Row,
    status: Status,
    now: int,
    error: Mapping[str, Any] | None,
    process: Process | None,
    seconds: float | None,
) -> dict[str, Any]:
    started = row["started"]
    if started is None and status is Status.RUNNING:
        started = now
    ended = now if status.terminal else None
    duration = None
    if ended is not None and started is not None:
        duration = max(0, ended - started) if seconds is None else round(seconds * 1e6)
    return {
        "run": row["n"],
        "status": str(status),
        "started": started,
        "ended": ended,
        "duration": duration,
        "error": _error(error) if error and status is not Status.COMPLETED else None,
        "process": json.dumps(asdict(process)) if process else row["process"],
    }


def _error(error: Mapping[str, Any]) -> str:
    clean = dict(error)
    for key, value in clean.items():
        if isinstance(value, str):
            clean[key] = names.clean(value, f"error {key}", limit=names.ERROR_MESSAGE)
    return names.clean(json.dumps(clean), "error as a whole", limit=names.ERROR)


def _event(old: Status | None, new: Status, error: Mapping[str, Any] | None) -> dict[str, Any]:
    facts = error or {}
    return {
        "old_status": str(old) if old else None,
        "new_status": str(new),
        "reason": facts.get("reason", "none"),
        "exit_code": facts.get("exit_code"),
    }


def _text(value: str | None, what: str, limit: int) -> str | None:
    return None if value is None else names.clean(value, what, limit=limit)


def _run(row: Row, sets: Mapping[str, Mapping[str, Any]]) -> Run:
    return Run(
        id=row["id"],
        number=row["number"],
        experiment=row["experiment_name"],
        experiment_id=row["experiment"],
        status=Status(row["status"]),
        created=row["created"],
        started=row["started"],
        ended=row["ended"],
        elapsed=row["duration"],
        parent=row["parent_id"],
        root=row["root_id"],
        depth=row["depth"],
        children=row["children"],
        type=row["type"],
        target=row["target"],
        name=row["name"],
        display_name=row["display_name"],
        description=row["description"],
        submitter=row["submitter"],
        error=json.loads(row["error"]) if row["error"] else None,
        process=Process(**json.loads(row["process"])) if row["process"] else None,
        archived=row["archived"],
        deleted=row["deleted"],
        locked=row["locked"],
        snapshot=row["snapshot"],
        definition=json.loads(row["definition"]) if row["definition"] else None,
        tags=sets[attributes.TAG],
        properties=sets[attributes.PROPERTY],
        params=sets[attributes.PARAM],
        quality=json.loads(row["quality"]),
    )

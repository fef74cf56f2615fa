"""Jobs in the database: queued, claimed by one agent, started, ended; and the targets on which they run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from runstone.model.errors import Conflict, NotFound
from runstone.model.jobs import Job, Spec, Target
from runstone.model.runs import Process
from runstone.store import runs
from runstone.store.database import Row, Transaction

ADD = """
INSERT INTO jobs (run, workspace, target, state, priority, spec, created, beat)
VALUES (:run, :workspace, :target, 'queued', :priority, :spec, :now, :now)"""

DEFINE = "UPDATE runs SET definition = :definition, snapshot = :snapshot WHERE n = :run"

# The best of the queue of each target, and no job that another agent is claiming at this moment.
CLAIM = """
UPDATE jobs
   SET state = 'claimed', agent = :agent, attempt = attempt + 1, beat = :now
 WHERE run IN (SELECT run FROM jobs
                WHERE state = 'queued'
                  AND target = :target
                  AND (:workspace = '' OR workspace = (SELECT id FROM workspaces WHERE name = :workspace))
                  AND (:run = 0 OR run = :run)
                ORDER BY priority DESC, run
                LIMIT :most {skip_locked})
RETURNING run"""

SELECT_JOB = """
SELECT j.*, r.id, w.name AS workspace_name, p.id AS parent_id, t.id AS root_id
  FROM jobs j
  JOIN runs r ON r.n = j.run
  JOIN workspaces w ON w.id = j.workspace
  LEFT JOIN runs p ON p.n = r.parent
  LEFT JOIN runs t ON t.n = r.root"""

ONE = SELECT_JOB + " WHERE j.run = :run"

ACTIVE = SELECT_JOB + " WHERE j.state <> 'ended' ORDER BY j.priority DESC, j.run"

OF_TARGET = (
    SELECT_JOB
    + """
 WHERE j.workspace = :workspace AND j.target = :target AND j.state <> 'ended'
 ORDER BY j.run"""
)

LOCK = "SELECT * FROM jobs WHERE run = :run {for_update}"

UPDATE = """
UPDATE jobs
   SET state = :state, agent = :agent, attempt = :attempt, supervisor = :supervisor, script = :script,
       handle = :handle, cancel = :cancel, beat = :beat
 WHERE run = :run"""

SET_TARGET = """
INSERT INTO targets (workspace, name, type, config, created)
VALUES (:workspace, :name, :type, :config, :now)
ON CONFLICT (workspace, name) DO UPDATE SET type = EXCLUDED.type, config = EXCLUDED.config"""

TARGETS = "SELECT name, type, config FROM targets WHERE workspace = :workspace ORDER BY name"

ALL_TARGETS = """
SELECT w.name AS workspace, t.name, t.type, t.config
  FROM targets t
  JOIN workspaces w ON w.id = t.workspace
 ORDER BY t.name"""

REMOVE_TARGET = "DELETE FROM targets WHERE workspace = :workspace AND name = :name RETURNING name"


def add(
    tx: Transaction,
    run: int,
    *,
    target: str,
    spec: Spec,
    priority: int,
    definition: Mapping[str, Any],
    now: int,
) -> None:
    """Queue a job for a run, and keep what was asked for with the run."""
    row = tx.one("SELECT workspace FROM runs WHERE n = :run", {"run": run})
    assert row is not None
    tx.execute(
        ADD,
        {
            "run": run,
            "workspace": row["workspace"],
            "target": target,
            "priority": priority,
            "spec": json.dumps(asdict(spec)),
            "now": now,
        },
    )
    values = {"run": run, "definition": json.dumps(dict(definition)), "snapshot": spec.snapshot}
    tx.execute(DEFINE, values)


@dataclass(frozen=True)
class Wanted:
    """Which queued jobs are to be taken: those of a workspace's target (None: of that name, whose ever), or
    of one run alone; at most so many."""

    target: str
    workspace: str | None = None
    run: int = 0
    most: int = 1


def claim(tx: Transaction, wanted: Wanted, *, agent: str, now: int) -> list[Job]:
    """Take queued jobs, the most urgent and then the oldest first."""
    values = {**asdict(wanted), "workspace": wanted.workspace or ""}
    taken = tx.execute(CLAIM, {**values, "agent": agent, "now": now})
    return [job for row in taken if (job := of_run(tx, row["run"]))]


def of_run(tx: Transaction, run: int) -> Job | None:
    """The job of a run, or None for a run that was not submitted."""
    row = tx.one(ONE, {"run": run})
    return _job(row) if row else None


def active(tx: Transaction) -> list[Job]:
    """Every job that has not ended, the most urgent first."""
    return [_job(row) for row in tx.execute(ACTIVE)]


def of_target(tx: Transaction, workspace: int, target: str) -> dict[int, Job]:
    """The jobs of a workspace's target that have not ended, by their runs' numbers, the oldest first."""
    return {
        row["run"]: _job(row) for row in tx.execute(OF_TARGET, {"workspace": workspace, "target": target})
    }


def change(tx: Transaction, run: int, *, only: int | None, now: int, **fields: Any) -> None:
    """Set fields of a job; with ``only``, of that attempt alone: an older one is refused with Conflict."""
    row = tx.one(LOCK, {"run": run})
    if row is None:
        raise NotFound(f"Run number {run} was not submitted: it has no job.")
    if only is not None and row["attempt"] != only:
        raise Conflict(
            f"This is attempt {only} of a job whose attempt {row['attempt']} is under way; it has been "
            f"replaced.",
            expected=row["attempt"],
        )
    values = {key: row[key] for key in _FIELDS}
    for key, value in fields.items():
        values[key] = json.dumps(asdict(value)) if isinstance(value, Process) else value
    tx.execute(UPDATE, {**values, "run": run, "beat": now})


def set_target(tx: Transaction, workspace: int, target: Target, *, now: int) -> None:
    """Name a target, or give a known name another meaning."""
    values = {"name": target.name, "type": target.type, "config": json.dumps(dict(target.config))}
    tx.execute(SET_TARGET, {"workspace": workspace, **values, "now": now})


def targets(tx: Transaction, workspace: int) -> list[Target]:
    """The targets that the workspace has named."""
    rows: Sequence[Row] = tx.execute(TARGETS, {"workspace": workspace})
    return [Target(row["name"], row["type"], json.loads(row["config"])) for row in rows]


def all_targets(tx: Transaction) -> dict[tuple[str, str], Target]:
    """The targets of all workspaces, by workspace and name."""
    return {
        (row["workspace"], row["name"]): Target(row["name"], row["type"], json.loads(row["config"]))
        for row in tx.execute(ALL_TARGETS)
    }


def remove_target(tx: Transaction, workspace: int, name: str) -> bool:
    """Forget a target; whether it was there."""
    return bool(tx.execute(REMOVE_TARGET, {"workspace": workspace, "name": name}))


_FIELDS = ("state", "agent", "attempt", "supervisor", "script", "handle", "cancel")


def _job(row: Row) -> Job:
    spec = json.loads(row["spec"])
    spec["command"] = tuple(spec["command"])
    above = {row["parent_id"], row["root_id"]} - {None, row["id"]}
    return Job(
        run=runs.reference(row["workspace_name"], row["id"]),
        above=tuple(runs.reference(row["workspace_name"], id) for id in sorted(above)),
        target=row["target"],
        state=row["state"],
        spec=Spec(**spec),
        priority=row["priority"],
        attempt=row["attempt"],
        agent=row["agent"],
        supervisor=_process(row["supervisor"]),
        script=_process(row["script"]),
        handle=row["handle"],
        cancel=row["cancel"],
        created=row["created"],
        beat=row["beat"],
    )


def _process(text: str | None) -> Process | None:
    return Process(**json.loads(text)) if text else None

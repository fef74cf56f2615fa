"""Workspaces and experiments in the database."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping

from runstone.model import names
from runstone.model.errors import Conflict, NotFound
from runstone.model.runs import Experiment, Workspace
from runstone.store import texts
from runstone.store.database import Row, Transaction

ADD_WORKSPACE = """
INSERT INTO workspaces (name, labels, created)
VALUES (:name, :labels, :now)
ON CONFLICT (name) DO NOTHING"""

WORKSPACE_BY_NAME = "SELECT * FROM workspaces WHERE name = :name"

ALL_WORKSPACES = "SELECT * FROM workspaces ORDER BY name"

ADD_EXPERIMENT = """
INSERT INTO experiments (id, workspace, name, created)
VALUES (:id, :workspace, :name, :now)
ON CONFLICT DO NOTHING"""

ACTIVE_EXPERIMENT = """
SELECT * FROM experiments
 WHERE workspace = :workspace
   AND name = :name
   AND archived IS NULL
   AND deleted IS NULL"""

EXPERIMENT_BY_ID = "SELECT * FROM experiments WHERE id = :id"

# view: 'active', 'archived' or 'all'
ALL_EXPERIMENTS = """
SELECT * FROM experiments
 WHERE workspace = :workspace
   AND deleted IS NULL
   AND (:view = 'all' OR (:view = 'active' AND archived IS NULL) OR (:view = 'archived' AND archived IS NOT
   NULL)) AND (:any_name = 1 OR name = :name)
 ORDER BY created, id"""

TAGS_OF_EXPERIMENT = "SELECT key, value FROM experiment_tags WHERE experiment = :id ORDER BY key"

SET_TAG = """
INSERT INTO experiment_tags (experiment, key, value)
VALUES (:id, :key, :value)
ON CONFLICT (experiment, key) DO UPDATE SET value = EXCLUDED.value"""

REMOVE_TAG = "DELETE FROM experiment_tags WHERE experiment = :id AND key = :key"

DESCRIBE = "UPDATE experiments SET description = :description WHERE id = :id"

ARCHIVE = "UPDATE experiments SET archived = :now WHERE id = :id AND archived IS NULL"

REACTIVATE = "UPDATE experiments SET archived = NULL, name = :name WHERE id = :id"

DELETE = "UPDATE experiments SET deleted = :now WHERE id = :id"

RUNS = "SELECT n FROM runs WHERE experiment = :id"

HAS_RUNS = "SELECT 1 AS found FROM runs WHERE experiment = :id AND deleted IS NULL LIMIT 1"


def add_workspace(tx: Transaction, name: str, *, labels: Mapping[str, str], now: int) -> bool:
    """Create the workspace unless it is there; whether this call created it."""
    known = tx.one(WORKSPACE_BY_NAME, {"name": names.workspace_name(name)})
    if known is None:
        tx.execute(ADD_WORKSPACE, {"name": name, "labels": json.dumps(dict(labels)), "now": now})
    return known is None


def workspace(tx: Transaction, name: str) -> Workspace:
    """The workspace of that name, or NotFound."""
    row = tx.one(WORKSPACE_BY_NAME, {"name": name})
    if row is None:
        known = ", ".join(repr(r["name"]) for r in tx.execute(ALL_WORKSPACES)) or "none yet"
        raise NotFound(f"There is no workspace {name!r} in this history; there are: {known}.")
    return _workspace(row)


def workspaces(tx: Transaction) -> list[Workspace]:
    """Every workspace, by name."""
    return [_workspace(row) for row in tx.execute(ALL_WORKSPACES)]


def add(tx: Transaction, workspace: int, name: str, *, now: int) -> Experiment:
    """The active experiment of that name, created if there is none."""
    values = {
        "workspace": workspace,
        "name": names.experiment_name(name),
        "id": str(uuid.uuid4()),
        "now": now,
    }
    row = tx.one(ACTIVE_EXPERIMENT, values)
    if row is None:
        tx.execute(ADD_EXPERIMENT, values)
        row = tx.one(ACTIVE_EXPERIMENT, values)
    if row is None:
        raise Conflict(f"The experiment {name!r} was archived while it was being created; try again.")
    return _experiment(tx, row)


def by_id(tx: Transaction, id: str, *, deleted: bool = False) -> Experiment:
    """The experiment of that id, archived or not; NotFound when it was deleted (unless ``deleted``)."""
    return _experiment(tx, _row(tx, id, deleted=deleted))


def listed(tx: Transaction, workspace: int, *, name: str | None, view: str) -> list[Experiment]:
    """The experiments of a workspace; view is 'active', 'archived' or 'all'."""
    values = {"workspace": workspace, "view": view, "name": name or "", "any_name": int(name is None)}
    return [_experiment(tx, row) for row in tx.execute(ALL_EXPERIMENTS, values)]


def set_tags(tx: Transaction, id: str, tags: Mapping[str, str | None]) -> None:
    """Add or replace tags."""
    _row(tx, id)
    for key, value in tags.items():
        text = None if value is None else names.clean(str(value), f"value of tag {key!r}", limit=names.VALUE)
        tx.execute(SET_TAG, {"id": id, "key": names.key(key, "tag key"), "value": text})


def remove_tags(tx: Transaction, id: str, keys: Iterable[str]) -> None:
    """Remove tags; a key that is not there is passed over."""
    for key in keys:
        tx.execute(REMOVE_TAG, {"id": id, "key": names.sought(key)})


def describe(tx: Transaction, id: str, description: str | None) -> None:
    """Set the description (Markdown), or remove it with None."""
    _row(tx, id)
    text = None if description is None else names.clean(description, "description", limit=names.DESCRIPTION)
    tx.execute(DESCRIBE, {"id": id, "description": text})


def archive(tx: Transaction, id: str, now: int) -> None:
    """Hide the experiment; its name becomes free. Archiving twice is harmless."""
    _row(tx, id)
    tx.execute(ARCHIVE, {"id": id, "now": now})


def reactivate(tx: Transaction, id: str, new_name: str | None) -> None:
    """Bring an archived experiment back, under its own name or another; Conflict when an active one has
    it."""
    row = _row(tx, id)
    name = names.experiment_name(new_name or row["name"])
    other = tx.one(ACTIVE_EXPERIMENT, {"workspace": row["workspace"], "name": name})
    if other is not None and other["id"] != id:
        raise Conflict(
            f"An active experiment is named {name!r} already; reactivate this one under a new name."
        )
    tx.execute(REACTIVATE, {"id": id, "name": name})
    if name != row["name"]:
        # the runs are found by the experiment's name too
        for run in tx.execute(RUNS, {"id": id}):
            texts.index(tx, run["n"])


def delete(tx: Transaction, id: str, now: int) -> None:
    """Delete an experiment that has no runs left."""
    row = _row(tx, id)
    # first, so that no run is being added while we look
    tx.execute(DELETE, {"id": id, "now": now})
    if tx.one(HAS_RUNS, {"id": id}):
        raise Conflict(
            f"The experiment {row['name']!r} still has runs; archive it, or delete its runs first."
        )


def _row(tx: Transaction, id: str, *, deleted: bool = False) -> Row:
    row = tx.one(EXPERIMENT_BY_ID, {"id": id})
    if row is None or (row["deleted"] is not None and not deleted):
        raise NotFound(f"There is no experiment with the id {id!r}.")
    return row


def _workspace(row: Row) -> Workspace:
    return Workspace(id=row["id"], name=row["name"], created=row["created"], labels=json.loads(row["labels"]))


def _experiment(tx: Transaction, row: Row) -> Experiment:
    tags = {tag["key"]: tag["value"] for tag in tx.execute(TAGS_OF_EXPERIMENT, {"id": row["id"]})}
    return Experiment(
        id=row["id"],
        name=row["name"],
        created=row["created"],
        archived=row["archived"],
        description=row["description"],
        tags=tags,
        runs=row["runs"],
    )

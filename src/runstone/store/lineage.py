"""Lineage in the database: links between runs and versions of assets, asked from both ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runstone.model import names
from runstone.model.errors import Invalid, TooLarge
from runstone.model.lineage import INPUT, OUTPUT, Link
from runstone.store import assets
from runstone.store.database import Row, Transaction

DETAILS = 64 * 1024

# Another asset under a name that the run has used already takes its place.
SET = """
INSERT INTO lineage (run, direction, name, kind, asset, version, details, created)
VALUES (:run, :direction, :name, :kind, :asset, :version, :details, :now)
ON CONFLICT (run, direction, name) DO UPDATE
   SET kind = EXCLUDED.kind, asset = EXCLUDED.asset, version = EXCLUDED.version, details = EXCLUDED.details,
       created = EXCLUDED.created"""

OF_RUN = """
SELECT l.*, r.id AS run_id
  FROM lineage l
  JOIN runs r ON r.n = l.run
 WHERE l.run = :run
 ORDER BY l.direction, l.created, l.name"""

# The links of so many runs, the newest first. Version 0 stands for every one, before 0 for the beginning.
OF_ASSET = """
WITH chosen AS (
    SELECT DISTINCT l.run
      FROM lineage l
      JOIN runs r ON r.n = l.run
     WHERE l.kind = :kind
       AND l.asset = :asset
       AND (:version = 0 OR l.version = :version)
       AND (:before = 0 OR l.run < :before)
       AND r.workspace = :workspace
       AND r.deleted IS NULL
     ORDER BY l.run DESC
     LIMIT :limit
)
SELECT l.*, r.id AS run_id
  FROM lineage l
  JOIN runs r ON r.n = l.run
 WHERE l.run IN (SELECT run FROM chosen)
   AND l.kind = :kind
   AND l.asset = :asset
   AND (:version = 0 OR l.version = :version)
 ORDER BY l.run DESC, l.direction, l.name"""


def record(tx: Transaction, run: int, link: Link, *, now: int) -> None:
    """Link a run to a version of an asset; NotFound or Gone when there is no such version."""
    if link.direction not in (INPUT, OUTPUT):
        raise Invalid(f"A link's direction is {INPUT!r} or {OUTPUT!r}; got {link.direction!r}.")
    row = tx.one("SELECT workspace FROM runs WHERE n = :run", {"run": run})
    assert row is not None
    asset = assets.get(tx, row["workspace"], link.kind, name=link.asset, version=link.version)
    values = {
        "run": run,
        "direction": link.direction,
        "name": names.key(link.name, f"name of an {link.direction}"),
    }
    tx.execute(
        SET,
        {
            **values,
            "kind": asset.kind,
            "asset": asset.name,
            "version": asset.version,
            "details": _text(link.details),
            "now": now,
        },
    )


def of_run(tx: Transaction, run: int) -> list[Link]:
    """What a run reads and makes: inputs first, each in the order in which they were recorded."""
    return [_link(row) for row in tx.execute(OF_RUN, {"run": run})]


def of_asset(
    tx: Transaction, workspace: int, kind: str, *, asset: str, version: int, **more: Any
) -> list[Link]:
    """The links to an asset (version 0: to any version of it), the newest run first; see ``OF_ASSET``."""
    key = names.key(asset, f"{kind} name")
    values = {"workspace": workspace, "kind": kind, "asset": key, "version": version, **more}
    return [_link(row) for row in tx.execute(OF_ASSET, values)]


def _text(details: Mapping[str, Any]) -> str:
    text = json.dumps(dict(details), sort_keys=True)
    if len(text) > DETAILS:
        raise TooLarge(
            f"The details of a link are over the size limit: Limit={DETAILS:,}, Size={len(text):,}."
        )
    return text


def _link(row: Row) -> Link:
    return Link(
        direction=row["direction"],
        name=row["name"],
        kind=row["kind"],
        asset=row["asset"],
        version=int(row["version"]),
        details=json.loads(row["details"]),
        run=row["run_id"],
        created=int(row["created"]),
    )

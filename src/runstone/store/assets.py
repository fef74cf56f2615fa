"""Assets in the database: versions of a name, and the labels that point at them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from runstone.model import names
from runstone.model.assets import LATEST, Asset
from runstone.model.errors import Gone, Invalid, NotFound, TooLarge
from runstone.store.database import Row, Transaction

BODY = 4 * 1024 * 1024
# Labels are versions of their own: {label: version}, under the kind that they belong to.
_LABELS = ":labels"

# Whoever registers in a workspace waits here for whoever registers there now, so that versions are counted
# once.
LOCK_WORKSPACE = "SELECT id FROM workspaces WHERE id = :workspace {for_update}"

NEWEST = """
SELECT * FROM assets
 WHERE workspace = :workspace
   AND kind = :kind
   AND name = :name
 ORDER BY version DESC
 LIMIT 1"""

ADD = """
INSERT INTO assets (workspace, kind, name, version, body, created)
VALUES (:workspace, :kind, :name, :version, :body, :now)"""

ONE = """
SELECT * FROM assets
 WHERE workspace = :workspace
   AND kind = :kind
   AND name = :name
   AND version = :version"""

LATEST_ONE = """
SELECT * FROM assets
 WHERE workspace = :workspace
   AND kind = :kind
   AND name = :name
   AND deleted IS NULL
 ORDER BY version DESC
 LIMIT 1"""

VERSIONS = """
SELECT * FROM assets
 WHERE workspace = :workspace
   AND kind = :kind
   AND name = :name
   AND deleted IS NULL
 ORDER BY version"""

LATEST_OF_EACH = """
SELECT * FROM assets a
 WHERE workspace = :workspace
   AND kind = :kind
   AND deleted IS NULL
   AND NOT EXISTS (SELECT 1 FROM assets b
                    WHERE b.workspace = a.workspace
                      AND b.kind = a.kind
                      AND b.name = a.name
                      AND b.deleted IS NULL
                      AND b.version > a.version)
 ORDER BY name"""

EVERY = """
SELECT * FROM assets
 WHERE workspace = :workspace
   AND kind = :kind
   AND deleted IS NULL
 ORDER BY n"""

REWRITE = """
UPDATE assets
   SET body = :body
 WHERE workspace = :workspace
   AND kind = :kind
   AND name = :name
   AND version = :version"""

DELETE = """
UPDATE assets
   SET deleted = :now
 WHERE workspace = :workspace
   AND kind = :kind
   AND name = :name
   AND version = :version"""


def register(
    tx: Transaction,
    workspace: int,
    kind: str,
    *,
    name: str,
    body: Mapping[str, Any],
    now: int,
    again: bool = False,
) -> Asset:
    """The name's version with this content: the newest one if it is the same (and not ``again``), else a new
    one. A version that was deleted is never given again."""
    text = _text(kind, name, body)
    key = {"workspace": workspace, "kind": kind, "name": names.key(name, f"{kind} name")}
    lock(tx, workspace)
    newest = tx.one(NEWEST, key)
    if newest and not again and newest["deleted"] is None and newest["body"] == text:
        return _asset(newest, _labels(tx, key))
    version = int(newest["version"]) + 1 if newest else 1
    tx.execute(ADD, {**key, "version": version, "body": text, "now": now})
    return get(tx, workspace, kind, name=name, version=version)


def get(
    tx: Transaction,
    workspace: int,
    kind: str,
    *,
    name: str,
    version: int | None = None,
    label: str | None = None,
) -> Asset:
    """One version of a name, the latest by default; NotFound names what there is, Gone was deleted."""
    key = {"workspace": workspace, "kind": kind, "name": names.key(name, f"{kind} name")}
    labels = _labels(tx, key)
    if label not in (None, LATEST):
        version = labels.get(str(label))
        if version is None:
            known = ", ".join([LATEST, *sorted(labels)])
            raise NotFound(f"The {kind} {name!r} has no label {label!r}; it has: {known}.")
    row = tx.one(LATEST_ONE, key) if version is None else tx.one(ONE, {**key, "version": version})
    if row is None:
        raise NotFound(_missing(tx, key, version))
    if row["deleted"] is not None:
        raise Gone(f"Version {version} of the {kind} {name!r} was deleted.")
    return _asset(row, labels)


def versions(tx: Transaction, workspace: int, kind: str, *, name: str) -> list[Asset]:
    """Every version of a name, the oldest first; none of a name that nobody has registered."""
    key = {"workspace": workspace, "kind": kind, "name": names.key(name, f"{kind} name")}
    labels = _labels(tx, key)
    return [_asset(row, labels) for row in tx.execute(VERSIONS, key)]


def latest(tx: Transaction, workspace: int, kind: str) -> list[Asset]:
    """The latest version of each name of a kind, by name."""
    given = {
        row["name"]: json.loads(row["body"])
        for row in tx.execute(LATEST_OF_EACH, {"workspace": workspace, "kind": kind + _LABELS})
    }
    rows = tx.execute(LATEST_OF_EACH, {"workspace": workspace, "kind": kind})
    return [_asset(row, given.get(row["name"], {})) for row in rows]


def every(tx: Transaction, workspace: int, kind: str) -> list[Asset]:
    """Every version of every name of a kind, in the order of registration; without their labels."""
    return [_asset(row, {}) for row in tx.execute(EVERY, {"workspace": workspace, "kind": kind})]


def lock(tx: Transaction, workspace: int) -> None:
    """Have whoever else registers or changes something in a workspace wait for this transaction's end."""
    tx.execute(LOCK_WORKSPACE, {"workspace": workspace})


def rewrite(
    tx: Transaction, workspace: int, kind: str, *, name: str, version: int, body: Mapping[str, Any]
) -> None:
    """Give a version another body: for kinds of which people may change what they say of them."""
    values = {"workspace": workspace, "kind": kind, "name": name, "version": version}
    tx.execute(REWRITE, {**values, "body": _text(kind, name, body)})


def label(
    tx: Transaction, workspace: int, kind: str, *, name: str, version: int, labels: Sequence[str], now: int
) -> Asset:
    """Have labels point at a version, and at no other one; NotFound when there is no such version."""
    if LATEST in labels:
        raise Invalid(f"{LATEST!r} always means the newest version; choose another label.")
    get(tx, workspace, kind, name=name, version=version)
    key = {"workspace": workspace, "kind": kind, "name": name}
    lock(tx, workspace)
    known = {**_labels(tx, key), **{names.key(each, "label"): version for each in labels}}
    register(tx, workspace, kind + _LABELS, name=name, body=known, now=now)
    return get(tx, workspace, kind, name=name, version=version)


def delete(tx: Transaction, workspace: int, kind: str, *, name: str, version: int, now: int) -> None:
    """Delete one version; NotFound or Gone when it is not there."""
    get(tx, workspace, kind, name=name, version=version)
    values = {"workspace": workspace, "kind": kind, "name": name, "version": version}
    tx.execute(DELETE, {**values, "now": now})


def _text(kind: str, name: str, body: Mapping[str, Any]) -> str:
    text = json.dumps(dict(body), sort_keys=True, ensure_ascii=False)
    if len(text) > BODY:
        raise TooLarge(f"The {kind} {name!r} is over the size limit: Limit={BODY:,}, Size={len(text):,}.")
    return text


def _labels(tx: Transaction, key: Mapping[str, Any]) -> dict[str, int]:
    row = tx.one(LATEST_ONE, {**key, "kind": key["kind"] + _LABELS})
    found: dict[str, int] = json.loads(row["body"]) if row else {}
    return found


def _missing(tx: Transaction, key: Mapping[str, Any], version: int | None) -> str:
    there = [str(row["version"]) for row in tx.execute(VERSIONS, key)]
    if there:
        return f"The {key['kind']} {key['name']!r} has no version {version}; it has: {', '.join(there)}."
    others = tx.execute(LATEST_OF_EACH, {"workspace": key["workspace"], "kind": key["kind"]})
    known = ", ".join(repr(row["name"]) for row in others[:20]) or "none yet"
    return f"There is no {key['kind']} {key['name']!r} in this workspace; there are: {known}."


def _asset(row: Row, labels: Mapping[str, int]) -> Asset:
    version = int(row["version"])
    given = tuple(sorted(label for label, at in labels.items() if at == version))
    return Asset(row["kind"], row["name"], version, json.loads(row["body"]), given, int(row["created"]))

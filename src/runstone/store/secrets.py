"""Secrets in the database: sealed values only. A name is found whatever the case of its letters."""

from __future__ import annotations

from dataclasses import dataclass

from runstone.model.errors import NotFound
from runstone.model.secrets import SecretName
from runstone.store.database import Transaction

NAMES_IN_ERROR = 20

PUT = """
INSERT INTO secrets (workspace, folded, name, sealed, key, content_type, changed)
VALUES (:workspace, :folded, :name, :sealed, :key, :content_type, :now)
ON CONFLICT (workspace, folded) DO UPDATE SET name = EXCLUDED.name, sealed = EXCLUDED.sealed,
key = EXCLUDED.key, content_type = EXCLUDED.content_type, changed = EXCLUDED.changed"""

FIND = """
SELECT name, sealed, key, content_type, changed
  FROM secrets
 WHERE workspace = :workspace
   AND folded = :folded"""

ALL = "SELECT name, content_type, changed FROM secrets WHERE workspace = :workspace ORDER BY folded"

REMOVE = "DELETE FROM secrets WHERE workspace = :workspace AND folded = :folded RETURNING name"

KEYS = "SELECT DISTINCT key FROM secrets ORDER BY key"


@dataclass(frozen=True)
class Sealed:
    """A secret as it is kept: its value, encrypted (base64), and the name of the key that opens it."""

    name: str
    text: str
    key: str
    content_type: str


def put(tx: Transaction, workspace: int, secret: Sealed, *, now: int) -> None:
    """Keep a secret, instead of the one that has its name."""
    values = {"name": secret.name, "folded": secret.name.lower(), "sealed": secret.text, "key": secret.key}
    tx.execute(PUT, {**values, "content_type": secret.content_type, "workspace": workspace, "now": now})


def find(tx: Transaction, workspace: int, name: str) -> Sealed:
    """The secret of that name; NotFound names those that there are."""
    row = tx.one(FIND, {"workspace": workspace, "folded": name.lower()})
    if row is None:
        raise missing(tx, workspace, name)
    return Sealed(row["name"], row["sealed"], row["key"], row["content_type"])


def every(tx: Transaction, workspace: int) -> list[SecretName]:
    """What is told of each secret, by name."""
    rows = tx.execute(ALL, {"workspace": workspace})
    return [SecretName(row["name"], row["content_type"], row["changed"]) for row in rows]


def remove(tx: Transaction, workspace: int, name: str) -> bool:
    """Remove a secret for good; whether there was one."""
    return bool(tx.execute(REMOVE, {"workspace": workspace, "folded": name.lower()}))


def keys(tx: Transaction) -> list[str]:
    """The names of the keys with which the history's secrets are sealed."""
    return [row["key"] for row in tx.execute(KEYS)]


def missing(tx: Transaction, workspace: int, name: str) -> NotFound:
    """What is said to one who asks for a secret that is not there."""
    names = [one.name for one in every(tx, workspace)]
    more = f" and {len(names) - NAMES_IN_ERROR:,} more" if len(names) > NAMES_IN_ERROR else ""
    there = ", ".join(map(repr, names[:NAMES_IN_ERROR])) or "none yet"
    return NotFound(f"There is no secret {name!r} in this workspace; there are: {there}{more}.")

"""Bringing a database to the present schema, one numbered step and one transaction at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from runstone.model.errors import Conflict
from runstone.store.database import Transaction

# Not by importlib.resources: it loads what reads zip archives, a tenth of a short command's time.
STEPS = Path(__file__).parent / "sql"

VERSION_TABLE = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL, applied BIGINT NOT NULL)"

READ_VERSION = "SELECT COALESCE(MAX(version), 0) AS version FROM schema_version"

WRITE_VERSION = "INSERT INTO schema_version (version, applied) VALUES (:version, :applied)"


def steps(dialect: str) -> dict[int, str]:
    """The text of each numbered step for a dialect: the common part, then the dialect's own."""
    texts: dict[int, str] = {}
    for file in sorted(STEPS.iterdir()):
        match = re.fullmatch(r"(\d{4})_\w+(?:\.(sqlite|postgres))?\.sql", file.name)
        if match and match[2] in (None, dialect):
            texts[int(match[1])] = texts.get(int(match[1]), "") + file.read_text(encoding="utf-8")
    return texts


def present(transaction: Transaction, schema: Mapping[int, str]) -> int:
    """The version that the database has; refuses one that is newer than this program knows."""
    transaction.execute(VERSION_TABLE)
    row = transaction.one(READ_VERSION)
    version = int(row["version"]) if row else 0
    newest = max(schema)
    if version > newest:
        raise Conflict(
            f"This history has schema version {version}, and this Runstone knows versions up to {newest}. "
            f"Upgrade Runstone (`pip install -U runstone`) to open it; nothing was changed."
        )
    return version


def upgrade(transaction: Transaction, schema: Mapping[int, str], *, version: int, now: int) -> None:
    """Apply step ``version`` of a schema and say so, in the caller's transaction."""
    transaction.script(schema[version])
    transaction.execute(WRITE_VERSION, {"version": version, "applied": now})

"""The contents that registered models are made of, for those who look at nothing else of a model."""

from __future__ import annotations

from runstone.model.artifacts import Artifact
from runstone.store.database import Transaction

PURGE_FILES = "DELETE FROM asset_files WHERE asset IN (SELECT n FROM assets WHERE deleted < :before)"

WITH_CONTENT = """
SELECT f.path, f.size, a.name, a.version, a.created, w.name AS workspace
  FROM asset_files f
  JOIN assets a ON a.n = f.asset
  JOIN workspaces w ON w.id = a.workspace
 WHERE f.sha256 = :sha256
   AND a.deleted IS NULL
 ORDER BY a.n, f.path"""


def purge(tx: Transaction, before: int) -> None:
    """Let go of what versions that were deleted before that time were made of."""
    tx.execute(PURGE_FILES, {"before": before})


def with_content(tx: Transaction, sha256: str) -> list[tuple[str, Artifact]]:
    """The files of models that a content stands for: the model's reference, the file."""
    return [
        (
            f"{row['workspace']}/models/{row['name']}:{row['version']}",
            Artifact(row["path"], row["version"], sha256, row["size"], row["created"]),
        )
        for row in tx.execute(WITH_CONTENT, {"sha256": sha256})
    ]

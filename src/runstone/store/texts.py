"""The text by which a run is found: kept beside the run, indexed by trigrams, and by pairs of CJK
characters."""

from __future__ import annotations

import re

from runstone.store.database import Transaction

# Han, Hangul syllables and jamo, kana: scripts whose words are too short for trigrams. It is
# compiled when it is first used.
CJK = r"[\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+"

PARTS = """
SELECT r.id, r.name, r.display_name, r.description, r.submitter, e.name AS experiment
  FROM runs r
  JOIN experiments e ON e.id = r.experiment
 WHERE r.n = :run"""

TAGS = "SELECT key, text, rest FROM attributes WHERE run = :run AND kind = 't' ORDER BY key"

WRITE = """
INSERT INTO run_text (run, text, cjk)
VALUES (:run, :text, :cjk)
ON CONFLICT (run) DO UPDATE SET text = EXCLUDED.text, cjk = EXCLUDED.cjk"""


def index(tx: Transaction, run: int) -> None:
    """Write the run's text anew; called by whatever changes a part of it."""
    row = tx.one(PARTS, {"run": run})
    if row is None:
        return
    parts = [
        row[name] or "" for name in ("display_name", "description", "experiment", "submitter", "id", "name")
    ]
    for tag in tx.execute(TAGS, {"run": run}):
        parts.append(f"{tag['key']} {tag['text'] or ''}{tag['rest'] or ''}")
    text = "\n".join(part for part in parts if part)
    tx.execute(WRITE, {"run": run, "text": text, "cjk": pairs(text)})


def pairs(text: str) -> str:
    """Each two neighbouring CJK characters, separated by spaces; a single one stands alone."""
    found: list[str] = []
    for match in re.finditer(CJK, text):
        word = match[0]
        found.extend(word[i : i + 2] for i in range(max(1, len(word) - 1)))
    return " ".join(found)

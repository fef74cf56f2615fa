"""What happened to a run, written in the transaction that made it happen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runstone.model.runs import Event
from runstone.store.database import Transaction

NEXT = "UPDATE runs SET events = events + 1 WHERE n = :run RETURNING events, workspace"

WRITE = """
INSERT INTO events (workspace, run, sequence, time, category, body)
VALUES (:workspace, :run, :sequence, :time, :category, :body)"""

OF_RUN = "SELECT sequence, time, category, body FROM events WHERE run = :run ORDER BY sequence"


def record(tx: Transaction, run: int, *, category: str, body: Mapping[str, Any], now: int) -> None:
    """Add the run's next event; its sequence has no gaps because the run's row is locked by taking it."""
    row = tx.one(NEXT, {"run": run})
    if row is None:
        return
    values = {"workspace": row["workspace"], "run": run, "sequence": row["events"], "time": now}
    tx.execute(WRITE, {**values, "category": category, "body": json.dumps(dict(body))})


def of_run(tx: Transaction, run: int) -> list[Event]:
    """Every event of a run, in order."""
    return [
        Event(row["sequence"], row["time"], row["category"], json.loads(row["body"]))
        for row in tx.execute(OF_RUN, {"run": run})
    ]

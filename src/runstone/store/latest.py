"""The summaries of series as they were last written: all that a list of runs needs, and no numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields

from runstone.model.metrics import Latest
from runstone.store import metric_names
from runstone.store.database import Row, Transaction

SUMMARIES = """
SELECT m.name, l.*
  FROM metric_latest l
  JOIN metrics m ON m.id = l.metric
 WHERE l.run = :run"""

SUMMARIES_OF = f"{SUMMARIES} AND m.digest IN ({metric_names.DIGESTS})"

READ_REFRESHED = "SELECT refreshed FROM runs WHERE n = :run"

AHEAD = """
SELECT 1 AS found
  FROM metric_batch b
  JOIN runs r ON r.n = b.run
 WHERE b.run = :run
   AND b.id > r.refreshed
 LIMIT 1"""

# More names than this are looked up all at once.
MANY = 256
FIELDS = tuple(field.name for field in fields(Latest))


def ahead(tx: Transaction, run: int) -> bool:
    """Whether there are batches that the run's summaries do not know yet."""
    return tx.one(AHEAD, {"run": run}) is not None


def stored(tx: Transaction, run: int, names: Sequence[str] | None = None) -> dict[str, Latest]:
    """The summaries as they were last written, at least those of ``names``."""
    if names is None or len(names) > MANY:
        return {row["name"]: _latest(row) for row in tx.execute(SUMMARIES, {"run": run})}
    values = ({"run": run, **slots} for slots in metric_names.slots(names))
    return {row["name"]: _latest(row) for some in values for row in tx.execute(SUMMARIES_OF, some)}


def _latest(row: Row) -> Latest:
    known = {key: row[key] for key in FIELDS}
    return Latest(**{**known, "last": math.nan if row["last_nan"] else row["last"]})

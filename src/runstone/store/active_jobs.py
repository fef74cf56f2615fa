"""Whether jobs go on: asked with every read of a history, mostly of one that has none."""

from __future__ import annotations

from runstone.store.database import Transaction

ANY = "SELECT 1 AS found FROM jobs WHERE state <> 'ended' LIMIT 1"


def there(tx: Transaction) -> bool:
    """Whether there is a job that has not ended."""
    return tx.one(ANY) is not None

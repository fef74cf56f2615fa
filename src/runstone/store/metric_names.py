"""The names of metrics and the numbers that stand for them in every other table."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from runstone.store.database import Transaction

# How many names one statement asks for.
SLOTS = 32
DIGESTS = ", ".join(f":d{slot}" for slot in range(SLOTS))

FIND = f"SELECT id, name FROM metrics WHERE digest IN ({DIGESTS})"

ADD = "INSERT INTO metrics (digest, name) VALUES (:digest, :name) ON CONFLICT (digest) DO NOTHING"


def find(tx: Transaction, names: Iterable[str]) -> dict[str, int]:
    """The numbers of those names that are known."""
    return {row["name"]: row["id"] for some in slots(names) for row in tx.execute(FIND, some)}


def find_or_add(tx: Transaction, names: Sequence[str]) -> dict[str, int]:
    """The numbers of all these names; those that were never seen get one."""
    found = find(tx, names)
    # in one order for everybody: two that add the same names must not wait for each other
    new = sorted((digest(name), name) for name in names if name not in found)
    if not new:
        return found
    tx.many(ADD, ({"digest": digest, "name": name} for digest, name in new))
    return found | find(tx, [name for _, name in new])


def digest(name: str) -> str:
    """What the table is searched by."""
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()


def composed(name: str) -> str:
    """The name as it is kept: two ways to write one letter are one name."""
    return unicodedata.normalize("NFC", name)


def slots(names: Iterable[str]) -> Iterator[dict[str, str]]:
    """Values for statements with ``SLOTS`` digests; what is left over in the last repeats its first."""
    rest = iter(names)
    while some := [digest(name) for name in islice(rest, SLOTS)]:
        some += some[:1] * (SLOTS - len(some))
        yield {f"d{slot}": digest for slot, digest in enumerate(some)}

"""Tags, properties and params of runs: one table, three sets of rules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from runstone.model import names
from runstone.model.errors import Conflict
from runstone.store.database import Transaction

TAG, PROPERTY, PARAM = "t", "p", "a"
# What of a value is indexed: PostgreSQL's B-tree takes 2,704 bytes a row, key and value together.
INDEXED = 250

_NOUNS = {TAG: "tag", PROPERTY: "property", PARAM: "param"}

READ = "SELECT key, text, rest FROM attributes WHERE run = :run AND kind = :kind"

READ_MANY = "SELECT run, kind, key, text, rest FROM attributes WHERE run IN ({runs}) ORDER BY run, kind, key"

WRITE = """
INSERT INTO attributes (run, kind, key, text, rest, number)
VALUES (:run, :kind, :key, :text, :rest, :number)
ON CONFLICT (run, kind, key) DO UPDATE SET text = EXCLUDED.text, rest = EXCLUDED.rest, number =
EXCLUDED.number"""

REMOVE = "DELETE FROM attributes WHERE run = :run AND kind = :kind AND key = :key"


def set_tags(tx: Transaction, run: int, tags: Mapping[str, str | None]) -> None:
    """Add or replace tags; all of them, or none when one is refused."""
    _write(tx, run, TAG, checked(TAG, tags))


def remove_tags(tx: Transaction, run: int, keys: Iterable[str]) -> None:
    """Remove tags; a key that is not there is passed over."""
    tx.many(REMOVE, [{"run": run, "kind": TAG, "key": names.sought(key)} for key in keys])


def add_once(tx: Transaction, run: int, *, kind: str, values: Mapping[str, str]) -> None:
    """Add properties or params: a key that exists with another value is refused, and the whole call with
    it."""
    new = checked(kind, values)
    known = {
        row["key"]: whole(row["text"], row["rest"]) for row in tx.execute(READ, {"run": run, "kind": kind})
    }
    for key, value in new.items():
        if key in known and known[key] != value:
            raise Conflict(
                f"The {_NOUNS[kind]} {key!r} is {_short(known[key])} already and cannot become "
                f"{_short(value)}: {_NOUNS[kind]} values are permanent. Nothing of this call was kept; use "
                f"another key, or a tag."
            )
    _write(tx, run, kind, {key: value for key, value in new.items() if key not in known})


def of_runs(tx: Transaction, runs: Iterable[int]) -> dict[int, dict[str, dict[str, str | None]]]:
    """For each run and kind, the keys and values."""
    found: dict[int, dict[str, dict[str, str | None]]] = {n: {TAG: {}, PROPERTY: {}, PARAM: {}} for n in runs}
    if not found:
        return found
    for row in tx.execute(READ_MANY.replace("{runs}", ", ".join(str(int(n)) for n in found))):
        found[row["run"]][row["kind"]][row["key"]] = whole(row["text"], row["rest"])
    return found


def checked(kind: str, values: Mapping[str, str | None]) -> dict[str, str | None]:
    """Keys and values as they are stored, or Invalid naming the one that is refused."""
    noun = _NOUNS[kind]
    clean: dict[str, str | None] = {}
    for key, value in values.items():
        name = names.key(key, f"{noun} key")
        clean[name] = (
            None if value is None else names.clean(str(value), f"value of {noun} {name!r}", limit=names.VALUE)
        )
    return clean


def whole(text: str | None, rest: str | None) -> str | None:
    """A value put together again."""
    return text if rest is None or text is None else text + rest


def number(text: str | None) -> float | None:
    """The text read as a number; None when it is none, or no finite one."""
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text) - 2:,} characters)"


def _write(tx: Transaction, run: int, kind: str, values: Mapping[str, str | None]) -> None:
    tx.many(
        WRITE,
        [
            {
                "run": run,
                "kind": kind,
                "key": key,
                "text": None if value is None else value[:INDEXED],
                "rest": (value or "")[INDEXED:] or None,
                "number": number(value),
            }
            for key, value in values.items()
        ],
    )

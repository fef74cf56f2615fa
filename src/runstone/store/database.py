"""A database as the store uses it: transactions that run named SQL, the same text on SQLite and
PostgreSQL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


class Transaction(ABC):
    """An open transaction. Values are bound by name; ``{tokens}`` stand for what the two databases spell
    differently."""

    dialect: str

    @abstractmethod
    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement; the rows that it answers, if any."""

    @abstractmethod
    def many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run one statement for each row of values."""

    @abstractmethod
    def script(self, sql: str) -> None:
        """Run a migration's text: several statements, none of them bound."""

    def one(self, sql: str, values: Mapping[str, Any] | None = None) -> Row | None:
        """The first row, or None."""
        rows = self.execute(sql, values)
        return rows[0] if rows else None


class Database(ABC):
    """Where a history is kept. Thread-safe, and safe to have been open across a fork."""

    dialect: str

    @abstractmethod
    def write(self) -> AbstractContextManager[Transaction]:
        """A transaction that commits at the end of the block, or not at all. Waits at most 30 s for its
        turn."""

    @abstractmethod
    def read(self, *, budget: float | None = None) -> AbstractContextManager[Transaction]:
        """One consistent view for reading; a statement that takes more than ``budget`` seconds ends in
        ``Busy``."""

    @abstractmethod
    def persist(self) -> bool:
        """Whether everything committed so far now survives a loss of power; may do the work needed for it."""

    @abstractmethod
    def shrink(self) -> None:
        """Give back to the disk the room that deleted rows have left, where it is quickly done."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is open."""


def open_database(
    address: str | Path,
    *,
    force_network: bool = False,
    durable: bool = False,
    schema: Mapping[int, str] | None = None,
) -> Database:
    """The database at a path (SQLite) or a ``postgresql://`` address, brought up to the present schema.

    ``durable``: a transaction that is committed survives a loss of power; PostgreSQL's do in any case.
    ``schema``: the text of each numbered step, where they are not those of this version.
    """
    if isinstance(address, str) and address.startswith(("postgresql://", "postgres://")):
        # an extra, and 150 ms of import that an embedded history has no use for
        from runstone.store.postgres import Postgres

        return Postgres(address, schema=schema)
    from runstone.store.sqlite import Sqlite

    return Sqlite(Path(address), force_network=force_network, durable=durable, schema=schema)

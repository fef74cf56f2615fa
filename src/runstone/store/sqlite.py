"""The driver for SQLite: a small pool of connections, one writer at a time, safe across a fork."""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

from runstone.model import patience
from runstone.model.errors import Busy, Full, Invalid, Unreadable
from runstone.store import migrations
from runstone.store.database import Database, Row, Transaction
from runstone.store.pool import Pool

WAIT = 30.0
# How long SQLite waits by itself for another writer, before Python is asked whether it has heard a signal.
PIECE = 0.2
TOKENS = {
    "{id}": "INTEGER PRIMARY KEY",
    "{plain_id}": "INTEGER PRIMARY KEY",
    "{bytes}": "BLOB",
    "{clustered}": "WITHOUT ROWID",
    "{exact}": "",
    "{for_update}": "",
    "{skip_locked}": "",
}
NETWORK_SYSTEMS = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "lustre",
    "fuse.sshfs",
    "9p",
    "afs",
    "gpfs",
    "ceph",
    "davfs",
    "fuse.ceph",
    "fuse.davfs",
    "fuse.gcsfuse",
    "fuse.glusterfs",
    "fuse.juicefs",
    "fuse.rclone",
    "fuse.s3fs",
    "ncpfs",
    "orangefs",
    "pvfs2",
    "wekafs",
    "beegfs",
}
OLDEST = (3, 35, 0)
MOUNTS = Path("/proc/mounts")
# The write-ahead log keeps no more of its length than what it has between two checkpoints.
LOG_BYTES = 4 * 1024**2
# Fewer free pages are left for what is written next: 1 MiB.
FREE_PAGES = 256
# At once, so that other writers wait for less than a second: 100 MiB.
MOST_PAGES = 25_600

# How a mount's path spells spaces, tabs and back slashes.
_ESCAPED = re.compile(r"\\([0-7]{3})")

Begin = Callable[[sqlite3.Connection], None]

_open: weakref.WeakSet[Sqlite] = weakref.WeakSet()


class Sqlite(Database):
    """A history in one file, with its write-ahead log beside it."""

    dialect = "sqlite"

    def __init__(
        self,
        path: Path,
        *,
        force_network: bool = False,
        durable: bool = False,
        schema: Mapping[int, str] | None = None,
        mounts: Path = MOUNTS,
    ) -> None:
        """``schema`` and ``mounts``: the steps of the schema, and what lists the mounted file systems."""
        _check(path, force_network, mounts)
        self.path = path
        self._synchronous = "FULL" if durable else "NORMAL"
        self._schema = schema or migrations.steps(self.dialect)
        self._pool = Pool(self._connect)
        self._turn = threading.RLock()
        self._writing: int | None = None
        _open.add(self)
        self._upgrade()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One writer at a time: in this process by a lock, among processes by ``BEGIN IMMEDIATE``."""
        self._pool.check()
        wait = patience.left(WAIT)
        deadline = time.monotonic() + wait
        if not self._turn.acquire(timeout=wait):
            raise _busy(self.path, wait)
        try:
            if self._writing == threading.get_ident():
                # a signal handler or a finalizer that interrupts a write of its own thread would wait for
                # itself
                raise Busy("The history is in the middle of a write of this same thread; try again after it.")
            self._writing = threading.get_ident()
            try:
                with self._transaction(partial(_begin_write, deadline=deadline)) as transaction:
                    yield transaction
            finally:
                self._writing = None
        finally:
            self._turn.release()

    @contextmanager
    def read(self, *, budget: float | None = None) -> Iterator[Transaction]:
        """A snapshot: what is committed while the block runs is not seen in it."""
        with self._transaction(_begin_read, budget) as transaction:
            yield transaction

    def persist(self) -> bool:
        """Checkpoint the write-ahead log: it is forced to the disk first, then the pages are."""
        with self._pool.connection() as connection, _told(self.path):
            busy, in_log, done = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return bool(busy == 0 and in_log == done)

    def shrink(self) -> None:
        """Cut free pages off the end of the file, when they are many; else new rows will take them."""
        with self.read() as transaction:
            free = transaction.one("PRAGMA freelist_count")
        if free is None or free["freelist_count"] < FREE_PAGES:
            return
        # a script, because each step of this statement frees one page, and `execute` takes one step
        with self._turn, self._pool.connection() as connection, _told(self.path):
            connection.executescript(f"PRAGMA incremental_vacuum({MOST_PAGES})")

    def close(self) -> None:
        """Close the idle connections; one that a thread is using closes when it is given back."""
        self._pool.close()

    @contextmanager
    def _transaction(self, begin: Begin, budget: float | None = None) -> Iterator[Transaction]:
        with self._pool.connection() as connection, _told(self.path):
            begin(connection)
            deadline = None if budget is None else time.monotonic() + budget
            if deadline is not None:
                connection.set_progress_handler(lambda: int(time.monotonic() > deadline), 10_000)
            try:
                yield _SqliteTransaction(connection)
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            else:
                connection.execute("COMMIT")
            finally:
                if deadline is not None:
                    connection.set_progress_handler(None, 0)

    def _connect(self) -> sqlite3.Connection:
        with _told(self.path):
            connection = sqlite3.connect(
                self.path, timeout=WAIT, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            try:
                connection.row_factory = sqlite3.Row
                connection.execute(f"PRAGMA synchronous = {self._synchronous}")
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA cache_size = -32768")
                connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
            except BaseException:
                connection.close()
                raise
        return connection

    def _upgrade(self) -> None:
        with self._pool.connection() as connection, _told(self.path):
            _enter_wal(connection)
        version = self._version()
        if version == max(self._schema):
            return
        with self._alone():
            # another process may have been quicker
            if version and self._version() == version:
                self._copy_aside(version)
            for step in sorted(self._schema):
                self._take(step)

    def _take(self, step: int) -> None:
        with self.write() as transaction:
            if migrations.present(transaction, self._schema) < step:
                now = time.time_ns() // 1000
                migrations.upgrade(transaction, self._schema, version=step, now=now)

    def _version(self) -> int:
        with self.write() as transaction:
            return migrations.present(transaction, self._schema)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process upgrades at a time; the others wait, and find it done."""
        path = self.path.with_name(f"{self.path.name}.upgrade")
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Invalid(
                f"The history {self.path} cannot be upgraded ({path}: {error.strerror}); check its owner and "
                f"permissions."
            ) from error
        try:
            # a file system without locks leaves the transactions as the only guard
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _copy_aside(self, version: int) -> None:
        """The history as it is; under its name is never half of it."""
        copy = self.path.with_name(f"{self.path.name}.version-{version}")
        part = copy.with_name(f"{copy.name}.part")
        if copy.exists():
            return
        part.unlink(missing_ok=True)
        try:
            with self._pool.connection() as connection, _told(self.path):
                connection.execute("VACUUM INTO ?", (str(part),))
            part.replace(copy)
        finally:
            part.unlink(missing_ok=True)

    def _forked(self) -> None:
        self._turn = threading.RLock()
        self._writing = None


class _SqliteTransaction(Transaction):
    dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        return cast("list[Row]", self._connection.execute(_spelled(sql), values or {}).fetchall())

    def many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        self._connection.executemany(_spelled(sql), rows)

    def script(self, sql: str) -> None:
        statement = ""
        for line in _spelled(sql).splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                self._connection.execute(statement)
                statement = ""


def _forked() -> None:
    for database in list(_open):
        database._forked()


os.register_at_fork(after_in_child=_forked)


def _spelled(sql: str) -> str:
    if "{" not in sql:
        return sql
    for token, spelling in TOKENS.items():
        sql = sql.replace(token, spelling)
    return sql


def _enter_wal(connection: sqlite3.Connection) -> None:
    # changing the mode does not honour the busy time-out: two processes may create a history at once
    deadline = time.monotonic() + WAIT
    while True:
        try:
            if not connection.execute("PRAGMA page_count").fetchone()[0]:
                # sealed batches are deleted; only a new and empty file can be told to give room back
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin_read(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")


def _begin_write(connection: sqlite3.Connection, *, deadline: float) -> None:
    """Wait for other writers in small pieces: SQLite's own waiting hears no Ctrl-C."""
    try:
        while not _begun(connection, left=deadline - time.monotonic()):
            continue
    finally:
        connection.execute(f"PRAGMA busy_timeout = {1000 * WAIT:.0f}")


def _begun(connection: sqlite3.Connection, *, left: float) -> bool:
    connection.execute(f"PRAGMA busy_timeout = {1000 * min(max(left, 0.0), PIECE):.0f}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error) or left <= 0:
            raise
        return False
    return True


def _busy(path: Path, seconds: float) -> Busy:
    return Busy(f"The history {path} was busy for {seconds:.0f} s; the same call may succeed later.")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise _busy(path, WAIT) from error
        if "interrupted" in text:
            raise Busy(
                "The search took longer than its budget; narrow it, for instance by experiment or time."
            ) from error
        if "full" in text or "disk I/O" in text:
            raise Full(f"The disk under {path} is full or failing ({text}); reading still works.") from error
        if "unable to open" in text or "readonly" in text:
            raise Invalid(
                f"The history {path} cannot be written ({text}); check its owner and permissions."
            ) from error
        if "decode" in text:
            raise _damaged(path, error) from error
        raise
    except sqlite3.DatabaseError as error:
        if "malformed" in str(error) or "not a database" in str(error):
            raise _damaged(path, error) from error
        raise
    except UnicodeDecodeError as error:
        # a name in the schema that is no text any more
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> Unreadable:
    return Unreadable(f"The history {path} is damaged ({error}); run `runstone doctor`.")


def _check(path: Path, force_network: bool, mounts: Path) -> None:
    if sqlite3.sqlite_version_info < OLDEST:
        raise Invalid(f"This Python has SQLite {sqlite3.sqlite_version}; Runstone needs 3.35 or newer.")
    system = _file_system(path.parent, mounts)
    if system in NETWORK_SYSTEMS and not force_network:
        raise Invalid(
            f"{path} is on a network file system ({system}), where SQLite can lose data. Choose a local "
            f"directory, "
            f"use a server, or set RUNSTONE_FORCE_NETWORK=1 when one process at a time will use it."
        )


def _file_system(path: Path, mounts: Path) -> str:
    """The kind of file system that a path is on: that of the longest mount above it, the last of equals."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown"
    target = str(path.resolve())
    best, found = "", "unknown"
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mount, system = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[1]), fields[2]
        if (target == mount or target.startswith(mount.rstrip("/") + "/")) and len(mount) >= len(best):
            best, found = mount, system
    return found

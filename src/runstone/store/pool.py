"""The open connections to one file, of which none is open while the process forks."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runstone.model.errors import Busy

# How long a fork waits for threads that are using a connection.
FORK_SECONDS = 5.0

_living: weakref.WeakSet[Pool] = weakref.WeakSet()


class Pool:
    """Connections that threads use in turn.

    SQLite keeps its locks for the process that took them, and remembers them for all connections of it. A
    forked child would inherit the memory without the locks: others would delete the log under its feet. So a
    fork waits until no connection is in use, and closes them all; each process then opens its own.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._closed = False
        self._begin()
        _living.add(self)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for this thread alone."""
        self._enter()
        pid = os.getpid()
        try:
            connection = self._idle.pop() if self._idle else self._connect()
            try:
                yield connection
            finally:
                self._give_back(connection, pid)
        finally:
            if os.getpid() == pid:
                self._leave()

    def check(self) -> None:
        """Busy when this is a signal handler in the middle of a fork: it would wait for itself."""
        if self._forking == threading.get_ident():
            raise Busy("The process is in the middle of a fork of this same thread; try again after it.")

    def close(self) -> None:
        """Close the idle connections; one that a thread is using closes when it is given back."""
        self._closed = True
        self._close_idle()

    def _begin(self) -> None:
        self._idle: list[sqlite3.Connection] = []
        # what a signal handler does may come in between
        self._gate = threading.Condition(threading.RLock())
        self._users: Counter[int] = Counter()
        # the thread that forks
        self._forking: int | None = None
        # of the parent, never to be closed here: that would touch the parent's files
        self._abandoned: list[sqlite3.Connection] = []
        self._inherited = False

    def _enter(self) -> None:
        me = threading.get_ident()
        with self._gate:
            if self._inherited:
                raise Busy("This process was forked while its parent wrote; it leaves the history to others.")
            self.check()
            while self._forking is not None and me not in self._users:
                self._gate.wait()
            self._users[me] += 1

    def _leave(self) -> None:
        me = threading.get_ident()
        with self._gate:
            self._users[me] -= 1
            if not self._users[me]:
                del self._users[me]
                self._gate.notify_all()

    def _give_back(self, connection: sqlite3.Connection, pid: int) -> None:
        if os.getpid() != pid:
            self._abandoned.append(connection)
        elif self._closed or connection.in_transaction:
            connection.close()
        else:
            self._idle.append(connection)

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _before_fork(self) -> None:
        deadline = time.monotonic() + FORK_SECONDS
        self._gate.acquire()
        self._forking = threading.get_ident()
        while self._users.keys() - {threading.get_ident()} and time.monotonic() < deadline:
            self._gate.wait(deadline - time.monotonic())
        if not self._users:
            self._close_idle()

    def _after_fork(self) -> None:
        self._forking = None
        self._gate.notify_all()
        self._gate.release()

    def _in_child(self) -> None:
        used, idle = bool(self._users), self._idle
        self._begin()
        self._inherited = used or bool(idle)
        self._abandoned = idle


def _before_fork() -> None:
    for pool in list(_living):
        pool._before_fork()


def _after_fork() -> None:
    for pool in list(_living):
        pool._after_fork()


def _in_child() -> None:
    for pool in list(_living):
        pool._in_child()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)

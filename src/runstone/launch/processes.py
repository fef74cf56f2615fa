"""A script's processes: all of them, wherever they have hidden, and their end."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import suppress

import psutil

from runstone.journal.identity import identify
from runstone.model.runs import Process

MARK = "RUNSTONE_JOB"
# prctl(PR_SET_CHILD_SUBREAPER), of Linux
_SUBREAPER = 36
_LOOK_SECONDS = 0.05


def become_subreaper() -> None:
    """Have orphans among our descendants become our children, so that none is lost from sight."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(child: int) -> None:
    """Take leave of the dead that became our children; of ``child`` somebody else does."""
    with suppress(ChildProcessError):
        while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if dead.si_pid == child:
                return
            os.waitpid(dead.si_pid, 0)


def of_job(mark: str, leader: int | None) -> list[psutil.Process]:
    """The living processes of a job.

    They carry its mark in their environment, or are of the session of its leader, or descend from one of
    these: to hide, a process would have to clear its environment, begin a session, and have lost its parent.
    """
    everybody = {process.pid: process for process in psutil.process_iter()}
    found = {pid for pid, process in everybody.items() if _belongs(process, mark, leader)}
    parents = {pid: _parent(process) for pid, process in everybody.items()}
    grown = True
    while grown:
        below = {pid for pid, parent in parents.items() if parent in found} - found
        found |= below
        grown = bool(below)
    return [everybody[pid] for pid in sorted(found - {os.getpid()}) if _breathes(everybody[pid])]


def leader(mark: str, word: str) -> Process | None:
    """The process of a job that leads a session and has the word in its command line."""
    for process in of_job(mark, None):
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == process.pid and word in process.cmdline():
                return identify(process.pid)
    return None


def end_all(mark: str, leader: int | None, *, grace: float) -> bool:
    """SIGTERM to every process of a job, SIGKILL to those left after ``grace`` seconds; whether all are gone.

    It looks again until nobody is left: a process may start another while it is being ended.
    """
    _signal(of_job(mark, leader), signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline:
        if not of_job(mark, leader):
            return True
        time.sleep(_LOOK_SECONDS)
    for _ in range(100):
        left = of_job(mark, leader)
        if not left:
            return True
        _signal(left, signal.SIGKILL)
        time.sleep(_LOOK_SECONDS)
    return not of_job(mark, leader)


def _signal(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        # psutil looks at the start time first: an id that was used again is not signalled
        with suppress(psutil.Error):
            process.send_signal(number)


def _belongs(process: psutil.Process, mark: str, leader: int | None) -> bool:
    with suppress(psutil.Error, OSError):
        if leader is not None and (process.pid == leader or os.getsid(process.pid) == leader):
            return True
        return bool(process.environ().get(MARK) == mark)
    return False


def _parent(process: psutil.Process) -> int | None:
    with suppress(psutil.Error):
        return int(process.ppid())
    return None


def _breathes(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False

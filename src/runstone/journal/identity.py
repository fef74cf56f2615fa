"""Which process: by host, boot, process id and start time, so that no re-used id and no zombie is alive."""

from __future__ import annotations

import os
from pathlib import Path

from runstone.model.runs import Process

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PROC = Path("/proc")


def here() -> Process:
    """This process."""
    return identify(os.getpid()) or Process(_host(), _boot(), os.getpid(), 0)


def identify(pid: int) -> Process | None:
    """The process that has this id now; None when there is none to be seen."""
    found = _process(pid)
    return Process(_host(), _boot(), pid, found[0]) if found else None


def alive(who: Process) -> bool | None:
    """Whether the process still runs; None when that cannot be told from here (another host or container)."""
    if who.host != _host():
        return None
    boot, _, space = who.boot.partition("/")
    here_boot, _, here_space = _boot().partition("/")
    if boot != here_boot:
        return False
    if space != here_space:
        return None
    found = _process(who.pid)
    if found is None:
        return None if _hidden(who.pid) else False
    start, zombie = found
    return not zombie and start == who.start


def _host() -> str:
    # as socket.gethostname() says, whose module takes longer to load than all else that is done here
    return os.uname().nodename


def _boot() -> str:
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        # imported here: psutil is not of the standard library, and only systems without /proc need it
        import psutil

        return f"{int(psutil.boot_time())}/"


def _process(pid: int) -> tuple[int, bool] | None:
    """Start time and whether it is a zombie; None when there is no such process to be seen."""
    if not _BOOT.exists():
        return _portable(pid)
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # the name of the program stands in parentheses and may hold anything, parentheses and spaces too
    fields = stat.rpartition(b")")[2].split()
    return int(fields[19]), fields[0] in (b"Z", b"X")


def _portable(pid: int) -> tuple[int, bool] | None:
    # imported here: psutil is not of the standard library, and only systems without /proc need it
    import psutil

    try:
        process = psutil.Process(pid)
        return int(process.create_time() * 100), process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None


def _hidden(pid: int) -> bool:
    """Whether there is such a process, of another user's, that /proc does not show."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    # signals reach it, so it is ours: it ended and began between two looks, or is a thread's id
    return False

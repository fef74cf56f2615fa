"""How a script ended: exit code, signal, lack of memory, time limit, cancel, each told apart."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runstone.model.errors import UserErrorException
from runstone.model.runs import Status

LINES = 20
TAIL_BYTES = 16 * 1024
LINE_CHARACTERS = 2_000
_MEMORY_EVENTS = "memory.events"


@dataclass(frozen=True)
class Ending:
    """The final status, and the error document that explains it."""

    status: Status
    error: Mapping[str, Any] | None = None


def ending(code: int | None, *, stopped: str | None, starved: bool, limit: float | None) -> Ending:
    """What an exit code means, knowing whether we ended the script and whether the system lacked memory."""
    if stopped == "canceled":
        return canceled()
    if stopped == "time-limit":
        message = f"The script ran longer than its limit of {limit:g} s and was ended."
        return _failed("TimeLimit", message, reason="time-limit", exit_code=code)
    if code is None:
        message = (
            "The supervisor and the script both ended without a word: killed, or the machine was restarted."
        )
        return _failed("ProcessLost", message, reason="infrastructure")
    number = signal_of(code)
    if number == signal.SIGKILL and starved:
        message = "The system ran out of memory and killed the script (SIGKILL)."
        return _failed("OutOfMemory", message, reason="out-of-memory", signal=int(number))
    if number is not None:
        return _failed(
            "Signal", f"The script was ended by {number.name}.", signal=int(number), exit_code=code
        )
    if code:
        return _failed("UserError", f"The script ended with the exit code {code}.", exit_code=code)
    return Ending(Status.COMPLETED)


def canceled() -> Ending:
    """The end that somebody asked for."""
    return Ending(Status.CANCELED, {"code": "Canceled", "message": "Canceled by the user.", "reason": "user"})


def unprepared(error: BaseException) -> Ending:
    """The script never ran: what was asked for cannot be had (the user's to mend), or the machine failed."""
    message = f"The run could not be prepared: {error}"[:12_000]
    theirs = isinstance(error, (UserErrorException, ValueError))
    return _failed("PreparationFailed", message, reason="code" if theirs else "infrastructure")


def undelivered(error: BaseException) -> Ending:
    """The script did its part, and what it made could not be brought to where it belongs."""
    message = f"An output could not be uploaded: {error}"[:12_000]
    theirs = isinstance(error, (UserErrorException, ValueError))
    return _failed("OutputFailed", message, reason="code" if theirs else "infrastructure")


def signal_of(code: int) -> signal.Signals | None:
    """The signal that an exit code stands for: -n from the system, 128 + n from a shell."""
    number = -code if code < 0 else code - 128
    with suppress(ValueError):
        return signal.Signals(number) if number > 0 else None
    return None


def noted(path: Path) -> int | None:
    """The exit code that was written down."""
    with suppress(OSError, ValueError):
        return int(path.read_text(encoding="ascii"))
    return None


def with_last_lines(error: Mapping[str, Any] | None, log: Path) -> Mapping[str, Any] | None:
    """The error, and the last lines of what the script printed."""
    if error is None:
        return None
    return {**error, "lastLines": last_lines(log)}


def last_lines(log: Path) -> list[str]:
    """The last 20 lines of a log, read from its end; of a progress bar, what it showed last."""
    with suppress(OSError), open(log, "rb") as stream:
        begun = stream.seek(max(0, log.stat().st_size - TAIL_BYTES))
        lines = stream.read(TAIL_BYTES).removesuffix(b"\n").split(b"\n")
        # the first one was cut somewhere
        whole = lines[1:] if begun and len(lines) > 1 else lines
        return [_shown(line) for line in whole[-LINES:]] if whole != [b""] else []
    return []


def out_of_memory_kills() -> int:
    """How often the system has killed something of our control group for lack of memory (Linux)."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
        path = next(line.split(":", 2)[2] for line in lines if line.startswith("0::"))
        events = Path("/sys/fs/cgroup", path.lstrip("/"), _MEMORY_EVENTS).read_text(encoding="ascii")
        return int(next(line.split()[1] for line in events.splitlines() if line.startswith("oom_kill ")))
    return 0


def _shown(line: bytes) -> str:
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")[-LINE_CHARACTERS:]


def _failed(code: str, message: str, *, reason: str = "code", **more: Any) -> Ending:
    given = {key: value for key, value in more.items() if value is not None}
    return Ending(Status.FAILED, {"code": code, "message": message, "reason": reason, **given})

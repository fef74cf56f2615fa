"""How long a thread is willing to wait: as usual, unless its caller or its process is in a hurry."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# What an ending process still waits for each thing after its time is up: it may be a matter of milliseconds.
LEAST = 1.0

_thread = threading.local()
# For the whole process: until when, and the least that is waited after that.
_process = (float("inf"), LEAST)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """In the block, this thread waits no longer than so many seconds in all."""
    outer: float = getattr(_thread, "until", float("inf"))
    _thread.until = min(outer, time.monotonic() + seconds)
    try:
        yield
    finally:
        _thread.until = outer


def hurry(seconds: float) -> None:
    """From now on no thread of this process, which is ending, waits longer than that; 0 is not at all."""
    global _process
    _process = (time.monotonic() + seconds, LEAST if seconds else 0.0)


def calm() -> None:
    """A forked child is in no hurry."""
    global _process
    _process = (float("inf"), LEAST)


def left(usual: float) -> float:
    """How many seconds to wait for something for which one usually waits that long."""
    now = time.monotonic()
    until, least = _process
    mine = max(getattr(_thread, "until", float("inf")) - now, 0.0)
    return min(usual, mine, max(until - now, least))

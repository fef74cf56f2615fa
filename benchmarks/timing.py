"""Time: of a call, of a process, in seconds. On a busy machine the least of several is nearest the truth."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds on the clock and of CPU, its children's too, and what it said."""

    wall: float
    cpu: float
    output: str


class Failed(Exception):
    """A measured process ended with an error; the message is the last that it said."""


def least(call: Callable[[], object], repeats: int) -> float:
    """The shortest of so many calls."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


def least_cpu(call: Callable[[], object], repeats: int) -> float:
    """The CPU time of the cheapest of so many calls, of all threads of this process."""
    found = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


def cpu() -> float:
    """CPU time of this process and of those children that it has waited for."""
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def run(command: Sequence[str], *, environment: Mapping[str, str], directory: Path) -> Cost:
    """Run a process to its end in a directory; Failed when it ends with an error."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        # wait4 tells the CPU time of this very child
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode(errors="replace").strip()
    if process.returncode:
        raise Failed((said.splitlines() or [f"exit code {process.returncode}"])[-1])
    return Cost(wall, usage.ru_utime + usage.ru_stime, said)

"""Processes of their own that see to a history: to its jobs an agent, and to what its runs have logged."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from runstone.store.claim import held

CLAIM = "agent"
MOST_LOG_BYTES = 1 << 20
# One that was started needs a moment to take the claim, in which it is not started again.
START_SECONDS = 3.0
# What says to which run a process belongs: an agent belongs to none.
_OWN = ("RUNSTONE_JOB", "RUNSTONE_RUN", "AZUREML_RUN")

log = logging.getLogger(__name__)

_started: dict[Path, float] = {}


def start_agent(history: Path, environ: Mapping[str, str]) -> None:
    """Start the history's agent, unless it has one, or was given one by this process a moment ago.

    A process that cannot (in a history that it may only read) says so: whoever looks next starts one.
    """
    now = time.monotonic()
    if now - _started.get(history, -START_SECONDS) < START_SECONDS or held(history, CLAIM):
        return
    try:
        _started[history] = now
        _start(history, environ)
    except OSError as error:
        log.warning("The agent that sees to submitted runs could not be started: %s", error)


def start_housekeeping(history: Path) -> None:
    """Have another process seal what the history's runs have logged; nobody waits for it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "runstone.service.housekeeping", str(history)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        close_fds=True,
    )
    try:
        # it should leave neither a zombie nor a ResourceWarning
        threading.Thread(target=process.wait, name="runstone-sealing", daemon=True).start()
    except RuntimeError:
        # this process is ending, and goes first
        process.returncode = 0


def _start(history: Path, environ: Mapping[str, str]) -> None:
    kept = {name: value for name, value in environ.items() if not name.startswith(_OWN)}
    # Python's own modules first: a file of the user's called queue.py is not meant
    own = sorted({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
    kept["PYTHONPATH"] = os.pathsep.join([*own, *(path for path in sys.path if path and path not in own)])
    with open(history / "agent.log", _mode(history / "agent.log")) as words:
        # the shell leaves the agent to the system: the end of our processes is not its end
        subprocess.Popen(
            ["/bin/sh", "-c", '"$@" &', "sh", sys.executable, "-m", "runstone.launch.agent", str(history)],
            env=kept,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            start_new_session=True,
            cwd="/",
        ).wait()


def _mode(path: Path) -> Literal["ab", "wb"]:
    """Append to the log of the agents before, unless they had much to say."""
    return "wb" if path.exists() and path.stat().st_size > MOST_LOG_BYTES else "ab"

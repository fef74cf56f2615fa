"""Having an agent of this machine see to a history's jobs: it is a process of its own, and nobody's child."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from runstone.store.claim import held

CLAIM = "agent"
# What says to which run a process belongs: an agent belongs to none.
_OWN = ("RUNSTONE_JOB", "RUNSTONE_RUN", "AZUREML_RUN")


def start_agent(history: Path, environ: Mapping[str, str]) -> None:
    """Start the history's agent, unless it has one."""
    if held(history, CLAIM):
        return
    kept = {name: value for name, value in environ.items() if not name.startswith(_OWN)}
    kept["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    with open(history / "agent.log", "ab") as log:
        # the shell leaves the agent to the system: the end of our processes is not its end
        subprocess.Popen(
            ["/bin/sh", "-c", '"$@" &', "sh", sys.executable, "-m", "runstone.launch.agent", str(history)],
            env=kept,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        ).wait()

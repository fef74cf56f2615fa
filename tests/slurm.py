"""A real Slurm of one node for the tests, started in about a second, and ended with them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "munge")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged", "mungekey")
MISSING = f"The tests need a Slurm; install {' '.join(PACKAGES)} (their names on Debian)."

CONFIGURATION = """\
ClusterName=ci
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={root}/munge.sock
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MpiDefault=none
ReturnToService=2
KillWait=5
MinJobAge=3600
EnforcePartLimits=ALL
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def installed() -> bool:
    """Whether every program is there."""
    return all(shutil.which(program, path=_path()) for program in PROGRAMS)


@dataclass(frozen=True)
class Slurm:
    """A cluster of this machine; ``environment`` leads its commands to it."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.root / "slurm.conf")}

    @classmethod
    @contextmanager
    def started(cls, root: Path) -> Iterator[Slurm]:
        """Start the three daemons; fail, naming the packages, where they are not installed."""
        if not installed():
            pytest.fail(MISSING, pytrace=False)
        cluster = cls(root)
        daemons = cluster._start()
        try:
            cluster._wait()
            yield cluster
        finally:
            for daemon in reversed(daemons):
                end(daemon)

    def _start(self) -> list[subprocess.Popen[bytes]]:
        for name in ("state", "spool"):
            (self.root / name).mkdir()
        os.chmod(self.root, 0o755)
        values = {"root": self.root, "controller": free_port(), "node": free_port()}
        text = CONFIGURATION.format(host=socket.gethostname().split(".")[0], **values)
        (self.root / "slurm.conf").write_text(text, encoding="ascii")
        key = self.root / "munge.key"
        subprocess.run(["mungekey", "--create", f"--keyfile={key}"], env=self._variables(), check=True)
        munged = ["munged", "--foreground", "--force", f"--key-file={key}"]
        munged += [f"--socket={self.root}/munge.sock"]
        munged += [f"--pid-file={self.root}/munged.pid", f"--log-file={self.root}/munged.log"]
        munged += [f"--seed-file={self.root}/munge.seed"]
        daemons = [self._daemon(munged)]
        until(lambda: (self.root / "munge.sock").exists(), "munged did not start")
        conf = str(self.root / "slurm.conf")
        daemons.append(self._daemon(["slurmctld", "-D", "-f", conf]))
        daemons.append(self._daemon(["slurmd", "-D", "-f", conf]))
        return daemons

    def _daemon(self, words: list[str]) -> subprocess.Popen[bytes]:
        with open(self.root / "daemons.log", "ab") as log:
            return subprocess.Popen(
                words, env=self._variables(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _variables(self) -> dict[str, str]:
        return {**os.environ, **self.environment, "PATH": _path()}

    def _wait(self) -> None:
        def ready() -> bool:
            words = ["sinfo", "--noheader", "--format=%T"]
            done = subprocess.run(words, env=self._variables(), capture_output=True, text=True, check=False)
            return done.stdout.strip() == "idle"

        until(ready, f"Slurm did not come up; see {self.root}")


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def until(happened: Callable[[], object], otherwise: str, seconds: float = 30) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def end(daemon: subprocess.Popen[bytes]) -> None:
    """End a daemon and all its children."""
    with suppress(psutil.Error):
        for child in psutil.Process(daemon.pid).children(recursive=True):
            child.kill()
    daemon.kill()
    daemon.wait()

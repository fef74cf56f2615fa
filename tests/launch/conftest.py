"""A workspace whose submitted runs end with the test."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from runstone import Experiment, ScriptRunConfig, Workspace
from runstone.launch.processes import MARK
from runstone.sdk.compute import ComputeTarget, RayCompute, SlurmCompute
from runstone.sdk.script_run import ScriptRun
from runstone.service.connect import disconnect
from tests.ray import Ray
from tests.slurm import Slurm

LOG = "user_logs/std_log.txt"


class Bench:
    """An experiment, a source directory, and what tests do with both."""

    def __init__(self, root: Path) -> None:
        self.source = root / "source"
        self.source.mkdir()
        self.workspace = Workspace.from_config()
        self.experiment = Experiment(self.workspace, "launch")
        self.history = Path(self.workspace.location)

    def script(self, text: str, name: str = "script.py") -> str:
        """Write a script into the source directory."""
        (self.source / name).write_text(text, encoding="utf-8")
        return name

    def config(self, text: str, *arguments: object, **more: object) -> ScriptRunConfig:
        """The configuration of a script with this text."""
        return ScriptRunConfig(str(self.source), self.script(text), list(arguments), **more)  # type: ignore[arg-type]

    def submit(self, text: str, *arguments: object, **more: object) -> ScriptRun:
        """Submit a script with this text."""
        run = self.experiment.submit(self.config(text, *arguments, **more))
        assert isinstance(run, ScriptRun)
        return run

    def printed(self, run: ScriptRun) -> str:
        """What the script has printed so far."""
        logs = run._service.logs
        return logs.read(run._ref, LOG).decode() if LOG in logs.names(run._ref) else ""

    def until(self, happened: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.05)

    def processes(self, run: ScriptRun) -> list[psutil.Process]:
        """The living processes that carry the run's mark."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                marked = process.environ().get(MARK, "").startswith(f"{run._ref}#")
                if marked and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def end_agent(self) -> int | None:
        """Kill the history's agent, if it has one; its process id."""
        with suppress(OSError, ValueError, KeyError, ProcessLookupError):
            pid = int(json.loads((self.history / "agent.lock").read_text())["pid"])
            os.kill(pid, signal.SIGKILL)
            return pid
        return None


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A real Slurm of one node; never a skip."""
    with Slurm.started(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def ray() -> Iterator[Ray]:
    """A real Ray head; never a skip."""
    with Ray.started() as cluster:
        yield cluster


@pytest.fixture(params=["local", "slurm", "ray"])
def place(request: pytest.FixtureRequest, bench: Bench) -> str:
    """The name of a compute target: the same tests hold on each."""
    if request.param == "slurm":
        cluster: Slurm = request.getfixturevalue("slurm")
        configuration = SlurmCompute.attach_configuration(environment=cluster.environment)
        ComputeTarget.attach(bench.workspace, "slurm", configuration)
    if request.param == "ray":
        head: Ray = request.getfixturevalue("ray")
        ComputeTarget.attach(
            bench.workspace, "ray", RayCompute.attach_configuration(head.address, head.token)
        )
    return str(request.param)


@pytest.fixture
def bench(history: Path, tmp_path: Path) -> Iterator[Bench]:
    """A fresh history, whose agent and jobs are ended with the test."""
    made = Bench(tmp_path)
    yield made
    for job in made.workspace._service.jobs.active():
        with suppress(Exception):
            made.workspace._service.jobs.cancel(job.run)
    made.until(lambda: not made.workspace._service.jobs.active(), 40)
    made.end_agent()
    disconnect(made.history)

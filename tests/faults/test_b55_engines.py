"""b55: an engine that is away says nothing of its jobs; a job that it starts twice is another attempt,
fenced."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from runstone.exceptions import UserErrorException
from runstone.journal.identity import here
from runstone.launch.launcher import GONE, RUNNING
from runstone.launch.slurm import Slurm as Launcher
from runstone.model.errors import Busy
from tests.launch.conftest import Bench
from tests.slurm import Slurm


def test_a_job_that_is_started_twice_is_another_attempt_and_the_first_is_refused(bench: Bench):
    run = bench.submit("import time; print('ready', flush=True); time.sleep(5)")
    bench.until(lambda: "ready" in bench.printed(run))
    first = run._service.jobs.get(run._ref)
    second = run._service.jobs.begin(run._ref, attempt=first.attempt, supervisor=here())
    assert second.attempt == first.attempt + 1
    with pytest.raises(UserErrorException, match="it has been replaced"):
        run._service.jobs.progress(run._ref, attempt=first.attempt)
    # the first attempt's script is ended, and its supervisor says nothing of the run
    bench.until(lambda: not bench.processes(run))
    assert first.supervisor is not None
    bench.until(lambda: not _alive(first.supervisor.pid))  # type: ignore[union-attr]
    assert run.get_status() == "Running"
    run._service.jobs.end(run._ref, attempt=second.attempt)


def test_submitting_again_after_a_lost_answer_finds_the_same_job(bench: Bench, slurm: Slurm):
    run = bench.submit("pass")
    run.wait_for_completion()
    job = run._service.jobs.get(run._ref)
    launcher = Launcher({"environment": slurm.environment})
    command = ["/bin/sh", "-c", "sleep 20"]
    handle = launcher.start(job, command, folder=bench.history / "work" / "again")
    assert launcher.start(job, command, folder=bench.history / "work" / "again") == handle
    bench.until(lambda: launcher.ask([handle])[handle].state == RUNNING)
    launcher.stop(handle)
    bench.until(lambda: launcher.ask([handle])[handle].state == GONE)
    assert launcher.ask(["999999"])["999999"].state == GONE


def test_an_engine_that_is_away_leaves_its_jobs_as_they_are(bench: Bench, slurm: Slurm):
    controller = next(
        process
        for process in psutil.process_iter()
        if process.name() == "slurmctld" and str(slurm.root) in " ".join(process.cmdline())
    )
    launcher = Launcher({"environment": slurm.environment})
    os.kill(controller.pid, signal.SIGSTOP)
    try:
        with pytest.raises(Busy, match=r"did not answer|exit code"):
            launcher.ask(["1"])
    finally:
        os.kill(controller.pid, signal.SIGCONT)


def _alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE

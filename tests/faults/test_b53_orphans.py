"""b53, b54: whoever dies, agent, supervisor, script or submitter, the state told is the truth and no line is
lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from runstone.sdk.script_run import ScriptRun
from tests.launch.conftest import Bench

COUNTING = """
import time
from azureml.core import Run
run = Run.get_context()
for i in range(30):
    print("line", i, flush=True)
    run.log("x", i, step=i)
    time.sleep(0.1)
"""

SUBMITTER = """
import sys
from runstone import Experiment, ScriptRunConfig, Workspace
run = Experiment(Workspace.from_config(), "launch").submit(ScriptRunConfig("source", "script.py"))
print(run.id, flush=True)
sys.stdin.read()
"""


def test_a_supervisor_that_is_killed_is_replaced_and_nothing_is_lost(
    bench: Bench, count: Callable[[int, int], int]
):
    for _ in range(count(2, 10)):
        run = bench.submit(COUNTING)
        bench.until(lambda run=run: "line 5" in bench.printed(run))
        job = run._service.jobs.get(run._ref)
        assert job.supervisor is not None
        os.kill(job.supervisor.pid, signal.SIGKILL)
        _ends_whole(bench, run)


def test_an_agent_that_is_killed_is_replaced_by_whoever_looks(bench: Bench):
    run = bench.submit(COUNTING)
    bench.until(lambda: "line 5" in bench.printed(run))
    assert bench.end_agent() is not None
    job = run._service.jobs.get(run._ref)
    assert job.supervisor is not None
    os.kill(job.supervisor.pid, signal.SIGKILL)
    _ends_whole(bench, run)


def test_a_script_that_is_killed_is_failed_with_its_signal(bench: Bench, count: Callable[[int, int], int]):
    for _ in range(count(2, 10)):
        run = bench.submit(COUNTING)
        bench.until(lambda run=run: "line 5" in bench.printed(run))
        for process in bench.processes(run):
            if "script.py" in process.cmdline() and process.name() != "sh":
                process.kill()
        error = run.wait_for_completion(raise_on_error=False)["error"]["error"]
        assert (error["code"], error["signal"]) == ("Signal", 9)
        lines = run.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"].splitlines()
        assert len(run.get_metrics()["x"]) in (len(lines), len(lines) - 1)


def test_supervisor_and_script_killed_together_are_told_as_lost(bench: Bench):
    run = bench.submit(COUNTING)
    bench.until(lambda: "line 5" in bench.printed(run))
    job = run._service.jobs.get(run._ref)
    assert job.supervisor is not None
    os.kill(job.supervisor.pid, signal.SIGKILL)
    for process in bench.processes(run):
        process.kill()
    error = run.wait_for_completion(raise_on_error=False)["error"]["error"]
    assert error["reason"] == "infrastructure"
    assert "line 5" in run.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_the_end_of_the_submitting_process_is_not_the_runs(bench: Bench, number: signal.Signals):
    bench.script(COUNTING)
    submitter = subprocess.Popen(
        [sys.executable, "-c", SUBMITTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert submitter.stdin
    assert submitter.stdout
    with submitter.stdin, submitter.stdout:
        run = bench.workspace.get_run(submitter.stdout.readline().strip())
        assert isinstance(run, ScriptRun)
        bench.until(lambda: "line 2" in bench.printed(run))
        os.killpg(submitter.pid, number)
        submitter.wait()
    _ends_whole(bench, run)


def _ends_whole(bench: Bench, run: ScriptRun) -> None:
    assert run.wait_for_completion()["status"] == "Completed"
    assert run.get_metrics()["x"] == list(range(30))
    lines = run.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"].splitlines()
    assert lines == [f"line {i}" for i in range(30)]
    assert bench.processes(run) == []

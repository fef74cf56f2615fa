"""b53, b54: whoever dies, agent, supervisor, script or submitter, the state told is the truth and no line is
lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from runstone.model.runs import TERMINAL, Status
from runstone.sdk.script_run import ScriptRun
from runstone.service.surroundings import work_folder
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


def test_a_supervisor_that_is_killed_at_any_moment_costs_no_line_and_no_value(
    bench: Bench, count: Callable[[int, int], int], rng: random.Random
):
    for _ in range(count(2, 10)):
        run = bench.submit(COUNTING)
        time.sleep(rng.random() * 4.5)
        with suppress(ProcessLookupError):
            supervisor = run._service.jobs.get(run._ref).supervisor
            if supervisor is not None:
                os.kill(supervisor.pid, signal.SIGKILL)
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
        _ends_soon(bench, run)
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
    _ends_soon(bench, run)
    error = run.wait_for_completion(raise_on_error=False)["error"]["error"]
    assert error["reason"] == "infrastructure"
    assert "line 5" in run.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_the_end_of_the_submitting_process_is_not_the_runs(
    bench: Bench, number: signal.Signals, count: Callable[[int, int], int]
):
    bench.script(COUNTING)
    for _ in range(count(1, 10)):
        _ends_whole(bench, _submitted_by_one_that_ends(bench, number))


def _submitted_by_one_that_ends(bench: Bench, number: signal.Signals) -> ScriptRun:
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
    return run


def _ends_whole(bench: Bench, run: ScriptRun) -> None:
    _ends_soon(bench, run)
    assert run.wait_for_completion()["status"] == "Completed"
    assert run.get_metrics()["x"] == list(range(30))
    lines = run.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"].splitlines()
    assert lines == [f"line {i}" for i in range(30)]
    assert bench.processes(run) == []


def _ends_soon(bench: Bench, run: ScriptRun) -> None:
    """The truth is told within 45 s."""
    bench.until(lambda: Status(run.get_status()) in TERMINAL, 45.0)


def test_a_script_whose_supervisor_died_keeps_its_time_limit(bench: Bench):
    run = bench.submit("import time; print('line 5', flush=True); time.sleep(60)", max_run_duration_seconds=6)
    bench.until(lambda: "line 5" in bench.printed(run))
    began = time.monotonic()
    for _ in range(2):
        job = run._service.jobs.get(run._ref)
        assert job.supervisor is not None
        time.sleep(2.0)
        os.kill(job.supervisor.pid, signal.SIGKILL)
        bench.until(lambda job=job: run._service.jobs.get(run._ref).supervisor != job.supervisor)
    bench.until(lambda: Status(run.get_status()) in TERMINAL, max(0.0, began + 11.0 - time.monotonic()))
    assert run.get_details()["error"]["error"]["reason"] == "time-limit"


def test_a_second_process_that_takes_over_leaves_the_script_to_the_first(bench: Bench):
    run = bench.submit("import time; print('line 5', flush=True); time.sleep(60)")
    bench.until(lambda: "line 5" in bench.printed(run))
    job = run._service.jobs.get(run._ref)
    adopt = [sys.executable, "-m", "runstone.launch.supervisor", str(bench.history), run._ref, "1", "--adopt"]
    refused = subprocess.run(adopt, capture_output=True, text=True, timeout=60, check=False)
    assert "supervisor.lock is held by process" in refused.stderr
    assert run._service.jobs.get(run._ref).supervisor == job.supervisor
    run.cancel()
    bench.until(lambda: not run._service.jobs.active())
    refused = subprocess.run(adopt, capture_output=True, text=True, timeout=60, check=False)
    assert "has ended" in refused.stderr
    assert run.get_status() == "Canceled"
    assert not work_folder(bench.history, run._ref).exists()

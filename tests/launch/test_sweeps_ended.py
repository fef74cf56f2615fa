"""How sweeps end: cancelled at any time, too late, without a result, or with their processes killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from runstone import SweepRun
from runstone.exceptions import ActivityFailedException
from runstone.sdk.sweeps import (
    RandomParameterSampling,
    choice,
    uniform,
)
from runstone.sdk.sweeps.driver import Driver
from tests.launch.conftest import Bench
from tests.launch.sweeping import HILL, WAITS, driver, of, statuses, submit


def test_a_sweep_of_which_nothing_completes_has_failed_and_says_why(bench: Bench):
    sweep = submit(bench, "raise ValueError('of course')", {"x": choice(1, 2)})
    with pytest.raises(ActivityFailedException, match="NoRunCompleted"):
        sweep.wait_for_completion()
    error = sweep.get_details()["error"]["error"]
    assert "None of the 2 runs has completed: 2 failed, 0 were canceled" in error["message"]
    assert "ValueError: of course" in error["message"]
    assert sweep.get_best_run_by_primary_metric() is None
    assert sweep.get_children_sorted_by_primary_metric(discard_no_metric=True) == []
    assert len(sweep.get_children_sorted_by_primary_metric()) == 2


def test_a_metric_that_nobody_logs_fails_the_sweep_and_says_what_was_logged(bench: Bench):
    sweep = submit(bench, HILL, {"x": choice(1)}, primary_metric_name="accuracy")
    error = sweep.wait_for_completion(raise_on_error=False)["error"]["error"]
    assert (error["code"], statuses(sweep)) == ("PrimaryMetricNotFound", ["Completed"])
    assert "No run has logged a number as 'accuracy'" in error["message"]
    assert "has logged: score" in error["message"]


def test_a_cancel_in_the_middle_ends_the_sweep_and_all_of_its_runs(bench: Bench):
    sweep = submit(bench, WAITS, {"x": choice(*range(20))}, max_total_runs=20, max_concurrent_runs=4)
    bench.until(lambda: "ready" in "".join(bench.printed(run) for run in of(sweep)))  # type: ignore[arg-type]
    assert sweep.cancel() is True
    assert sweep.wait_for_completion()["status"] == "Canceled"
    bench.until(lambda: set(statuses(sweep)) == {"Canceled"})
    assert len(of(sweep)) == 4
    assert [bench.processes(run) for run in (sweep, *of(sweep))] == [[]] * 5  # type: ignore[arg-type]
    assert sweep.cancel() is False


def test_a_sweep_that_is_cancelled_in_the_queue_has_no_runs(bench: Bench):
    sweep = submit(bench, WAITS, {"x": choice(1)})
    sweep.cancel()
    sweep.wait_for_completion()
    assert (sweep.get_status(), set(statuses(sweep))) in [("Canceled", set()), ("Canceled", {"Canceled"})]


def test_a_sweep_survives_whoever_submitted_it(bench: Bench):
    bench.script(HILL)
    code = (
        "import os, signal\nfrom runstone import *\nfrom runstone.sdk.sweeps import *\n"
        "space = RandomParameterSampling({'x': uniform(0, 5)}, seed=1)\n"
        "plan = SweepConfig(space, 'score', 'maximize', 3, 1,\n"
        f"    run_config=ScriptRunConfig({str(bench.source)!r}, 'script.py'), custom_run_id='survivor')\n"
        "Experiment(Workspace.from_config(), 'launch').submit(plan)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    sweep = SweepRun(bench.experiment, "survivor")
    assert sweep.wait_for_completion()["status"] == "Completed"
    assert statuses(sweep) == ["Completed"] * 3


def test_a_driver_that_is_killed_fails_its_sweep_and_leaves_runs_that_can_be_cancelled(bench: Bench):
    sweep = submit(bench, WAITS, {"x": choice(1)})
    bench.until(lambda: "Running" in statuses(sweep))
    driver(bench, sweep).kill()
    error = sweep.wait_for_completion(raise_on_error=False)["error"]["error"]
    assert (error["code"], error["signal"]) == ("Signal", signal.SIGKILL)
    assert sweep.cancel() is True
    bench.until(lambda: statuses(sweep) == ["Canceled"])
    assert sweep.cancel() is False


def test_a_cancel_at_any_time_leaves_nothing_that_runs(
    bench: Bench, rng: random.Random, count: Callable[[int, int], int]
):
    text = HILL + "import time\ntime.sleep(0.3)\n"
    for _ in range(count(4, 60)):
        sweep = submit(bench, text, {"x": choice(1, 2, 3, 4)}, max_concurrent_runs=2)
        time.sleep(rng.uniform(0, 4))
        sweep.cancel()
        assert sweep.wait_for_completion()["status"] in ("Canceled", "Completed")
        bench.until(lambda of_this=sweep: set(statuses(of_this)) <= {"Canceled", "Completed"})  # type: ignore[misc]
    assert bench.workspace._service.jobs.active() == ()


def test_a_sweep_survives_its_agent_and_all_supervisors(bench: Bench):
    text = HILL + "import time\ntime.sleep(1)\n"
    sweep = submit(bench, text, {"x": choice(1, 2, 3, 4)}, max_concurrent_runs=2)
    bench.until(lambda: "Running" in statuses(sweep))
    killed = [bench.end_agent()]
    for job in bench.workspace._service.jobs.active():
        if job.supervisor is not None and job.script is not None:
            os.kill(job.supervisor.pid, signal.SIGKILL)
            killed.append(job.supervisor.pid)
    assert len(killed) > 1
    assert sweep.wait_for_completion()["status"] == "Completed"
    assert statuses(sweep) == ["Completed"] * 4


def test_a_driver_goes_on_where_one_before_it_was_killed(bench: Bench):
    sampling = RandomParameterSampling({"x": uniform(0, 6)}, seed=3)
    whole = submit(bench, HILL, sampling, max_total_runs=4, max_concurrent_runs=2)
    sweep = submit(bench, HILL, sampling, max_total_runs=4, max_concurrent_runs=2)
    bench.until(lambda: len(of(sweep)) == 2)
    driver(bench, sweep).kill()
    sweep.wait_for_completion(raise_on_error=False)
    begun = len(of(sweep))
    assert Driver(sweep, sweep._plan).drive() == 0
    whole.wait_for_completion()
    assert begun < 4
    assert [run.id for run in of(sweep)] == [f"{sweep.id}_{number}" for number in range(4)]
    assert [run.get_params() for run in of(sweep)] == [run.get_params() for run in of(whole)]
    assert statuses(sweep) == ["Completed"] * 4


def test_a_sweep_that_takes_too_long_is_cancelled(bench: Bench):
    sweep = submit(bench, WAITS, {"x": choice(1, 2)}, max_duration_minutes=0.05, max_concurrent_runs=1)
    details = sweep.wait_for_completion()
    assert (details["status"], details["error"]["error"]["reason"]) == ("Canceled", "time-limit")
    assert statuses(sweep) == ["Canceled"]

"""Whoever ends a submitted run, and by whichever object: its script is ended with it."""

from __future__ import annotations

from pathlib import Path

from runstone import Run
from runstone.launch.folders import Folder
from tests.launch.conftest import LOG, Bench

ENDLESS = "import time\nprint('here', flush=True)\ntime.sleep(300)\n"
CANCELS_ITSELF = """
import time
from azureml.core import Run
run = Run.get_context()
run.cancel()
print("asked:", run.get_status(), flush=True)
time.sleep(300)
"""
COMPLETES_AND_GOES_ON = """
import time
from azureml.core import Run
Run.get_context().complete()
time.sleep(300)
"""
FAILS_AND_GOES_ON = """
from azureml.core import Run
Run.get_context().fail("no data", "Empty")
print("tidied up")
"""


def test_a_run_that_was_looked_up_by_its_id_is_cancelled_with_its_script(bench: Bench):
    run = bench.submit(ENDLESS)
    bench.until(lambda: "here" in bench.printed(run))
    Run(bench.experiment, run.id).cancel()
    assert run.get_status() in ("CancelRequested", "Canceled")
    assert run.wait_for_completion()["status"] == "Canceled"
    assert not bench.processes(run)


def test_a_script_that_cancels_its_own_run_is_ended(bench: Bench):
    run = bench.submit(CANCELS_ITSELF)
    assert run.wait_for_completion()["status"] == "Canceled"
    assert not bench.processes(run)
    assert run.get_details_with_logs()["logFiles"][LOG] == "asked: CancelRequested\n"


def test_to_fail_a_submitted_run_stops_its_script(bench: Bench):
    run = bench.submit(ENDLESS)
    bench.until(lambda: "here" in bench.printed(run))
    run.fail("not worth it", "GivenUp")
    bench.until(lambda: not bench.processes(run), 30)
    assert run.get_status() == "Failed"
    assert run.get_details()["error"]["error"]["code"] == "GivenUp"
    bench.until(lambda: LOG in run.get_file_names())


def test_a_run_that_is_failed_while_it_is_queued_never_begins(bench: Bench):
    run = bench.submit("from azureml.core import Run; Run.get_context().tag('begun')")
    run.fail("too early")
    bench.until(lambda: not bench.workspace._service.jobs.active())
    assert run.get_status() == "Failed"
    assert not bench.processes(run)


def test_a_script_that_fails_its_own_run_may_go_on(bench: Bench):
    run = bench.submit(FAILS_AND_GOES_ON)
    run.wait_for_completion(raise_on_error=False)
    bench.until(lambda: LOG in run.get_file_names())
    assert bench.printed(run) == "tidied up\n"
    assert run.get_details()["error"]["error"]["code"] == "Empty"


def test_a_script_that_goes_on_after_its_run_has_completed_can_be_ended(bench: Bench):
    run = bench.submit(COMPLETES_AND_GOES_ON)
    bench.until(lambda: run.get_status() == "Completed" and bench.processes(run))
    run.cancel()
    bench.until(lambda: not bench.processes(run), 30)
    assert run.get_status() == "Completed"


def test_runs_of_two_histories_with_the_same_id_are_told_apart(tmp_path: Path):
    mine, theirs = (Folder.of(tmp_path / name, "default/best", attempt=1) for name in ("mine", "theirs"))
    assert mine.mark != theirs.mark
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    assert Folder.of(tmp_path / "link", "default/best", attempt=1).mark == mine.mark

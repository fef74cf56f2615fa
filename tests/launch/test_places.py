"""The same on every compute target: a script runs, fails, is cancelled, and is told of truthfully."""

from __future__ import annotations

from pathlib import Path

import pytest

from runstone import Dataset, OutputFileDatasetConfig
from runstone.exceptions import ComputeTargetException
from runstone.model.jobs import ENDED, Target
from runstone.sdk.compute import ComputeTarget, RayCompute
from runstone.service.surroundings import work_folder
from tests.launch.conftest import LOG, Bench


def test_a_script_runs_there(bench: Bench, place: str):
    run = bench.submit(
        "from azureml.core import Run\n"
        "run = Run.get_context(allow_offline=False)\n"
        "run.log('n', 1)\n"
        "with run.child_run('part') as child: child.log('m', 2)\n"
        "print('done')",
        compute_target=place,
    )
    assert run._record.target == place
    assert run.wait_for_completion()["status"] == "Completed"
    assert run.get_metrics() == {"n": 1}
    assert [child.get_metrics() for child in run.get_children()] == [{"m": 2}]
    assert run.get_details_with_logs()["logFiles"][LOG] == "done\n"


def test_a_script_fails_there_with_its_code(bench: Bench, place: str):
    run = bench.submit("import sys; print('oh'); sys.exit(7)", compute_target=place)
    error = run.wait_for_completion(raise_on_error=False)["error"]["error"]
    assert (error["exit_code"], error["reason"], error["lastLines"]) == (7, "code", ["oh"])


def test_a_running_script_is_cancelled_there(bench: Bench, place: str):
    run = bench.submit(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)",
        compute_target=place,
    )
    bench.until(lambda: "ready" in bench.printed(run))
    run.cancel()
    assert run.wait_for_completion()["status"] == "Canceled"
    assert bench.processes(run) == []


def test_a_script_finds_its_data_there(bench: Bench, place: str, tmp_path: Path):
    (tmp_path / "in.txt").write_text("from here")
    store = bench.workspace.get_default_datastore()
    store.upload_files([tmp_path / "in.txt"], target_path="in", show_progress=False)
    files = Dataset.File.from_files((store, "in"))
    run = bench.submit(
        "import sys\n"
        "text = ' '.join(open(path + '/in.txt').read() for path in sys.argv[1:3])\n"
        "open(sys.argv[3] + '/x', 'w').write(text)",
        files.as_named_input("mounted").as_mount(),
        files.as_named_input("copied").as_download(),
        OutputFileDatasetConfig("made"),
        compute_target=place,
    )
    run.wait_for_completion()
    (made,) = run.output_datasets["made"].download()
    assert Path(made).read_text() == "from here from here"


def test_eight_scripts_at_once_are_asked_after_together(bench: Bench, place: str):
    runs = [bench.submit("print('x')", compute_target=place) for _ in range(8)]
    assert {run.wait_for_completion()["status"] for run in runs} == {"Completed"}


def test_detaching_a_target_ends_what_waits_for_it(bench: Bench):
    # nobody answers there, so the job stays in the queue
    away = RayCompute.attach_configuration("http://127.0.0.1:9")
    target = ComputeTarget.attach(bench.workspace, "away", away)
    runs = [bench.submit("pass", compute_target="away") for _ in range(2)]
    bench.until(lambda: runs[0]._service.jobs.get(runs[0]._ref).attempt > 0)
    bench.until(lambda: _detached(target))
    for run in runs:
        assert run.get_status() == "Failed"
        error = run.get_details()["error"]["error"]
        assert (error["code"], error["reason"]) == ("TargetDetached", "user")
        assert "'away', for which the run waited, was detached" in error["message"]
        assert run._service.jobs.get(run._ref).state == ENDED
        assert not work_folder(bench.history, run._ref).exists()


def _detached(target: ComputeTarget) -> bool:
    """Whether it could be detached: not in the moment in which the agent asks it to take a job."""
    try:
        target.detach()
    except ComputeTargetException:
        return False
    return True


def test_a_target_with_runs_under_way_is_not_detached(bench: Bench):
    bench.workspace._service.jobs.attach("default", Target("beside", "local", {"concurrent": 1}))
    first, second = (bench.submit("import time; time.sleep(60)", compute_target="beside") for _ in range(2))
    bench.until(lambda: first.get_status() == "Running")
    target = ComputeTarget(bench.workspace, "beside")
    with pytest.raises(ComputeTargetException, match=f"under way there: {first.id}. Cancel them"):
        target.detach()
    assert (first.get_status(), second.get_status()) == ("Running", "Queued")
    first.cancel()
    bench.until(lambda: second.get_status() == "Running")
    second.cancel()
    second.wait_for_completion()
    bench.until(lambda: not second._service.jobs.active())
    target.detach()
    assert list(bench.workspace.compute_targets) == ["local"]


def test_a_target_that_nobody_attached_is_named_with_those_that_are(bench: Bench):
    with pytest.raises(ComputeTargetException, match=r"name gpu not found.*: local"):
        ComputeTarget(bench.workspace, "gpu")

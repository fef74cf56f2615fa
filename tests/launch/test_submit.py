"""Scripts of every kind, submitted: they end as they should, and what they left can be read."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from runstone import Environment, Run, ScriptRunConfig
from runstone.exceptions import (
    ActivityFailedException,
    AzureMLException,
    ExperimentExecutionException,
    SnapshotException,
    UserErrorException,
)
from runstone.sdk import snapshots
from runstone.service.connect import connect, disconnect
from runstone.service.surroundings import work_folder
from tests.launch.conftest import LOG, Bench

TRAIN = """
import os, sys
from azureml.core import Run
run = Run.get_context(allow_offline=False)
print("arguments", sys.argv[1:], flush=True)
for epoch in range(3):
    run.log("loss", 1 / (epoch + 1), step=epoch)
os.makedirs("outputs", exist_ok=True)
open("outputs/model.txt", "w").write("weights")
os.makedirs("logs", exist_ok=True)
open("logs/train.log", "w").write("trained")
run.tag("kind", "trained")
"""

FAMILY = """
from azureml.core import Run
run = Run.get_context()
for number in range(5):
    with run.child_run(f"part-{number}") as child:
        child.log("n", number)
        with child.child_run("deeper") as deeper:
            deeper.log("deep", number)
            assert deeper.parent.parent.id == run.id
            deeper.root.log("from_below", number)
"""

PARENT = """
import sys
from azureml.core import Run, ScriptRunConfig
run = Run.get_context()
open("child.py", "w").write(
    "import sys\\nfrom azureml.core import Run\\nRun.get_context().log('given', float(sys.argv[1]))\\n"
)
children = [run.submit_child(ScriptRunConfig(".", "child.py", [n])) for n in (1, 2, 3)]
for child in children:
    child.wait_for_completion()
run.log("total", sum(child.get_metrics()["given"] for child in children))
"""


def test_a_submitted_script_runs_and_leaves_what_it_made(bench: Bench):
    run = bench.submit(TRAIN, "--lr", 0.1, "--name", "x y")
    assert run.type == "azureml.scriptrun"
    assert run.id.startswith("launch_")
    details = run.wait_for_completion()
    assert details["status"] == "Completed"
    assert details["runDefinition"]["arguments"] == ["--lr", "0.1", "--name", "x y"]
    assert run.get_metrics() == {"loss": [1.0, 0.5, 1 / 3]}
    assert run.get_params() == {"lr": "0.1", "name": "x y"}
    assert run.get_tags() == {"kind": "trained"}
    assert run.get_file_names() == ["logs/train.log", "outputs/model.txt", LOG]
    assert run.get_details_with_logs()["logFiles"][LOG] == "arguments ['--lr', '0.1', '--name', 'x y']\n"
    statuses = [event.body["new_status"] for event in run._service.runs.events(run._ref)]
    assert statuses == ["Queued", "Preparing", "Running", "Finalizing", "Completed"]


def test_submit_returns_at_once_with_a_queued_run(bench: Bench):
    run = bench.submit("import time; time.sleep(60)")
    assert run.status == "Queued"
    assert Run.get(bench.workspace, run.id).get_status() in ("Queued", "Preparing", "Running")
    run.cancel()
    assert run.wait_for_completion()["status"] == "Canceled"


def test_children_of_every_depth_belong_to_the_submitted_run(bench: Bench):
    run = bench.submit(FAMILY)
    run.wait_for_completion()
    children = list(run.get_children())
    assert sorted(child.get_metrics()["n"] for child in children) == [0, 1, 2, 3, 4]
    assert len(list(run.get_children(recursive=True))) == 10
    assert sorted(run.get_metrics()["from_below"]) == [0, 1, 2, 3, 4]
    assert {child.get_status() for child in run.get_children(recursive=True)} == {"Completed"}


def test_a_script_submits_children_of_its_own_and_waits_for_them(bench: Bench):
    run = bench.submit(PARENT)
    run.wait_for_completion()
    assert run.get_metrics()["total"] == 6
    assert [child.get_params() for child in run.get_children()] == [{}, {}, {}]
    assert {child.parent.id for child in run.get_children() if child.parent} == {run.id}


def test_parents_that_wait_for_their_children_do_not_keep_them_from_running(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RUNSTONE_LOCAL_RUNS", "1")
    parents = [bench.submit(PARENT) for _ in range(3)]
    for parent in parents:
        assert parent.wait_for_completion()["status"] == "Completed"
        assert parent.get_metrics()["total"] == 6
    began, ended = zip(*((run._record.started, run._record.ended) for run in parents), strict=True)
    # a parent that waits makes room for its children, and not for another parent
    assert all(last <= first for last, first in zip(ended[:-1], began[1:], strict=True))


def test_a_failing_script_is_failed_with_its_code_and_last_lines(bench: Bench):
    run = bench.submit("print('before')\nraise ValueError('of course')")
    with pytest.raises(ActivityFailedException, match="exit code 1"):
        run.wait_for_completion()
    error = run.get_details()["error"]["error"]
    assert (error["reason"], error["exit_code"]) == ("code", 1)
    assert error["lastLines"][0] == "before"
    assert error["lastLines"][-1] == "ValueError: of course"
    assert run.wait_for_completion(raise_on_error=False)["status"] == "Failed"


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "Signal", "code"),
        ("import sys; sys.exit(7)", "UserError", "code"),
    ],
)
def test_ends_are_told_apart(bench: Bench, text: str, code: str, reason: str):
    run = bench.submit(text)
    error = run.wait_for_completion(raise_on_error=False)["error"]["error"]
    assert (error["code"], error["reason"]) == (code, reason)


def test_the_time_limit_ends_a_script(bench: Bench):
    run = bench.submit("import time; time.sleep(600)", max_run_duration_seconds=1)
    error = run.wait_for_completion(raise_on_error=False)["error"]["error"]
    assert error["reason"] == "time-limit"
    assert bench.processes(run) == []


def test_a_command_runs_without_a_script(bench: Bench):
    run = bench.experiment.submit(ScriptRunConfig(str(bench.source), command=["sh", "-c", "echo hi; exit 3"]))
    error = run.wait_for_completion(raise_on_error=False)["error"]["error"]
    assert (error["exit_code"], error["lastLines"]) == (3, ["hi"])


def test_output_streams_while_the_script_runs(bench: Bench):
    run = bench.submit("for i in range(3): print('line', i, flush=True)")
    shown = io.StringIO()
    with redirect_stdout(shown):
        run.wait_for_completion(show_output=True)
    text = shown.getvalue()
    assert text.startswith(f"RunId: {run.id}\nWeb View: ")
    streamed = f"Streaming {LOG}\n{'=' * 31}\n\nline 0\nline 1\nline 2\n"
    assert streamed in text
    assert "Execution Summary\n=================\n" in text


def test_a_line_is_seen_by_others_while_the_script_goes_on(bench: Bench):
    run = bench.submit("import time\nprint('now', flush=True)\ntime.sleep(60)")
    bench.until(lambda: "now" in bench.printed(run))
    assert run.get_status() == "Running"
    run.cancel()


def test_bad_configurations_are_refused_at_the_call_and_leave_nothing(bench: Bench):
    with pytest.raises(ExperimentExecutionException, match="script path doesn't exist"):
        bench.experiment.submit(ScriptRunConfig(str(bench.source), "nope.py"))
    with pytest.raises(AzureMLException, match="has not been registered"):
        bench.experiment.submit("script.py")
    with pytest.raises(UserErrorException, match="cannot be used together"):
        bench.experiment.submit(ScriptRunConfig(str(bench.source), "a.py", command="b"))
    with pytest.raises(UserErrorException, match="no compute target 'moon'"):
        bench.submit("pass", compute_target="moon")
    with pytest.raises(SnapshotException, match="does not exist"):
        bench.experiment.submit(ScriptRunConfig(str(bench.source / "nope"), command="true"))
    assert list(bench.experiment.get_runs()) == []


def test_a_snapshot_leaves_out_what_is_ignored_and_holds_each_content_once(bench: Bench):
    service = bench.workspace._service
    for name in ("keep.py", "same.py"):
        (bench.source / name).write_text("same")
    (bench.source / "big.bin").write_text("x")
    (bench.source / ".gitignore").write_text("keep.py\n")
    (bench.source / ".amlignore").write_text("*.bin\n")
    (bench.source / "out").symlink_to("/etc")
    snapshot = service.snapshots.get(snapshots.take(service, bench.source))
    assert sorted(file.path for file in snapshot.files) == [".amlignore", ".gitignore", "keep.py", "same.py"]
    hashes = {file.path: file.sha256 for file in snapshot.files}
    assert hashes["keep.py"] == hashes["same.py"]
    assert snapshots.take(service, bench.source) == snapshot.id
    with pytest.raises(SnapshotException, match=r"exceeds the limit of 300\.0 MB or 2 files"):
        snapshots.take(service, bench.source, most_files=2)


def test_a_source_that_looks_unchanged_is_known_and_one_that_changed_is_taken_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(snapshots, "REST_SECONDS", -60.0)
    service = bench.workspace._service
    path = bench.source / bench.script("one")
    first = snapshots.take(service, bench.source)
    assert snapshots.take(service, bench.source) == first
    found = path.stat()
    path.write_text("two")
    # as old as before, as programs that unpack archives leave files
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    second = snapshots.take(service, bench.source)
    assert [file.size for file in service.snapshots.get(second).files] == [3]
    assert second != first
    path.chmod(0o755)
    assert snapshots.take(service, bench.source) not in (first, second)
    (bench.source / ".amlignore").write_text("*.py\n")
    third = snapshots.take(service, bench.source)
    assert [file.path for file in service.snapshots.get(third).files] == [".amlignore"]


def test_so_many_runs_are_here_at_a_time_as_the_setting_says(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUNSTONE_LOCAL_RUNS", "3")
    runs = [bench.submit("import time; time.sleep(60)") for _ in range(4)]
    bench.until(lambda: [run.get_status() for run in runs] == ["Running"] * 3 + ["Queued"])
    for run in runs:
        run.cancel()


def test_a_long_queue_is_worked_off_with_four_at_a_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, count: Callable[[int, int], int]
):
    monkeypatch.setenv("RUNSTONE_LOCAL_RUNS", "4")
    runs = [bench.submit("pass") for _ in range(count(20, 500))]
    moments = []
    for run in runs:
        assert run.wait_for_completion()["status"] == "Completed"
        at = {event.body["new_status"]: event.time for event in run._service.runs.events(run._ref)}
        moments += [(at["Preparing"], 1), (at["Completed"], -1)]
    together = [*itertools.accumulate(step for _, step in sorted(moments))]
    # a supervisor has its place until it has ended, a moment after it has told its run's end
    assert 2 <= max(together) <= 4


def test_the_script_has_its_submitters_environment_and_its_own_directory(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FROM_SUBMITTER", "here")
    run = bench.submit(
        "import os, json, sys\n"
        "print(json.dumps([os.environ['FROM_SUBMITTER'], os.getcwd() == sys.path[0], sys.executable,"
        " os.environ['AZUREML_ARM_PROJECT_NAME'], sorted(os.listdir('.'))]))"
    )
    run.wait_for_completion()
    here, own, python, experiment, files = json.loads(run.get_details_with_logs()["logFiles"][LOG])
    assert (here, own, experiment, files) == ("here", True, "launch", ["script.py"])
    assert Path(python).resolve() == Path(sys.executable).resolve()
    assert not list((bench.history / "work").glob("*/environment.json"))


TELLING = """
import hashlib, os, sys
for text in (sys.argv[2], os.environ["SERVICE_TOKEN"], os.environ["MODE"]):
    print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_secrets_reach_the_script_and_are_nowhere_else(bench: Bench):
    secrets = ["hunter2-" + "9a" * 9, "s3cr3t-" + "7f" * 12]
    environment = Environment("with-secrets")
    environment.python.user_managed_dependencies = True
    environment.environment_variables = {"SERVICE_TOKEN": secrets[1], "MODE": "quick"}
    blocked = [bench.submit("import time; time.sleep(60)") for _ in range(os.cpu_count() or 1)]
    run = bench.submit(TELLING, "--password", secrets[0], environment=environment)
    left = work_folder(bench.history, run._ref)
    files = {path.name: path.stat().st_mode & 0o777 for path in left.iterdir()}
    assert files == {"environment.json": 0o600, "job.json": 0o600}
    for each in blocked:
        each.cancel()
    assert run.wait_for_completion()["status"] == "Completed"
    told = run.get_details_with_logs()["logFiles"][LOG].split()
    assert told == [hashlib.sha256(text.encode()).hexdigest() for text in (*secrets, "quick")]
    assert run.get_params() == {"password": "***"}
    assert run.get_details()["runDefinition"]["arguments"] == ["--password", "***"]
    assert run.get_environment().environment_variables == {"MODE": "quick", "SERVICE_TOKEN": "***"}
    bench.until(lambda: not left.exists())
    for path in bench.history.rglob("*"):
        held = path.read_bytes() if path.is_file() else b""
        assert [path for each in secrets if each.encode() in held] == []


def test_a_history_may_be_in_a_directory_with_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUNSTONE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RUNSTONE_HISTORY", str(tmp_path / "a:b" / "history"))
    bench = Bench(tmp_path)
    try:
        run = bench.submit(TRAIN)
        assert run.wait_for_completion()["status"] == "Completed"
        assert run.get_metrics() == {"loss": [1.0, 0.5, 1 / 3]}
        bench.until(lambda: not run._service.jobs.active())
    finally:
        bench.end_agent()
        disconnect(bench.history)


def test_what_a_killed_process_left_is_removed_by_the_next_agent(bench: Bench):
    lost, new = (work_folder(bench.history, f"default/{name}") for name in ("lost", "new"))
    for folder in (lost, new):
        (folder / "1").mkdir(parents=True)
        (folder / "environment.json").write_text("{}")
    os.utime(lost, (1, 1))
    bench.submit("pass").wait_for_completion()
    assert not lost.exists()
    assert new.exists()


def test_jobs_wait_for_their_turn_by_priority(bench: Bench):
    blocked = [bench.submit("import time; time.sleep(60)") for _ in range(2)]
    bench.until(lambda: all(run.get_status() == "Running" for run in blocked))
    low = bench.submit("pass")
    config = bench.config("pass", priority=5)
    high = bench.experiment.submit(config)
    time.sleep(0.5)
    assert (low.get_status(), high.get_status()) == ("Queued", "Queued")
    blocked[0].cancel()
    high.wait_for_completion()
    low.wait_for_completion()
    high_began, low_began = (run.get_details()["startTimeUtc"] for run in (high, low))
    assert high_began < low_began


def test_a_job_that_is_cancelled_in_the_queue_leaves_no_environment_behind(bench: Bench):
    for _ in range(2):
        bench.submit("import time; time.sleep(60)")
    run = bench.submit("pass", compute_target="local")
    left = work_folder(bench.history, run._ref) / "environment.json"
    run.cancel()
    run.wait_for_completion()
    bench.until(lambda: not left.exists())


def test_a_snapshot_never_holds_the_history_that_lies_in_the_directory(tmp_path: Path):
    history = tmp_path / "histories" / "own"
    service = connect(history)
    (tmp_path / "histories" / "train.py").write_text("")
    id = snapshots.take(service, tmp_path)
    assert [file.path for file in service.snapshots.get(id).files] == ["histories/train.py"]
    disconnect(history)

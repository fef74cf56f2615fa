"""How a run ends when its script says nothing: by exits, exceptions, signals and deaths, forks included."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from runstone import Run, Workspace

Script = Callable[..., subprocess.Popen[str]]
START = """
import os, signal, sys, threading, time
from runstone import Experiment, Workspace
run = Experiment(Workspace.from_config(), "ends").start_logging(run_id="run")
run.log("a", 1)
"""


def end(script: Script, text: str) -> tuple[int, str]:
    """The exit code and the complaints of a script that starts a run."""
    process = script(START + text)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def error_of(run: Run) -> dict[str, Any]:
    return dict(run.get_details().get("error", {}).get("error", {}))


def test_a_script_that_comes_to_its_end_completes_its_runs(script: Script, workspace: Workspace) -> None:
    text = "child = run.child_run(run_id='child')\ncreated, = run.create_children(1)\n"
    assert end(script, text) == (0, "")
    created, child, run = workspace.search_runs()
    assert [one.status for one in (created, child, run)] == ["NotStarted", "Completed", "Completed"]
    assert run.get_metrics() == {"a": 1}


def test_outputs_are_uploaded_whatever_the_end(script: Script, workspace: Workspace) -> None:
    text = "os.mkdir('outputs')\nopen('outputs/x', 'w').write('x')\nraise RuntimeError('why')"
    assert end(script, text)[0] == 1
    run = workspace.get_run("run")
    assert (run.status, run.get_file_names()) == ("Failed", ["outputs/x"])


@pytest.mark.parametrize(
    "hook",
    ["sys.excepthook = lambda *_: None", "sys.excepthook = lambda *_: print('pretty', file=sys.stderr)"],
)
def test_an_exception_is_noticed_although_others_show_it(
    script: Script, workspace: Workspace, hook: str
) -> None:
    assert end(script, f"{hook}\nraise ValueError('bad')")[0] == 1
    run = workspace.get_run("run")
    assert (run.status, error_of(run)["message"]) == ("Failed", "User program failed with ValueError: bad")


def test_what_a_thread_raises_does_not_end_the_run(script: Script, workspace: Workspace) -> None:
    text = """
for target in (lambda: sys.exit(3), lambda: 1 / 0):
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
"""
    assert end(script, text)[0] == 0
    assert workspace.get_run("run").status == "Completed"


@pytest.mark.parametrize("leaving", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_death_without_a_word_is_found_by_whoever_opens_the_history_next(
    script: Script, workspace: Workspace, leaving: str
) -> None:
    end(script, f"child = run.child_run(run_id='child')\nrun.log('a', 2)\n{leaving}")
    for id in ("run", "child"):
        run = workspace.get_run(id)
        assert (run.status, error_of(run)["reason"]) == ("Failed", "infrastructure")
        assert "ended without a word" in error_of(run)["message"]
    assert workspace.get_run("run").get_metrics() == {"a": [1, 2]}


def test_what_a_dead_block_had_printed_is_kept(script: Script, workspace: Workspace) -> None:
    end(script, "with run:\n    print('so far')\n    os._exit(1)\n")
    logs = workspace.get_run("run").get_details_with_logs()["logFiles"]
    assert logs == {"logs/user_log.txt": "so far\n"}


def test_ctrl_c_in_a_block_cancels_the_run(script: Script, workspace: Workspace) -> None:
    text = "with run:\n    with run.child_run(run_id='child'):\n        print('ready', flush=True)\n"
    process = script(START + text + "        time.sleep(60)\n")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    for id in ("run", "child"):
        run = workspace.get_run(id)
        assert (run.status, error_of(run)["reason"]) == ("Canceled", "user")
        assert run.get_details_with_logs()["logFiles"] == {"logs/user_log.txt": "ready\n"}


def test_a_signal_in_the_middle_of_an_operation_ends_the_run(script: Script, workspace: Workspace) -> None:
    process = script(
        START + "print('ready', flush=True)\nfor turn in range(10**6):\n    run.tag('turn', str(turn))\n"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    begun = time.monotonic()
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    assert time.monotonic() - begun < 20
    run = workspace.get_run("run")
    assert (run.status, error_of(run)["signal"]) == ("Failed", signal.SIGTERM)


CHILDREN = {
    "ends": "",
    "leaves": "sys.exit(3)",
    "raises": "raise ValueError('in the child')",
    "dies": "os._exit(1)",
    "is killed": "os.kill(os.getpid(), signal.SIGTERM)",
    "logs": "run.log('a', 2); run.flush()",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("child", CHILDREN)
def test_a_forked_child_never_ends_the_run_of_its_parent(
    script: Script, workspace: Workspace, child: str
) -> None:
    text = f"""
import warnings
warnings.simplefilter("ignore")
pid = os.fork()
if pid == 0:
    {CHILDREN[child]}
    sys.exit(0)
os.waitpid(pid, 0)
status = Workspace.from_config().get_run("run").status
print(status)
"""
    process = script(START + text)
    out, _ = process.communicate(timeout=60)
    assert out == "Running\n"
    run = workspace.get_run("run")
    assert run.status == "Completed"
    assert sorted(run.get_metric_series("a").values) == ([1, 2] if child == "logs" else [1])


WORKERS = """
import multiprocessing, warnings
warnings.simplefilter("ignore")

def work(how):
    mine = run.child_run(run_id="child")
    mine.log("b", 1)
    if how == "raises":
        raise ValueError("in the worker")
    if how == "leaves":
        sys.exit(3)
    if how == "stopped":
        time.sleep(60)

worker = multiprocessing.get_context("fork").Process(target=work, args=({how!r},))
worker.start()
if {how!r} == "stopped":
    while not list(run.get_children()):
        time.sleep(0.05)
    worker.terminate()
worker.join()
"""


@pytest.mark.parametrize(
    ("how", "status", "codes"),
    [
        ("ends", "Completed", {None}),
        # from Python 3.13 on nobody is told which exception it was
        ("raises", "Failed", {"UserError", "ExitCode"}),
        ("leaves", "Failed", {"ExitCode"}),
        ("stopped", "Failed", {"Signal"}),
    ],
)
def test_a_run_that_a_forked_worker_started_ends_as_the_worker_ends(
    script: Script, workspace: Workspace, how: str, status: str, codes: set[str | None]
) -> None:
    assert end(script, WORKERS.format(how=how))[0] == 0
    child = workspace.get_run("child")
    assert child.status == status
    assert error_of(child).get("code") in codes
    assert child.get_metrics() == {"b": 1}
    assert workspace.get_run("run").status == "Completed"


def test_a_script_that_starts_its_first_run_in_a_thread_ends_it(script: Script, workspace: Workspace) -> None:
    text = """
    import threading
    from runstone import Experiment, Workspace
    def begin():
        Experiment(Workspace.from_config(), "ends").start_logging(run_id="run").log("a", 1)
    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    """
    process = script(text)
    assert process.communicate(timeout=60) == ("", "")
    assert (workspace.get_run("run").status, process.returncode) == ("Completed", 0)

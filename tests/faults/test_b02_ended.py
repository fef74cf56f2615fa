"""b2: SIGTERM, Ctrl-C, sys.exit, an exception: the run ends as the script did, in bounded time, whole."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from runstone import Run
from tests.scripts import Stage, error_of, line, until

LOG = "run = begin()\nfor i in range(20_000):\n    run.log('loss', i / 7, step=i)\nsay('ready')\n"
WAIT = "time.sleep(60)\n"
# Another process holds the database, so that nothing can be delivered and no run be ended.
HOLD = """
import sqlite3
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
say("held")
time.sleep(60)
"""


def whole(run: Run) -> bool:
    values = run.get_metric_series("loss").values
    return values.tolist() == [i / 7 for i in range(20_000)]


def ended(process: subprocess.Popen[str]) -> str:
    """What the script complained of, once it has ended."""
    return process.communicate(timeout=60)[1]


def test_a_terminated_script_leaves_a_failed_run_with_the_signal(stage: Stage):
    process = stage.start(LOG + WAIT)
    line(process)
    process.terminate()
    ended(process)
    assert process.returncode == -signal.SIGTERM
    run = stage.see()
    assert (run.status, error_of(run)["code"], error_of(run)["signal"]) == ("Failed", "Signal", 15)
    assert error_of(run)["reason"] == "code"
    assert whole(run)


def test_a_script_that_handles_sigterm_itself_keeps_its_handler(stage: Stage):
    mine = "signal.signal(signal.SIGTERM, lambda *_: (say('mine'), sys.exit(7)))\n"
    process = stage.start(mine + LOG + WAIT)
    line(process)
    process.terminate()
    out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == ("mine\n", 7)
    run = stage.see()
    assert (run.status, error_of(run)["exit_code"]) == ("Failed", 7)


def test_ctrl_c_cancels_the_run(stage: Stage):
    process = stage.start(LOG + WAIT)
    line(process)
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in ended(process)
    assert process.returncode == -signal.SIGINT
    run = stage.see()
    assert (run.status, error_of(run)["reason"]) == ("Canceled", "user")
    assert whole(run)


@pytest.mark.parametrize(
    ("leaving", "status", "code", "said"),
    [
        ("sys.exit()", "Completed", 0, None),
        ("sys.exit(0)", "Completed", 0, None),
        ("sys.exit(True)", "Failed", 1, "The script ended with the exit code 1."),
        ("sys.exit(3)", "Failed", 3, "The script ended with the exit code 3."),
        ("sys.exit('no data')", "Failed", 1, "no data"),
        ("exit(4)", "Failed", 4, "The script ended with the exit code 4."),
        ("", "Completed", 0, None),
    ],
)
def test_a_script_that_leaves_tells_its_exit_code(
    stage: Stage, leaving: str, status: str, code: int, said: str | None
):
    done = stage.run(LOG + leaving)
    assert done.returncode == code
    run = stage.see()
    assert (run.status, error_of(run).get("exit_code", 0), error_of(run).get("message")) == (
        status,
        code,
        said,
    )
    assert whole(run)


@pytest.mark.parametrize(
    "caught",
    [
        "try:\n    sys.exit(3)\nexcept SystemExit:\n    pass\n",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    sys.excepthook(*sys.exc_info())\n",
    ],
)
def test_what_was_caught_does_not_fail_the_run(stage: Stage, caught: str):
    assert stage.run(LOG + caught).returncode == 0
    assert stage.see().status == "Completed"


def test_an_exception_fails_the_run_and_its_traceback_is_kept(stage: Stage):
    done = stage.run(LOG + "def deep():\n    raise ValueError('bad rate')\ndeep()\n")
    assert done.returncode == 1
    assert "ValueError: bad rate" in done.stderr
    run = stage.see()
    assert run.status == "Failed"
    assert error_of(run)["message"] == "User program failed with ValueError: bad rate"
    assert "in deep" in error_of(run)["traceback"]
    assert whole(run)


def test_every_run_of_the_script_ends(stage: Stage):
    script = "parent = begin('parent')\nchild = parent.child_run(run_id='child')\nchild.log('loss', 1)\n1 / 0"
    assert stage.run(script).returncode == 1
    for id in ("parent", "child"):
        assert stage.see(id).status == "Failed"
        assert "ZeroDivisionError" in error_of(stage.see(id))["traceback"]


def test_a_second_ctrl_c_leaves_at_once(stage: Stage):
    process = stage.start(LOG + WAIT)
    line(process)
    line(stage.start(HOLD, stage.history / "history.db"))
    process.send_signal(signal.SIGINT)
    complaint = process.stderr
    assert complaint is not None
    until(lambda: "KeyboardInterrupt" in complaint.readline())
    time.sleep(0.5)
    assert process.poll() is None
    second = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    assert time.monotonic() - second < 5
    stage.close()
    run = stage.see()
    assert (run.status, error_of(run)["reason"]) == ("Failed", "infrastructure")
    assert whole(run)


def test_an_end_waits_a_bounded_time_for_a_history_that_is_held(stage: Stage):
    script = LOG.replace("begin()", "begin(sys.argv[1])") + WAIT
    processes = {how: stage.start(script, how.name) for how in (signal.SIGINT, signal.SIGTERM)}
    for process in processes.values():
        line(process)
    line(stage.start(HOLD, stage.history / "history.db"))
    begun = time.monotonic()
    for how, process in processes.items():
        process.send_signal(how)
    for process in processes.values():
        ended(process)
    # ten seconds, and a little for each thing that is left to be done
    assert time.monotonic() - begun < 25
    stage.close()
    for how in processes:
        assert whole(stage.see(how.name))
        assert stage.see(how.name).status == ("Canceled" if how is signal.SIGINT else "Failed")

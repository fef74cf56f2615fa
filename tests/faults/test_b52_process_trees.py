"""b52: nothing of a cancelled run lives on: not what ignores SIGTERM, began a session, or lost its parent."""

from __future__ import annotations

import psutil

from tests.launch.conftest import Bench

TREE = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
own = subprocess.Popen([sys.executable, "-c", deaf])
session = subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True)
bare = subprocess.Popen([sys.executable, "-c", deaf], env={}, start_new_session=True)
if os.fork() == 0:
    os.setsid()
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
    print("orphan", pid, flush=True)
    os._exit(0)
os.wait()
print("pids", os.getpid(), own.pid, session.pid, bare.pid, flush=True)
time.sleep(600)
"""


def test_the_whole_tree_is_gone_after_the_grace_period(bench: Bench):
    run = bench.submit(TREE)
    bench.until(lambda: "pids" in bench.printed(run))
    pids = [int(word) for word in bench.printed(run).split() if word.isdigit()]
    assert len(pids) == 5
    run.cancel()
    assert run.get_status() == "CancelRequested"
    assert run.wait_for_completion()["status"] == "Canceled"
    assert [pid for pid in pids if _alive(pid)] == []


def test_what_a_script_leaves_behind_ends_with_it(bench: Bench):
    run = bench.submit(
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], "
        "start_new_session=True)\nprint('left', p.pid, flush=True)"
    )
    assert run.wait_for_completion()["status"] == "Completed"
    text = run.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"]
    assert not _alive(int(text.split()[-1]))


def _alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE

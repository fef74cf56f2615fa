"""b54: re-used process ids, zombies, other boots and hosts, other spaces of ids: the state is the truth."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict

import pytest

from runstone import Experiment, Run
from runstone.journal.identity import here
from tests.scripts import Stage, error_of, line

LOG = "run = begin()\nrun.log('loss', 1.0)\nsay('ready')\ntime.sleep(60)\n"


@pytest.fixture
def run(stage: Stage) -> Iterator[Run]:
    """A run of this very process, which lives."""
    found = Experiment(stage.workspace(), "faults").start_logging(run_id="r", outputs=False, capture="none")
    yield found
    if found.get_status() in ("Running", "NotResponding"):
        found.complete()


def forge(stage: Stage, *, silence: float = 0.0, **identity: object) -> None:
    """Have the history believe that another process is running the run, and when it was last heard of."""
    process = {**asdict(here()), **identity}
    beat = int((time.time() - silence) * 1_000_000)
    with closing(sqlite3.connect(stage.history / "history.db", isolation_level=None)) as database:
        database.execute("UPDATE runs SET process = ?, heartbeat = ?", (json.dumps(process), beat))


def other_boot() -> str:
    return "00000000-0000-4000-8000-000000000000/" + here().boot.partition("/")[2]


def other_space() -> str:
    return here().boot.partition("/")[0] + "/1"


def test_a_process_that_lives_is_running_however_long_it_was_silent(stage: Stage, run: Run):
    forge(stage, silence=3_600)
    assert stage.see().status == "Running"


def test_a_reused_process_id_is_another_process(stage: Stage, run: Run):
    forge(stage, start=here().start - 1)
    assert stage.see().status == "Failed"
    assert error_of(stage.see())["reason"] == "infrastructure"


def test_a_process_id_that_is_free_is_nobody(stage: Stage, run: Run):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    forge(stage, pid=child.pid)
    assert stage.see().status == "Failed"


def test_a_zombie_is_dead(stage: Stage):
    process = stage.start(LOG)
    line(process)
    assert stage.see().status == "Running"
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process.returncode is None
    assert stage.see().status == "Failed"
    assert stage.see().get_metrics() == {"loss": 1.0}


def test_a_stopped_process_lives(stage: Stage):
    # with nothing on its way: stopped while it writes, it would keep the database
    process = stage.start(LOG.replace("say", "run.flush()\nsay"))
    line(process)
    process.send_signal(19)
    assert stage.see().status == "Running"


def test_another_boot_of_this_host_is_over(stage: Stage, run: Run):
    forge(stage, boot=other_boot())
    assert stage.see().status == "Failed"


@pytest.mark.parametrize("elsewhere", [{"host": "another-host"}, {"boot": other_space()}])
@pytest.mark.parametrize(
    ("silence", "status"), [(0, "Running"), (29, "Running"), (31, "NotResponding"), (301, "Failed")]
)
def test_of_a_process_elsewhere_the_heartbeat_tells(
    stage: Stage, run: Run, elsewhere: dict[str, str], silence: float, status: str
):
    forge(stage, silence=silence, **elsewhere)
    assert stage.see().status == status
    assert stage.see().status == status


def test_a_late_heartbeat_revives_the_run(stage: Stage, run: Run):
    forge(stage, silence=31, host="another-host")
    assert stage.see().status == "NotResponding"
    run._service.runs.beat(run._ref)
    assert stage.see().status == "Running"


def test_the_true_end_replaces_the_assumed_one_and_stays(stage: Stage, run: Run):
    forge(stage, silence=400, host="another-host")
    assert stage.see().status == "Failed"
    run.complete()
    assert stage.see().status == "Completed"
    assert error_of(stage.see()) == {}
    events = [event.body["new_status"] for event in run._service.runs.events(run._ref)]
    assert events == ["Running", "Failed", "Completed"]


def test_what_a_process_elsewhere_has_left_is_taken_in_and_kept_for_it(stage: Stage, run: Run):
    process = stage.start("run = Workspace.from_config().get_run('r')\nrun.log('loss', 1.0)\nos._exit(0)\n")
    process.wait(timeout=60)
    # the journal of a host that we know nothing of: its file is its own to delete
    for file in stage.left():
        data = file.read_bytes()
        assert here().host.encode() in data
    assert stage.see().get_metrics() == {"loss": 1.0}


def test_a_forged_process_is_never_signalled(stage: Stage, run: Run):
    bystander = stage.start("say('here')\ntime.sleep(60)\n")
    line(bystander)
    forge(stage, pid=bystander.pid, start=1)
    assert stage.see().status == "Failed"
    assert bystander.poll() is None


@pytest.mark.parametrize("pid", [-1, 0, 2**31, 2**70])
def test_an_impossible_process_id_is_nobody(stage: Stage, run: Run, pid: int):
    forge(stage, pid=pid)
    assert stage.see().status == "Failed"

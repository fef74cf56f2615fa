"""b51: a cancel at any moment of a run's life leaves one terminal state, and nothing alive."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from runstone import Run, ScriptRunConfig
from runstone.model.errors import Conflict
from runstone.model.jobs import ENDED
from runstone.model.runs import TERMINAL, Status
from runstone.service.surroundings import work_folder
from tests.launch.conftest import LOG, Bench

BRIEF = """
import os, time
os.makedirs("outputs")
for i in range(8):
    print(i, flush=True)
    open(f"outputs/{i}.txt", "w").write("x" * 100_000)
    time.sleep(0.05)
"""
# When a cancel comes: so long after the run was first seen in this state, in seconds, at most.
PHASES = {"Queued": 0.05, "Preparing": 0.1, "Running": 0.6, "Finalizing": 0.05, "ended": 0.1, "any": 2.0}
ENOUGH = 45.0


def test_a_cancel_at_any_moment_ends_in_one_terminal_state(
    bench: Bench, count: Callable[[int, int], int], rng: random.Random
):
    config = bench.config(BRIEF)
    moments = [(phase, rng.random() * most) for phase, most in PHASES.items()]
    moments = (moments * 40)[: count(20, 200)]
    with ThreadPoolExecutor(3) as pool:
        # more than there are places, so that some wait in the queue
        told = pool.map(lambda moment: _cancelled(bench, config, *moment), moments)
    assert [wrong for wrong in told if wrong] == []


def _cancelled(bench: Bench, config: ScriptRunConfig, phase: str, later: float) -> str:
    """Cancel a run in a phase of its life; what is wrong with its end."""
    run = bench.experiment.submit(config)
    service, ref = run._service, run._ref
    _reach(run, phase)
    time.sleep(later)
    asked: Status | None = None
    with suppress(Conflict):
        # none for a run that has ended
        asked = service.jobs.cancel(ref).status
    bench.until(lambda: service.runs.get(ref).status in TERMINAL, ENOUGH)
    bench.until(lambda: service.jobs.get(ref).state == ENDED and not bench.processes(run), ENOUGH)
    final = service.runs.get(ref)
    events = [Status(event.body["new_status"]) for event in service.runs.events(ref)]
    printed = run.get_details_with_logs()["logFiles"].get(LOG, "")
    # completed only where the request came too late: the script had printed its last line
    done = final.status is Status.COMPLETED and printed.endswith("7\n") and _files(run) == 8
    stopped = final.status is Status.CANCELED and asked is not None
    one = len([status for status in events if status in TERMINAL]) == 1
    left = work_folder(bench.history, ref).exists()
    return (
        "" if one and (done or stopped) and not left else f"{phase} {later} {events} {final} {left} {printed}"
    )


def _reach(run: Run, phase: str) -> None:
    """Wait until a run has come as far as that."""
    deadline = time.monotonic() + ENOUGH
    order = [*map(Status, ("Queued", "Preparing", "Running", "Finalizing")), None]
    wanted = 0 if phase == "any" else len(order) - 1 if phase == "ended" else order.index(Status(phase))
    while time.monotonic() < deadline:
        status = run._service.runs.get(run._ref).status
        if order.index(None if status in TERMINAL else status) >= wanted:
            return
        time.sleep(0.002)
    raise AssertionError(f"{run.id} did not become {phase}")


def _files(run: Run) -> int:
    return len([name for name in run.get_file_names() if name.startswith("outputs/")])


def test_a_cancelled_run_takes_its_children_along_unless_told_otherwise(bench: Bench):
    family = """
import time
from azureml.core import Run
run = Run.get_context()
child = run.child_run("part")
print("ready", flush=True)
time.sleep(60)
"""
    for along in (True, False):
        run = bench.submit(family)
        bench.until(lambda run=run: "ready" in bench.printed(run))
        run.cancel(children=along)
        run.wait_for_completion()
        child = next(iter(run.get_children()))
        bench.until(lambda child=child: Status(child.get_status()).terminal)
        assert child.get_status() == ("Canceled" if along else "Failed")


def test_a_script_sees_the_cancel_coming_and_may_end_in_its_own_time(bench: Bench):
    run = bench.submit(
        """
import signal, sys, time
from azureml.core import Run
run = Run.get_context()
def leave(*_):
    print("asked", run.cancel_requested, flush=True)
    run.log("saved", 1)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
time.sleep(60)
"""
    )
    bench.until(lambda: "ready" in bench.printed(run))
    run.cancel()
    assert run.wait_for_completion()["status"] == "Canceled"
    assert run.get_metrics() == {"saved": 1}
    assert "asked True" in run.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"]


LARGE = """
import os, sys
os.makedirs("outputs")
with open("outputs/large.bin", "wb") as file:
    # a hole of this size takes long to read, and none to make
    file.truncate(int(sys.argv[1]))
print("ready", flush=True)
"""
GIBIBYTES = 20 << 30


def test_a_cancel_does_not_wait_for_the_upload_of_a_large_file(bench: Bench):
    run = bench.submit(LARGE, GIBIBYTES)
    bench.until(lambda: run.get_status() == "Finalizing")
    run.cancel()
    bench.until(lambda: Status(run.get_status()) in TERMINAL, 20.0)
    assert run.get_status() == "Canceled"
    assert run.get_file_names() == [LOG]
    assert "ready" in run.get_details_with_logs()["logFiles"][LOG]
    assert list((bench.history / "blobs" / "tmp").iterdir()) == []

"""b51: a cancel at any moment of a run's life leaves one terminal state, and nothing alive."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable

from runstone import Run
from runstone.model.runs import TERMINAL, Status
from tests.launch.conftest import Bench


def test_a_cancel_at_any_moment_ends_in_one_terminal_state(
    bench: Bench, count: Callable[[int, int], int], rng: random.Random
):
    config = bench.config("import time\nfor i in range(8): print(i, flush=True); time.sleep(0.05)")
    wrong = []
    for _ in range(count(20, 200)):
        run = bench.experiment.submit(config)
        time.sleep(rng.random() * 1.5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            run.cancel()
        run.wait_for_completion(raise_on_error=False)
        final = run._service.runs.get(run._ref)
        events = [Status(event.body["new_status"]) for event in run._service.runs.events(run._ref)]
        ends = [status for status in events if status in TERMINAL]
        if len(ends) != 1 or final.status not in (Status.CANCELED, Status.COMPLETED):
            wrong.append((run.id, events, final.error))
        # completed only where the request came too late: the script had printed its last line
        if final.status is Status.COMPLETED and not _printed(run).endswith("7\n"):
            wrong.append((run.id, events, final.error))
        assert bench.processes(run) == []
    assert wrong == []


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


def _printed(run: Run) -> str:
    return run.get_details_with_logs()["logFiles"].get("user_logs/std_log.txt", "")

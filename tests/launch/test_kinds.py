"""Scripts of every kind, the same on every compute target: they end as stated, and what they left can be
read."""

from __future__ import annotations

import pytest

from runstone.exceptions import ActivityFailedException
from tests.launch.conftest import LOG, Bench

LEAVE = """
import os, sys, time
from azureml.core import Run, ScriptRunConfig
run = Run.get_context(allow_offline=False)
os.makedirs("outputs", exist_ok=True)
def leave(name):
    open(f"outputs/{name}.txt", "w").write(name)
    run.log("left", 1)
    print("left", name, flush=True)
"""

DELAY = (
    LEAVE
    + """
leave("before")
time.sleep(float(sys.argv[1]))
leave("after")
"""
)

CHILDREN = (
    LEAVE
    + """
for number in range(5):
    with run.child_run(f"part-{number}") as child:
        child.log("n", number)
        child.upload_file("outputs/part.txt", __file__)
leave("parent")
"""
)

FAILS = (
    LEAVE
    + """
leave("before")
raise ValueError("of course")
"""
)

PARENT = (
    LEAVE
    + """
open("part.py", "w").write(
    "import sys\\n"
    "from azureml.core import Run\\n"
    "run = Run.get_context(allow_offline=False)\\n"
    "run.log('double', 2 * float(sys.argv[2]))\\n"
    "print('child', sys.argv[1:])\\n"
)
configs = [ScriptRunConfig(".", "part.py", ["--n", n], compute_target=sys.argv[1]) for n in (1, 2, 3)]
parts = [run.submit_child(config) for config in configs]
for part in parts:
    part.wait_for_completion(show_output=True)
run.log("total", sum(part.get_metrics()["double"] for part in parts))
leave("parent")
"""
)


def test_a_script_with_a_delay_is_cancelled(bench: Bench, place: str):
    run = bench.submit(DELAY, 600, compute_target=place)
    bench.until(lambda: "left before" in bench.printed(run))
    run.cancel()
    details = run.wait_for_completion()
    assert (details["status"], details["error"]["error"]["reason"]) == ("Canceled", "user")
    assert run.get_details_with_logs()["logFiles"] == {LOG: "left before\n"}
    assert run.get_file_names() == ["outputs/before.txt", LOG]
    assert run.get_metrics() == {"left": 1}
    assert bench.processes(run) == []


def test_a_script_makes_five_children(bench: Bench, place: str):
    run = bench.submit(CHILDREN, compute_target=place)
    assert run.wait_for_completion()["status"] == "Completed"
    children = sorted(run.get_children(), key=lambda child: child.number)
    assert [child.get_status() for child in children] == ["Completed"] * 5
    assert [child.get_metrics() for child in children] == [{"n": number} for number in range(5)]
    assert [child.get_file_names() for child in children] == [["outputs/part.txt"]] * 5
    assert run.get_file_names() == ["outputs/parent.txt", LOG]


def test_a_script_fails(bench: Bench, place: str):
    run = bench.submit(FAILS, compute_target=place)
    with pytest.raises(ActivityFailedException, match="ended with the exit code 1"):
        run.wait_for_completion()
    error = run.get_details()["error"]["error"]
    assert (error["reason"], error["lastLines"][-1]) == ("code", "ValueError: of course")
    assert run.get_details_with_logs()["logFiles"][LOG].startswith("left before\nTraceback")
    assert run.get_file_names() == ["outputs/before.txt", LOG]
    assert run.get_metrics() == {"left": 1}


def test_a_parent_submits_three_children_with_different_arguments_and_waits(bench: Bench, place: str):
    run = bench.submit(PARENT, place, compute_target=place)
    assert run.wait_for_completion()["status"] == "Completed"
    children = sorted(run.get_children(), key=lambda child: child.number)
    assert [child.get_status() for child in children] == ["Completed"] * 3
    assert [child.get_params() for child in children] == [{"n": "1"}, {"n": "2"}, {"n": "3"}]
    assert [child.get_metrics() for child in children] == [{"double": 2}, {"double": 4}, {"double": 6}]
    logs = [child.get_details_with_logs()["logFiles"][LOG] for child in children]
    assert logs == [f"child ['--n', '{number}']\n" for number in (1, 2, 3)]
    assert run.get_metrics() == {"total": 12, "left": 1}
    printed = run.get_details_with_logs()["logFiles"][LOG]
    assert all(f"child ['--n', '{number}']" in printed for number in (1, 2, 3))

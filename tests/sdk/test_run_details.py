"""RunDetails: text in a terminal, a picture that follows the run in a notebook."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from runstone import Run, RunDetails
from runstone.exceptions import UserErrorException

# Stands for the notebook: what is displayed goes to a file, and each renewal of it, too.
NOTEBOOK = """
import json

class Shell:
    kernel = 1

def get_ipython():
    return Shell()
"""
DISPLAY = """
class HTML:
    def __init__(self, data):
        self.data = data

class Handle:
    def update(self, shown):
        with open("shown.txt", "a") as file:
            file.write(shown.data.replace("\\n", "|") + "\\n")

def display(shown, display_id=None):
    handle = Handle()
    handle.update(shown)
    return handle
"""
CELL = """
import IPython
import os, time
from runstone import Experiment, RunDetails, Workspace

run = Experiment(Workspace.from_config(), "e").start_logging(outputs=False)
RunDetails(run).show()
print("returned", flush=True)
run.log("loss", 0.5)
run.log("loss", 0.25)
child = run.child_run("part")
child.complete()
run.complete()
while "Completed" not in open("shown.txt").read().splitlines()[-1].split("Child")[0]:
    time.sleep(0.05)
"""


def test_a_terminal_gets_the_present_state_as_text(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for value in (0.5, 0.25):
        run.log("loss", value)
    child = run.child_run("part")
    with run:
        print("half way")
        RunDetails(run).show()
    out = capsys.readouterr().out
    assert f"Id: {run.id}\n" in out
    assert "Status: Running\n" in out
    assert "  loss: 0.25\n" in out
    assert f"  child {child.id}: Running\n" in out
    assert RunDetails(run).get_widget_data()["run_logs"].startswith("half way\n")


def test_the_data_that_are_shown_can_be_had(run: Run) -> None:
    run.tag("kind", "demo")
    for value in (0.5, 0.25):
        run.log("loss", value)
    child = run.child_run("part")
    run.complete()
    data = RunDetails(run).get_widget_data()
    assert (data["status"], data["run_id"], data["loading"]) == ("Completed", run.id, False)
    assert data["run_properties"]["tags"] == {"kind": "demo"}
    assert data["run_properties"]["end_time_utc"].endswith("Z")
    assert [one["run_id"] for one in data["child_runs"]] == [child.id]
    assert data["run_metrics"] == [{"name": "loss", "run_id": run.id, "series": [{"data": [0.5, 0.25]}]}]


def test_nothing_that_a_run_says_is_taken_for_html(run: Run) -> None:
    poison = "<script>alert(1)</script>"
    run.display_name = poison
    with run:
        print(poison)
        run.child_run("x").display_name = poison
    page = RunDetails(run)._repr_html_()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 3


def test_only_a_run_can_be_shown() -> None:
    with pytest.raises(UserErrorException, match="RunDetails shows a run; got a str"):
        RunDetails("explore-runs")  # type: ignore[arg-type]


def test_a_notebook_follows_the_run_to_its_end(
    script: Callable[..., subprocess.Popen[str]], project: Path
) -> None:
    (project / "IPython").mkdir()
    (project / "IPython" / "__init__.py").write_text(NOTEBOOK, encoding="utf-8")
    (project / "IPython" / "display.py").write_text(DISPLAY, encoding="utf-8")
    process = script(CELL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out == "returned\n"
    shown = (project / "shown.txt").read_text().splitlines()
    assert "Running" in shown[0]
    assert "loss" in shown[-1]
    assert "part" in shown[-1]
    assert len(shown) > 1

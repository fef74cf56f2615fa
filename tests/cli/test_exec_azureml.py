"""Scripts written for Azure ML SDK v1, started with `runstone exec`, with no Azure package anywhere."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import PROGRAM, environment

# The usual training script: arguments, the run's context, metrics, a model in outputs/.
TRAIN = """
import argparse
import os

from azureml.core import Run
from azureml.core.run import _OfflineRun, _SubmittedRun

parser = argparse.ArgumentParser()
parser.add_argument("--regularization", type=float, default=0.1)
parser.add_argument("--data-folder", dest="data", default="data")
args = parser.parse_args()

run = Run.get_context()
if type(run) == _OfflineRun:
    print("offline", isinstance(run, _SubmittedRun), run.id.startswith("OfflineRun"))

run.log("regularization rate", float(args.regularization))
for epoch in range(5):
    run.log("loss", 1.0 / (epoch + 1), step=epoch)
run.log_list("fold accuracies", [0.6, 0.7, 0.875])
run.log_row("sine", x=0.0, y=0.0)
run.log_row("sine", x=1.0, y=0.84)
run.log_table("cosine", {"x": [0, 1], "y": [1.0, 0.54]})
run.tag("quality", "fantastic run")
run.set_tags({"author": "azureml-user"})
run.add_properties({"data.folder": args.data})

os.makedirs("outputs", exist_ok=True)
with open("outputs/model.txt", "w") as file:
    file.write("weights")
run.complete()
"""

# A driver in a notebook's style: a workspace, an experiment, runs in a with block, then a look back.
DRIVER = """
import azureml.core
from azureml.core import Experiment, Run, Workspace, get_run
from azureml.core.experiment import Experiment as SameExperiment
from azureml.core.workspace import Workspace as SameWorkspace
from azureml.exceptions import UserErrorException

print("SDK version:", azureml.core.VERSION)
assert (SameExperiment, SameWorkspace) == (Experiment, Workspace)

ws = Workspace.from_config()
print(ws.name, ws.resource_group, ws.subscription_id, sep="|")
exp = Experiment(workspace=ws, name="diabetes")

with exp.start_logging(snapshot_directory=None) as root:
    for alpha in (0.1, 0.2, 0.3):
        with root.child_run(name=f"alpha-{alpha}") as child:
            child.log("alpha", alpha)
            child.log("mse", (alpha - 0.2) ** 2 + 1)

best = min(root.get_children(), key=lambda run: run.get_metrics()["mse"])
best.tag("best")
print("best", best.get_metrics()["alpha"], best.parent.id == root.id)
print(sorted(run.get_status() for run in exp.get_runs(include_children=True)))
again = get_run(exp, best.id)
assert again == Run(exp, best.id) == ws.get_run(best.id)
assert "best" in again.get_tags()
try:
    best.add_properties({"a": "1"})
    best.add_properties({"a": "2"})
except UserErrorException as error:
    print("refused:", error.message)
"""

# As a data loader has it: the script's first lines run in every worker as well.
WORKERS = """
import multiprocessing

from azureml.core import Run
from azureml.core.run import _OfflineRun

run = Run.get_context()
assert type(run) is _OfflineRun

def work(number):
    run.log(f"by worker {{number}}", number)
    run.flush()
    return number

if __name__ == "__main__":
    run.log("by main", 1)
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        print(len(set(pool.map(work, [0, 1], chunksize=1))), "workers")
        pool.close()
        pool.join()
"""

CONFIG = {"subscription_id": "sub-1", "resource_group": "rg", "workspace_name": "docs-ws"}


def listed(runstone, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = runstone("run", "list", *words).json
    return found


def logged(run: dict[str, Any]) -> dict[str, float]:
    """The last values of what the script logged; on a slow day the machine's own use is sampled, too."""
    return {name: value for name, value in run["metrics"].items() if not name.startswith("system.")}


def test_a_training_script_logs_to_a_run_of_its_own(runstone, write):
    write("train.py", TRAIN)
    done = runstone("exec", "train.py", "--regularization", "0.5")
    assert (done.code, done.out) == (0, "offline False True\n")
    assert done.err.count("was not submitted; it logs to the run OfflineRun_") == 1
    (run,) = listed(runstone)
    assert run["status"] == "Completed"
    assert run["runId"] in done.err
    assert run["tags"] == {"quality": "fantastic run", "author": "azureml-user"}
    assert run["properties"]["data.folder"] == "data"
    assert {name: run["metrics"][name] for name in ("loss", "regularization rate")} == {
        "loss": 0.2,
        "regularization rate": 0.5,
    }


def test_what_it_logged_is_read_back_in_the_originals_shapes(runstone, python, write):
    write("train.py", TRAIN)
    runstone("exec", "train.py")
    write(
        "read.py",
        "import json\nfrom runstone import Workspace\nws = Workspace.from_config()\n"
        "(run,) = ws.search_runs()\nprint(json.dumps([run.get_metrics(), run.get_file_names()]))",
    )
    metrics, files = json.loads(python("read.py").out)
    assert metrics["fold accuracies"] == [0.6, 0.7, 0.875]
    assert metrics["sine"] == {"x": [0.0, 1.0], "y": [0.0, 0.84]}
    assert metrics["cosine"] == {"x": [0, 1], "y": [1.0, 0.54]}
    assert "outputs/model.txt" in files


def test_a_driver_finds_its_workspace_by_the_originals_config(runstone, write):
    write("driver.py", DRIVER)
    write(".azureml/config.json", json.dumps(CONFIG))
    done = runstone("exec", "driver.py")
    assert done.code == 0, done.err
    version, where, best, states, refused = done.out.splitlines()
    assert version.startswith("SDK version: 1.")
    assert "runstone" in version
    assert where == "docs-ws|rg|sub-1"
    assert best == "best 0.2 True"
    assert states == str(["Completed"] * 4)
    assert "'a'" in refused
    assert len(listed(runstone, "-e", "diabetes")) == 1
    assert len(listed(runstone, "-e", "diabetes", "--filter", "depth = 1")) == 3


def test_the_experiment_and_the_name_may_be_given_on_the_command_line(runstone, write):
    write("train.py", TRAIN)
    assert runstone("exec", "-e", "explore-runs", "--name", "first try", "train.py").code == 0
    (run,) = listed(runstone, "--experiment-name", "explore-runs")
    assert run["displayName"] == "first try"


@pytest.mark.parametrize(
    ("ending", "code", "status", "said"),
    [
        ("", 0, "Completed", None),
        ("sys.exit()", 0, "Completed", None),
        ("sys.exit(3)", 3, "Failed", "exit code 3"),
        ("raise SystemExit(4)", 4, "Failed", "exit code 4"),
        ("sys.exit('no data')", 1, "Failed", "no data"),
        ("raise ValueError('bad value')", 1, "Failed", "ValueError: bad value"),
        ("run.fail('not good enough', 'Quality')", 0, "Failed", "not good enough"),
        ("run.cancel()", 0, "Canceled", None),
    ],
)
def test_the_run_ends_as_the_script_ends(ending, code, status, said, runstone, write):
    write(
        "train.py",
        f"import sys\nfrom azureml.core import Run\nrun = Run.get_context()\nrun.log('a', 1)\n{ending}\n",
    )
    assert runstone("exec", "train.py").code == code
    (run,) = listed(runstone)
    assert (run["status"], logged(run)) == (status, {"a": 1.0})
    if said:
        assert said in run["error"]["message"]


def test_the_traceback_of_a_failed_run_is_the_scripts_own(runstone, write):
    write(
        "train.py", "from azureml.core import Run\nrun = Run.get_context()\ndef work():\n    1 / 0\nwork()\n"
    )
    done = runstone("exec", "train.py")
    (run,) = listed(runstone)
    assert run["error"]["traceback"] in done.err
    assert "cli/script.py" not in run["error"]["traceback"]
    assert run["error"]["traceback"].count("File ") == 2


def test_a_run_that_the_script_ended_itself_stays_so(runstone, write):
    write(
        "train.py",
        "import sys\nfrom azureml.core import Run\nrun = Run.get_context()\nrun.complete()\nsys.exit(3)\n",
    )
    assert runstone("exec", "train.py").code == 3
    assert listed(runstone)[0]["status"] == "Completed"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, "Canceled"), (signal.SIGTERM, "Failed")])
def test_a_signal_ends_script_and_run(number: signal.Signals, status: str, runstone, write):
    write(
        "train.py",
        "import time\nfrom azureml.core import Run\nrun = Run.get_context()\nrun.log('a', 1)\n"
        # short naps: one that begins in the very moment of the signal would be slept to its end
        "print('ready', flush=True)\nfor _ in range(600):\n    time.sleep(0.1)\n",
    )
    with subprocess.Popen(
        [PROGRAM, "exec", "train.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == -number
    (run,) = listed(runstone)
    assert (run["status"], logged(run)) == (status, {"a": 1.0})


def test_ctrl_c_in_the_middle_of_a_start_leaves_no_run_behind(runstone, write):
    write(
        "train.py",
        "import sys\nfrom azureml.core import Experiment, Workspace\n"
        "experiment = Experiment(Workspace.from_config(), 'half-begun')\n"
        "def interrupt(frame, event, argument):\n"
        "    if event == 'return' and frame.f_code.co_name == '_create':\n"
        "        sys.setprofile(None)\n        raise KeyboardInterrupt\n"
        "sys.setprofile(interrupt)\nexperiment.start_logging()\n",
    )
    assert runstone("exec", "train.py").code == -signal.SIGINT
    assert [run["status"] for run in listed(runstone)] == ["Canceled"]


def test_a_script_that_was_killed_is_told_by_the_next_reader(runstone, write):
    write(
        "train.py",
        "import os, signal\nfrom azureml.core import Run\nrun = Run.get_context()\n"
        "for step in range(100):\n    run.log('a', step, step=step)\nos.kill(os.getpid(), signal.SIGKILL)\n",
    )
    assert runstone("exec", "train.py").code == -signal.SIGKILL
    (run,) = listed(runstone)
    assert (run["status"], logged(run)) == ("Failed", {"a": 99.0})
    assert run["error"]["reason"] == "infrastructure"


def test_processes_that_the_script_starts_have_the_names_too(runstone, write):
    write("worker.py", "from azureml.core import Run\nprint(Run.__module__)")
    write("train.py", "import subprocess, sys\nsubprocess.run([sys.executable, 'worker.py'], check=True)")
    done = runstone("exec", "train.py")
    assert (done.code, done.out) == (0, "runstone.sdk.run\n")


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_workers_that_run_the_script_anew_log_to_its_run(method: str, runstone, write):
    write("train.py", WORKERS.format(method=method))
    done = runstone("exec", "train.py")
    assert (done.code, done.out) == (0, "2 workers\n"), done.err
    assert done.err.count("was not submitted") == 1
    (run,) = listed(runstone)
    assert (run["status"], logged(run)) == (
        "Completed",
        {"by main": 1.0, "by worker 0": 0.0, "by worker 1": 1.0},
    )


def test_an_installed_azure_package_comes_second(runstone, python, write):
    write("site/azureml/__init__.py", "")
    write("site/azureml/core.py", "class Run:\n    pass\n")
    write("train.py", "from azureml.core import Run\nprint(Run.__module__)")
    both = environment() | {"PYTHONPATH": f"{environment()['PYTHONPATH']}:{Path('site').resolve()}"}
    assert runstone("exec", "train.py", env=both).out == "runstone.sdk.run\n"
    assert python("train.py", env=both).out == "azureml.core\n"


def test_without_exec_the_names_come_with_one_import(python, write):
    write("train.py", "import runstone.azureml\nfrom azureml.core import Run\nprint(Run.__module__)")
    assert python("train.py").out == "runstone.sdk.run\n"
    write("plain.py", "import runstone\nfrom azureml.core import Run")
    done = python("plain.py")
    assert done.code == 1
    assert "No module named 'azureml'" in done.err

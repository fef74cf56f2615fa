"""The original's page, command by command as it is printed there, with `az ml` replaced, typed in a shell."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, Call, Done, call, environment

TRAIN = """
from azureml.core import Run

run = Run.get_context()
run.log("accuracy", 0.9)
print("trained")
"""
RUNS = """
from runstone import Experiment, Workspace

experiment = Experiment(Workspace.from_config(), "experiment")
for id in ("plain", "authored", "tagged", "both"):
    run = experiment.start_logging(run_id=id, capture="none")
    if id in ("authored", "both"):
        run.add_properties({"author": "azureml-user"})
    if id == "tagged":
        run.tag("worth another look")
    if id == "both":
        run.tag("quality", "fantastic run")
    run.complete()
experiment.start_logging(run_id="runid", capture="none").complete()
Experiment(Workspace.from_config(), "testexperiment").start_logging(run_id="other", capture="none").complete()
"""
RUNNING = """
import time
from azureml.core import Run

Run.get_context()
print("running", flush=True)
time.sleep(600)
"""
Shell = Callable[[str], Done]


@pytest.fixture
def shell(history: Path) -> Shell:
    """One line as a person types it into bash, where `runstone` is found by its name."""
    path = f"{Path(PROGRAM).parent}:{environment()['PATH']}"
    return lambda line: call("/bin/bash", "-c", line, env=environment(PATH=path))


@pytest.fixture
def made(python: Call, write: Callable[[str, str], Path]) -> None:
    write("runs.py", RUNS)
    done = python("runs.py")
    assert done.code == 0, done.err


def ids(done: Done) -> list[str]:
    return [run["runId"] for run in done.json]


def test_the_first_lines_of_the_page_from_login_to_a_run(shell: Shell, write: Callable[[str, str], Path]):
    write("train.py", TRAIN)
    done = shell("runstone login")
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    assert "No login is needed" in done.out

    attached = shell("runstone folder attach -w myworkspace -g myresourcegroup").json
    assert (attached["workspace"], attached["resourceGroup"]) == ("myworkspace", "myresourcegroup")
    assert attached["experiment"] == Path.cwd().name
    assert json.loads(Path(".runstone/config.json").read_text())["workspace"] == "myworkspace"
    files = {path.name for path in Path(".runstone").iterdir() if path.is_file()}
    assert files >= {"config.json", "local.runconfig", "cluster.runconfig", "conda_dependencies.yml"}

    Path(".runstone/local.runconfig").rename(".runstone/sklearn.runconfig")
    done = shell("runstone run submit-script -c sklearn -e testexperiment train.py")
    assert done.code == 0, done.err
    assert "trained\n" in done.out
    (run,) = shell("runstone run list --experiment-name testexperiment").json
    assert (run["status"], run["metrics"], run["runType"]) == (
        "Completed",
        {"accuracy": 0.9},
        "azureml.scriptrun",
    )
    assert shell("runstone whoami").json["workspace"] == "myworkspace"


def test_runs_are_listed_and_shown(shell: Shell, made: None):
    assert ids(shell("runstone run list --experiment-name experiment")) == [
        "runid",
        "both",
        "tagged",
        "authored",
        "plain",
    ]
    assert shell("runstone run show -r runid").json["runId"] == "runid"


def test_a_tag_is_added(shell: Shell, made: None):
    done = shell("runstone run update -r runid --add-tag quality='fantastic run'")
    assert done.json["tags"] == {"quality": "fantastic run"}
    assert shell("runstone run show -r runid").json["tags"] == {"quality": "fantastic run"}


@pytest.mark.parametrize("option", ["", "--query "])
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("[?properties.author=='azureml-user']", ["both", "authored"]),
        ("[?tags.keys(@)[?starts_with(@, 'worth another look')]]", ["tagged"]),
        ("[?properties.author=='azureml-user' && tags.quality=='fantastic run']", ["both"]),
    ],
)
@pytest.mark.parametrize("quote", [shlex.quote, lambda query: f'"{query}"'], ids=["single", "double"])
def test_the_queries_of_the_page(
    option: str, query: str, found: list[str], quote: Callable[[str], str], shell: Shell, made: None
):
    line = f"runstone run list --experiment-name experiment {option}{quote(query)}"
    assert ids(shell(line)) == found


def test_a_query_without_the_quotes_that_a_shell_has_eaten_is_told_of(shell: Shell, made: None):
    done = shell("runstone run list --experiment-name experiment [?properties.author=='azureml-user']")
    assert (done.code, done.out) == (2, "")
    assert "between double quotes" in done.err
    assert done.err.count("\n") == 1


def test_a_run_is_canceled(shell: Shell, write: Callable[[str, str], Path]):
    write("running.py", RUNNING)
    assert shell("runstone workspace create -w workspace_name").code == 0
    submit = "runstone run submit-script -w workspace_name -e experiment_name --async -t run.json running.py"
    assert shell(submit).code == 0
    id = json.loads(Path("run.json").read_text())["runId"]
    done = shell(f"runstone run cancel -r {id} -w workspace_name -e experiment_name")
    assert done.json["status"] in ("CancelRequested", "Canceled")
    waited = shell(f"runstone run wait -w workspace_name -r {id} --query status -o tsv")
    assert (waited.code, waited.out) == (1, "Canceled\n")
    again = shell(f"runstone run cancel -r {id} -w workspace_name -e experiment_name")
    assert again.code == 1
    assert "is Canceled already" in again.err
    other = shell(f"runstone run cancel -r {id} -w workspace_name -e another")
    assert "not of 'another'" in other.err


SWEEP = """
sampling:
  type: grid
  parameter_space:
  - name: --lr
    expression: choice
    values: [0.1, 0.2]
policy:
  type: BanditPolicy
  evaluation_interval: 1
  slack_factor: 0.2
primary_metric_name: accuracy
primary_metric_goal: Maximize
max_total_runs: 4
max_concurrent_runs: 2
max_duration_minutes: 10
"""


def test_a_sweep_is_submitted_from_the_file_that_the_original_takes(
    shell: Shell, write: Callable[[str, str], Path]
):
    write("sweep.yml", SWEEP)
    write(
        "train.py",
        "import sys\nfrom azureml.core import Run\nRun.get_context().log('accuracy', float(sys.argv[2]))\n",
    )
    line = "runstone run submit-hyperdrive --hyperdrive-configuration-name sweep.yml -e swept"
    done = shell(f"{line} train.py")
    assert done.code == 0, done.err
    (sweep,) = shell("runstone run list -e swept").json
    children = shell(f"runstone run children -r {sweep['runId']} --query '[].params.lr'").json
    assert (sweep["status"], sorted(children)) == ("Completed", ["0.1", "0.2"])
    write("sweep.yml", SWEEP.replace("grid", "odd"))
    wrong = shell(f"{line} train.py")
    assert (wrong.code, wrong.err.count("\n")) == (1, 1)
    assert "The type of sampling is one of grid, random, bayesian; got 'odd'" in wrong.err

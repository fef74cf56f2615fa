"""What may be asked for at a submit, in the forms of public samples, and what is refused there."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from runstone import RunConfiguration, ScriptRunConfig
from runstone.exceptions import ExperimentExecutionException, UserErrorException
from runstone.sdk.sections import MpiConfiguration, PyTorchConfiguration
from runstone.sdk.submitting import spec_of
from tests.launch.conftest import Bench


def test_a_script_may_be_a_path_and_absolute_and_is_run_from_the_kept_copy(bench: Bench):
    (bench.source / "sub").mkdir()
    bench.script(
        "import os; print(os.path.samefile(os.getcwd(), os.path.dirname(__file__) + '/..'))", "sub/a.py"
    )
    for script in (Path("sub/a.py"), bench.source / "sub" / "a.py", "./sub/../sub/a.py"):
        run = bench.experiment.submit(ScriptRunConfig(bench.source, script))  # type: ignore[arg-type]
        assert run.wait_for_completion()["runDefinition"]["script"] == "sub/a.py"
        assert bench.printed(run) == "True\n"  # type: ignore[arg-type]


def test_a_script_outside_of_the_source_directory_is_refused(bench: Bench, tmp_path: Path):
    (tmp_path / "other.py").write_text("pass")
    for script in ("../other.py", str(tmp_path / "other.py")):
        with pytest.raises(ExperimentExecutionException, match="inside the project folder"):
            bench.experiment.submit(ScriptRunConfig(str(bench.source), script))
    assert list(bench.experiment.get_runs()) == []


@pytest.mark.parametrize("seconds", [-1, 0, "10", math.nan, math.inf, True])
def test_a_time_limit_that_is_no_number_of_seconds_is_refused(bench: Bench, seconds: Any):
    with pytest.raises(UserErrorException, match="max_run_duration_seconds is a number of seconds above 0"):
        bench.submit("pass", max_run_duration_seconds=seconds)
    assert list(bench.experiment.get_runs()) == []


def test_more_processes_than_one_are_refused_rather_than_left_out(bench: Bench):
    with pytest.raises(UserErrorException, match="node_count=2, process_count_per_node=4"):
        bench.submit("pass", distributed_job_config=MpiConfiguration(4, 2))
    configuration = RunConfiguration(script=bench.script("pass"))
    configuration.node_count = 3
    with pytest.raises(UserErrorException, match="RunConfiguration asks for node_count=3"):
        bench.experiment.submit(ScriptRunConfig(str(bench.source), run_config=configuration))
    one = bench.config("pass", distributed_job_config=PyTorchConfiguration())
    assert spec_of(bench.workspace, one).command == ("python", "script.py")


@pytest.mark.parametrize(
    "command", ["python a.py && echo two", "echo one|cat", "ls>out", ["pip", "list", "&&", "python", "a.py"]]
)
def test_what_only_a_shell_would_understand_is_refused_in_a_command(bench: Bench, command: Any):
    with pytest.raises(UserErrorException, match="not read by a shell"):
        bench.experiment.submit(ScriptRunConfig(str(bench.source), command=command))


@pytest.mark.parametrize(
    "command",
    ["echo 'a && b' \"c|d\" #5", ["sh", "-c", "true && true"], ["find", ".", "-exec", "echo", "{}", ";"]],
)
def test_what_is_quoted_or_a_word_of_a_list_is_no_matter_for_a_shell(bench: Bench, command: Any):
    assert spec_of(bench.workspace, ScriptRunConfig(str(bench.source), command=command)).command


def test_an_argument_that_no_process_can_have_is_refused(bench: Bench):
    with pytest.raises(UserErrorException, match="NUL"):
        bench.submit("pass", "a\0b")
    assert list(bench.experiment.get_runs()) == []

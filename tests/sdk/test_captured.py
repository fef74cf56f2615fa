"""What is kept of a run without anybody asking, and how that is switched off (issue 2, point 6)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from runstone import Experiment, Run, Workspace

Script = Callable[..., subprocess.Popen[str]]
START = """
from runstone import Experiment, Workspace
run = Experiment(Workspace.from_config(), "captured").start_logging({arguments})
"""
CANARY = "canary-8d1f42"


def captured(script: Script, workspace: Workspace, *given: str, arguments: str = "", **environ: str) -> Run:
    process = script(START.format(arguments=arguments), *given, **environ)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return workspace.search_runs()[0]


def system_files(run: Run) -> list[str]:
    run.download_files("system", "captured")
    root = Path("captured/system")
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Kim", "-c", "user.email=kim@example.invalid"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_script_arguments_machine_and_packages_are_kept(script: Script, workspace: Workspace) -> None:
    run = captured(script, workspace, "--lr", "0.01", RUNSTONE_CAPTURE="")
    properties = run.get_properties()
    assert properties["runstone.source.kind"] == "script"
    assert properties["runstone.source.script"].endswith("script.py")
    assert properties["runstone.source.command"].endswith("script.py --lr 0.01")
    assert {"runstone.host", "runstone.user", "runstone.python", "runstone.platform"} <= set(properties)
    assert run.get_file_names() == []
    assert {"environment.json", "packages.txt", "script/script.py"} <= set(system_files(run))
    assert "start_logging" in Path("captured/system/script/script.py").read_text()
    assert "numpy" in Path("captured/system/packages.txt").read_text()


def test_the_git_state_and_the_diff_are_kept(script: Script, workspace: Workspace, project: Path) -> None:
    (project / "script.py").write_text("before")
    git(project, "init", "--initial-branch", "trunk")
    git(project, "add", "script.py")
    git(project, "commit", "-m", "first")
    run = captured(script, workspace, RUNSTONE_CAPTURE="")
    properties = run.get_properties()
    assert properties["azureml.git.branch"] == "trunk"
    assert len(properties["azureml.git.commit"]) == 40
    assert properties["azureml.git.dirty"] == "True"
    assert {"git.diff", "git.json"} <= set(system_files(run))
    assert "-before" in Path("captured/system/git.diff").read_text()


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [('capture="none"', ""), ("capture=False", ""), ("", "none"), ("", "off"), ('capture="none"', "all")],
)
def test_nothing_is_kept_when_that_is_switched_off(
    script: Script, workspace: Workspace, arguments: str, environ: str
) -> None:
    run = captured(script, workspace, arguments=arguments, RUNSTONE_CAPTURE=environ)
    assert run.get_properties() == {}
    assert system_files(run) == []
    assert run.get_metrics() == {}


def test_one_part_is_left_out_or_chosen(script: Script, workspace: Workspace) -> None:
    run = captured(script, workspace, RUNSTONE_CAPTURE="-packages,-environment")
    assert system_files(run) == ["script/script.py"]
    assert {name.split(".")[1] for name in run.get_properties()} == {"source"}
    run = captured(script, workspace, arguments='capture="packages"', RUNSTONE_CAPTURE="none")
    assert run.get_properties() == {}
    assert "packages.txt" in system_files(run)
    run = captured(script, workspace, arguments='capture=["packages", "environment"]')
    assert {"runstone.host", "runstone.user"} <= set(run.get_properties())
    assert "runstone.source.kind" not in run.get_properties()


def test_children_keep_nothing_of_their_own(script: Script, workspace: Workspace) -> None:
    text = START.format(arguments="") + "child = run.child_run()\n"
    script(text, RUNSTONE_CAPTURE="").communicate(timeout=60)
    child, run = workspace.search_runs()
    assert child.parent == run
    assert child.get_properties() == {}
    assert system_files(child) == []


def test_what_the_script_says_itself_stays_and_the_rest_is_kept(
    script: Script, workspace: Workspace, project: Path
) -> None:
    git(project, "init", "--initial-branch", "trunk")
    git(project, "commit", "--allow-empty", "-m", "first")
    given = 'properties={"azureml.git.branch": "mine", "runstone.host": "cluster"}'
    run = captured(script, workspace, arguments=given, RUNSTONE_CAPTURE="")
    properties = run.get_properties()
    assert (properties["azureml.git.branch"], properties["runstone.host"]) == ("mine", "cluster")
    assert len(properties["azureml.git.commit"]) == 40
    assert {"environment.json", "git.json", "packages.txt", "script/script.py"} <= set(system_files(run))


def test_secrets_are_masked_wherever_they_stand(
    script: Script, workspace: Workspace, history: Path, project: Path
) -> None:
    arguments = ("--api-key", CANARY + "1", f"--password={CANARY}2", f"https://user:{CANARY}3@host/path")
    environ = {"RUNSTONE_CAPTURE": "", "MY_SECRET_TOKEN": CANARY + "4", "DATABASE_PASSWORD": CANARY + "5"}
    run = captured(script, workspace, *arguments, **environ)
    assert "--api-key" in run.get_properties()["runstone.source.command"]
    system_files(run)
    environment = json.loads(Path("captured/system/environment.json").read_text())
    assert environment
    for root in (history, project / "captured"):
        for path in root.rglob("*"):
            assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


def test_the_use_of_the_machine_is_sampled(script: Script, workspace: Workspace) -> None:
    run = captured(script, workspace, RUNSTONE_CAPTURE="")
    sampled = run._service.metrics.names(run._ref)
    assert run.get_metrics() == {}
    for name in sampled:
        assert name.startswith("system.")
        assert name in run.get_metrics(name)


def test_capturing_does_not_keep_a_script_waiting(script: Script, workspace: Workspace) -> None:
    text = """
    import time
    from runstone import Experiment, Workspace
    experiment = Experiment(Workspace.from_config(), "captured")
    experiment.start_logging()
    begun = time.thread_time()
    run = experiment.start_logging()
    print(time.thread_time() - begun)
    """
    out, _ = script(text, RUNSTONE_CAPTURE="").communicate(timeout=60)
    assert float(out) < 0.5


def test_the_environment_of_the_tests_is_clean() -> None:
    assert os.environ["RUNSTONE_CAPTURE"] == "none"
    assert not any(name.startswith("AZUREML_") for name in os.environ)


def test_a_workspace_of_a_script_is_the_one_of_the_test(script: Script, workspace: Workspace) -> None:
    captured(script, workspace)
    assert list(workspace.experiments.values()) == [Experiment(workspace, "captured")]

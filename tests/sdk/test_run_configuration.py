"""RunConfiguration: files of ours and of Azure ML SDK v1, and what a submitted run takes from them."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml

from runstone import CondaDependencies, Environment, RunConfiguration, ScriptRunConfig
from runstone.model.errors import UserErrorException
from runstone.sdk.script_run_config import get_run_config_from_script_run

WRITTEN_BY_V1 = """
script: train.py
arguments: [--lr, 0.1]
target: cpu-cluster
framework: Python
communicator: None
autoPrepareEnvironment: true
maxRunDurationSeconds: 600
nodeCount: 2
environment:
  name: sklearn
  version: '3'
  environmentVariables:
    EXAMPLE_ENV_VAR: EXAMPLE_VALUE
    THREADS: 4
  python:
    userManagedDependencies: false
    interpreterPath: python
    condaDependenciesFile: .azureml/conda_dependencies.yml
    baseCondaEnvironment: null
  docker:
    enabled: false
    baseImage: azureml/base:intelmpi2018.3-ubuntu16.04
    gpuSupport: false
    baseImageRegistry: {address: null, username: null, password: null}
  spark:
    packages: [{group: com.microsoft, artifact: x, version: '1'}]
    precachePackages: true
history:
  outputCollection: true
  snapshotProject: true
  directoriesToWatch: [logs, traces]
mpi: {processCountPerNode: 2}
dataReferences: {}
amlcompute: {vmSize: Standard_D2, vmPriority: null, retainCluster: false, name: null, clusterMaxNodeCount: 1}
environmentVariables: {FROM_ABOVE: '1'}
applicationEndpoints: {}
somethingNew: {kept: true}
"""
CONDA = "name: project_environment\ndependencies:\n- python=3.6.2\n- pip: [azureml-defaults, six]\n"
# an older file, and one that a person wrote: the packages stand in it
INLINE = {
    "script": "train.py",
    "environment": {
        "python": {
            "userManagedDependencies": False,
            "condaDependencies": {"dependencies": ["python=3.11", {"pip": ["six"]}], "channels": ["x"]},
        }
    },
}


def put(name: str, content: Any) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


@pytest.fixture
def v1(project: Path) -> RunConfiguration:
    put(".azureml/sklearn.runconfig", WRITTEN_BY_V1)
    put(".azureml/conda_dependencies.yml", CONDA)
    return RunConfiguration.load(".", "sklearn")


def test_a_fresh_one_has_what_the_original_has() -> None:
    made = RunConfiguration()
    assert (made.target, made.framework, made.communicator, made.node_count) == ("local", "Python", "None", 1)
    assert made.environment_variables == {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"}
    assert made.history.directories_to_watch == ["logs"]
    assert (made.data, made.data_references, made.datacaches, made.services) == ({}, {}, [], {})
    assert made.source_directory_data_store is None
    assert made.auto_prepare_environment


def test_a_word_spelled_wrongly_is_an_error() -> None:
    made = RunConfiguration()
    for section in (made, made.environment, made.environment.python, made.history, made.docker, made.mpi):
        with pytest.raises(AttributeError):
            section.taget = "gpu"
        with pytest.raises(AttributeError):
            _ = section.taget


def test_a_file_of_the_original_is_read(v1: RunConfiguration) -> None:
    assert (v1.script, v1.arguments, v1.target) == ("train.py", ["--lr", 0.1], "cpu-cluster")
    assert (v1.max_run_duration_seconds, v1.node_count, v1.mpi.process_count_per_node) == (600, 2, 2)
    assert (v1.environment.name, v1.environment.version) == ("sklearn", "3")
    assert v1.environment.python.conda_dependencies.pip_packages == ["azureml-defaults", "six"]
    assert v1.environment_variables == {
        "EXAMPLE_ENV_VAR": "EXAMPLE_VALUE",
        "THREADS": "4",
        "FROM_ABOVE": "1",
    }
    assert v1.history.directories_to_watch == ["logs", "traces"]
    assert v1.amlcompute.vm_size == "Standard_D2"
    # the version is one that the original writes by itself: nobody has asked for it
    assert v1.environment.document()["python"] == {
        "version": "",
        "requirements": ["six"],
        "user_managed_dependencies": False,
        "interpreter_path": "python",
    }


def test_what_is_not_known_is_written_again(v1: RunConfiguration) -> None:
    v1.save(name="again.runconfig")
    found = yaml.safe_load(Path(".azureml/again.runconfig").read_text())
    assert found["somethingNew"] == {"kept": True}
    assert found["environment"]["docker"]["gpuSupport"] is False
    assert found["autoPrepareEnvironment"] is True
    assert found["environment"]["spark"]["packages"][0]["artifact"] == "x"


def test_what_is_saved_is_read_again(v1: RunConfiguration) -> None:
    v1.save(".", "again.runconfig")
    again = RunConfiguration.load(".", "again")
    assert repr(again) == repr(v1)
    assert again.environment == v1.environment
    assert yaml.safe_load(Path(".azureml/again.runconfig").read_text())["environment"]["python"] == {
        "userManagedDependencies": False,
        "interpreterPath": "python",
        "condaDependenciesFile": ".azureml/conda_dependencies.yml",
        "baseCondaEnvironment": None,
    }


def test_the_environment_in_a_file_of_its_own(v1: RunConfiguration) -> None:
    v1.save(".", "again.runconfig", separate_environment_yaml=True)
    found = yaml.safe_load(Path(".azureml/again.runconfig").read_text())
    assert found["environment"] == ".azureml/environment.yml"
    assert RunConfiguration.load(".azureml/again.runconfig").environment == v1.environment


@pytest.mark.parametrize("content", [INLINE, yaml.safe_dump(INLINE)], ids=["json", "yaml"])
def test_packages_within_the_file(project: Path, content: Any) -> None:
    put("train.runconfig", content)
    found = RunConfiguration.load("train.runconfig")
    assert found.environment.document()["python"]["requirements"] == ["six"]
    assert found.environment.document()["python"]["version"] == "3.11"
    assert found.environment.python.conda_dependencies.conda_channels == ["x"]


@pytest.mark.parametrize("folder", [".azureml/", "aml_config/", ""])
@pytest.mark.parametrize("name", ["train", "train.runconfig"])
def test_where_a_file_is_looked_for(project: Path, folder: str, name: str) -> None:
    put(f"{folder}train.runconfig", "script: train.py")
    assert RunConfiguration.load(".", name).script == "train.py"
    assert RunConfiguration.load(project, name).script == "train.py"
    RunConfiguration.delete(".", name)
    with pytest.raises(UserErrorException, match=f"Run config {name} not found in {project}"):
        RunConfiguration.delete(".", name)


def test_a_file_that_is_not_there(project: Path) -> None:
    with pytest.raises(UserErrorException, match=r"Failed to load RunConfiguration from path=\. name=nope"):
        RunConfiguration.load(".", "nope")


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("- a", "is no run configuration"),
        ("environment: nope.yml", "names the environment 'nope.yml'"),
        ("environment: {python: {condaDependenciesFile: nope.yml}}", "names the conda file 'nope.yml'"),
        ("environment: [1]", "has to be a mapping"),
        ("history: logs", "HistoryConfiguration has to be a mapping"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_a_file_that_is_none_is_refused(project: Path, content: str, wrong: str) -> None:
    put("train.runconfig", content)
    with pytest.raises(UserErrorException, match=wrong):
        RunConfiguration.load("train.runconfig")


def test_a_conda_file_that_nobody_needs_may_be_missing(project: Path) -> None:
    text = "environment: {python: {userManagedDependencies: true, condaDependenciesFile: nope.yml}}"
    put("train.runconfig", text)
    assert RunConfiguration.load("train.runconfig").environment.python.user_managed_dependencies


def test_saving_needs_a_name_and_a_directory(project: Path) -> None:
    with pytest.raises(UserErrorException, match="Cannot save a runconfig without a name specified"):
        RunConfiguration().save()
    with pytest.raises(UserErrorException, match="and no path"):
        RunConfiguration().save(".", "../other.runconfig")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        RunConfiguration().save("nowhere", "train.runconfig")


def test_two_in_one_folder_keep_their_packages(project: Path) -> None:
    for name in ("six", "numpy", "six"):
        made = RunConfiguration(conda_dependencies=CondaDependencies.create(pip_packages=[name]))
        made.save(".", f"{name}.runconfig")
    for name in ("six", "numpy"):
        found = RunConfiguration.load(".", name).environment.python.conda_dependencies
        assert found.pip_packages[-1] == name
    assert sorted(path.name for path in (project / ".azureml").glob("*.yml")) == [
        "conda_dependencies.yml",
        "numpy.conda_dependencies.yml",
    ]
    RunConfiguration(conda_dependencies=CondaDependencies()).save(".", "numpy.runconfig")
    assert RunConfiguration.load(".", "six").environment.document()["python"]["requirements"] == ["six"]


def test_an_old_project_keeps_its_folder(project: Path) -> None:
    (project / "aml_config").mkdir()
    RunConfiguration().save(".", "train.runconfig")
    assert sorted(path.name for path in (project / "aml_config").iterdir()) == [
        "conda_dependencies.yml",
        "train.runconfig",
    ]
    assert not (project / ".azureml").exists()


def test_a_target_may_be_an_object(project: Path) -> None:
    made = RunConfiguration()
    made.target = type("Target", (), {"name": "gpu-cluster"})()
    assert made.target == "gpu-cluster"


def test_it_can_be_copied(v1: RunConfiguration) -> None:
    for made in (copy.deepcopy(v1), pickle.loads(pickle.dumps(v1))):
        assert repr(made) == repr(v1)
        made.environment_variables["X"] = "1"
        assert "X" not in v1.environment_variables


def test_a_script_run_config_takes_what_it_says(
    v1: RunConfiguration, caplog: pytest.LogCaptureFixture
) -> None:
    v1.priority = 5
    config = ScriptRunConfig(
        "source", run_config=v1, compute_target="other", environment=Environment("other")
    )
    assert "the following parameters will be ignored: compute_target, environment" in caplog.text
    assert (config.compute_target, config.environment) == ("cpu-cluster", v1.environment)
    assert (config.script, config.arguments, config.priority) == ("train.py", ["--lr", 0.1], 5)
    assert config.max_run_duration_seconds == 600
    own = ScriptRunConfig("source", "other.py", ["--x"], run_config=v1, max_run_duration_seconds=5)
    assert (own.script, own.arguments, own.max_run_duration_seconds) == ("other.py", ["--x"], 5)


def test_a_script_run_config_becomes_a_file(project: Path) -> None:
    environment = Environment("six")
    environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["six"])
    config = ScriptRunConfig(
        "source", "train.py", ["--lr", 0.1], compute_target="gpu", environment=environment, priority=2
    )
    get_run_config_from_script_run(config).save(".", "train.runconfig")
    found = RunConfiguration.load(".", "train")
    assert (found.script, found.arguments, found.target) == ("train.py", ["--lr", 0.1], "gpu")
    assert (found.environment, found.priority) == (environment, 2)

"""Environment: made from files, registered in versions, saved; and what it says is to be installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from runstone import CondaDependencies, Environment, Run, RunConfiguration, Workspace
from runstone.model.errors import UserErrorException

CONDA = """
name: train
dependencies:
  - python=3.11.4
  - scikit-learn=1.4
  - pytorch::pytorch>=2
  - pip
  - pip: [-r requirements.txt, azureml-core==1.61, 'runstone==0.1', numpy==2.1]
"""


def asked(environment: Environment) -> dict[str, Any]:
    return dict(environment.document()["python"])


def test_a_fresh_one_asks_for_nothing() -> None:
    made = Environment("mine")
    assert (made.name, made.version) == ("mine", None)
    assert (made.python.user_managed_dependencies, made.python.interpreter_path) == (False, "python")
    assert made.environment_variables == {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"}
    assert asked(made)["requirements"] == []
    assert asked(made)["version"] == ""


def test_from_pip_requirements(project: Path) -> None:
    (project / "requirements.txt").write_text("six==1.17  # old\n-r more.txt\n")
    (project / "more.txt").write_text("--extra-index-url https://example.org/simple\npandas>2\n")
    made = Environment.from_pip_requirements("mine", "requirements.txt", pip_version="23.1")
    assert asked(made)["requirements"] == [
        "--extra-index-url https://example.org/simple",
        "six==1.17",
        "pandas>2",
    ]
    assert made.python.conda_dependencies.conda_packages == ["pip=23.1"]
    with pytest.raises(UserErrorException, match="no requirements file"):
        Environment.from_pip_requirements("mine", "nope.txt")


def test_from_conda_specification(project: Path) -> None:
    (project / "requirements.txt").write_text("six\n")
    (project / "conda.yml").write_text(CONDA)
    made = Environment.from_conda_specification("mine", "conda.yml")
    assert asked(made) == {
        "version": "3.11.4",
        "requirements": ["scikit-learn==1.4.*", "torch>=2", "six", "numpy==2.1"],
        "user_managed_dependencies": False,
        "interpreter_path": "python",
    }


def test_what_conda_alone_can_install_is_told_with_what_can_be_done(project: Path) -> None:
    (project / "conda.yml").write_text("dependencies: [python=3.11, ffmpeg=6, six]\n")
    with pytest.warns(RuntimeWarning, match="asks conda for ffmpeg=6; Runstone installs with pip"):
        made = Environment.from_conda_specification("mine", "conda.yml")
    with pytest.raises(UserErrorException, match="from_existing_conda_environment"):
        made.document()
    made.python.conda_dependencies.remove_conda_package("ffmpeg")
    assert asked(made)["requirements"] == ["six"]


def test_a_name_of_the_original_that_nobody_serves_is_told() -> None:
    made = Environment("mine")
    made.python.conda_dependencies.add_pip_package("azureml-interpret")
    with pytest.warns(RuntimeWarning, match="azureml-interpret is not installed"):
        assert asked(made)["requirements"] == []


@pytest.mark.parametrize(
    ("version", "wanted"), [("3.8.13", ""), ("3.10.18", ""), ("3.12", "3.12"), ("3.11.*", "3.11")]
)
def test_the_version_of_python(version: str, wanted: str) -> None:
    made = Environment("mine")
    made.python.conda_dependencies.set_python_version(version)
    assert asked(made)["version"] == wanted


@pytest.mark.parametrize(("version", "wrong"), [("3.7.9", "needs 3.10 or later"), ("new", "write it as")])
def test_a_version_of_python_that_cannot_be(version: str, wrong: str) -> None:
    made = Environment("mine")
    made.python.conda_dependencies.set_python_version(version)
    with pytest.raises(UserErrorException, match=wrong):
        made.document()
    made.python.user_managed_dependencies = True
    assert asked(made)["version"] == ""


def test_an_interpreter_that_the_user_looks_after() -> None:
    made = Environment("mine")
    made.python.conda_dependencies.add_conda_package("ffmpeg")
    made.python.user_managed_dependencies = True
    made.python.interpreter_path = sys.executable
    assert asked(made) == {
        "version": "",
        "requirements": [],
        "user_managed_dependencies": True,
        "interpreter_path": sys.executable,
    }


def test_from_existing_conda_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project / "conda" / "envs" / "vision"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    monkeypatch.setenv("HOME", str(project))
    monkeypatch.setenv("MAMBA_ROOT_PREFIX", str(project / "conda"))
    made = Environment.from_existing_conda_environment("mine", "vision")
    assert asked(made)["interpreter_path"] == str(folder / "bin" / "python")
    assert asked(made)["user_managed_dependencies"]
    at = Environment.from_existing_conda_environment("mine", str(folder))
    assert at.python.interpreter_path == made.python.interpreter_path
    with pytest.raises(
        UserErrorException, match=r"no conda environment 'text' on this machine; found: .*'vision'"
    ):
        Environment.from_existing_conda_environment("mine", "text")


def test_registering_makes_a_version_when_something_changed(workspace: Workspace) -> None:
    made = Environment("mine")
    assert made.register(workspace).version == "1"
    assert made.register(workspace).version == "1"
    made.python.conda_dependencies.add_pip_package("six")
    made.environment_variables["A"] = "b"
    second = made.register(workspace)
    assert second.version == "2"
    assert Environment.get(workspace, "mine") == second
    assert Environment.get(workspace, "mine").environment_variables["A"] == "b"
    assert Environment.get(workspace, "mine", version="1").python.conda_dependencies == CondaDependencies()
    assert workspace.environments == Environment.list(workspace) == {"mine": second}


def test_labels(workspace: Workspace) -> None:
    made = Environment("mine")
    made.register(workspace)
    made.environment_variables = {"A": "b"}
    made.register(workspace)
    Environment.label(workspace, "mine", "1", ["stable"])
    assert Environment.get(workspace, "mine", label="stable").version == "1"
    assert Environment.get(workspace, "mine", label="latest").version == "2"
    with pytest.raises(UserErrorException, match="no label 'x'; it has: latest, stable"):
        Environment.get(workspace, "mine", label="x")


def test_what_is_not_registered_is_told(workspace: Workspace) -> None:
    with pytest.raises(UserErrorException, match="There is no environment 'mine'"):
        Environment.get(workspace, "mine")
    with pytest.raises(UserErrorException, match="containers of the original's cloud"):
        Environment.get(workspace, "AzureML-Minimal")
    with pytest.raises(UserErrorException, match="versions are numbers"):
        Environment.get(workspace, "mine", version="new")
    with pytest.raises(UserErrorException, match="needs a name"):
        RunConfiguration().environment.register(workspace)


def test_a_clone_is_its_own(workspace: Workspace) -> None:
    made = Environment("mine").register(workspace)
    clone = made.clone("other")
    clone.python.conda_dependencies.add_pip_package("six")
    assert (clone.name, clone.version) == ("other", None)
    assert made.python.conda_dependencies == CondaDependencies()


def test_a_directory_holds_what_was_saved(project: Path) -> None:
    made = Environment("mine")
    made.python.conda_dependencies.add_pip_package("six")
    made.docker.base_image_registry.password = "secret"
    made.save_to_directory("saved")
    assert sorted(path.name for path in (project / "saved").iterdir()) == [
        "azureml_environment.json",
        "conda_dependencies.yml",
    ]
    assert "secret" not in (project / "saved" / "azureml_environment.json").read_text()
    assert Environment.load_from_directory("saved") == made
    with pytest.raises(FileExistsError):
        made.save_to_directory("saved")
    made.environment_variables = {}
    made.save_to_directory("saved", overwrite=True)
    assert Environment.load_from_directory("saved").environment_variables == {}
    with pytest.raises(UserErrorException, match=r"no azureml_environment\.json in '\.'"):
        Environment.load_from_directory(".")


def test_a_directory_of_the_original_is_read(project: Path) -> None:
    (project / "azureml_environment.json").write_text(
        '{"name": "mine", "version": null, "python": {"baseCondaEnvironment": null, "condaDependencies": '
        '{"dependencies": ["python=3.11", {"pip": ["six"]}]}, "userManagedDependencies": false}, '
        '"databricks": {"eggLibraries": []}, "environmentVariables": null}'
    )
    found = Environment.load_from_directory(".")
    assert (found.name, found.environment_variables) == ("mine", {})
    assert asked(found)["requirements"] == ["six"]


def test_containers_are_refused_with_what_can_be_done(workspace: Workspace) -> None:
    made = Environment("mine")
    for call in (
        lambda: Environment.from_docker_image("mine", "ubuntu"),
        lambda: Environment.from_dockerfile("mine", "Dockerfile"),
        lambda: Environment.from_docker_build_context("mine", None),
        lambda: made.build(workspace),
        lambda: made.build_local(workspace),
        lambda: made.get_image_details(workspace),
    ):
        with pytest.raises(UserErrorException, match="'mine' needs containers, which Runstone"):
            call()
    with pytest.raises(UserErrorException, match=r"add_pip_package\('x.whl'\)"):
        Environment.add_private_pip_wheel(workspace, "x.whl")


def test_a_container_that_is_asked_for_is_told() -> None:
    made = Environment("mine")
    made.docker.base_image = "ubuntu"
    made.document()
    made.docker.enabled = True
    with pytest.warns(RuntimeWarning, match="without one"):
        made.document()


def test_a_run_that_was_not_submitted_has_none(run: Run) -> None:
    with pytest.raises(UserErrorException, match="no run definition or environment specified"):
        run.get_environment()

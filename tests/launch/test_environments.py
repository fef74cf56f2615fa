"""Environments of jobs: made of what they ask for, once for each content, and left alone when they are the
user's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runstone import CondaDependencies, Environment, RunConfiguration, ScriptRunConfig
from runstone.launch import environments, installing, pruning
from runstone.launch.folders import Folder
from runstone.model.errors import Invalid
from runstone.model.jobs import Spec
from tests.launch.conftest import Bench

SCRIPT = """
import os, shutil, sys, tiny
from azureml.core import Run
print(tiny.WORD, sys.prefix != sys.base_prefix, shutil.which("python") == sys.executable, os.environ["WORD"])
Run.get_context().log("answer", 42)
"""


def wheel(folder: Path, word: str) -> Path:
    """A package `tiny` that says a word."""
    path = folder / "tiny-1.0-py3-none-any.whl"
    about = "tiny-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/__init__.py", f"WORD = {word!r}\n")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", f"tiny/__init__.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n")
    return path


def with_tiny(folder: Path, word: str = "hello") -> Environment:
    made = Environment("tiny")
    made.python.conda_dependencies = CondaDependencies.create(pip_packages=[str(wheel(folder, word))])
    made.environment_variables = {"WORD": word}
    return made


def made(history: Path) -> int:
    return len(list((history / "environments").glob("*/made-*")))


def words(environment: Environment) -> Spec:
    return Spec(command=("python",), environment=environment.document(), interpreter=sys.executable)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched: what Runstone would like to have beside the package comes from a cache, or not."""
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture
def silent_index() -> Iterator[str]:
    """The address of an index that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/simple"


def test_a_script_finds_what_its_environment_asks_for(bench: Bench, tmp_path: Path) -> None:
    run = bench.submit(SCRIPT, environment=with_tiny(tmp_path))
    run.wait_for_completion()
    assert bench.printed(run).splitlines()[-1] == "hello True True hello"
    assert run.get_metrics() == {"answer": 42.0}
    assert run.get_environment() == with_tiny(tmp_path)
    assert run.get_details()["status"] == "Completed"


def test_an_environment_is_made_once_for_each_content(bench: Bench, tmp_path: Path) -> None:
    runs = [bench.submit(SCRIPT, environment=with_tiny(tmp_path)) for _ in range(3)]
    for run in runs:
        run.wait_for_completion()
    assert made(bench.history) == 1
    assert sum("Preparing the environment 'tiny'" in bench.printed(run) for run in runs) == 1
    # another content under the same name
    changed = bench.submit(SCRIPT, environment=with_tiny(tmp_path, "again"))
    changed.wait_for_completion()
    assert bench.printed(changed).splitlines()[-1] == "again True True again"
    assert made(bench.history) == 2


def test_a_run_configuration_from_a_file(bench: Bench, tmp_path: Path) -> None:
    configuration = RunConfiguration(script=bench.script(SCRIPT))
    configuration.environment = with_tiny(tmp_path)
    configuration.save(tmp_path, "tiny.runconfig")
    loaded = RunConfiguration.load(tmp_path, "tiny")
    run = bench.experiment.submit(ScriptRunConfig(str(bench.source), run_config=loaded))
    run.wait_for_completion()
    assert bench.printed(run).splitlines()[-1] == "hello True True hello"


def test_requirements_that_cannot_be_installed_are_the_runs_error(bench: Bench, tmp_path: Path) -> None:
    environment = with_tiny(tmp_path)
    environment.python.conda_dependencies.add_pip_package("tiny-that-nobody-has==9")
    run = bench.submit(SCRIPT, environment=environment)
    run.wait_for_completion(raise_on_error=False)
    error = run.get_details()["error"]["error"]
    assert error["code"] == "PreparationFailed"
    assert "tiny-that-nobody-has" in error["message"]
    assert made(bench.history) == 0


def test_secrets_of_an_environment_are_not_in_the_runs_definition(bench: Bench) -> None:
    environment = Environment("mine")
    environment.environment_variables = {"API_TOKEN": "abcdef123456", "WORD": "hello"}
    environment.python.conda_dependencies.set_pip_index_url("https://user:hunter2secret@example.org/simple")
    environment.python.user_managed_dependencies = True
    run = bench.submit("import os; print(os.environ['API_TOKEN'])", environment=environment)
    run.wait_for_completion()
    assert bench.printed(run) == "abcdef123456\n"
    definition = run._refresh().definition
    assert definition is not None
    assert definition["environment"]["environmentVariables"] == {"API_TOKEN": "***", "WORD": "hello"}
    assert "hunter2" not in str(definition)
    shown = run.get_environment()
    assert shown.environment_variables == {"API_TOKEN": "***", "WORD": "hello"}
    assert "hunter2" not in repr(shown)


def test_an_interpreter_of_the_users(bench: Bench, tmp_path: Path) -> None:
    interpreter = tmp_path / "bin" / "python"
    interpreter.parent.mkdir()
    interpreter.symlink_to(sys.executable)
    environment = Environment("mine")
    environment.python.user_managed_dependencies = True
    environment.python.interpreter_path = str(interpreter)
    run = bench.submit("import shutil, sys; print(shutil.which('python'))", environment=environment)
    run.wait_for_completion()
    assert bench.printed(run) == f"{interpreter}\n"
    environment.python.interpreter_path = str(tmp_path / "nowhere")
    run = bench.submit("", environment=environment)
    run.wait_for_completion(raise_on_error=False)
    assert "There is no interpreter" in run.get_details()["error"]["error"]["message"]


def test_a_run_is_canceled_while_its_environment_is_made(
    bench: Bench, silent_index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_OFFLINE")
    environment = Environment("slow")
    environment.python.conda_dependencies.add_pip_package("tiny")
    environment.python.conda_dependencies.set_pip_index_url(silent_index)
    run = bench.submit("print('never')", environment=environment)
    bench.until(lambda: "Preparing the environment" in bench.printed(run))
    assert run.get_status() == "Preparing"
    run.cancel()
    bench.until(lambda: run.get_status() == "Canceled", 20)
    assert bench.processes(run) == []
    assert "never" not in bench.printed(run)


def test_pip_does_it_where_there_is_no_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interpreter = tmp_path / "bin" / "python"
    interpreter.parent.mkdir()
    interpreter.symlink_to(Path(sys.executable).resolve())
    monkeypatch.setattr(sys, "executable", str(interpreter))
    environ = {"PATH": "/usr/bin:/bin", "PIP_NO_INDEX": "1"}
    log = tmp_path / "log"
    prepared = environments.prepare(
        words(with_tiny(tmp_path)), tmp_path, folder=Folder(tmp_path, log, "mark"), environ=environ
    )
    done = subprocess.run(
        [prepared.interpreter, "-c", "import tiny; print(tiny.WORD)"], capture_output=True, check=True
    )
    assert done.stdout == b"hello\n"
    assert "uv" not in (Path(prepared.interpreter).parents[1] / "pyvenv.cfg").read_text()
    assert prepared.variables(environ)["PATH"] == f"{Path(prepared.interpreter).parent}:/usr/bin:/bin"


def test_a_version_of_python_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = with_tiny(tmp_path)
    environment.python.conda_dependencies.set_python_version("3.99")
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "UV_OFFLINE": "1"}
    with pytest.raises(Invalid, match=r"3\.99"):
        environments.prepare(
            words(environment), tmp_path, folder=Folder(tmp_path, tmp_path / "log", "mark"), environ=environ
        )
    assert made(tmp_path) == 0


def test_what_pip_is_told_is_told_to_uv(tmp_path: Path) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text(
        "[global]\nindex-url = https://a.example\nextra-index-url =\n  https://b.example\n  https://c.example\n"
    )
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(settings), "PIP_INDEX_URL": "https://d.example"}
    told = installing.uv_settings(environ)
    assert told["UV_DEFAULT_INDEX"] == "https://d.example"
    assert told["UV_INDEX"] == "https://b.example https://c.example"
    assert told["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_environments_that_nobody_uses_are_removed_the_oldest_first(tmp_path: Path) -> None:
    jobs = [tmp_path / "jobs" / str(number) for number in range(4)]
    for number, job in enumerate(jobs):
        job.mkdir(parents=True)
        environment = tmp_path / "environments" / str(number)
        (environment / "made-x").mkdir(parents=True)
        (environment / "ready").write_text("made-x")
        pruning.use(environment, job)
        os.utime(environment / "ready", (number, number))
    for job in jobs[1:]:
        job.rmdir()
    pruning.prune(tmp_path / "environments", most=2)
    # the oldest is in use still, the next one is not
    assert ready(tmp_path) == ["0", "2", "3"]
    jobs[0].rmdir()
    pruning.use(tmp_path / "environments" / "2", jobs[2])
    pruning.prune(tmp_path / "environments", most=1)
    assert ready(tmp_path) == ["2"]
    assert made(tmp_path) == 1


def test_an_environment_that_was_removed_is_made_again(bench: Bench, tmp_path: Path) -> None:
    for _ in range(2):
        bench.submit(SCRIPT, environment=with_tiny(tmp_path)).wait_for_completion()
        bench.until(lambda: not bench.workspace._service.jobs.active())
        pruning.prune(bench.history / "environments", most=0)
        assert made(bench.history) == 0


def ready(root: Path) -> list[str]:
    return sorted(path.parent.name for path in (root / "environments").glob("*/ready"))

"""The command line as a whole: help, versions, pipes, and a history for a project."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runstone import __version__
from tests.cli.conftest import PROGRAM, environment

MANY = """
from runstone import Experiment, Workspace
from runstone.model.runs import NewRun
ws = Workspace.from_config()
experiment = Experiment(ws, "many")
ws._service.runs.create(ws.name, [NewRun(id=f"run-{n}", experiment=experiment.id) for n in range(300)])
"""
# What a list of runs shows nothing of, and what the forms take that nobody asked for.
SPARE = (
    *(f"runstone.service.{name}" for name in ("agents", "jobs", "logs", "models", "purging", "transfers")),
    *(f"runstone.{name}" for name in ("azureml", "cli.script", "model.models", "sdk.run", "sdk.workspace")),
    *("importlib.resources", "jmespath", "numpy", "runpy", "socket", "subprocess", "yaml", "zipfile"),
)


@pytest.mark.parametrize("words", [["--help"], ["-h"], [], ["run", "--help"], ["run"], ["exec", "--help"]])
def test_help_is_on_the_standard_output(words: list[str], runstone):
    done = runstone(*words)
    assert done.out.startswith("Usage: runstone")
    assert (done.code, done.err) == (0, "")


def test_the_help_that_is_answered_at_once_is_that_of_the_commands(runstone):
    # renewed by: COLUMNS=80 runstone --debug --help > src/runstone/cli/help.txt
    narrow = runstone("--debug", "--help", env=environment(COLUMNS="80")).out
    assert narrow == runstone("--help", env=environment(COLUMNS="80")).out
    assert narrow == runstone(env=environment(COLUMNS="200")).out
    assert narrow != runstone("--help", env=environment(COLUMNS="60")).out


def test_the_first_help_loads_not_even_click():
    code = "import sys\nfrom runstone.cli.main import main\nassert main(['--help']) == 0\n"
    code += "print([name for name in sys.modules if name.startswith('click')], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stderr == "[]\n"


def test_help_loads_neither_the_sdk_nor_a_database():
    code = "import sys\nfrom runstone.cli.main import main\nassert main(['run', 'list', '--help']) == 0\n"
    code += "heavy = ('runstone.s', 'sqlite3', 'numpy', 'yaml')\n"
    code += "print([name for name in sys.modules if name.startswith(heavy)], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stderr == "[]\n"


def test_a_list_of_runs_loads_nothing_of_what_it_does_not_show(python, write, runstone):
    assert python(write("many.py", MANY)).code == 0
    code = "import sys\nfrom runstone.cli.main import main\nassert main(['run', 'list', '-o', 'json']) == 0\n"
    code += f"spare = {SPARE!r}\n"
    code += "print(sorted(name for name in sys.modules if name.startswith(spare)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert len(json.loads(done.stdout)) == 10
    assert done.stderr == "[]\n"


def test_the_version_is_told(runstone):
    assert runstone("--version").out == f"runstone, version {__version__}\n"


def test_it_is_a_module_too(python):
    assert python("-m", "runstone", "--version").out == f"runstone, version {__version__}\n"


def test_a_reader_that_has_seen_enough_is_no_error(runstone, python, write):
    write("many.py", MANY)
    assert python("many.py").code == 0
    with subprocess.Popen(
        [PROGRAM, "run", "list", "--last", "300"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "[\n"
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


@pytest.mark.parametrize("words", ["--help", "run --help", "run list", "export --to all.runstone", "doctor"])
def test_a_disk_that_is_full_is_one_line_and_no_output_at_all_is_no_error(words: str, project: Path):
    def ended(redirected: str) -> tuple[int, str]:
        done = subprocess.run(
            f"{PROGRAM} {words} {redirected}",
            shell=True,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=project,
            env=environment(),
        )
        return done.returncode, done.stderr

    code, said = ended(">/dev/full")
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith("runstone: ")
    assert "No space left on device" in said
    assert ended(">&-") == (0, "")
    assert ended(">/dev/null 2>&-") == (0, "")


def test_a_project_gets_a_history_of_its_own(runstone, python, write, tmp_path: Path):
    (tmp_path / "project" / "deep").mkdir(parents=True)
    done = runstone("init", "project")
    history = tmp_path / "project" / ".runstone" / "history"
    assert (done.code, done.out) == (0, f"A new history: {history}\n")
    write(
        "project/deep/train.py",
        "import os\nos.chdir(os.path.dirname(os.path.abspath(__file__)))\n"
        "from runstone import Workspace\nprint(Workspace.from_config().location)",
    )
    assert python("project/deep/train.py").out == f"{history}\n"
    again = runstone("init", "project")
    assert (again.code, again.out) == (0, f"There is a history already: {history}\n")
    assert (tmp_path / "project" / ".runstone" / ".gitignore").read_text().splitlines()[-1] == "history/"


def test_a_project_that_names_another_history_is_told_so(runstone, write, tmp_path: Path):
    write("project/.runstone/config.json", json.dumps({"history": "elsewhere"}))
    done = runstone("init", "project")
    assert done.code == 0
    assert "config.json is looked at first" in done.out


def test_a_project_that_cannot_be_written_is_one_line(runstone, write):
    write("file", "")
    done = runstone("init", "file")
    assert done.code == 2
    assert done.err.count("\n") == 1

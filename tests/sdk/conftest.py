"""What the tests of the SDK start from: a project with a history, an experiment, a run."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runstone import Dataset, Datastore, Experiment, Run, Workspace
from runstone.model import patience
from runstone.sdk import tracking
from runstone.sdk.file_dataset import FileDataset
from runstone.sdk.tabular_dataset import TabularDataset
from runstone.service.connect import disconnect

ROWS = "name,age,when\n{0}1,31,2024-01-01\n{0}2,32,2024-01-02\n{0}3,,2024-01-03\n"
SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture(autouse=True)
def project(history: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with a history, from which nothing is captured unless a test asks for it."""
    monkeypatch.setenv("RUNSTONE_CAPTURE", "none")
    yield history.parent.parent
    tracking.end_all()
    # the test has ended, the process of the tests has not
    patience.calm()
    disconnect(history)


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.from_config()


@pytest.fixture
def experiment(workspace: Workspace) -> Experiment:
    return Experiment(workspace, "explore-runs")


@pytest.fixture
def run(experiment: Experiment) -> Run:
    return experiment.start_logging()


@pytest.fixture
def own(workspace: Workspace, project: Path) -> Datastore:
    """The workspace's datastore with raw/a.csv, raw/b.csv and raw/deep/c.txt."""
    store = workspace.get_default_datastore()
    (project / "raw" / "deep").mkdir(parents=True)
    for letter in "ab":
        (project / "raw" / f"{letter}.csv").write_text(ROWS.format(letter))
    (project / "raw" / "deep" / "c.txt").write_text("c")
    store.upload(project / "raw", "raw", show_progress=False)
    return store


@pytest.fixture
def rows(own: Datastore) -> TabularDataset:
    return Dataset.Tabular.from_delimited_files((own, "raw/*.csv"))


@pytest.fixture
def files(own: Datastore) -> FileDataset:
    return Dataset.File.from_files((own, "raw/**"))


@pytest.fixture
def script(project: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`script(text, *arguments)`: a Python process in the project, with pipes; ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(text: str, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        path = project / "script.py"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, str(path), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(SOURCE), **environ},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()

"""The peers, each in an environment of its own under ``.bench/``; and how a tracker is driven."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.timing import Cost, Failed, run

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".bench"
# Trackers look at the repository of the script.
NAMED = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
GIT = (("init", "-q"), ("add", "."), (*NAMED, "commit", "-q", "-m", "Add a script"))

Value = TypeVar("Value")


@dataclass(frozen=True)
class Tracker:
    """A tracker to be measured: what is imported, the Python that has it, or the reason why none has."""

    name: str
    module: str
    python: Path = Path(sys.executable)
    reason: str = ""


@dataclass(frozen=True)
class Place:
    """Where a script works, a git repository as usual, and where the tracker keeps its data."""

    work: Path
    data: Path


@dataclass(frozen=True)
class Driven:
    """What came of a task: the process, its answer, and how much its data take."""

    cost: Cost
    answer: Mapping[str, float]
    size: int


OURS = Tracker("runstone", "runstone")
REQUIREMENTS = {
    "mlflow": "mlflow==3.17.2",
    "trackio": "trackio==0.43.0",
    "wandb": "wandb==0.31.0",
    "tensorboardX": "tensorboardX==2.6.5",
}


def peer(name: str) -> Tracker:
    """The peer of that name, installed now if it was not before; where that fails it says why."""
    home = CACHE / name
    python, mark = home / "bin" / "python", home / "installed"
    requirement = REQUIREMENTS[name]
    if mark.is_file() and mark.read_text() == requirement:
        return Tracker(name, name, python)
    CACHE.mkdir(exist_ok=True)
    # git, and the tests that look at every file that git would add, pass it over
    (CACHE / ".gitignore").write_text("*\n")
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(home)],
        [str(python), "-m", "pip", "install", "-q", requirement],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            return Tracker(name, name, reason=f"not to be had: {said[-1] if said else done.returncode}")
    mark.write_text(requirement)
    return Tracker(name, name, python)


def drive(tracker: Tracker, task: str, *, count: int) -> Driven:
    """Have a tracker do a task ``count`` times in a new directory, in a process of its own."""
    with place() as found:
        command = [str(tracker.python), "-m", "benchmarks.drive", tracker.module, task, str(count)]
        cost = run(command, environment=environment(found), directory=found.work)
        return Driven(cost, answer(cost), size(found.data))


def measured(module: str, *arguments: str, python: Path = OURS.python) -> dict[str, float]:
    """What a module of this package prints as JSON, run with a new place of its own."""
    with place() as found:
        command = [str(python), "-m", f"benchmarks.{module}", *arguments]
        return answer(run(command, environment=environment(found), directory=found.work))


def each(peers: Sequence[Tracker], measure: Callable[[Tracker], Value]) -> dict[str, Value | str]:
    """What is measured of each peer, or why there is nothing to measure."""
    found: dict[str, Value | str] = {}
    for peer in peers:
        try:
            found[peer.name] = peer.reason or measure(peer)
        except Failed as error:
            found[peer.name] = f"failed: {error}"
    return found


def picked(found: Mapping[str, Mapping[str, float] | str], word: str) -> dict[str, float | str]:
    """One of the values that were measured of each peer."""
    return {
        name: values if isinstance(values, str) else _known(values[word]) for name, values in found.items()
    }


@contextmanager
def place() -> Iterator[Place]:
    """A new place on the project's own file system, since another may be in memory."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, ignore_cleanup_errors=True) as directory:
        found = Place(Path(directory, "work"), Path(directory, "data"))
        found.data.mkdir()
        found.work.mkdir()
        (found.work / "train.py").write_text("print('a script')\n")
        for command in GIT:
            subprocess.run(["git", *command], cwd=found.work, check=True, capture_output=True)
        yield found


def environment(found: Place) -> dict[str, str]:
    """One in which every tracker keeps its data in that place and asks nothing of the network."""
    # also what forbids Python to keep compiled modules: the peers were compiled when they were installed
    dropped = ("RUNSTONE_", "AZUREML_", "PYTHON")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    where = str(found.data)
    return kept | {
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
        "BENCH_DIRECTORY": where,
        "RUNSTONE_HOME": where,
        "MLFLOW_TRACKING_URI": f"sqlite:///{where}/mlflow.db",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "TRACKIO_DIR": where,
        "HF_HUB_OFFLINE": "1",
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_DIR": where,
        "WANDB_CACHE_DIR": where,
        "WANDB_CONFIG_DIR": where,
        "WANDB_DATA_DIR": where,
    }


def size(directory: Path) -> int:
    """The bytes of all files under a directory."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def answer(cost: Cost) -> dict[str, float]:
    """The JSON object that a process printed last."""
    for line in reversed(cost.output.splitlines()):
        if line.startswith("{"):
            found: dict[str, float] = json.loads(line)
            return found
    raise Failed("it printed no result")


def _known(value: float) -> float | str:
    return "cannot read" if math.isnan(value) else value

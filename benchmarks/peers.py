"""The peers, each in an environment of its own under ``.bench/``; and how a tracker is driven."""

from __future__ import annotations

import json
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

Value = TypeVar("Value")


@dataclass(frozen=True)
class Tracker:
    """A tracker to be measured: what is imported, the Python that has it, or the reason why none has."""

    name: str
    module: str
    python: Path = Path(sys.executable)
    reason: str = ""


@dataclass(frozen=True)
class Driven:
    """What came of a task: the process, its answer, and how much its directory holds."""

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
    with place() as directory:
        command = [str(tracker.python), "-m", "benchmarks.drive", tracker.module, task, str(count)]
        cost = run(command, environment=environment(directory), directory=directory)
        (directory / "output").unlink()
        return Driven(cost, answer(cost), size(directory))


def each(peers: Sequence[Tracker], measure: Callable[[Tracker], Value]) -> dict[str, Value | str]:
    """What is measured of each peer, or why there is nothing to measure."""
    found: dict[str, Value | str] = {}
    for peer in peers:
        try:
            found[peer.name] = peer.reason or measure(peer)
        except Failed as error:
            found[peer.name] = f"failed: {error}"
    return found


@contextmanager
def place() -> Iterator[Path]:
    """A directory on the project's own file system, since another may be in memory."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def environment(directory: Path) -> dict[str, str]:
    """One in which every tracker keeps its data in that directory and asks nothing of the network."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RUNSTONE_", "AZUREML_"))}
    where = str(directory)
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

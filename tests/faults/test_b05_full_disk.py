"""b5: the disk is full, under the journal or all of the history: training goes on, nothing is lost unsaid."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from runstone import Run
from tests.scripts import Stage, line, quality

MEGABYTE = 1024**2

LOG = """
run = begin()
LIMIT = int(sys.argv[1])
slowest = 0.0

def log(first, last):
    global slowest
    for i in range(first, last):
        begun = time.perf_counter()
        run.log("loss", i / 7, step=i)
        slowest = max(slowest, time.perf_counter() - begun)

log(0, 5_000)
say("begun")
wait_for("full")
log(5_000, LIMIT)
say(f"{slowest:.3f}")
wait_for("room")
log(LIMIT, LIMIT + 5_000)
"""


def can_mount(folder: Path, megabytes: int) -> bool:
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0


@contextmanager
def small_disk(folder: Path, megabytes: int = 8) -> Iterator[None]:
    """A small file system at a folder. Who may not mount one goes without, and relies on the file limit."""
    mounted = can_mount(folder, megabytes)
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


class Disk:
    """A disk to be filled and emptied: a small one by a ballast, another by a limit upon a script's files."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.ballast = folder / "ballast"
        self.process = process
        self.small = os.path.ismount(folder)

    def fill(self) -> None:
        if not self.small:
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            return
        with open(self.ballast, "wb", buffering=0) as file:
            for size in (MEGABYTE, 4096, 1):
                while self._grow(file.fileno(), size):
                    pass

    def free(self) -> None:
        if not self.small:
            unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, unlimited)
            return
        self.ballast.unlink()

    def _grow(self, file: int, size: int) -> bool:
        try:
            return os.write(file, bytes(size)) > 0
        except OSError:
            return False


@pytest.fixture(params=["journal", "history"])
def full_folder(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Path]:
    """The small disk is under the journal alone, or under the database as well."""
    folder = stage.journal if request.param == "journal" else stage.history
    with small_disk(folder):
        yield folder


def whole(run: Run, limit: int) -> bool:
    found = run.get_metric_series("loss")
    at = np.arange(limit)
    return np.array_equal(found.steps, at) and np.array_equal(found.values, at / 7)


def complaints(text: str) -> list[str]:
    return [said for said in text.splitlines() if "cannot be written" in said]


def test_a_full_disk_loses_nothing_and_is_used_again(stage: Stage, full_folder: Path):
    process = stage.start(LOG + "run.complete()", 30_000)
    line(process)
    disk = Disk(full_folder, process)
    disk.fill()
    stage.tell("full")
    assert float(line(process)) < 1
    disk.free()
    stage.tell("room")
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    assert len(complaints(complaint)) == 1, complaint
    assert "Traceback" not in complaint
    assert whole(stage.see(), 35_000)
    assert stage.see().status == "Completed"
    assert quality(stage.see()) == {}
    assert stage.left() == []


def test_what_neither_disk_nor_memory_takes_is_counted(stage: Stage):
    with small_disk(stage.history, megabytes=64):
        process = stage.start(LOG + "run.complete()", 300_000)
        line(process)
        disk = Disk(stage.history, process)
        disk.fill()
        stage.tell("full")
        assert float(line(process)) < 1
        disk.free()
        stage.tell("room")
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
        found = stage.see().get_metric_series("loss")
        assert np.array_equal(found.values, found.steps / 7)
        assert np.all(np.diff(found.steps) > 0)
        assert quality(stage.see()) == {"dropped": 305_000 - len(found.steps)}
        assert 100_000 < len(found.steps) < 300_000
        stage.leave()


def test_a_script_that_ends_on_a_full_disk_ends_in_peace(stage: Stage):
    with small_disk(stage.history):
        process = stage.start(LOG + "run.complete()", 20_000)
        line(process)
        disk = Disk(stage.history, process)
        disk.fill()
        stage.tell("full")
        line(process)
        stage.tell("room")
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
        assert "Traceback" not in complaint
        if disk.small:
            disk.free()
        run = stage.see()
        found = run.get_metric_series("loss")
        assert np.array_equal(found.values, np.arange(len(found.values)) / 7)
        assert len(found.values) >= 5_000
        assert run.status in ("Completed", "Failed")
        stage.leave()

"""b4: the power goes: what was synced is whole, the rest may be lost, torn or out of order, never wrong."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from runstone import Workspace
from runstone.service.connect import disconnect
from tests.scripts import Stage, kill, line
from tests.sources import ROOT

SECTOR = 512
WIDTH = 8

# All that a process does to files of a journal goes through `os`; what it does is written down, and done.
RECORDER = """
import builtins, json, os

operations = []
names = {}
opened, wrote, synced, cut, copied = os.open, os.write, os.fdatasync, os.ftruncate, os.dup

def note(*what):
    operations.append(what)

def open_(path, flags, *more, **named):
    number = opened(path, flags, *more, **named)
    names[number] = str(path)
    if str(path).endswith(".rsj") and flags & os.O_CREAT:
        note("create", str(path))
    return number

def write(number, data):
    done = wrote(number, data)
    if names.get(number, "").endswith(".rsj"):
        note("write", names[number], done)
    return done

def sync(number):
    synced(number)
    if number in names:
        note("sync", names[number])

def truncate(number, size):
    cut(number, size)
    note("truncate", names.get(number, ""), size)

def dup(number):
    copy = copied(number)
    names[copy] = names.get(number, "")
    return copy

os.open, os.write, os.fdatasync, os.ftruncate, os.dup = open_, write, sync, truncate, dup
builtins.operations = operations
"""
# Nothing is delivered while it logs: all there is, is in the journal.
WORK = """
import json, sqlite3
from runstone.journal.sink import Limits
run = begin()
# small segments, so that many things happen to files
run._service.shipper._limits = Limits(segment_bytes=48 * 1024)
held = sqlite3.connect(os.path.join(os.environ["RUNSTONE_HISTORY"], "history.db"), isolation_level=None)
held.execute("BEGIN IMMEDIATE")
names = [f"m{i}" for i in range(int(sys.argv[1]))]
for i in range(3_000):
    run.log_metrics({name: float(i) for name in names}, step=i)
    run.log("single", i / 7, step=i)
    time.sleep(0.001)
with open("operations", "w") as file:
    json.dump(operations, file)
say("logged")
time.sleep(60)
"""


@dataclass
class File:
    """A segment while the operations are gone through: how long it is, and how much of it is surely there."""

    size: int = 0
    synced: int = 0
    created: bool = False


@dataclass
class Crash:
    """What a disk may hold when the power goes at some moment."""

    files: dict[str, File] = field(default_factory=dict)

    def done(self, what: str, path: str, number: int) -> None:
        if what == "sync" and not path.endswith(".rsj"):
            for name, inside in self.files.items():
                inside.created |= os.path.dirname(name) == path
            return
        file = self.files.setdefault(path, File())
        if what == "write":
            file.size += number
        elif what == "truncate":
            file.size = number
        elif what == "sync":
            file.synced = file.size


def moments(operations: list[list[object]], rng: random.Random, count: int) -> Iterator[Crash]:
    chosen = set(rng.sample(range(len(operations)), count))
    crash = Crash()
    for at, (what, path, *number) in enumerate(operations):
        crash.done(str(what), str(path), int(str(number[0])) if number else 0)
        if at in chosen:
            yield crash


def torn(data: bytes, synced: int, rng: random.Random) -> bytes:
    """The bytes that were synced, and of the others what chance would have it: sectors, in any order."""
    kind = rng.choice(["all", "nothing", "prefix", "sectors", "last", "longer"])
    if kind == "all":
        return data
    if kind == "nothing":
        return data[:synced]
    if kind == "prefix":
        return data[: rng.randint(synced, len(data))]
    if kind == "longer":
        return data[:synced] + bytes(len(data) - synced)
    found = bytearray(data)
    for start in range(synced - synced % SECTOR, len(data), SECTOR):
        keep = start + SECTOR > len(data) - 4 * SECTOR if kind == "last" else rng.random() < 0.5
        if not keep:
            first, last = max(start, synced), min(start + SECTOR, len(data))
            found[first:last] = bytes(last - first)
    return bytes(found)


def build(crash: Crash, history: Path, at: Path, rng: random.Random) -> None:
    """A history as it is found after the crash."""
    shutil.copytree(history, at, ignore=shutil.ignore_patterns("journal", "*-shm"))
    for path, file in crash.files.items():
        relative = Path(path).relative_to(history)
        if not file.created and not file.synced and rng.random() < 0.5:
            continue
        (at / relative).parent.mkdir(parents=True, exist_ok=True)
        (at / relative).write_bytes(torn(Path(path).read_bytes()[: file.size], file.synced, rng))


def surely(crash: Crash, lengths: tuple[int, int]) -> int:
    """How many steps are surely there: those that were whole in the synced part of each segment."""
    whole = 0
    for path in sorted(crash.files):
        data = Path(path).read_bytes()[: crash.files[path].synced]
        at = 8
        while at + 8 <= len(data):
            length = struct.unpack_from("<I", data, at)[0]
            whole += length in lengths and at + length <= len(data)
            at += length
        if crash.files[path].synced < crash.files[path].size:
            break
    return whole


def test_every_state_that_a_loss_of_power_leaves_is_recovered(stage: Stage, count, rng: random.Random):
    recorder = stage.folder / "recorder"
    recorder.mkdir()
    (recorder / "sitecustomize.py").write_text(RECORDER)
    process = stage.start(WORK, WIDTH, environment={"PYTHONPATH": f"{recorder}:{ROOT / 'src'}"})
    line(process)
    kill(process)
    process.wait()
    operations = json.loads((stage.folder / "operations").read_text())
    assert sum(what == "sync" for what, *_ in operations) >= 3
    assert sum(what == "create" for what, *_ in operations) >= 3
    lengths = (8 + 8 + 8 + WIDTH * 8 + 4, 8 + 8 + 8 + 8 + 4)
    for number, crash in enumerate(moments(operations, rng, count(40, 3_000))):
        at = stage.folder / f"state{number}"
        build(crash, stage.history, at, rng)
        least = surely(crash, lengths)
        disconnect(at)
        try:
            recovered(at, least)
        finally:
            disconnect(at)
            shutil.rmtree(at)


def recovered(history: Path, least: int) -> None:
    run = Workspace(history=history).get_run("r")
    assert run.status == "Failed"
    names = run._service.metrics.values([run._ref])[run._ref]
    found = 0
    for name, by in (("m0", 1), ("m7", 1), ("single", 7)):
        if name not in names:
            continue
        series = run.get_metric_series(name)
        assert np.all(np.diff(series.steps) > 0)
        assert np.array_equal(series.values, series.steps / by)
        found += len(series.steps) if name != "m7" else 0
        if name == "m7":
            assert len(series.steps) == len(run.get_metric_series("m0").steps)
    assert found >= least


def test_the_run_itself_survives_with_what_it_logged(stage: Stage):
    """The database's log may be lost as a whole, up to the last time that it was forced to the disk."""
    script = """
import pathlib, shutil
run = begin(tags={"key": "value"})
run.log("loss", 0.5)
history = pathlib.Path(os.environ["RUNSTONE_HISTORY"])
shutil.copytree(history, "after", ignore=shutil.ignore_patterns("*-wal", "*-shm"))
say("copied")
time.sleep(60)
"""
    process = stage.start(script)
    line(process)
    kill(process)
    process.wait()
    after = stage.folder / "after"
    try:
        run = Workspace(history=after).get_run("r")
        assert (run.status, run.get_tags(), run.get_metrics()) == ("Failed", {"key": "value"}, {"loss": 0.5})
    finally:
        disconnect(after)


def test_no_segment_goes_before_the_database_has_it_on_disk(stage: Stage):
    """Power that goes right after a journal was deleted: the database without its log has all of it."""
    script = """
import pathlib, shutil
run = begin()
for i in range(200_000):
    run.log("loss", i / 7, step=i)
run.flush()
history = pathlib.Path(os.environ["RUNSTONE_HISTORY"])
shutil.copytree(history, "after", ignore=shutil.ignore_patterns("*-wal", "*-shm"))
say("copied")
time.sleep(60)
"""
    process = stage.start(script)
    line(process)
    kill(process)
    process.wait()
    after = stage.folder / "after"
    try:
        series = Workspace(history=after).get_run("r").get_metric_series("loss")
        assert np.array_equal(series.values, np.arange(200_000) / 7)
    finally:
        disconnect(after)

"""b35: a damaged page, a log that was cut short, a lost file: `runstone doctor` names them without a trace,
other runs stay readable, and what still lies in a journal comes back."""

from __future__ import annotations

import json
import os
import random
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runstone import Experiment
from runstone.model.errors import RunstoneError
from runstone.service.connect import connect, disconnect
from runstone.service.inspection import inspect
from runstone.store import sealing
from tests.scripts import Stage, kill, line, quality
from tests.sources import ROOT

PAGE = 4096
# A flipped bit in a page makes anything of what stands there: a number of a text, a name of another.
DAMAGED = (RunstoneError, sqlite3.Error, ValueError, LookupError, TypeError, AssertionError)
RUNS = 4
STEPS = 9_000

LOGGING = """
run = begin("live")
for step in range(3_000):
    run.log("loss", step / 4, step=step)
say(run.get_metric_series("loss").steps[-1])
for step in range(3_000, 4_000):
    run.log("loss", step / 4, step=step)
say("logged")
time.sleep(600)
"""


@pytest.fixture
def filled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Four runs that have ended and are sealed, each with a file; nobody has the history open."""
    monkeypatch.setenv("RUNSTONE_CAPTURE", "none")
    experiment = Experiment(stage.workspace(), "faults")
    for number in range(RUNS):
        run = experiment.start_logging(run_id=f"r{number}", outputs=False)
        for step in range(STEPS):
            run.log("loss", number + step / 4, step=step)
        run.tag("number", str(number))
        run.upload_file("model.bin", __file__)
        run.complete()
    service = connect(stage.history)
    sealing.seal_waiting(service.database)
    with closing(sqlite3.connect(stage.history / "history.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    stage.leave()
    return stage


def doctor(stage: Stage, *options: str) -> tuple[int, dict[str, Any], str]:
    """What the command says, as JSON; its complaint."""
    done = subprocess.run(
        [sys.executable, "-m", "runstone", "doctor", "-o", "json", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=stage.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "RUNSTONE_HISTORY": str(stage.history)},
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def pages(path: Path, table: str) -> list[int]:
    """The pages that hold a table's rows, as the database itself counts them."""
    with closing(sqlite3.connect(path)) as database:
        root = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
        total = database.execute("PRAGMA page_count").fetchone()[0]
    content = path.read_bytes()
    found, waiting = [], [root]
    while waiting:
        page = waiting.pop()
        start = (page - 1) * PAGE + (100 if page == 1 else 0)
        kind, cells = content[start], int.from_bytes(content[start + 3 : start + 5], "big")
        found.append(page)
        if kind not in (2, 5) or page > total:
            continue
        waiting.append(int.from_bytes(content[start + 8 : start + 12], "big"))
        for cell in range(cells):
            at = start + 12 + 2 * cell
            pointer = (page - 1) * PAGE + int.from_bytes(content[at : at + 2], "big")
            waiting.append(int.from_bytes(content[pointer : pointer + 4], "big"))
    return found


def readable(stage: Stage) -> int:
    """How many runs are read whole; no other is taken for one that is."""
    return sum(is_read(stage, number) for number in range(RUNS))


def is_read(stage: Stage, number: int) -> bool:
    try:
        run = stage.see(f"r{number}")
        series = run.get_metric_series("loss")
        return bool(
            np.array_equal(series.values, number + np.arange(STEPS) / 4)
            and run.get_tags() == {"number": str(number)}
        )
    except DAMAGED:
        return False
    finally:
        stage.leave()


def test_one_damaged_chunk_costs_one_run_its_points_and_no_other(filled: Stage):
    path = filled.history / "history.db"
    leaf = max(pages(path, "metric_chunk"))
    content = bytearray(path.read_bytes())
    content[(leaf - 1) * PAGE + PAGE - 600 : (leaf - 1) * PAGE + PAGE - 500] = os.urandom(100)
    path.write_bytes(content)
    code, report, _ = doctor(filled)
    assert (code, report["whole"]) == (1, False)
    # of `loss`, or of what was sampled of the machine if making the runs took that long
    assert any(re.search(r"of the metric '[^']+' of default/r", text) for text in report["damage"]), report
    assert readable(filled) >= RUNS - 2


def test_damage_anywhere_is_told_without_a_trace_and_most_is_read(
    filled: Stage, rng: random.Random, count: Callable[[int, int], int]
):
    path = filled.history / "history.db"
    original = path.read_bytes()
    kept = 0
    rounds = count(5, 300)
    for _ in range(rounds):
        content = bytearray(original)
        page = rng.randrange(1, len(content) // PAGE)
        size = rng.choice((1, 64, PAGE))
        at = page * PAGE + rng.randrange(PAGE - size + 1)
        content[at : at + size] = rng.randbytes(size)
        path.write_bytes(content)
        assert inspect(filled.history).history == str(filled.history)
        kept += readable(filled)
        for beside in filled.history.glob("history.db-*"):
            beside.unlink()
    # the pages at the top of a table take all of it down; most are not
    assert kept >= rounds


def test_a_lost_file_is_named_and_the_rest_is_there(filled: Stage):
    blobs = [path for path in (filled.history / "blobs").glob("??/*") if path.is_file()]
    for path in blobs:
        path.unlink()
    code, report, _ = doctor(filled)
    assert code == 1
    assert len(report["damage"]) == RUNS
    for number in range(RUNS):
        assert any(
            f"'model.bin' (version 1) of default/r{number} is lost" in text for text in report["damage"]
        )
        with pytest.raises(RunstoneError, match="cannot be read"):
            filled.see(f"r{number}").download_file("model.bin", str(filled.folder / "back"))
    assert readable(filled) == RUNS


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_a_log_that_was_cut_short_loses_nothing_that_a_journal_has(
    stage: Stage, kept: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RUNSTONE_CAPTURE", "none")
    stage.workspace()
    connect(stage.history).persist()
    script = stage.start(LOGGING)
    assert [line(script), line(script)] == ["2999", "logged"]
    kill(script)
    script.wait()
    # what a power cut may do to what was not forced to the disk yet
    disconnect(stage.history)
    log = stage.history / "history.db-wal"
    size = log.stat().st_size if log.exists() else 0
    if size:
        os.truncate(log, int(size * kept))
    (stage.history / "history.db-shm").unlink(missing_ok=True)
    code, report, _ = doctor(stage)
    assert (code, report["damage"]) == (0, [])
    service = connect(stage.history)
    try:
        run = stage.see("live")
    except RunstoneError as error:
        # the run itself was in what is gone; its journal is kept, and named
        assert "live" in str(error)  # noqa: PT017
        assert inspect(stage.history).waiting
        return
    assert run.get_metric_series("loss").values.tolist() == [step / 4 for step in range(4_000)]
    assert quality(run) == {}
    assert service.database.persist()


def test_a_log_of_nonsense_is_passed_over(filled: Stage):
    (filled.history / "history.db-wal").write_bytes(os.urandom(100_000))
    assert doctor(filled)[0] == 0
    assert readable(filled) == RUNS

"""`runstone export` and `runstone import`: runs into files, and out of archives, interrupted or not."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet
import pytest

from runstone import Workspace
from runstone.sdk import transfer
from runstone.sdk.workspace_transfer import _silent
from runstone.service.connect import disconnect
from runstone.store.database import open_database
from tests.cli.conftest import PROGRAM, Done, call, environment, on_a_terminal
from tests.histories import KINDS, address
from tests.transferred import Place, tables

MANY = """
from runstone import Experiment, Workspace

ws = Workspace.from_config()
experiment = Experiment(ws, "many")
for number in range(30):
    with experiment.start_logging(run_id=f"run-{number:02}", capture="none") as run:
        for step in range(3_000):
            run.log_metrics({f"metric {n}": step / (1 + n) for n in range(5)}, step=step)
ws.count_runs("metrics.loss > 0")
"""
# The kernel ends the process a moment after it has begun with a run, and nothing of it hears of that.
KILLED = """
import signal
import sys

from runstone import Workspace

archive, run, seconds = sys.argv[1:]


def progress(done, total, *, text):
    if done == int(run):
        signal.setitimer(signal.ITIMER_REAL, max(1e-4, float(seconds)))


Workspace.from_config().import_runs(archive, progress=progress)
"""
# Something happens in the middle: when the run that comes fourth is begun.
MIDDLE = """
import os
import resource
import signal
import sys

import runstone.cli.transfer
from runstone.cli.main import main
from runstone.cli.progress import Progress


class Watched(Progress):
    def at(self, done, total, *, text):
        if done == 3:
            assert os.path.exists(sys.argv[1] + ".part")
            happen()


runstone.cli.transfer.Progress = Watched
"""
STOPPED = (
    MIDDLE
    + """
happen = lambda: os.kill(os.getpid(), signal.SIGINT)
sys.exit(main(["export", "--to", sys.argv[1]]))
"""
)
LIMITED = (
    MIDDLE
    + """
happen = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
sys.exit(main(["export", "--to", sys.argv[1]]))
"""
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's project, and `all.runstone`, which was exported there."""
    root = made(tmp_path_factory.mktemp("demo"))
    assert call(PROGRAM, "demo", cwd=root).code == 0
    done = call(PROGRAM, "export", "--to", "all.runstone", cwd=root)
    assert (done.code, done.json["runs"], done.err) == (0, 8, "")
    return root


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with so many runs that an import of them can be met in the middle."""
    root = made(tmp_path_factory.mktemp("many"))
    (root / "make.py").write_text(MANY, encoding="utf-8")
    done = call(sys.executable, "make.py", cwd=root)
    assert done.code == 0, done.err
    assert call(PROGRAM, "export", "--to", "all.runstone", cwd=root).json["runs"] == 30
    return root


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A project with an empty history."""
    return made(tmp_path / "empty")


def made(root: Path) -> Path:
    (root / ".runstone" / "history").mkdir(parents=True)
    return root


def imported(source: Path, into: Path, *words: str) -> Done:
    return call(PROGRAM, "import", str(source / "all.runstone"), *words, cwd=into)


def held(root: Path) -> dict[str, Any]:
    with closing(open_database(root / ".runstone" / "history" / "history.db")) as database:
        return tables(database, "default")


def seen(root: Path) -> Iterator[Any]:
    """What the SDK reads of every run."""
    place = root / ".runstone" / "history"
    workspace = Workspace(history=place)
    for run in workspace.search_runs(order_by="run_id"):
        series = {name: run.get_metric_series(name).times.tolist() for name in run.get_metrics()}
        service = workspace._service
        files = [(one.name, one.sha256, one.created) for one in service.artifacts.list(run._ref)]
        yield run._record, run.get_metrics(populate=True), series, files, service.runs.events(run._ref)
    disconnect(place)


def test_the_demo_arrives_whole_in_an_empty_history(demo: Path, empty: Path) -> None:
    done = imported(demo, empty)
    assert (done.json, done.err) == ({"added": 8, "present": 0, "different": []}, "")
    left, arrived = held(demo), held(empty)
    assert [table for table in left if left[table] != arrived[table]] == []
    assert len(left["runs"]) == 8
    assert list(seen(demo)) == list(seen(empty))
    assert call(PROGRAM, "doctor", "--thorough", "-o", "json", cwd=empty).json["whole"] is True


def test_the_demo_twice_is_the_demo_once(demo: Path, empty: Path) -> None:
    imported(demo, empty)
    before = held(empty)
    assert imported(demo, empty).json == {"added": 0, "present": 8, "different": []}
    assert held(empty) == before


@pytest.mark.parametrize("kind", KINDS)
def test_the_demo_arrives_whole_on_both_databases(
    kind: str, demo: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with address(kind, tmp_path, request) as at:
        place = Place(at, tmp_path)
        with closing(place.database):
            place.workspaces.create("default")
            archive = demo / "all.runstone"
            for added in (8, 0):
                done = transfer.import_archive(place, "default", path=archive, progress=_silent)  # type: ignore[arg-type]
                assert (done.added, done.different) == (added, ())
            left, arrived = held(demo), tables(place.database, "default")
            assert [table for table in left if left[table] != arrived[table]] == []
            # and back again
            back = transfer.export_archive(
                place,
                "default",
                filter="",
                path=tmp_path / "all.runstone",
                family=True,
                progress=_silent,  # type: ignore[arg-type]
            )
            assert back.runs == 8
    root = made(tmp_path / "back")
    assert imported(tmp_path, root).json["added"] == 8
    assert held(root) == left


def test_an_import_that_is_killed_goes_on_where_it_was(many: Path, empty: Path, rng: Random) -> None:
    database = empty / ".runstone" / "history" / "history.db"
    script = empty / "killed.py"
    script.write_text(KILLED, encoding="utf-8")
    for run in (3, 9, 15, 16, 17):
        words = (sys.executable, str(script), str(many / "all.runstone"), str(run), str(rng.uniform(0, 0.02)))
        assert call(*words, cwd=empty).code == -signal.SIGALRM
        # what is there is whole
        with closing(open_database(database)) as opened, opened.read() as tx:
            rows = tx.execute("SELECT run, SUM(n) AS points FROM metric_chunk GROUP BY run")
            assert {row["points"] for row in rows} == {15_000}
            assert len(rows) == len(tx.execute("SELECT n FROM runs")) >= run
    done = imported(many, empty).json
    assert (done["added"] + done["present"], done["different"]) == (30, [])
    assert done["present"] >= 17
    assert held(empty) == held(many)


def test_two_imports_at_once_make_one_of_each_run(many: Path, empty: Path) -> None:
    started = [
        subprocess.Popen(
            [PROGRAM, "import", str(many / "all.runstone")],
            cwd=empty,
            env=environment(),
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    found = [json.loads(process.communicate()[0]) for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert sum(one["added"] for one in found) == 30
    assert all(one["added"] + one["present"] == 30 and not one["different"] for one in found)
    assert held(empty) == held(many)


def test_an_export_that_is_stopped_leaves_nothing(many: Path) -> None:
    for ending in ("runstone", "csv"):
        done = call(sys.executable, "-c", STOPPED, f"stopped.{ending}", cwd=many)
        assert done.code == 130
        assert done.err == "runstone: Stopped.\n"
        assert list(many.glob("stopped*")) == []


@pytest.mark.parametrize("ending", ["runstone", "csv", "ndjson", "parquet"])
def test_a_disk_that_is_full_leaves_nothing_of_an_export(many: Path, ending: str) -> None:
    done = call(sys.executable, "-c", LIMITED, f"full.{ending}", cwd=many)
    assert (done.code, done.out) == (1, "")
    assert re.fullmatch(r"runstone: full\.\w+ cannot be written .+; nothing is left of it\.\n", done.err)
    assert list(many.glob("full*")) == []


def test_an_archive_has_what_a_filter_finds(demo: Path, empty: Path, tmp_path: Path) -> None:
    target = tmp_path / "all.runstone"
    words = ("export", "params.model = 'linear'", "--to", str(target))
    assert call(PROGRAM, *words, "--no-family", cwd=demo).json["runs"] == 3
    done = imported(tmp_path, empty)
    assert done.json["added"] == 3
    assert "stand without their parents" in done.err
    assert call(PROGRAM, *words, cwd=demo).json["runs"] == 4


def test_tables_hold_what_the_runs_hold(demo: Path, tmp_path: Path) -> None:
    for ending in ("csv", "parquet", "ndjson"):
        target = tmp_path / f"runs.{ending}"
        done = call(PROGRAM, "export", "depth = 1", "--to", str(target), cwd=demo)
        assert (done.json["runs"], done.json["bytes"]) == (7, target.stat().st_size)
    with open(tmp_path / "runs.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "runs.ndjson").read_text().splitlines()]
    arrow = pyarrow.parquet.read_table(tmp_path / "runs.parquet").to_pylist()
    assert len(rows) == len(lines) == len(arrow) == 7
    for row, line, cells in zip(rows, lines, arrow, strict=True):
        assert row["run_id"] == line["run_id"] == cells["run_id"]
        assert float(row["metrics.accuracy"]) == line["metrics"]["accuracy"] == cells["metrics.accuracy"]
        assert row["params.model"] == line["params"]["model"] == cells["params.model"]
        assert cells["duration"] == line["duration"] == float(row["duration"])
        assert cells["run_number"] == line["run_number"]
    assert list(rows[0]) == list(arrow[0])


def test_a_bar_is_shown_on_a_terminal_alone(
    demo: Path, empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo)
    shown = on_a_terminal("export", "--to", str(tmp_path / "all.runstone"))
    assert re.search(r"\[#+\.*\] +\d+%", shown)
    assert f"8 runs in {tmp_path}" in shown
    monkeypatch.chdir(empty)
    shown = on_a_terminal("import", str(tmp_path / "all.runstone"))
    assert shown.endswith("8 runs added, 0 there already.\n")


def test_what_cannot_be_is_said_in_one_line(demo: Path, empty: Path) -> None:
    for root, code, words in (
        (empty, 1, ("export", "--to", "all.runstone")),
        (demo, 1, ("export", "metrics.acc >", "--to", "new.runstone")),
        (demo, 1, ("export", "--to", "new.xlsx")),
        (demo, 1, ("export", "--to", "no/such/directory/new.runstone")),
        (demo, 2, ("export",)),
        (demo, 2, ("import", "no-such-file")),
        (demo, 2, ("import", ".")),
        (demo, 1, ("import", "all.runstone", "-w", "../x")),
    ):
        done = call(PROGRAM, *words, cwd=root)
        assert (done.code, done.out) == (code, ""), words
        assert re.fullmatch(r"runstone: .+\n", done.err), words
        assert "--debug" not in done.err
    assert sorted(os.listdir(demo)) == [".runstone", "all.runstone"]


@pytest.mark.parametrize("form", ["archive", "csv", "ndjson", "parquet"])
def test_a_device_or_a_pipe_is_not_replaced_by_a_file(form: str, demo: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = call(PROGRAM, "export", "--to", str(tmp_path / "pipe"), "--format", form, cwd=demo)
    assert (done.code, done.out) == (1, "")
    assert (
        done.err == f"runstone: {tmp_path / 'pipe'} is no file, and would become one; name another place.\n"
    )
    assert os.listdir(tmp_path) == ["pipe"]
    assert (tmp_path / "pipe").is_fifo()

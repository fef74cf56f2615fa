"""Runs that travel in an archive arrive as they left, on both databases."""

from __future__ import annotations

import io
import math
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runstone import Experiment, Run, Workspace
from runstone.model.errors import UserErrorException
from runstone.model.portable import Imported
from runstone.sdk import transfer
from runstone.sdk.workspace_transfer import _silent
from runstone.service.connect import disconnect
from tests.histories import KINDS, address
from tests.over_http import through
from tests.transferred import Place, tables

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture(params=KINDS)
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Another history, empty, on either database."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    with address(request.param, folder, request) as at:
        found = Place(at, folder)
        found.workspaces.create("there")
        with closing(found.database):
            yield found


@pytest.fixture
def full(experiment: Experiment, project: Path) -> Run:
    """A tree of runs with everything that a run may have."""
    source = project / "source"
    (source / "deep").mkdir(parents=True)
    (source / "train.py").write_text("print('trained')\n")
    (source / "deep" / "empty.py").write_text("")
    experiment.tag("team", "vision")
    tags = {"key only": None, "q": "it's"}
    top = experiment.start_logging(run_id="top", display_name="=1+1 한글", tags=tags)
    top.take_snapshot(source)
    top.add_properties({"author": "kim", "long": "x" * 4_000})
    top.log_params({"lr": 0.01, "name": "-1"})
    top.description = "# Notes\n\nwith *Markdown*"
    _log_everything(top)
    for content in (b"one", b"two", b"two"):
        top.upload_file("outputs/model.bin", io.BytesIO(content))
    top.upload_file("outputs/empty", io.BytesIO(b""))
    top.upload_file("logs/large.txt", io.BytesIO(b"line\n" * 5_000_000))
    with pytest.raises(ZeroDivisionError), top.child_run(run_id="failed") as child:
        child.log("loss", 1 / 0)
    with top.child_run(run_id="middle") as child:
        child.log("loss", 0.5)
        with child.child_run(run_id="leaf") as leaf:
            leaf.log("loss", 0.25)
    Experiment(experiment.workspace, "other").start_logging(run_id="beside").complete()
    top.complete()
    return top


def _log_everything(run: Run) -> None:
    for step in range(10_000):
        run.log("loss", 1 / (1 + step), step=step)
    for value in (1, 2**53 + 1, 2**63, -(10**30), True, 0.5, math.nan, math.inf, -math.inf):
        run.log("mixed", value)
    run.log("text", "words")
    run.log("only nan", math.nan)
    run.log("fraction", 1.0, step=0.5)
    run.log_list("list", [1, 2.5, 2**60])
    run.log_list("empty list", [])
    run.log_row("row", a=1, b="two")
    run.log_table("table", {"x": [1, 2], "y": ["a", "b"]}, description="A table.")
    run.log_image("image", path=io.BytesIO(PNG))
    run.log_confusion_matrix("matrix", {"schema_type": "confusion_matrix", "data": {}})


def moved(workspace: Workspace, elsewhere: Place, path: Path, filter: str = "", **more: Any) -> Imported:
    workspace.export_runs(path, filter, **more)
    return imported(elsewhere, path)


def imported(elsewhere: Place, path: Path) -> Imported:
    return transfer.import_archive(elsewhere, "there", path=path, progress=_silent)  # type: ignore[arg-type]


def here(workspace: Workspace) -> dict[str, Any]:
    return tables(workspace._service.database, workspace.name)


def test_every_record_of_a_tree_is_equal(
    full: Run, workspace: Workspace, elsewhere: Place, tmp_path: Path
) -> None:
    done = moved(workspace, elsewhere, tmp_path / "all.runstone")
    assert (done.added, done.present, done.warnings) == (5, 0, ())
    left, arrived = here(workspace), tables(elsewhere.database, "there")
    assert [table for table in left if left[table] != arrived[table]] == []
    assert all(left[table] for table in ("metric_chunk", "metric_row", "events", "snapshots"))


def test_what_is_read_of_it_is_equal(
    full: Run, workspace: Workspace, elsewhere: Place, tmp_path: Path
) -> None:
    moved(workspace, elsewhere, tmp_path / "all.runstone")
    before = workspace._service.metrics.values([full._ref])[full._ref]
    after = elsewhere.metrics.values(["there/top"])["there/top"]
    assert list(before) == list(after)
    for name, series in before.items():
        assert list(series.logged()) == list(after[name].logged()) or "nan" in name or name == "mixed"
        for column in ("steps", "values", "times", "kinds"):
            left, right = getattr(series, column), getattr(after[name], column)
            same = left is None and right is None
            assert same or np.array_equal(left, right, equal_nan=left.dtype == np.float64)
    for artifact in workspace._service.artifacts.list(full._ref):
        with elsewhere.artifacts.open("there/top", artifact.name) as stream:
            assert len(stream.read()) == artifact.size
    (file,) = [f for f in elsewhere.snapshots.get(full.get_snapshot_id() or "").files if f.path == "train.py"]
    with elsewhere.snapshots.open(file.sha256) as stream:
        assert stream.read() == b"print('trained')\n"
    assert elsewhere.runs.events("there/failed") == workspace._service.runs.events(f"{workspace.name}/failed")


def test_a_second_time_nothing_is_doubled(
    full: Run, workspace: Workspace, elsewhere: Place, tmp_path: Path
) -> None:
    moved(workspace, elsewhere, tmp_path / "all.runstone")
    before = tables(elsewhere.database, "there")
    done = imported(elsewhere, tmp_path / "all.runstone")
    assert (done.added, done.present, done.different) == (0, 5, ())
    assert tables(elsewhere.database, "there") == before


def test_what_was_changed_since_stays_and_is_named(
    full: Run, workspace: Workspace, elsewhere: Place, tmp_path: Path
) -> None:
    moved(workspace, elsewhere, tmp_path / "all.runstone")
    elsewhere.runs.tag("there/leaf", {"mine": "yes"})
    full.tag("theirs", "yes")
    done = moved(workspace, elsewhere, tmp_path / "again.runstone")
    assert (done.added, done.present, done.different) == (0, 5, ("top", "leaf"))
    assert elsewhere.runs.get("there/leaf").tags == {"mine": "yes"}


def test_a_run_that_is_logged_to_travels_as_it_is(
    run: Run, workspace: Workspace, elsewhere: Place, tmp_path: Path
) -> None:
    for step in range(100):
        run.log("loss", step)
    workspace.search_runs("metrics.loss > 0")  # what was logged so far has its summary
    for step in range(50):
        run.log("loss", -step)
    done = moved(workspace, elsewhere, tmp_path / "running.runstone")
    assert done.added == 1
    for step in range(10):
        run.log("loss", step)
    arrived = elsewhere.runs.get(f"there/{run.id}")
    assert str(arrived.status) == "Running"
    assert arrived.process is None
    series = elsewhere.metrics.series(f"there/{run.id}", "loss")
    assert series.values.tolist() == [*range(100), *(-step for step in range(50))]
    assert elsewhere.metrics.latest(f"there/{run.id}")["loss"].count == 150
    assert imported(elsewhere, tmp_path / "running.runstone").different == ()


def test_an_archive_travels_by_way_of_a_server(full: Run, workspace: Workspace, tmp_path: Path) -> None:
    workspace.export_runs(tmp_path / "all.runstone")
    left = here(workspace)
    place = Place(str(tmp_path / "server.db"), tmp_path)
    resources = {name: vars(place)[name] for name in ("runs", "experiments", "snapshots", "transfers")}
    place.workspaces.create("there")
    with closing(place.database), through("http", **resources) as asked:
        asked.root, asked.persist = tmp_path, place.persist
        for added in (5, 0):
            done = transfer.import_archive(asked, "there", path=tmp_path / "all.runstone", progress=_silent)
            assert (done.added, done.different) == (added, ())
        arrived = tables(place.database, "there")
        assert [table for table in left if left[table] != arrived[table]] == []
        back = transfer.export_archive(
            asked, "there", filter="", path=tmp_path / "back.runstone", family=True, progress=_silent
        )
        assert back.runs == 5
    home = Workspace(workspace_name="home", history=tmp_path / "home")
    assert home.import_runs(tmp_path / "back.runstone").added == 5
    again = tables(home._service.database, "home")
    assert [table for table in left if left[table] != again[table]] == []
    disconnect(tmp_path / "home")


def test_every_export_of_a_busy_run_is_of_one_moment(
    run: Run, workspace: Workspace, elsewhere: Place, tmp_path: Path
) -> None:
    ended = threading.Event()

    def log() -> None:
        step = 1
        while not ended.is_set():
            run.log("loss", step, step=step)
            step += 1

    run.log("loss", 0, step=0)
    thread = threading.Thread(target=log)
    thread.start()
    try:
        for number in range(5):
            if number == 2:
                workspace.count_runs("metrics.loss > 0")  # the summaries know a part of it
            workspace.export_runs(tmp_path / f"{number}.runstone")
    finally:
        ended.set()
        thread.join()
    lengths = []
    for number in range(5):
        elsewhere.workspaces.create(f"w{number}")
        path = tmp_path / f"{number}.runstone"
        transfer.import_archive(elsewhere, f"w{number}", path=path, progress=_silent)  # type: ignore[arg-type]
        ref = f"w{number}/{run.id}"
        values = elsewhere.metrics.series(ref, "loss").values.tolist()
        assert values == list(range(len(values)))
        assert elsewhere.metrics.latest(ref)["loss"].count == len(values)
        lengths.append(len(values))
    assert lengths == sorted(lengths)
    assert lengths[-1] > 1


def test_children_come_with_their_parents_and_parents_with_their_children(
    full: Run, workspace: Workspace, elsewhere: Place, tmp_path: Path
) -> None:
    done = moved(workspace, elsewhere, tmp_path / "one.runstone", "run_id = 'middle'")
    assert done.added == 3
    assert elsewhere.runs.get("there/leaf").parent == "middle"
    assert elsewhere.runs.get("there/middle").parent == "top"
    assert elsewhere.runs.get("there/top").children == 1


def test_children_stay_when_they_are_told_to(
    full: Run, workspace: Workspace, elsewhere: Place, tmp_path: Path
) -> None:
    done = moved(workspace, elsewhere, tmp_path / "one.runstone", "run_id = 'middle'", family=False)
    assert done.added == 1
    assert "stand without their parents" in done.warnings[0]
    alone = elsewhere.runs.get("there/middle")
    assert (alone.parent, alone.depth, alone.children) == (None, 0, 0)


def test_two_histories_with_an_experiment_of_one_name_have_one_of_it(
    full: Run, workspace: Workspace, elsewhere: Place, tmp_path: Path
) -> None:
    mine = elsewhere.experiments.create("there", full.experiment.name)
    moved(workspace, elsewhere, tmp_path / "all.runstone")
    assert elsewhere.runs.get("there/top").experiment_id == mine.id
    names = [one.name for one in elsewhere.experiments.list("there", view="all")]
    assert sorted(names) == sorted([full.experiment.name, "other"])


def test_another_workspace_of_the_same_history_takes_a_copy(
    full: Run, workspace: Workspace, tmp_path: Path
) -> None:
    workspace.export_runs(tmp_path / "all.runstone")
    copy = Workspace(workspace_name="copy", history=workspace.location)
    for added, present in ((5, 0), (0, 5)):
        done = copy.import_runs(tmp_path / "all.runstone")
        assert (done.added, done.present, done.different) == (added, present, ())
    again = copy.get_run("top")
    assert again.get_metrics("text") == {"text": "words"}
    assert again.experiment.id != full.experiment.id
    assert again.experiment.tags == {"team": "vision"}
    assert [child.id for child in again.get_children(recursive=True)] == ["leaf", "middle", "failed"]
    assert workspace.count_runs() == 5


def test_a_run_number_that_is_taken_is_not_given_twice(
    full: Run, workspace: Workspace, elsewhere: Place, tmp_path: Path
) -> None:
    moved(workspace, elsewhere, tmp_path / "top.runstone", "run_id = 'top'", family=False)
    moved(workspace, elsewhere, tmp_path / "all.runstone")
    runs = elsewhere.runs.search("there", f"experiment = '{full.experiment.name}'").runs
    assert sorted(run.number for run in runs) == [1, 2, 3, 4]


def test_a_lost_file_does_not_keep_the_rest(
    full: Run, workspace: Workspace, elsewhere: Place, tmp_path: Path
) -> None:
    service = workspace._service
    lost = service.artifacts.get(full._ref, "outputs/model.bin", version=1)
    service.transfers._blobs.delete(lost.sha256)
    done = workspace.export_runs(tmp_path / "all.runstone")
    assert (done.runs, len(done.warnings)) == (5, 1)
    found = imported(elsewhere, tmp_path / "all.runstone")
    assert found.added == 5
    assert found.warnings[0].startswith("1 contents were lost")
    kept = elsewhere.artifacts.versions("there/top", "outputs/model.bin")
    assert [one.version for one in kept] == [2, 3]


def test_what_cannot_be_written_leaves_nothing(workspace: Workspace, run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserErrorException, match="cannot be written"):
        workspace.export_runs(tmp_path / "nowhere" / "all.runstone")
    with pytest.raises(UserErrorException, match="does not tell what to write"):
        workspace.export_runs(tmp_path / "all.xlsx")
    with pytest.raises(UserErrorException):
        workspace.export_runs(tmp_path / "all.runstone", "metrics.loss >")
    assert list(tmp_path.glob("all*")) == []


def test_the_same_runs_make_the_same_archive(full: Run, workspace: Workspace, tmp_path: Path) -> None:
    read = []
    for name in ("one.runstone", "two.runstone"):
        workspace.export_runs(tmp_path / name)
        with zipfile.ZipFile(tmp_path / name) as found:
            read.append({entry.filename: entry.CRC for entry in found.infolist()})
    assert [name for name in read[0] if read[0][name] != read[1][name]] == ["manifest.json"]

"""Locks, and the end of what was deleted long ago: the same on every database."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from runstone.model.errors import Conflict, Gone, NotFound
from runstone.model.garbage import Garbage
from runstone.model.jobs import SnapshotFile
from runstone.model.runs import NewRun, Run, Status
from runstone.service.artifacts import Artifacts
from runstone.service.experiments import Experiments
from runstone.service.purging import Purging
from runstone.service.runs import Runs
from runstone.service.snapshots import Snapshots
from runstone.service.workspaces import Workspaces
from runstone.store import migrations, purging
from runstone.store.blobs import Directory
from runstone.store.database import Database, open_database
from tests.histories import KINDS, address


@dataclass
class History:
    """The operations on one database, with a directory of contents."""

    database: Database
    root: Path

    def __post_init__(self) -> None:
        self.blobs = Directory(self.root / "blobs")
        self.runs = Runs(self.database, settle=_nothing, refresh=_nothing)
        self.artifacts = Artifacts(self.database, self.blobs, settle=_nothing)
        self.snapshots = Snapshots(self.database, self.blobs)
        self.purging = Purging(self.database, artifacts=self.artifacts, root=self.root)
        Workspaces(self.database).create("ws")
        self.experiment = Experiments(self.database).create("ws", "explore").id

    def start(self, id: str, parent: str | None = None, **more: object) -> str:
        new = NewRun(id, self.experiment, Status.RUNNING, parent, tags={"a": "b"}, params={"lr": "1"})
        self.runs.create("ws", [new])
        self.artifacts.upload(f"ws/{id}", "outputs/own", content=io.BytesIO(id.encode()))
        self.artifacts.upload(f"ws/{id}", "outputs/shared", content=io.BytesIO(b"the same"))
        return f"ws/{id}"

    def snapshot(self, run: str) -> str:
        blob = self.snapshots.keep(io.BytesIO(b"print()"))
        made = self.snapshots.create([SnapshotFile("train.py", blob.sha256, blob.size, False)])
        self.snapshots.give(run, made.id)
        return made.id

    @property
    def ids(self) -> list[str]:
        found = self.runs.search("ws", "deleted = true or deleted = false").runs
        return sorted(run.id for run in found)


@pytest.fixture(params=KINDS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    with address(request.param, tmp_path, request) as at, closing(open_database(at)) as database:
        yield History(database, tmp_path)


def _nothing(*_: object) -> None:
    return None


def told(run: Run) -> tuple[object, ...]:
    return run.tags, run.display_name, run.description


def test_a_locked_run_keeps_its_tags_its_name_and_itself(kept: History):
    ref = kept.start("run")
    before = told(kept.runs.edit(ref, {"display_name": "kept"}))
    assert kept.runs.lock(ref).locked is not None
    for change in (
        lambda: kept.runs.delete(ref),
        lambda: kept.runs.tag(ref, {"a": "c"}),
        lambda: kept.runs.untag(ref, ["a"]),
        lambda: kept.runs.edit(ref, {"description": "new"}),
    ):
        with pytest.raises(Conflict, match=r"'run' is locked.*`runstone run unlock -r run`"):
            change()
    assert told(kept.runs.get(ref)) == before


def test_a_locked_run_goes_on_and_ends(kept: History):
    ref = kept.start("run")
    kept.runs.lock(ref)
    kept.runs.add_params(ref, {"epochs": "3"})
    kept.artifacts.upload(ref, "outputs/more", content=io.BytesIO(b"more"))
    assert kept.runs.move(ref, Status.COMPLETED).status is Status.COMPLETED


def test_an_unlocked_run_is_as_any_other(kept: History):
    ref = kept.start("run")
    kept.runs.lock(ref)
    assert kept.runs.unlock(kept.runs.lock(ref) and ref).locked is None
    assert kept.runs.unlock(ref).locked is None
    kept.runs.tag(ref, {"a": "c"})
    kept.runs.delete(ref)
    with pytest.raises(Gone):
        kept.runs.get(ref)


def test_nothing_goes_before_its_time_or_that_nobody_deleted(kept: History):
    kept.start("stays")
    kept.runs.delete(kept.start("deleted"))
    assert kept.purging.report() == Garbage()
    assert kept.purging.purge() == Garbage(contents=0)
    assert kept.runs.restore("ws/deleted").id == "deleted"
    assert kept.ids == ["deleted", "stays"]


def test_what_was_deleted_goes_with_all_that_is_its_own(kept: History):
    stays, goes = kept.start("stays"), kept.start("goes")
    snapshot = kept.snapshot(goes)
    kept.runs.delete(goes)
    assert kept.purging.report(older_than=0) == Garbage(runs=1, files=2, bytes=12)
    gone = kept.purging.purge(older_than=0)
    assert (gone.runs, gone.files, gone.contents) == (1, 2, 2)
    with pytest.raises(NotFound):
        kept.runs.restore(goes)
    with pytest.raises(NotFound):
        kept.snapshots.get(snapshot)
    assert kept.ids == ["stays"]
    with kept.artifacts.open(stays, "outputs/shared") as shared:
        assert shared.read() == b"the same"
    assert kept.purging.purge(older_than=0) == Garbage(contents=0)


def test_the_id_of_a_run_that_has_gone_is_free_again(kept: History):
    kept.runs.delete(kept.start("again"))
    kept.purging.purge(older_than=0)
    assert kept.runs.get(kept.start("again")).number == 2


def test_a_snapshot_that_another_run_has_stays(kept: History):
    stays, goes = kept.start("stays"), kept.start("goes")
    assert kept.snapshot(stays) == kept.snapshot(goes)
    kept.runs.delete(goes)
    kept.purging.purge(older_than=0)
    assert kept.snapshots.of_run(stays) is not None
    assert kept.snapshots.get(kept.snapshot(stays)).files


def test_parents_stay_as_long_as_a_run_below_them_does(kept: History):
    top = kept.start("top")
    middle = kept.start("middle", top)
    leaf, locked = kept.start("leaf", middle), kept.start("locked", middle)
    for ref in (top, middle, leaf, locked):
        kept.runs.delete(ref)
    kept.runs.restore(locked)
    kept.runs.lock(locked)
    assert kept.purging.purge(older_than=0).runs == 1
    assert kept.ids == ["locked", "middle", "top"]
    assert kept.runs.get(locked).root == "top"
    kept.runs.unlock(locked)
    kept.runs.delete(locked)
    assert kept.purging.purge(older_than=0).runs == 3
    assert kept.ids == []


def test_a_parent_has_a_child_less(kept: History):
    top = kept.start("top")
    kept.runs.delete(kept.start("child", top))
    assert kept.runs.get(top).children == 1
    kept.purging.purge(older_than=0)
    assert kept.runs.get(top).children == 0


def test_every_table_that_names_a_run_is_purged():
    texts = "".join(migrations.steps("sqlite").values())
    tables = re.findall(r"CREATE TABLE (\w+) \((.*?)\n\)", texts, re.S)
    naming = {name for name, body in tables if re.search(r"^ +run (BIGINT|\{)", body, re.M)}
    assert len(naming) > 8
    assert naming == set(purging.TABLES)

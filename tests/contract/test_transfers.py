"""Runs out of a history and into another, operation by operation, on both databases."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runstone.model.artifacts import Blob
from runstone.model.errors import Busy, Conflict, Invalid, NotFound, RunstoneError
from runstone.model.jobs import ENDED, Spec
from runstone.model.portable import Arrival
from runstone.model.runs import Experiment, NewRun, Status
from runstone.store import records
from tests.logged import Writer
from tests.over_http import through
from tests.transferred import Place, tables

GIVEN = Experiment(id="their-id", name="theirs", created=5, description="*why*", tags={"a": "1", "b": None})


@pytest.fixture
def history(place: str, face: str, tmp_path: Path) -> Iterator[Place]:
    found = Place(place, tmp_path)
    for name in ("here", "there"):
        found.workspaces.create(name)
    with closing(found.database), through(face, transfers=found.transfers) as asked:
        found.transfers = asked.transfers
        yield found


@pytest.fixture
def left(history: Place) -> tuple[bytes, list[records.Record]]:
    """A run that has left the first workspace."""
    experiment = history.experiments.create("here", "e")
    new = NewRun(id="run", experiment=experiment.id, status=Status.RUNNING, tags={"k": "v"})
    history.runs.create("here", [new])
    writer = (
        Writer()
        .log({"loss": 0.5}, 1)
        .log({"loss": float("nan")}, 2)
        .record("value", name="t", type="text", value="x")
    )
    history.runs.append("here/run", writer="w", first=1, records=writer.batch())
    history.artifacts.upload("here/run", "a.txt", content=io.BytesIO(b"abc"))
    history.runs.move("here/run", Status.COMPLETED)
    with history.transfers.export("here/run") as leaving:
        return leaving.document, list(leaving.records)


def take(history: Place, document: bytes, arriving: list[records.Record], **more: Any) -> Arrival:
    given = Experiment(**json.loads(json.dumps({"id": "x", "name": "e", "created": 1})))
    experiment = history.transfers.take_experiment("there", given)
    return history.transfers.take("there", document, records=arriving, experiment=experiment, **more)


def test_a_run_comes_as_it_left(history: Place, left: tuple[bytes, list[records.Record]]) -> None:
    assert history.transfers.known("there", left[0]) is None
    assert take(history, *left) is Arrival.ADDED
    before, after = tables(history.database, "here"), tables(history.database, "there")
    for table in set(before) - {"runs", "experiments", "snapshots"}:
        assert before[table] == after[table]
    series = history.metrics.series("there/run", "loss")
    assert series.values[0] == 0.5
    assert history.metrics.values(["there/run"])["there/run"]["t"].entries[0].value == "x"
    with history.artifacts.open("there/run", "a.txt") as stream:
        assert stream.read() == b"abc"


def test_a_run_that_is_there_stays(history: Place, left: tuple[bytes, list[records.Record]]) -> None:
    take(history, *left)
    assert history.transfers.known("there", left[0]) is Arrival.PRESENT
    assert take(history, *left) is Arrival.PRESENT
    history.runs.tag("there/run", {"k": "changed"})
    assert history.transfers.known("there", left[0]) is Arrival.DIFFERENT
    assert take(history, *left) is Arrival.DIFFERENT
    assert history.runs.get("there/run").tags == {"k": "changed"}


def test_a_run_that_was_deleted_stays_deleted(
    history: Place, left: tuple[bytes, list[records.Record]]
) -> None:
    take(history, *left)
    history.runs.delete("there/run")
    assert take(history, *left) is Arrival.PRESENT
    history.runs.restore("there/run")


def test_what_fails_in_the_middle_leaves_nothing(
    history: Place, left: tuple[bytes, list[records.Record]]
) -> None:
    document, arriving = left
    before = tables(history.database, "there")
    for wrong in (
        records.Event(99, 1, "RunStatusChanged", "{}"),
        records.File("../x", 1, "0" * 64, 1, 1),
        records.Chunk("loss", 0, b"noise"),
        records.Batch("w", 0, 0, False, b""),
    ):
        with pytest.raises(RunstoneError):
            take(history, document, [*arriving, wrong])
        assert tables(history.database, "there")["runs"] == before["runs"]
        assert tables(history.database, "there")["events"] == []


def test_a_content_that_is_not_there_is_asked_for(
    history: Place, left: tuple[bytes, list[records.Record]]
) -> None:
    (file,) = [record for record in left[1] if isinstance(record, records.File)]
    other = Blob("0" * 64, 3)
    assert history.transfers.missing([Blob(file.sha256, file.size), other]) == ("0" * 64,)
    assert history.transfers.missing([Blob(file.sha256, file.size + 1)]) == (file.sha256,)
    for wrong in (Blob("../../x", 1), Blob("0" * 64, -1), Blob("A" * 64, 1)):
        with pytest.raises(Invalid, match="which cannot be"):
            history.transfers.missing([wrong])
    history.blobs.delete(file.sha256)
    with pytest.raises(Busy, match="was removed while"):
        take(history, *left)
    assert history.runs.search("there").runs == ()
    assert take(history, *left, lost=frozenset({file.sha256})) is Arrival.ADDED
    assert history.artifacts.list("there/run") == ()


def test_a_submitted_run_keeps_what_it_was_to_do_and_is_not_done_again(history: Place) -> None:
    experiment = history.experiments.create("here", "e")
    spec = Spec(("python", "train.py"), variables={"A": "1"}, max_seconds=5.0)
    for id in ("ended", "queued"):
        history.jobs.submit("here", NewRun(id, experiment.id), spec=spec, definition={"script": "train.py"})
    (job,) = [job for job in history.jobs.claim("local", agent="a", most=2) if job.run == "here/ended"]
    history.runs.move("here/ended", Status.RUNNING)
    history.runs.move("here/ended", Status.COMPLETED)
    history.jobs.end("here/ended", attempt=job.attempt)
    for id in ("ended", "queued"):
        with history.transfers.export(f"here/{id}") as leaving:
            assert take(history, leaving.document, list(leaving.records)) is Arrival.ADDED
    arrived = history.jobs.get("there/ended")
    assert (arrived.spec, arrived.state, arrived.attempt) == (spec, ENDED, job.attempt)
    assert history.runs.get("there/ended").definition == {"script": "train.py"}
    assert [job.run for job in history.jobs.active()] == ["here/queued"]
    assert history.runs.get("there/queued").status is Status.QUEUED
    assert history.jobs.cancel("there/queued").status is Status.CANCELED


def test_what_a_later_version_adds_to_a_document_is_passed_over(
    history: Place, left: tuple[bytes, list[records.Record]]
) -> None:
    document = json.loads(left[0])
    later = {**document, "later": 1, "run": {**document["run"], "later": [1]}}
    assert take(history, json.dumps(later).encode(), left[1]) is Arrival.ADDED


def test_an_experiment_comes_with_all_that_it_says(history: Place) -> None:
    id = history.transfers.take_experiment("there", GIVEN)
    assert id == GIVEN.id
    assert history.experiments.get(id) == GIVEN
    assert history.transfers.take_experiment("there", GIVEN) == id


def test_an_experiment_of_the_same_name_stands_for_it(history: Place) -> None:
    mine = history.experiments.create("there", GIVEN.name)
    assert history.transfers.take_experiment("there", GIVEN) == mine.id
    assert history.experiments.get(mine.id).description is None


def test_an_experiment_of_another_workspace_is_copied_once(history: Place) -> None:
    first = history.transfers.take_experiment("here", GIVEN)
    second = history.transfers.take_experiment("there", GIVEN)
    assert first != second
    history.experiments.archive(second)
    assert history.transfers.take_experiment("there", GIVEN) == second


def test_an_archived_experiment_stays_apart_from_an_active_one(history: Place) -> None:
    mine = history.experiments.create("there", GIVEN.name)
    archived = Experiment(id=GIVEN.id, name=GIVEN.name, created=5, archived=9)
    assert history.transfers.take_experiment("there", archived) == GIVEN.id != mine.id
    assert history.experiments.get(GIVEN.id).archived == 9


def test_what_is_not_there_is_said(history: Place, left: tuple[bytes, list[records.Record]]) -> None:
    with pytest.raises(NotFound, match="There is no workspace"):
        history.transfers.known("nowhere", left[0])
    with pytest.raises(NotFound, match="There is no workspace"):
        history.transfers.take_experiment("nowhere", GIVEN)
    with pytest.raises(NotFound, match="There is no run"), history.transfers.export("here/none"):
        pass
    with pytest.raises(NotFound, match="There is no experiment"):
        history.transfers.take("there", left[0], records=left[1], experiment="none")
    mine = history.experiments.create("here", "e")
    with pytest.raises((Conflict, Invalid)):
        history.transfers.take("there", left[0], records=left[1], experiment=mine.id)
    with pytest.raises(Invalid, match="document of a run"):
        history.transfers.known("there", b"{}")

"""Operations on workspaces, experiments and runs: the same on every database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from runstone.model.errors import Conflict, Gone, Invalid, NotFound
from runstone.model.runs import NewRun, Process, Status
from runstone.service.experiments import Experiments
from runstone.service.runs import Runs
from runstone.service.workspaces import Workspaces
from runstone.store.database import open_database
from tests.over_http import through


class History:
    """The operations on one database, without journals."""

    def __init__(self, asked: Any) -> None:
        self.workspaces: Workspaces = asked.workspaces
        self.experiments: Experiments = asked.experiments
        self.runs: Runs = asked.runs
        self.workspaces.create("ws")
        self.experiment = self.experiments.create("ws", "explore")

    def start(self, id: str = "run", **more: object) -> str:
        new = NewRun(id=id, experiment=self.experiment.id, **{"status": Status.RUNNING, **more})  # type: ignore[arg-type]
        self.runs.create("ws", [new])
        return f"ws/{id}"


@pytest.fixture
def served(place: str, face: str) -> Iterator[History]:
    with closing(open_database(place)) as database:
        runs = Runs(database, settle=_nothing, refresh=_nothing)
        experiments = Experiments(database)
        with through(face, workspaces=Workspaces(database), experiments=experiments, runs=runs) as asked:
            yield History(asked)


def _nothing(*_: object) -> None:
    return None


def test_a_workspace_is_created_once_and_keeps_its_labels(served: History):
    first = served.workspaces.create("other", labels={"resource_group": "g"})
    assert served.workspaces.create("other") == first
    assert [workspace.name for workspace in served.workspaces.list()] == ["other", "ws"]
    with pytest.raises(Conflict, match="exists already"):
        served.workspaces.create("other", exist_ok=False)


def test_a_missing_workspace_is_named_with_those_that_there_are(served: History):
    with pytest.raises(NotFound, match=r"no workspace 'nope'.*'ws'"):
        served.workspaces.get("nope")


@pytest.mark.parametrize("name", ["", "-x", "a b", "x" * 256, "é", "a/b", None, 3])
def test_an_illegal_experiment_name_is_refused(served: History, name: object):
    with pytest.raises(Invalid, match=r"between 1 and 255 characters|Expected `str`"):
        served.experiments.create("ws", name)  # type: ignore[arg-type]


def test_an_archived_name_is_free_and_reactivation_minds_the_active_one(served: History):
    old = served.experiment
    served.experiments.archive(old.id)
    new = served.experiments.create("ws", "explore")
    assert new.id != old.id
    with pytest.raises(Conflict, match="'explore' already"):
        served.experiments.reactivate(old.id)
    assert served.experiments.reactivate(old.id, new_name="explore-old").archived is None
    assert [e.name for e in served.experiments.list("ws")] == ["explore-old", "explore"]


def test_runs_are_found_by_the_new_name_of_their_experiment(served: History):
    served.start()
    served.experiments.archive(served.experiment.id)
    served.experiments.reactivate(served.experiment.id, new_name="renamed")
    assert [run.id for run in served.runs.search("ws", "renamed").runs] == ["run"]


def test_an_experiment_with_runs_is_not_deleted(served: History):
    served.start()
    with pytest.raises(Conflict, match="still has runs"):
        served.experiments.delete(served.experiment.id)
    served.runs.delete("ws/run")
    served.experiments.delete(served.experiment.id)
    with pytest.raises(NotFound):
        served.experiments.get(served.experiment.id)


def test_a_deleted_experiment_takes_no_runs_any_more(served: History):
    ref = served.start()
    served.runs.delete(ref)
    served.experiments.delete(served.experiment.id)
    with pytest.raises(NotFound, match="no experiment with the id"):
        served.start("another")
    with pytest.raises(NotFound, match="no experiment with the id"):
        served.runs.restore(ref)
    assert served.runs.search("ws", "").runs == ()


def test_an_experiment_is_not_deleted_while_a_run_is_being_added(served: History):
    refused = []
    for number in range(20):
        experiment = served.experiments.create("ws", f"e{number}")
        start = threading.Barrier(2)

        def add(id: str = experiment.id, number: int = number, start: threading.Barrier = start) -> None:
            start.wait()
            with suppress(NotFound):
                served.runs.create("ws", [NewRun(id=f"r{number}", experiment=id)])

        thread = threading.Thread(target=add)
        thread.start()
        start.wait()
        try:
            served.experiments.delete(experiment.id)
        except Conflict:
            refused.append(number)
        thread.join()
    found = {run.id for run in served.runs.search("ws", "", limit=100).runs}
    assert found == {f"r{number}" for number in refused}


def test_a_run_comes_back_as_it_was_created(served: History):
    process = Process("host", "boot", 7, 11)
    ref = served.start(
        display_name="first",
        description="**bold**",
        tags={"quality": "good", "only-key": None},
        properties={"author": "kim"},
        params={"lr": "0.01", "long": "x" * 5000},
        submitter="kim",
        process=process,
    )
    run = served.runs.get(ref)
    assert (run.number, run.depth, run.parent, run.root, run.process) == (1, 0, None, "run", process)
    assert run.tags == {"quality": "good", "only-key": None}
    assert run.properties == {"author": "kim"}
    assert run.params == {"lr": "0.01", "long": "x" * 5000}
    assert run.started is not None
    assert run.ended is None
    assert run.shown_name == "first"


def test_an_id_is_taken_once_in_a_workspace_and_free_in_another(served: History):
    served.start()
    with pytest.raises(Conflict, match="'run' exists already"):
        served.start()
    served.workspaces.create("other")
    elsewhere = served.experiments.create("other", "explore")
    served.runs.create("other", [NewRun(id="run", experiment=elsewhere.id)])
    assert served.runs.get("other/run").status is Status.NOT_STARTED


def test_children_are_created_all_or_none(served: History):
    parent = served.start()
    new = [NewRun(id=f"child-{i}", experiment=served.experiment.id, parent=parent) for i in range(5)]
    created = served.runs.create("ws", new)
    assert [run.number for run in created] == [2, 3, 4, 5, 6]
    assert {(run.parent, run.root, run.depth) for run in created} == {("run", "run", 1)}
    assert served.runs.get(parent).children == 5
    with pytest.raises(Conflict):
        served.runs.create("ws", [NewRun(id="fresh", experiment=served.experiment.id), new[0]])
    with pytest.raises(NotFound):
        served.runs.get("ws/fresh")


def test_every_change_of_status_is_an_event_without_gaps(served: History):
    ref = served.start(status=Status.NOT_STARTED)
    served.runs.move(ref, Status.RUNNING)
    served.runs.move(ref, Status.RUNNING)
    done = served.runs.move(ref, Status.COMPLETED)
    events = served.runs.events(ref)
    assert [event.sequence for event in events] == [1, 2, 3]
    assert [event.body["new_status"] for event in events] == ["NotStarted", "Running", "Completed"]
    assert done.duration is not None
    assert done.duration >= 0


@pytest.mark.parametrize("final", [Status.COMPLETED, Status.FAILED, Status.CANCELED])
@pytest.mark.parametrize("later", list(Status))
def test_the_first_terminal_state_wins(served: History, final: Status, later: Status):
    ref = served.start()
    served.runs.move(ref, final, error={"reason": "code"})
    if later is final:
        assert served.runs.move(ref, later).status is final
        return
    with pytest.raises(Conflict, match=f"is {final} already"):
        served.runs.move(ref, later)
    assert served.runs.get(ref).status is final


@pytest.mark.parametrize("truth", [Status.COMPLETED, Status.CANCELED, Status.FAILED, Status.RUNNING])
def test_an_end_that_was_only_assumed_gives_way_to_the_truth_once(served: History, truth: Status):
    ref = served.start()
    served.runs.move(ref, Status.FAILED, error={"reason": "infrastructure", "message": "silent"})
    healed = served.runs.move(ref, truth, error={"reason": "code"} if truth is Status.FAILED else None)
    assert healed.status is truth
    assert not healed.provisional
    if truth is Status.RUNNING:
        assert healed.ended is None
        assert healed.error is None
    else:
        with pytest.raises(Conflict):
            served.runs.move(ref, Status.NOT_RESPONDING)


def test_a_beat_brings_a_silent_run_back(served: History):
    ref = served.start()
    served.runs.move(ref, Status.NOT_RESPONDING)
    served.runs.beat(ref)
    assert served.runs.get(ref).status is Status.RUNNING


def test_a_property_is_permanent_and_a_refused_call_keeps_nothing(served: History):
    ref = served.start()
    served.runs.add_properties(ref, {"author": "kim"})
    served.runs.add_properties(ref, {"author": "kim", "more": "1"})
    with pytest.raises(Conflict, match="'author' is 'kim' already"):
        served.runs.add_properties(ref, {"new": "x", "author": "lee"})
    assert served.runs.get(ref).properties == {"author": "kim", "more": "1"}


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"k" * 251: "v"}, r"Limit=250.*Size=251"),
        ({"k": "v" * 5001}, r"tag 'k'.*Limit=5,000.*Size=5,001"),
        ({"": "v"}, "empty tag key"),
        ({"a\x00b": "v"}, r"U\+0000"),
        ({"k": "a\x00b"}, r"U\+0000"),
    ],
)
def test_a_tag_beyond_the_limits_is_named_and_nothing_is_kept(
    served: History, tags: dict[str, str], said: str
):
    ref = served.start()
    with pytest.raises(Invalid, match=said):
        served.runs.tag(ref, {"good": "1", **tags})
    assert served.runs.get(ref).tags == {}


def test_tags_are_added_replaced_and_removed(served: History):
    ref = served.start(tags={"a": "1", "b": "2"})
    assert served.runs.tag(ref, {"b": None, "c": "한국어 🎉"}).tags == {"a": "1", "b": None, "c": "한국어 🎉"}
    assert served.runs.untag(ref, ["a", "not there"]).tags == {"b": None, "c": "한국어 🎉"}


def test_text_is_kept_in_one_form_and_lone_surrogates_do_not_break_it(served: History):
    ref = served.start()
    run = served.runs.edit(
        ref, {"display_name": "e\u0301te\u0301 \ud800", "description": "line\r\nline\ttab"}
    )
    assert run.display_name == "été ?"
    assert run.description == "line\r\nline\ttab"
    with pytest.raises(Invalid, match="display_name and description"):
        served.runs.edit(ref, {"status": "Completed"})


def test_a_deleted_run_is_gone_and_can_be_restored(served: History):
    ref = served.start()
    served.runs.delete(ref)
    with pytest.raises(Gone, match="was deleted"):
        served.runs.get(ref)
    assert served.runs.restore(ref).id == "run"
    assert served.runs.get(ref).deleted is None


def test_twenty_threads_number_their_runs_without_gap_or_double(served: History):
    def start(start: int) -> None:
        for i in range(5):
            served.start(f"run-{start}-{i}")

    threads = [threading.Thread(target=start, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [served.runs.get(f"ws/run-{n}-{i}").number for n in range(20) for i in range(5)]
    assert sorted(numbers) == list(range(1, 101))


def test_two_ends_at_once_leave_one_terminal_state(served: History):
    outcomes: list[str] = []

    def end(ref: str, status: Status) -> None:
        try:
            outcomes.append(str(served.runs.move(ref, status).status))
        except Conflict as error:
            outcomes.append(f"refused: {error.expected}")

    for i in range(20):
        ref = served.start(f"race-{i}")
        outcomes.clear()
        threads = [threading.Thread(target=end, args=(ref, s)) for s in (Status.COMPLETED, Status.CANCELED)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        final = str(served.runs.get(ref).status)
        assert sorted(outcomes) == sorted([final, f"refused: {final}"])

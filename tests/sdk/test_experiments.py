"""Experiments, and how their runs are listed (3)."""

from __future__ import annotations

import inspect
import zipfile
from pathlib import Path
from typing import Any

import pytest

from runstone import Experiment, Run, Workspace
from runstone.exceptions import ServiceException, UserErrorException


@pytest.mark.parametrize("name", ["a", "0", "explore-runs", "With_2-Parts", "x" * 255])
def test_an_experiment_is_created_or_found_by_name(workspace: Workspace, name: str) -> None:
    first, second = Experiment(workspace, name), Experiment(workspace=workspace, name=name)
    assert first == second
    assert (first.name, first.id) == (name, second.id)
    assert first.workspace == first.workspace_object == workspace


@pytest.mark.parametrize("name", ["", "-x", "_x", "x" * 256, "with space", "실험", "a/b", "a.b", None, 5])
def test_a_name_that_is_not_legal_is_refused(workspace: Workspace, name: Any) -> None:
    message = r"^Experiment name must be between 1 and 255 characters long\."
    with pytest.raises(UserErrorException, match=message):
        Experiment(workspace, name)


def test_runs_come_as_a_generator_newest_first(experiment: Experiment) -> None:
    runs = [experiment.start_logging() for _ in range(3)]
    found = experiment.get_runs()
    assert inspect.isgenerator(found)
    assert list(found) == runs[::-1]
    assert [run.number for run in runs] == [1, 2, 3]
    assert list(Run.list(experiment)) == runs[::-1]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"tags": "quality"}, "ba"),
        ({"tags": {"quality": "good"}}, "a"),
        ({"tags": {"quality": None}}, "ba"),
        ({"tags": {"quality": "good", "author": "kim"}}, "a"),
        ({"tags": {"quality": "good", "author": "lee"}}, ""),
        ({"tags": 'it\'s a "key"'}, "c"),
        ({"tags": {'it\'s a "key"': "it's `a` value"}}, "c"),
        ({"properties": "p"}, "b"),
        ({"properties": {"p": "1"}}, "b"),
        ({"properties": {"p": "2"}}, ""),
        ({"properties": {"p": "1"}, "tags": "quality"}, "b"),
        ({"type": "azureml.scriptrun"}, "d"),
        ({"type": "other"}, ""),
        ({"tags": "q"}, ""),
        ({"filter": "tags.quality = 'good' or properties.p = '1'"}, "ba"),
        ({"filter": "tags.quality = 'good' or properties.p = '1'", "tags": "author"}, "a"),
        ({"order_by": "run_number asc"}, "abcd"),
        ({}, "dcba"),
    ],
)
def test_runs_are_filtered(experiment: Experiment, filters: Any, found: str) -> None:
    tags: dict[str, dict[str, str | None]] = {
        "a": {"quality": "good", "author": "kim"},
        "b": {"quality": None},
        "c": {'it\'s a "key"': "it's `a` value"},
        "d": {},
    }
    runs = {name: experiment.start_logging(tags=tags[name], display_name=name) for name in tags}
    runs["b"].add_properties({"p": "1"})
    runs["d"].add_properties({"azureml.runsource": "azureml.scriptrun"})
    runs["a"].child_run(tags={"quality": "good", "author": "kim"})
    assert "".join(run.display_name for run in experiment.get_runs(**filters)) == found
    if not {"filter", "order_by"} & set(filters):
        assert "".join(run.display_name for run in Run.list(experiment, **filters)) == found


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("Completed", "a"),
        ("completed", "a"),
        ("Canceled", "b"),
        ("Cancelled", "b"),
        ("Running", "c"),
        (None, "cba"),
    ],
)
def test_runs_are_listed_by_status(experiment: Experiment, status: str | None, found: str) -> None:
    runs = {name: experiment.start_logging(display_name=name) for name in "abc"}
    runs["a"].complete()
    runs["b"].cancel()
    assert "".join(run.display_name for run in Run.list(experiment, status=status)) == found


def test_children_are_listed_when_asked_for(experiment: Experiment) -> None:
    run = experiment.start_logging()
    child = run.child_run()
    assert list(experiment.get_runs()) == [run]
    assert list(experiment.get_runs(include_children=True)) == [child, run]
    assert list(Run.list(experiment, include_children=True)) == [child, run]


def test_runs_are_listed_by_compute_target(experiment: Experiment, workspace: Workspace) -> None:
    run, ended = experiment.start_logging(), experiment.start_logging()
    ended.complete()
    for compute in ("local", workspace.compute_targets["local"]):
        assert list(Run.list_by_compute(compute)) == [ended, run]
        assert list(Run.list_by_compute(compute, status="Running")) == [run]
        assert list(Run.list_by_compute(compute, status="Queued")) == []
    assert list(Run.list_by_compute("nowhere")) == []
    with pytest.raises(UserErrorException, match="Running or Queued"):
        Run.list_by_compute("local", status="Completed")


def test_listing_is_stable_while_runs_are_added(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runstone.sdk.finding.PAGE", 4)
    runs = [experiment.start_logging() for _ in range(10)]
    seen = []
    for run in experiment.get_runs():
        seen.append(run)
        experiment.start_logging()
    assert seen == runs[::-1]


def test_experiments_are_tagged(workspace: Workspace, experiment: Experiment) -> None:
    other = Experiment(workspace, experiment.name)
    experiment.tag("a", "1")
    experiment.tag("key only")
    experiment.set_tags({"b": "2", "a": "3"})
    assert other.tags == {}
    other.refresh()
    assert other.tags == experiment.tags == {"a": "3", "b": "2", "key only": None}
    experiment.remove_tags(["a", "not there"])
    assert experiment.tags == {"b": "2", "key only": None}
    assert Experiment.list(workspace, tags="b") == [experiment]
    assert Experiment.list(workspace, tags={"b": "2", "key only": None}) == [experiment]
    assert Experiment.list(workspace, tags={"b": "3"}) == []


def test_experiments_are_described(workspace: Workspace, experiment: Experiment) -> None:
    experiment.description = "# why"
    assert Experiment(workspace, experiment.name).description == "# why"


def test_an_archived_experiment_is_hidden_and_its_name_is_free(workspace: Workspace) -> None:
    old = Experiment(workspace, "name")
    run = old.start_logging()
    old.archive()
    assert old.archived_time is not None
    assert Experiment.list(workspace) == []
    assert Experiment.list(workspace, view_type="ArchivedOnly") == [old]
    assert Experiment.list(workspace, "name", view_type="All") == [old]
    new = Experiment(workspace, "name")
    assert new != old
    assert workspace.get_run(run.id).experiment == old
    with pytest.raises(UserErrorException, match="name") as caught:
        old.reactivate()
    assert isinstance(caught.value, ServiceException)
    old.reactivate(new_name="older")
    assert (old.name, old.archived_time) == ("older", None)
    assert {one.name for one in Experiment.list(workspace)} == {"name", "older"}
    assert list(old.get_runs()) == [run]


def test_archiving_and_reactivating_may_be_repeated(experiment: Experiment) -> None:
    experiment.archive()
    experiment.archive()
    experiment.reactivate()
    experiment.reactivate()
    assert experiment.archived_time is None


def test_a_view_that_is_none_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UserErrorException, match="view"):
        Experiment.list(workspace, view_type="Some")


def test_only_an_experiment_without_runs_is_deleted(workspace: Workspace, experiment: Experiment) -> None:
    experiment.start_logging()
    empty = Experiment(workspace, "empty")
    Experiment.delete(workspace, empty.id)
    assert Experiment.list(workspace, view_type="All") == [experiment]
    with pytest.raises(UserErrorException, match="runs"):
        Experiment.delete(workspace, experiment.id)
    with pytest.raises(UserErrorException):
        Experiment.delete(workspace, "nothing")


def test_an_experiment_shows_itself(experiment: Experiment) -> None:
    assert repr(experiment) == "Experiment(Name: explore-runs,\nWorkspace: default)"
    assert all(
        word in experiment._repr_html_() for word in ("Name", "explore-runs", "Workspace", "Report Page")
    )
    assert experiment.get_portal_url() == experiment.portal_url
    assert len({experiment, Experiment(experiment.workspace, experiment.name)}) == 1
    assert experiment != "explore-runs"


def test_a_run_is_found_by_its_id_and_only_in_its_experiment(workspace: Workspace) -> None:
    mine, other = Experiment(workspace, "mine"), Experiment(workspace, "other")
    run = mine.start_logging(run_id="of-my-own")
    assert Run(mine, "of-my-own") == run == Run.get(workspace, "of-my-own") == workspace.get_run(run.id)
    with pytest.raises(UserErrorException, match="mine"):
        Run(other, "of-my-own")
    with pytest.raises(UserErrorException, match="exists already"):
        other.start_logging(run_id="of-my-own")
    for missing in ("nothing", "", "a/b", ".."):
        with pytest.raises(UserErrorException):
            Run(mine, missing)


@pytest.mark.parametrize("run_id", ["", "a b", "a/b", "..", ".", "x" * 257, "nul\0"])
def test_an_id_that_is_not_legal_is_refused(experiment: Experiment, run_id: str) -> None:
    if run_id:
        with pytest.raises(UserErrorException, match="run id"):
            experiment.start_logging(run_id=run_id)
    assert list(experiment.get_runs()) == []


def test_a_deleted_experiment_neither_takes_runs_nor_breaks_a_search(
    workspace: Workspace, experiment: Experiment
) -> None:
    old = Experiment(workspace, "old")
    workspace._service.runs.delete(old.start_logging()._ref)
    Experiment.delete(workspace, old.id)
    with pytest.raises(UserErrorException, match="no experiment with the id"):
        old.start_logging()
    run = experiment.start_logging()
    assert workspace.search_runs("") == [run]
    (deleted,) = workspace.search_runs("deleted = true")
    assert deleted.experiment == old


def test_experiments_are_asked_for_by_a_tag_or_a_dict(workspace: Workspace, experiment: Experiment) -> None:
    experiment.tag("owner", "kim")
    assert Experiment.list(workspace, tags={"owner": "kim"}) == Experiment.list(workspace, tags="owner")
    with pytest.raises(UserErrorException, match="are asked for by"):
        Experiment.list(workspace, tags=["owner"])  # type: ignore[arg-type]


def test_a_directory_is_kept_as_the_snapshot_of_a_run_that_is_given_it(
    experiment: Experiment, project: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "part").mkdir(parents=True)
    (source / "train.py").write_text("print(1)\n")
    (source / "part" / "data.txt").write_text("한국어\n")
    with experiment.start_logging(snapshot_directory=str(source)) as run:
        run.log("loss", 1.0)
    assert run.get_snapshot_id()
    with zipfile.ZipFile(run.restore_snapshot(path=tmp_path / "kept.zip")) as kept:
        assert sorted(kept.namelist()) == ["part/data.txt", "train.py"]
    assert experiment.start_logging(snapshot_directory=None).get_snapshot_id() is None


def test_a_directory_that_is_too_large_is_a_warning_and_the_script_alone_is_kept(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(2_001):
        (source / f"{number}.txt").touch()
    (tmp_path / "train.py").write_text("print(1)\n")
    monkeypatch.setattr("sys.argv", [str(tmp_path / "train.py")])
    with pytest.warns(RuntimeWarning, match=r"exceeds the limit.*keeps the script alone"):
        run = experiment.start_logging(snapshot_directory=source)
    with zipfile.ZipFile(run.restore_snapshot(path=tmp_path / "kept.zip")) as kept:
        assert kept.namelist() == ["train.py"]
    monkeypatch.setattr("sys.argv", ["-c"])
    with pytest.warns(RuntimeWarning, match=r"does not exist.*keeps no source"):
        run = experiment.start_logging(snapshot_directory=tmp_path / "nowhere")
    assert run.get_snapshot_id() is None

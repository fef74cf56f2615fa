"""Parents and children of a run (4.7)."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runstone import Experiment, Run, Workspace
from runstone.exceptions import UserErrorException

BATCH = "azureml.batch_child_number"


@pytest.fixture
def tree(run: Run) -> dict[str, Run]:
    """root > (a > (aa > aaa, ab), b), each tagged with its name; `ab` has ended."""
    runs = {"root": run}
    for name in ("a", "b", "aa", "ab", "aaa"):
        runs[name] = runs[name[:-1] or "root"].child_run(tags={"name": name, "length": str(len(name))})
    runs["ab"].complete()
    return runs


def names(found: Any) -> list[str]:
    return [run.tags["name"] for run in found]


def test_a_child_is_running_at_once_and_knows_its_parent(run: Run) -> None:
    child = run.child_run()
    assert child.status == "Running"
    assert child.parent == run
    assert child.root == run
    assert child.experiment == run.experiment
    assert (child.type, child.get_details()["target"]) == (None, "local")
    assert run.parent is None
    assert run.root == run


def test_a_childs_name_follows_its_parents(run: Run) -> None:
    child = run.child_run(name="part1")
    assert child.name == ">part1"
    assert child.child_run(name="deep").name == ">part1>deep"
    assert run.child_run().name is None


def test_a_childs_name_is_what_it_is_shown_by(run: Run) -> None:
    assert run.child_run(name="fold 1").display_name == "fold 1"
    assert run.child_run(name="fold 2", display_name="last").display_name == "last"


def test_a_child_may_have_an_id_of_its_own(run: Run) -> None:
    assert run.child_run(run_id="mine").id == "mine"
    with pytest.raises(UserErrorException, match="mine"):
        run.child_run(run_id="mine")


def test_children_are_created_by_number(run: Run) -> None:
    children = run.create_children(3)
    assert [child.tags for child in children] == [{BATCH: "0"}, {BATCH: "1"}, {BATCH: "2"}]
    assert {child.status for child in children} == {"NotStarted"}
    assert all(child.parent == run for child in children)
    assert len({child.id for child in children}) == 3
    assert [child.number for child in children] == [run.number + n for n in (1, 2, 3)]
    assert [child.tags for child in run.create_children(np.int64(2))] == [{BATCH: "0"}, {BATCH: "1"}]


@pytest.mark.parametrize(
    ("values", "tags"), [(["a", "b"], ["a", "b"]), ((0.1, 2), ["0.1", "2"]), ([], []), ([None], [None])]
)
def test_children_are_created_by_the_values_of_a_tag(run: Run, values: Any, tags: list[str | None]) -> None:
    children = run.create_children(tag_key="lr", tag_values=values)
    assert [child.tags for child in children] == [{"lr": tag} for tag in tags]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Either count or tag_key and tag_values must be set"),
        ({"tag_key": "k"}, "Either count or tag_key and tag_values must be set"),
        ({"tag_values": ["v"]}, "Either count or tag_key and tag_values must be set"),
        (
            {"count": 2, "tag_key": "k", "tag_values": ["v"]},
            "count can not be set when tag_key and tag_values are set",
        ),
        ({"count": -1}, "whole number"),
        ({"count": "2"}, "whole number"),
        ({"count": 2.0}, "whole number"),
    ],
)
def test_children_are_asked_for_in_one_way(run: Run, arguments: Any, message: str) -> None:
    with pytest.raises(UserErrorException, match=message):
        run.create_children(**arguments)
    assert list(run.get_children()) == []


def test_children_are_all_created_or_none(run: Run) -> None:
    with pytest.raises(UserErrorException):
        run.create_children(tag_key="k", tag_values=["fine", "v" * 5_001])
    assert list(run.get_children()) == []


def test_children_come_as_a_generator_newest_first(tree: dict[str, Run]) -> None:
    found = tree["root"].get_children()
    assert inspect.isgenerator(found)
    assert str(found).startswith("<generator object")
    assert names(found) == ["b", "a"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("root", ["aaa", "ab", "aa", "b", "a"]),
        ("a", ["aaa", "ab", "aa"]),
        ("aa", ["aaa"]),
        ("b", []),
        ("aaa", []),
    ],
)
def test_descendants_are_found_from_anywhere_newest_first(
    tree: dict[str, Run], name: str, found: list[str]
) -> None:
    assert inspect.isgenerator(tree[name].get_children(recursive=True))
    assert names(tree[name].get_children(recursive=True)) == found


@pytest.mark.parametrize(
    ("filters", "of_root", "of_a"),
    [
        ({"tags": "name"}, ["aaa", "ab", "aa", "b", "a"], ["aaa", "ab", "aa"]),
        ({"tags": {"length": "2"}}, ["ab", "aa"], ["ab", "aa"]),
        ({"tags": {"length": "2", "name": "aa"}}, ["aa"], ["aa"]),
        ({"status": "Completed"}, ["ab"], ["ab"]),
        ({"status": "running", "tags": {"length": "2"}}, ["aa"], ["aa"]),
        ({"tags": "nothing"}, [], []),
        ({"properties": {"p": "x"}}, ["aaa"], ["aaa"]),
        ({"properties": "p", "tags": {"length": "2"}}, [], []),
        ({"type": "azureml.scriptrun"}, [], []),
    ],
)
def test_descendants_are_filtered(
    tree: dict[str, Run], filters: Any, of_root: list[str], of_a: list[str]
) -> None:
    tree["aaa"].add_properties({"p": "x"})
    assert names(tree["root"].get_children(recursive=True, **filters)) == of_root
    assert names(tree["a"].get_children(recursive=True, **filters)) == of_a


def test_a_filter_of_another_form_is_told_so(tree: dict[str, Run]) -> None:
    with pytest.raises(UserErrorException, match="by a key or a dict"):
        list(tree["root"].get_children(tags=["name"]))  # type: ignore[arg-type]


def test_children_of_one_level_are_filtered(tree: dict[str, Run]) -> None:
    assert names(tree["a"].get_children(status="Completed")) == ["ab"]
    assert names(tree["a"].get_children(tags={"name": "aaa"})) == []


def test_a_wide_level_in_the_middle_of_a_tree_is_found_whole(run: Run) -> None:
    middle = run.child_run()
    children = middle.create_children(250)
    for child in children[::2]:
        child.create_children(1)
    assert len(list(middle.get_children(recursive=True))) == 375
    assert len(list(middle.get_children())) == 250
    assert len(list(run.get_children(recursive=True))) == 376


def test_the_way_to_the_root_ends(tree: dict[str, Run]) -> None:
    def root_run(run: Run) -> Run:
        return run if run.parent is None else root_run(run.parent)

    assert root_run(tree["aaa"]) == tree["root"] == tree["aaa"].root


def test_what_is_done_through_the_parent_is_done_to_it(run: Run) -> None:
    child = run.child_run()
    parent = child.parent
    assert parent is not None
    parent.tag("from", "below")
    parent.add_properties({"p": "1"})
    parent.log("best", 1)
    assert run.get_tags() == {"from": "below"}
    assert run.get_properties() == {"p": "1"}
    assert run.get_metrics() == {"best": 1}
    parent.cancel()
    assert (run.get_status(), child.get_status()) == ("Canceled", "Running")


def test_children_belong_to_no_other_run(workspace: Workspace, experiment: Experiment, run: Run) -> None:
    other = Experiment(workspace, "other").start_logging()
    run.child_run()
    other.child_run()
    assert len(list(run.get_children())) == len(list(other.get_children())) == 1
    assert len(list(experiment.get_runs())) == 1
    assert len(list(experiment.get_runs(include_children=True))) == 2


@pytest.mark.parametrize(
    "wanted",
    [{"status": ["Running"]}, {"type": 5}, {"tags": ["k"]}, {"properties": ["k"]}],
    ids=lambda wanted: next(iter(wanted)),
)
def test_what_children_are_asked_for_by_is_one_text_or_a_dict(run: Run, wanted: Any) -> None:
    with pytest.raises(UserErrorException, match="are asked for by"):
        list(run.get_children(**wanted))


def test_a_key_that_is_no_text_is_asked_for_as_it_was_kept(run: Run) -> None:
    child = run.child_run(tags={5: 6})
    assert list(run.get_children(tags={5: 6})) == [child]


def test_a_parent_that_is_asked_for_anew_each_time_is_one_writer(run: Run, history: Path) -> None:
    child = run.child_run()
    for number in range(20):
        parent = child.parent
        assert parent is not None
        parent.log("loss", number)
    assert len(list((history / "journal").iterdir())) == 1
    assert run.get_metrics() == {"loss": list(range(20))}
    run.complete()
    assert list((history / "journal").iterdir()) == []

"""What runs read and made, asked from the run and from the asset, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from runstone.model.errors import Gone, Invalid, NotFound, TooLarge
from runstone.model.lineage import Link
from runstone.model.runs import NewRun
from runstone.service.assets import Assets
from runstone.service.experiments import Experiments
from runstone.service.lineage import Lineage
from runstone.service.runs import Runs
from runstone.service.workspaces import Workspaces
from runstone.store.database import open_database


class Linked:
    """Two workspaces with an asset `digits` in two versions each, and runs as they are named."""

    def __init__(self, place: str) -> None:
        self.database = open_database(place)
        self.assets = Assets(self.database)
        self.lineage = Lineage(self.database)
        self.runs = Runs(self.database, settle=lambda *_: None, refresh=lambda *_: None)
        self.experiments = {}
        for workspace in ("ws", "other"):
            Workspaces(self.database).create(workspace)
            self.experiments[workspace] = Experiments(self.database).create(workspace, "explore").id
            for version in (1, 2):
                self.assets.register(workspace, "dataset", name="digits", body={"n": version})

    def run(self, id: str, workspace: str = "ws") -> str:
        self.runs.create(workspace, [NewRun(id=id, experiment=self.experiments[workspace])])
        return f"{workspace}/{id}"

    def link(self, ref: str, direction: str, name: str, version: int = 1, **details: object) -> Link:
        return self.lineage.record(ref, Link(direction, name, "dataset", "digits", version, details))

    def users(self, **more: object) -> list[tuple[str, str, str]]:
        found = self.lineage.of_asset("ws", "dataset", name="digits", **more)  # type: ignore[arg-type]
        return [(link.run, link.direction, link.name) for link in found]


@pytest.fixture
def linked(place: str) -> Iterator[Linked]:
    found = Linked(place)
    with closing(found.database):
        yield found


def test_a_run_tells_what_it_reads_and_makes(linked: Linked):
    ref = linked.run("a")
    made = linked.link(ref, "output", "clean", 2)
    linked.link(ref, "input", "train", mechanism="Mount")
    linked.link(ref, "input", "한국어", 2)
    found = linked.lineage.of_run(ref)
    assert [(one.direction, one.name, one.version) for one in found] == [
        ("input", "train", 1),
        ("input", "한국어", 2),
        ("output", "clean", 2),
    ]
    assert found[0].details == {"mechanism": "Mount"}
    assert (found[0].run, found[0].kind, found[0].asset) == ("a", "dataset", "digits")
    assert found[2] == made
    assert made.created > 1_600_000_000_000_000
    assert linked.lineage.of_run(linked.run("b")) == ()


def test_a_name_that_is_given_again_means_the_new_asset(linked: Linked):
    ref = linked.run("a")
    linked.link(ref, "input", "train", 1)
    linked.link(ref, "input", "train", 2)
    linked.link(ref, "output", "train", 1)
    assert [(one.direction, one.version) for one in linked.lineage.of_run(ref)] == [
        ("input", 2),
        ("output", 1),
    ]


def test_an_asset_tells_the_runs_that_used_it(linked: Linked):
    first, second, third = (linked.run(id) for id in "abc")
    linked.link(first, "output", "made", 1)
    linked.link(second, "input", "train", 1)
    linked.link(second, "input", "test", 1)
    linked.link(third, "input", "train", 2)
    linked.link(linked.run("a", "other"), "input", "train", 1)
    assert linked.users() == [
        ("c", "input", "train"),
        ("b", "input", "test"),
        ("b", "input", "train"),
        ("a", "output", "made"),
    ]
    assert linked.users(version=2) == [("c", "input", "train")]
    linked.runs.delete(second)
    assert {run for run, _, _ in linked.users()} == {"a", "c"}


def test_the_runs_come_in_pages_of_whole_runs(linked: Linked):
    for id in "abc":
        ref = linked.run(id)
        linked.link(ref, "input", "train")
        linked.link(ref, "input", "test")
    assert [run for run, _, _ in linked.users(limit=2)] == ["c", "c", "b", "b"]
    assert [run for run, _, _ in linked.users(limit=2, after="b")] == ["a", "a"]
    assert linked.users(limit=2, after="a") == []


def test_a_run_may_be_created_with_what_it_reads(linked: Linked):
    link = Link("input", "train", "dataset", "digits", 2, {"mechanism": "Direct"})
    new = NewRun(id="a", experiment=linked.experiments["ws"], links=(link,))
    linked.runs.create("ws", [new])
    assert [(one.name, one.version, one.run) for one in linked.lineage.of_run("ws/a")] == [("train", 2, "a")]
    missing = Link("input", "train", "dataset", "digits", 3)
    with pytest.raises(NotFound, match="no version 3"):
        linked.runs.create("ws", [NewRun(id="b", experiment=linked.experiments["ws"], links=(missing,))])
    with pytest.raises(NotFound, match="no run 'b'"):
        linked.runs.get("ws/b")


def test_runs_are_found_by_what_they_read_and_made(linked: Linked):
    first, second = linked.run("a"), linked.run("b")
    linked.run("c")
    linked.link(first, "input", "train")
    linked.link(first, "output", "made", 2)
    linked.link(second, "input", "Test")
    wanted = {
        "datasets.name = 'digits'": ["b", "a"],
        "datasets.name != 'digits'": [],
        "datasets.name in ('digits', 'other') and datasets.context = 'made'": ["a"],
        "datasets.context ilike 'TE%'": ["b"],
        "datasets.context < 'a'": ["b"],
        "missing datasets.name": ["c"],
        "not datasets.context = 'train'": ["c", "b"],
    }
    for filter, ids in wanted.items():
        assert [run.id for run in linked.runs.search("ws", filter).runs] == ids, filter
        assert linked.runs.count("ws", filter) == len(ids), filter


def test_what_is_not_there_cannot_be_linked(linked: Linked):
    ref = linked.run("a")
    with pytest.raises(NotFound, match="no version 3"):
        linked.link(ref, "input", "train", 3)
    with pytest.raises(NotFound, match="no run 'z'"):
        linked.link("ws/z", "input", "train")
    linked.assets.delete("ws", "dataset", name="digits", version=1)
    with pytest.raises(Gone, match="was deleted"):
        linked.link(ref, "input", "train", 1)
    assert linked.lineage.of_run(ref) == ()


def test_a_link_outlives_the_version_that_it_names(linked: Linked):
    ref = linked.run("a")
    linked.link(ref, "input", "train", 1)
    linked.assets.delete("ws", "dataset", name="digits", version=1)
    assert [one.version for one in linked.lineage.of_run(ref)] == [1]
    assert linked.users(version=1) == [("a", "input", "train")]


def test_bad_links_and_questions_are_refused(linked: Linked):
    ref = linked.run("a")
    with pytest.raises(Invalid, match="direction"):
        linked.link(ref, "sideways", "train")
    with pytest.raises(Invalid, match="names nothing"):
        linked.link(ref, "input", "")
    with pytest.raises(TooLarge, match="Limit=65,536"):
        linked.link(ref, "input", "train", path="x" * 70_000)
    with pytest.raises(Invalid, match="1 to 1,000 runs"):
        linked.users(limit=0)
    assert linked.lineage.of_run(ref) == ()

"""What a workspace keeps by name and version, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from runstone.model.errors import Gone, Invalid, NotFound, TooLarge
from runstone.service.assets import Assets
from runstone.service.workspaces import Workspaces
from runstone.store.database import open_database
from tests.over_http import through


@pytest.fixture
def assets(place: str, face: str) -> Iterator[Assets]:
    with closing(open_database(place)) as database:
        Workspaces(database).create("ws")
        Workspaces(database).create("other")
        with through(face, assets=Assets(database)) as asked:
            yield asked.assets


def put(assets: Assets, name: str = "train", **body: object) -> int:
    return assets.register("ws", "environment", name=name, body=body).version


def test_a_name_is_kept_in_versions(assets: Assets) -> None:
    assert [put(assets, python="3.11"), put(assets, python="3.12")] == [1, 2]
    assert assets.get("ws", "environment", name="train").body == {"python": "3.12"}
    assert assets.get("ws", "environment", name="train", version=1).body == {"python": "3.11"}
    assert assets.get("ws", "environment", name="train", label="latest").version == 2
    found = assets.versions("ws", "environment", name="train")
    assert [(asset.version, asset.body["python"]) for asset in found] == [(1, "3.11"), (2, "3.12")]
    assert found[0].created > 1_600_000_000_000_000


def test_the_same_content_is_the_same_version(assets: Assets) -> None:
    assert put(assets, python="3.11", packages=["a"]) == put(assets, packages=["a"], python="3.11") == 1
    assert put(assets, python="3.12") == 2
    assert put(assets, python="3.11", packages=["a"]) == 3


def test_the_same_content_again_when_it_is_asked_for(assets: Assets) -> None:
    body = {"sha256": "1"}
    made = [assets.register("ws", "model", name="digits", body=body, again=True) for _ in range(2)]
    assert [asset.version for asset in made] == [1, 2]


def test_kinds_and_workspaces_are_apart(assets: Assets) -> None:
    put(assets, python="3.11")
    assert assets.list("ws", "model") == assets.list("other", "environment") == ()
    assert assets.register("other", "environment", name="train", body={}).version == 1
    assert assets.versions("ws", "model", name="train") == ()


def test_the_list_has_the_latest_of_each_name(assets: Assets) -> None:
    put(assets, "train", a=1)
    put(assets, "train", a=2)
    put(assets, "serve", a=3)
    found = assets.list("ws", "environment")
    assert [(asset.name, asset.version) for asset in found] == [("serve", 1), ("train", 2)]


def test_a_label_points_at_one_version(assets: Assets) -> None:
    put(assets, a=1)
    put(assets, a=2)
    assert assets.label("ws", "environment", name="train", version=1, labels=["stable", "old"]).labels == (
        "old",
        "stable",
    )
    assert assets.get("ws", "environment", name="train", label="stable").version == 1
    assets.label("ws", "environment", name="train", version=2, labels=["stable"])
    assert [asset.labels for asset in assets.versions("ws", "environment", name="train")] == [
        ("old",),
        ("stable",),
    ]
    assert assets.list("ws", "environment")[0].labels == ("stable",)
    assert len(assets.list("ws", "environment")) == 1


def test_a_label_that_cannot_be_is_refused(assets: Assets) -> None:
    put(assets, a=1)
    with pytest.raises(Invalid, match="always means the newest"):
        assets.label("ws", "environment", name="train", version=1, labels=["latest"])
    with pytest.raises(NotFound, match="has no version 7; it has: 1"):
        assets.label("ws", "environment", name="train", version=7, labels=["x"])
    with pytest.raises(NotFound, match="has no label 'x'; it has: latest"):
        assets.get("ws", "environment", name="train", label="x")


def test_what_is_not_there_is_told_with_what_is(assets: Assets) -> None:
    with pytest.raises(
        NotFound, match="There is no environment 'train' in this workspace; there are: none yet"
    ):
        assets.get("ws", "environment", name="train")
    put(assets, a=1)
    with pytest.raises(NotFound, match="there are: 'train'"):
        assets.get("ws", "environment", name="trian")
    with pytest.raises(NotFound, match="has no version 2; it has: 1"):
        assets.get("ws", "environment", name="train", version=2)
    with pytest.raises(NotFound, match="no workspace"):
        assets.get("nowhere", "environment", name="train")


def test_a_deleted_version_is_gone_and_its_number_is_not_given_again(assets: Assets) -> None:
    put(assets, a=1)
    put(assets, a=2)
    assets.delete("ws", "environment", name="train", version=2)
    with pytest.raises(Gone, match="Version 2 of the environment 'train' was deleted"):
        assets.get("ws", "environment", name="train", version=2)
    assert assets.get("ws", "environment", name="train").version == 1
    assert [asset.version for asset in assets.list("ws", "environment")] == [1]
    assert put(assets, a=2) == 3
    with pytest.raises(Gone):
        assets.delete("ws", "environment", name="train", version=2)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 251, "nul\0"])
def test_a_name_that_names_nothing_is_refused(assets: Assets, name: str) -> None:
    with pytest.raises(Invalid, match="environment name"):
        put(assets, name)
    assert assets.list("ws", "environment") == ()


@pytest.mark.parametrize("name", ["café", "a/b", "..", "'; DROP TABLE assets; --", "名前"])
def test_a_name_is_data(assets: Assets, name: str) -> None:
    put(assets, name, a=1)
    assert assets.get("ws", "environment", name=name).name == name
    assert [asset.name for asset in assets.list("ws", "environment")] == [name]


def test_a_kind_is_one_word(assets: Assets) -> None:
    with pytest.raises(Invalid, match="one word of small letters"):
        assets.list("ws", "environment:labels")


def test_a_body_has_a_limit(assets: Assets) -> None:
    with pytest.raises(TooLarge, match="over the size limit"):
        put(assets, text="x" * (4 * 1024 * 1024))


def test_versions_are_counted_once_however_many_register(assets: Assets) -> None:
    given: list[int] = []

    def register(worker: int) -> None:
        given.extend(put(assets, worker=worker, turn=turn) for turn in range(5))

    threads = [threading.Thread(target=register, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(1, 21))

"""Operations on registered models: versions, files, changes, on both databases."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runstone.model.errors import Busy, Conflict, Gone, Invalid, NotFound
from runstone.model.models import ModelChange, ModelFile, NewModel
from runstone.service.models import Models
from runstone.store import assets, experiments
from tests.histories import KINDS, RUNS, Filed, filed

RUN = RUNS[0].partition("/")[2]


@pytest.fixture(params=KINDS)
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Filed]:
    with filed(request.param, tmp_path, request) as found:
        yield found


@pytest.fixture
def models(files: Filed) -> Models:
    for name, content in (("out/m.pkl", b"one"), ("out/net/a", b"a"), ("out/net/b/c", b"c")):
        files.artifacts.upload(RUNS[0], name, content=io.BytesIO(content))
    return Models(files.database, files.blobs)


def content(models: Models, name: str, version: int, path: str) -> bytes:
    with models.open("ws", name, version=version, path=path) as stream:
        return stream.read()


def kept(files: Filed, path: str, content: bytes) -> ModelFile:
    blob = files.blobs.put(io.BytesIO(content))
    return ModelFile(path, blob.sha256, blob.size)


def test_a_file_or_a_folder_of_a_run_becomes_a_version(models: Models) -> None:
    one = models.register("ws", NewModel("digits", "out/m.pkl", run=RUN, tags={"a": None}))
    assert (one.version, one.path, one.files, one.size) == (1, "m.pkl", 1, 3)
    assert (one.run, one.experiment, one.tags) == (RUN, "files", {"a": None})
    two = models.register("ws", NewModel("digits", "out/net", run=RUN))
    assert (two.version, two.path, two.files, two.size) == (2, "net", 2, 2)
    assert [file.path for file in models.files("ws", "digits", version=2)] == ["net/a", "net/b/c"]
    assert content(models, "digits", 2, "net/b/c") == b"c"
    assert models.get("ws", "digits") == two
    assert models.get("ws", "digits", version=1) == one


def test_a_new_upload_of_the_run_leaves_the_version_as_it_is(models: Models, files: Filed) -> None:
    models.register("ws", NewModel("digits", "out/m.pkl", run=RUN))
    files.artifacts.upload(RUNS[0], "out/m.pkl", content=io.BytesIO(b"two"))
    models.register("ws", NewModel("digits", "out/m.pkl", run=RUN))
    assert [content(models, "digits", version, "m.pkl") for version in (1, 2)] == [b"one", b"two"]


def test_contents_that_were_kept_become_a_version(models: Models, files: Filed) -> None:
    made = models.register("ws", NewModel("net", "net", files=(kept(files, "net/a", b"1"),)))
    assert (made.run, made.experiment, made.size) == (None, None, 1)
    assert content(models, "net", 1, "net/a") == b"1"


@pytest.mark.parametrize(
    "path", ["../a", "net/../../a", "/a", "net/", "other/a", "net/CON", "network/a", "~/a"]
)
def test_a_path_that_leads_out_of_the_model_is_refused(models: Models, files: Filed, path: str) -> None:
    with pytest.raises(Invalid):
        models.register("ws", NewModel("net", "net", files=(kept(files, path, b"1"),)))
    assert models.list("ws") == ()


def test_files_that_cannot_stand_beside_one_another_are_refused(models: Models, files: Filed) -> None:
    twice = (kept(files, "net/a", b"1"), kept(files, "net/a", b"2"))
    with pytest.raises(Invalid, match="two files of one path"):
        models.register("ws", NewModel("net", "net", files=twice))
    with pytest.raises(Invalid, match="has no files"):
        models.register("ws", NewModel("net", "net"))
    with pytest.raises(Busy, match="upload it again"):
        models.register("ws", NewModel("net", "net", files=(ModelFile("net", "0" * 64, 1),)))
    assert models.list("ws") == ()


def test_what_is_not_there_is_told_with_what_is(models: Models) -> None:
    models.register("ws", NewModel("digits", "out/m.pkl", run=RUN))
    with pytest.raises(NotFound, match=r"no model 'digit' .* there are: 'digits'"):
        models.get("ws", "digit")
    with pytest.raises(NotFound, match="has no version 2; it has: 1"):
        models.files("ws", "digits", version=2)
    with pytest.raises(NotFound, match=r"has no file 'x'; it has: \['m.pkl'\]"):
        models.open("ws", "digits", version=1, path="x")
    with pytest.raises(NotFound, match="no run 'nobody'"):
        models.register("ws", NewModel("digits", "out/m.pkl", run="nobody"))
    with pytest.raises(NotFound, match=r"model_path out/none .*'out/m.pkl'"):
        models.register("ws", NewModel("digits", "out/none", run=RUN))


def test_models_are_listed_newest_first(models: Models, files: Filed) -> None:
    for name in ("a", "b", "a"):
        models.register("ws", NewModel(name, "out/m.pkl", run=RUN))
    models.register("ws", NewModel("c", "c", files=(kept(files, "c", b"1"),)))

    def ids(**wanted: object) -> list[tuple[str, int]]:
        return [(model.name, model.version) for model in models.list("ws", **wanted)]  # type: ignore[arg-type]

    assert ids() == [("c", 1), ("a", 2), ("b", 1), ("a", 1)]
    assert ids(latest=True) == [("c", 1), ("a", 2), ("b", 1)]
    assert ids(name="a") == [("a", 2), ("a", 1)]
    assert ids(run=RUN, latest=True) == [("a", 2), ("b", 1)]
    models.delete("ws", "a", version=2)
    assert ids(name="a", latest=True) == [("a", 1)]
    with pytest.raises(Gone):
        models.get("ws", "a", version=2)


def test_a_change_is_kept_whole_or_not_at_all(models: Models) -> None:
    models.register("ws", NewModel("m", "out/m.pkl", run=RUN, tags={"a": "1"}, properties={"p": "1"}))
    changed = models.change(
        "ws",
        "m",
        version=1,
        wanted=ModelChange(tags={"b": "2"}, untag=("a",), properties={"q": "2"}, description="d"),
    )
    assert (changed.tags, changed.properties, changed.description) == ({"b": "2"}, {"p": "1", "q": "2"}, "d")
    for wrong, error in (
        (ModelChange(tags={"c": "3"}, properties={"p": "2"}), Conflict),
        (ModelChange(tags={"c": "3", "": "4"}), Invalid),
        (ModelChange(tags={"c": "3"}, description="x" * 70_000), Invalid),
    ):
        with pytest.raises(error):
            models.change("ws", "m", version=1, wanted=wrong)
    assert models.get("ws", "m") == changed
    assert content(models, "m", 1, "m.pkl") == b"one"


def test_changes_at_the_same_time_are_all_kept(models: Models) -> None:
    models.register("ws", NewModel("m", "out/m.pkl", run=RUN))

    def tag(worker: int) -> None:
        for turn in range(5):
            models.change("ws", "m", version=1, wanted=ModelChange(tags={f"{worker}-{turn}": None}))

    threads = [threading.Thread(target=tag, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models.get("ws", "m").tags) == 20


def test_what_a_newer_version_has_added_is_passed_over(models: Models, files: Filed) -> None:
    with files.database.write() as tx:
        n = experiments.workspace(tx, "ws").id
        assets.register(tx, n, "model", name="new", body={"colour": "red", "size": 7}, now=1)
    (found,) = models.list("ws")
    assert (found.name, found.size, found.path) == ("new", 7, "new")


def test_workspaces_are_apart(models: Models, files: Filed) -> None:
    with files.database.write() as tx:
        experiments.add_workspace(tx, "other", labels={}, now=1)
    models.register("ws", NewModel("m", "out/m.pkl", run=RUN))
    assert models.list("other") == ()
    with pytest.raises(NotFound):
        models.register("other", NewModel("m", "out/m.pkl", run=RUN))

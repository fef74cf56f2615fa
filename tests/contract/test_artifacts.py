"""Files of a run, on both databases."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from runstone.model.errors import Conflict, Gone, Invalid, NotFound, ServiceException, UserErrorException
from runstone.service.artifacts import Artifacts
from runstone.service.operation import operations
from tests.histories import KINDS, RUNS, Filed, filed
from tests.over_http import through

FIRST, SECOND = RUNS


@pytest.fixture(params=KINDS)
def files(request: pytest.FixtureRequest, face: str, tmp_path: Path) -> Iterator[Filed]:
    with (
        filed(request.param, tmp_path, request) as found,
        through(face, artifacts=found.artifacts) as asked,
    ):
        found.artifacts = asked.artifacts
        yield found


def put(files: Filed, *names: str, content: bytes = b"x", run: str = FIRST) -> None:
    for name in names:
        files.artifacts.upload(run, name, content=io.BytesIO(content))


def names(files: Filed, prefix: str | None = None, run: str = FIRST) -> list[str]:
    return [artifact.name for artifact in files.artifacts.list(run, prefix)]


def content(files: Filed, name: str, version: int | None = None, run: str = FIRST) -> bytes:
    with files.artifacts.open(run, name, version=version) as stream:
        return stream.read()


def test_an_uploaded_file_is_read_back(files: Filed) -> None:
    artifact = files.artifacts.upload(FIRST, "./outputs/model.pkl", content=io.BytesIO(b"weights"))
    assert (artifact.name, artifact.version, artifact.size) == ("outputs/model.pkl", 1, 7)
    assert artifact.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert artifact.created > 1_600_000_000_000_000
    assert files.artifacts.get(FIRST, "outputs//model.pkl") == artifact
    assert files.artifacts.list(FIRST) == (artifact,)
    assert content(files, "outputs\\model.pkl") == b"weights"


def test_an_empty_file_is_a_file(files: Filed) -> None:
    put(files, "empty", content=b"")
    assert files.artifacts.get(FIRST, "empty").size == 0
    assert content(files, "empty") == b""


def test_a_name_again_is_a_new_version(files: Filed) -> None:
    put(files, "model", content=b"one")
    put(files, "model", content=b"two")
    put(files, "model", content=b"two")
    assert [artifact.version for artifact in files.artifacts.versions(FIRST, "model")] == [1, 2, 3]
    assert [artifact.version for artifact in files.artifacts.list(FIRST)] == [3]
    assert content(files, "model") == b"two"
    assert content(files, "model", 1) == b"one"


def test_a_name_again_is_refused_when_it_must_not_be_overwritten(files: Filed) -> None:
    put(files, "model", content=b"one")
    with pytest.raises(Conflict) as caught:
        files.artifacts.upload(FIRST, "model", content=io.BytesIO(b"two"), overwrite=False)
    text = "Resource Conflict: ArtifactId ExperimentRun/dcid.first/model already exists."
    assert caught.value.message == text
    assert isinstance(caught.value, ServiceException)
    assert caught.value.status == 409
    assert len(files.kept) == 1
    files.artifacts.upload(FIRST, "other", content=io.BytesIO(b"two"), overwrite=False)
    assert content(files, "model") == b"one"


def test_a_file_that_is_not_there_is_told_with_those_that_are(files: Filed) -> None:
    put(files, "c", "a", "b")
    for call in (files.artifacts.get, files.artifacts.open, files.artifacts.versions, files.artifacts.delete):
        with pytest.raises(NotFound) as caught:
            call(FIRST, "zzz")
        assert caught.value.message == "File with path zzz was not found,\navailable files include: a,b,c."
        assert isinstance(caught.value, UserErrorException)
    with pytest.raises(NotFound, match=r"available files include: \.$"):
        files.artifacts.get(SECOND, "a")


def test_the_text_of_a_missing_file_has_an_end(files: Filed) -> None:
    put(files, *[f"file-{number:03}" for number in range(120)])
    with pytest.raises(NotFound, match=r"file-000,file-001,.*,file-099,\.\.\. \(120 in all\)\.") as caught:
        files.artifacts.get(FIRST, "zzz")
    assert "file-100" not in caught.value.message


def test_a_version_that_is_not_there_is_told_with_those_that_are(files: Filed) -> None:
    put(files, "model", "model")
    with pytest.raises(NotFound, match="The file model has no version 3,\navailable versions are: 1,2"):
        files.artifacts.get(FIRST, "model", version=3)


def test_a_prefix_is_a_folder(files: Filed) -> None:
    put(files, "outputs/b", "outputs/a/x", "outputs2/c", "outputs", "Outputs/d", "output_/e", "한국어/모델")
    assert names(files, "outputs") == ["outputs", "outputs/a/x", "outputs/b"]
    assert names(files, "outputs/") == ["outputs", "outputs/a/x", "outputs/b"]
    assert names(files, "./outputs/a") == ["outputs/a/x"]
    assert names(files, "output_") == ["output_/e"]
    assert names(files, "한국어") == ["한국어/모델"]
    assert names(files, "out") == []
    assert names(files, "%") == []
    assert len(names(files)) == len(names(files, "")) == len(names(files, "./")) == 7
    with pytest.raises(Invalid):
        names(files, "../")


def test_a_list_is_in_the_order_of_names_whatever_the_database_thinks(files: Filed) -> None:
    given = ["b", "A", "a", "B", "é", "_", "a b", "a-b", "10", "9", "가", "z", "Z"]
    put(files, *given)
    assert names(files) == sorted(given)


def test_a_list_comes_in_pages(files: Filed) -> None:
    put(files, *"edcba")
    pages = []
    after = ""
    while page := files.artifacts.list(FIRST, after=after, limit=2):
        pages.append("".join(artifact.name for artifact in page))
        after = page[-1].name
    assert pages == ["ab", "cd", "e"]


def test_composed_and_decomposed_names_are_one(files: Filed) -> None:
    put(files, "e\u0301te\u0301")
    put(files, "\u00e9t\u00e9")
    assert [(one.name, one.version) for one in files.artifacts.list(FIRST)] == [("\u00e9t\u00e9", 2)]


def test_runs_do_not_see_each_others_files(files: Filed) -> None:
    put(files, "mine", content=b"same")
    put(files, "yours", content=b"same", run=SECOND)
    assert names(files) == ["mine"]
    assert names(files, run=SECOND) == ["yours"]
    assert len(files.kept) == 1


def test_a_deleted_file_is_gone_and_its_name_is_free(files: Filed) -> None:
    put(files, "model", "model", "other")
    files.artifacts.delete(FIRST, "./model")
    assert names(files) == ["other"]
    with pytest.raises(NotFound):
        files.artifacts.get(FIRST, "model", version=1)
    assert files.artifacts.upload(FIRST, "model", content=io.BytesIO(b"new"), overwrite=False).version == 3


def test_a_part_of_a_file_is_read(files: Filed) -> None:
    put(files, "log", content=b"0123456789")
    with files.artifacts.open(FIRST, "log", offset=7) as stream:
        assert stream.read() == b"789"


def test_a_long_name_is_a_name(files: Filed) -> None:
    long = "/".join(["한" * 99] * 50)
    put(files, long)
    assert names(files) == [long]
    assert content(files, long) == b"x"


def test_a_run_that_is_not_there_keeps_no_file(files: Filed) -> None:
    with pytest.raises(NotFound, match="no run 'third'"):
        files.artifacts.upload("ws/third", "x", content=io.BytesIO(b"x"))
    files.delete_run(SECOND)
    with pytest.raises(Gone):
        files.artifacts.upload(SECOND, "x", content=io.BytesIO(b"x"))
    assert files.kept == []


def test_a_run_that_is_deleted_during_an_upload_gets_no_file(files: Filed) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            files.delete_run(FIRST) if not self.tell() else None
            return super().read(size)

    with pytest.raises(Gone):
        files.artifacts.upload(FIRST, "x", content=Slow(b"x"))


def test_what_reads_takes_in_the_journals_first(files: Filed) -> None:
    put(files, "a")
    assert files.settled == 0
    files.artifacts.list(FIRST)
    files.artifacts.get(FIRST, "a")
    files.artifacts.versions(FIRST, "a")
    files.artifacts.open(FIRST, "a").close()
    # over HTTP the size is asked for before the content
    assert files.settled >= 4


def test_the_operations_have_routes() -> None:
    routes = {name: f"{route.verb} {route.path}" for name, route, _ in operations(Artifacts)}
    assert routes == {
        "list": "GET /runs/{run}/artifacts",
        "get": "GET /runs/{run}/artifact",
        "versions": "GET /runs/{run}/artifact/versions",
        "delete": "DELETE /runs/{run}/artifact",
    }

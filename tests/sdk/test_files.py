"""Files of a run: every form of uploading, listing and downloading them (4.5, 8)."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from runstone import Experiment, Run
from runstone.exceptions import ServiceException, UserErrorException


class Trickle(io.RawIOBase):
    """A stream that nobody knows the length of."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = list(parts)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self.parts.pop(0) if self.parts else b""


def content(run: Run, name: str) -> bytes:
    run.download_file(name, "copy")
    return Path("copy").read_bytes()


@pytest.fixture
def tree(project: Path) -> Path:
    """A directory with files at several depths."""
    for name in ("a.txt", "deep/b.txt", "deep/deeper/c.txt"):
        path = project / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return project / "folder"


def test_a_path_and_every_kind_of_stream_are_uploaded(run: Run, tree: Path) -> None:
    run.upload_file("path.txt", tree / "a.txt")
    run.upload_file("text.txt", str(tree / "a.txt"))
    run.upload_file("bytes.bin", io.BytesIO(b"bytes"))
    run.upload_file(name="trickle.bin", path_or_stream=Trickle(b"one ", b"two"))
    with open(tree / "a.txt", "rb") as stream:
        stream.seek(2)
        run.upload_file("rest.txt", stream)
    assert run.get_file_names() == ["bytes.bin", "path.txt", "rest.txt", "text.txt", "trickle.bin"]
    assert content(run, "path.txt") == content(run, "text.txt") == b"a.txt"
    assert content(run, "bytes.bin") == b"bytes"
    assert content(run, "trickle.bin") == b"one two"
    assert content(run, "rest.txt") == b"txt"


def test_a_stream_of_text_is_refused(run: Run) -> None:
    with pytest.raises(UserErrorException, match="binary mode"):
        run.upload_file("text.txt", io.StringIO("text"))
    assert run.get_file_names() == []


def test_what_is_no_file_is_refused_without_waiting(run: Run, project: Path) -> None:
    os.mkfifo(project / "fifo")
    with pytest.raises(FileNotFoundError):
        run.upload_file("outputs/x", "nothing")
    for path, kind in ((project / "fifo", "a FIFO"), (project, "a directory")):
        with pytest.raises(UserErrorException, match=kind):
            run.upload_file("outputs/x", path)
    assert run.get_file_names() == []


def test_a_name_again_is_a_new_version_unless_overwriting_is_refused(run: Run) -> None:
    first = run.upload_file("outputs/x", io.BytesIO(b"1"))
    second = run.upload_file("./outputs/x", io.BytesIO(b"2"))
    assert (first.version, second.version) == (1, 2)
    assert content(run, "outputs/x") == b"2"
    message = f"Resource Conflict: ArtifactId ExperimentRun/dcid.{run.id}/outputs/x already exists."
    with pytest.raises(UserErrorException) as caught:
        run.upload_file("outputs/x", io.BytesIO(b"3"), overwrite=False)
    assert caught.value.message == message
    assert isinstance(caught.value, ServiceException)
    assert caught.value.status_code == 409
    assert content(run, "outputs/x") == b"2"


@pytest.mark.parametrize("name", ["/abs/x", "../x", "a/../../x", "w\\..\\..\\x", "C:x", "nul\0", "", "."])
def test_a_name_that_leads_out_is_refused(run: Run, name: str) -> None:
    with pytest.raises(UserErrorException):
        run.upload_file(name, io.BytesIO(b"x"))
    assert run.get_file_names() == []


def test_names_are_normalised(run: Run) -> None:
    for number, name in enumerate(("./outputs/a", "outputs//b", "outputs\\c", "출력/모델.pkl")):
        run.upload_file(name, io.BytesIO(bytes([number])))
    assert run.get_file_names() == ["outputs/a", "outputs/b", "outputs/c", "출력/모델.pkl"]
    assert content(run, "outputs\\c") == content(run, ".//outputs//c") == b"\2"


def test_several_files_are_uploaded(run: Run, tree: Path) -> None:
    paths = [str(tree / "a.txt"), tree / "deep" / "b.txt"]
    assert run.upload_files(["x", "y/z"], paths) is None
    artifacts = run.upload_files(["x", "y/z"], paths, return_artifacts=True, timeout_seconds=5)
    assert artifacts is not None
    assert [(one.name, one.version) for one in artifacts] == [("x", 2), ("y/z", 2)]
    message = "names and paths must be lists of equal lengths. Names was of length 1 and paths of length 2."
    with pytest.raises(TypeError, match=message):
        run.upload_files(["x"], paths)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("stuff", "stuff/"), ("./stuff/", "stuff/"), ("a/b", "a/b/"), ("", ""), (".", ""), ("./", "")],
)
def test_a_folder_is_uploaded_under_its_name(run: Run, tree: Path, name: str, prefix: str) -> None:
    run.upload_folder(name, tree)
    assert run.get_file_names() == [
        f"{prefix}{below}" for below in ("a.txt", "deep/b.txt", "deep/deeper/c.txt")
    ]


def test_a_folder_that_is_none_is_told_so(run: Run, tree: Path) -> None:
    message = "Cannot upload path: nosub since it is not a valid directory."
    with pytest.raises(UserErrorException, match=message):
        run.upload_folder("x", "nosub")
    with pytest.raises(UserErrorException, match="not a valid directory"):
        run.upload_folder("x", tree / "a.txt")


@pytest.mark.parametrize(
    ("target", "place"),
    [
        (None, "b.txt"),
        ("out/x.txt", "out/x.txt"),
        ("new/", "new/b.txt"),
        ("folder", "folder/b.txt"),
        (Path("p"), "p"),
    ],
)
def test_a_file_is_downloaded_to_where_it_was_asked_for(
    run: Run, tree: Path, target: Any, place: str
) -> None:
    run.upload_file("deep/b.txt", io.BytesIO(b"content"))
    run.download_file("deep/b.txt", target)
    assert Path(place).read_bytes() == b"content"


def test_a_file_that_is_not_there_is_told_with_those_that_are(run: Run) -> None:
    for name in "abc":
        run.upload_file(name, io.BytesIO(b""))
    with pytest.raises(UserErrorException) as caught:
        run.download_file("zzz")
    assert caught.value.message == "File with path zzz was not found,\navailable files include: a,b,c."
    assert not Path("zzz").exists()


FOLDERS = [
    (None, True, ["other", "stuff/a.txt", "stuff/deep/b.txt", "stuffed/x"]),
    ("", False, ["other", "stuff/a.txt", "stuff/deep/b.txt", "stuffed/x"]),
    ("stuff", True, ["stuff/a.txt", "stuff/deep/b.txt"]),
    ("stuff/", True, ["stuff/a.txt", "stuff/deep/b.txt"]),
    ("stuff", False, ["a.txt", "deep/b.txt"]),
    ("./stuff/", False, ["a.txt", "deep/b.txt"]),
    (".\\stuff", False, ["a.txt", "deep/b.txt"]),
    ("stuff//deep", False, ["b.txt"]),
    ("stuff/a.txt", True, ["stuff/a.txt"]),
    ("stuff/a.txt", False, ["a.txt"]),
    ("stu", False, []),
]


@pytest.mark.parametrize(("prefix", "append", "found"), FOLDERS)
def test_a_folder_is_downloaded_with_or_without_its_prefix(
    run: Run, prefix: str | None, append: bool, found: list[str]
) -> None:
    for name in ("stuff/a.txt", "stuff/deep/b.txt", "stuffed/x", "other"):
        run.upload_file(name, io.BytesIO(name.encode()))
    run.download_files(prefix, "out", append_prefix=append)
    files = (path for path in Path("out").rglob("*") if path.is_file())
    assert sorted(path.relative_to("out").as_posix() for path in files) == found


def test_files_are_downloaded_to_paths_of_their_own(run: Run) -> None:
    for name in ("x/1", "x/2"):
        run.upload_file(name, io.BytesIO(name.encode()))
    run.download_files("x", output_paths=["one", "there/two"])
    assert (Path("one").read_text(), Path("there/two").read_text()) == ("x/1", "x/2")
    with pytest.raises(UserErrorException, match="1 paths for 2 files"):
        run.download_files("x", output_paths=["one"])


def test_a_download_does_not_go_through_links_of_the_directory(run: Run, project: Path) -> None:
    outside = project.parent / f"{project.name}-outside"
    outside.mkdir()
    (project / "out").mkdir()
    (project / "out" / "stuff").symlink_to(outside)
    run.upload_file("stuff/a.txt", io.BytesIO(b"x"))
    with pytest.raises(UserErrorException, match="symbolic link"):
        run.download_files(None, "out")
    assert list(outside.iterdir()) == []


def test_logs_are_downloaded_with_their_folders(run: Run) -> None:
    names = ("logs/a.txt", "user_logs/std_log.txt", "system_logs/x/y", "azureml-logs/70_driver_log.txt")
    for name in (*names, "outputs/x", "mylogs/x"):
        run.upload_file(name, io.BytesIO(name.encode()))
    paths = run.get_all_logs()
    assert sorted(paths) == sorted(f"{run.id}/{name}" for name in names)
    assert sorted(run.get_all_logs(destination="there")) == sorted(f"there/{name}" for name in names)
    assert all(Path(path).read_text() in path for path in paths)


def test_a_file_is_whole_or_not_there(run: Run) -> None:
    class Torn(Trickle):
        def read(self, size: int = -1) -> bytes:
            if not self.parts:
                raise OSError("the cable")
            return super().read(size)

    with pytest.raises(OSError, match="the cable"):
        run.upload_file("x", Torn(b"half"))
    assert run.get_file_names() == []


def test_outputs_are_uploaded_when_the_run_completes(run: Run, project: Path) -> None:
    (project / "outputs" / "deep").mkdir(parents=True)
    (project / "outputs" / "deep" / "model.pkl").write_bytes(b"weights")
    run.complete()
    assert run.get_file_names() == ["outputs/deep/model.pkl"]


def test_a_file_that_changed_since_it_was_uploaded_is_uploaded_again(run: Run, project: Path) -> None:
    (project / "outputs").mkdir()
    for name in ("same", "other"):
        (project / "outputs" / name).write_bytes(b"old")
        run.upload_file(f"outputs/{name}", project / "outputs" / name)
    (project / "outputs" / "other").write_bytes(b"new")
    run.complete()
    run.complete()
    assert content(run, "outputs/other") == b"new"
    versions = {one.name: one.version for one in run._service.artifacts.list(run._ref)}
    assert versions == {"outputs/same": 1, "outputs/other": 2}


@pytest.mark.parametrize(
    ("outputs", "found"),
    [
        (None, ["outputs/x"]),
        (True, ["outputs/x"]),
        (False, []),
        ("results", ["results/y"]),
        ("./results/", ["results/y"]),
        ("results/deep", ["results/deep/z"]),
    ],
)
def test_outputs_are_of_the_directory_that_was_named(
    experiment: Experiment, project: Path, outputs: Any, found: list[str]
) -> None:
    for name in ("outputs/x", "results/y", "results/deep/z"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(name)
    if outputs == "results" or outputs == "./results/":
        found = [*found, "results/deep/z"]
    run = experiment.start_logging(outputs=outputs)
    run.complete()
    assert run.get_file_names() == sorted(found)


def test_outputs_from_elsewhere_are_named_by_their_directory(
    experiment: Experiment, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "far").mkdir()
    (project / "far" / "x").write_text("x")
    first = experiment.start_logging(outputs=str(project / "far"))
    first.complete()
    monkeypatch.chdir(project / "far")
    second = experiment.start_logging(outputs=".")
    second.complete()
    assert first.get_file_names() == second.get_file_names() == ["far/x"]


def test_a_child_uploads_outputs_only_when_it_was_told_a_directory(run: Run, project: Path) -> None:
    (project / "outputs").mkdir()
    (project / "outputs" / "x").write_text("x")
    silent, told = run.child_run(), run.child_run(outputs="outputs")
    silent.complete()
    told.complete()
    assert silent.get_file_names() == []
    assert told.get_file_names() == ["outputs/x"]


def test_files_of_a_script_may_be_called_system(run: Run) -> None:
    run.upload_file("system/mine.txt", io.BytesIO(b"x"))
    assert run.get_file_names() == ["system/mine.txt"]


def test_threads_upload_at_the_same_time(run: Run) -> None:
    def upload(number: int) -> None:
        for turn in range(5):
            run.upload_file(f"{number}/{turn}", io.BytesIO(bytes([number, turn])))

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(run.get_file_names()) == 20

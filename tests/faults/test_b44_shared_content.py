"""b44: the same file twice and two at once, contents that several share, sweeping during uploads."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

import runstone
from runstone.model.errors import Conflict, NotFound
from runstone.model.models import ModelFile, NewModel
from runstone.service.models import Models
from tests.histories import KINDS, RUNS, Filed, filed

FIRST, SECOND = RUNS
SOURCES = str(Path(runstone.__file__).parent.parent)
# Uploads the same names and contents as its siblings do, and says which versions it was given.
UPLOADER = """
import io, sys
from pathlib import Path
from runstone.service.artifacts import Artifacts
from runstone.store.blobs import Directory
from runstone.store.database import open_database

at, root, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
artifacts = Artifacts(open_database(at), Directory(root), settle=lambda: None)
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    content = bytes([number]) * 300_000
    print(artifacts.upload("ws/first", "model", content=io.BytesIO(content)).version)
"""


@pytest.fixture(params=KINDS)
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Filed]:
    with filed(request.param, tmp_path, request) as found:
        yield found


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What the calls answer, or raise, when they begin at the same moment."""
    barrier = Barrier(len(calls))

    def begin(call: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return call()
        except Conflict as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(begin, calls))


def put(files: Filed, name: str, content: bytes, run: str = FIRST, *, overwrite: bool = True) -> int:
    return files.artifacts.upload(run, name, content=io.BytesIO(content), overwrite=overwrite).version


def test_threads_that_upload_one_name_each_get_a_version(
    files: Filed, count: Callable[[int, int], int]
) -> None:
    for _ in range(count(3, 100)):
        calls = [lambda n=n: put(files, "model", bytes([n % 2])) for n in range(6)]
        at_once(*calls)
    given = [artifact.version for artifact in files.artifacts.versions(FIRST, "model")]
    assert given == list(range(1, 6 * count(3, 100) + 1))
    assert len(files.kept) == 2
    assert files.artifacts.damaged(thorough=True) == ()


def test_of_several_that_must_not_overwrite_one_wins(files: Filed, count: Callable[[int, int], int]) -> None:
    for number in range(count(5, 200)):
        name = f"model-{number}"
        calls = [lambda n=n, name=name: put(files, name, bytes([n]), overwrite=False) for n in range(4)]
        answers = at_once(*calls)
        assert sorted(isinstance(answer, Conflict) for answer in answers) == [False, True, True, True]
        assert len(files.artifacts.versions(FIRST, name)) == 1


def test_processes_that_upload_one_name_each_get_a_version(
    files: Filed, count: Callable[[int, int], int]
) -> None:
    each = count(5, 100)
    command = [sys.executable, "-c", UPLOADER, files.at, str(files.root), str(each)]
    started = [
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": SOURCES},
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    outputs = [process.communicate("go\n")[0] for process in started]
    assert [process.returncode for process in started] == [0] * 4
    assert sorted(int(line) for output in outputs for line in output.split()) == list(range(1, 4 * each + 1))
    assert len(files.kept) == each
    assert files.artifacts.damaged(thorough=True) == ()


def test_content_that_another_refers_to_outlives_a_deletion(files: Filed) -> None:
    put(files, "a", b"shared")
    put(files, "b", b"shared", SECOND)
    files.artifacts.delete(FIRST, "a")
    files.age()
    assert files.artifacts.sweep(older_than=-1) == 0
    with files.artifacts.open(SECOND, "b") as stream:
        assert stream.read() == b"shared"
    files.artifacts.delete(SECOND, "b")
    assert files.artifacts.sweep(older_than=-1) == 1
    assert files.kept == []
    assert put(files, "b", b"shared", SECOND) == 1


def test_what_was_deleted_within_a_day_is_not_swept(files: Filed) -> None:
    put(files, "a", b"content")
    files.artifacts.delete(FIRST, "a")
    files.age()
    assert files.artifacts.sweep() == 0
    assert len(files.kept) == 1


def test_a_version_that_is_not_the_newest_keeps_its_content(files: Filed) -> None:
    put(files, "a", b"old")
    put(files, "a", b"new")
    files.age()
    assert files.artifacts.sweep(older_than=-1) == 0
    assert len(files.kept) == 2


def test_a_sweep_never_takes_what_is_being_uploaded(files: Filed, count: Callable[[int, int], int]) -> None:
    """The content is there, old, and nobody refers to it: one process sweeps while others upload it again."""
    swept = 0
    for number in range(count(15, 1000)):
        files.blobs.put(io.BytesIO(b"shared"))
        files.age()
        calls = [lambda n=n, number=number: put(files, f"{number}-{n}", b"shared") for n in range(2)]
        answers = at_once(files.artifacts.sweep, *calls)
        swept += int(str(answers[0]))
        assert files.artifacts.damaged(thorough=True) == ()
        for n in range(2):
            files.artifacts.delete(FIRST, f"{number}-{n}")
        files.age()
        files.artifacts.sweep(older_than=-1)
    print(f"{swept} were swept before they were uploaded")


def test_an_upload_that_fails_at_the_end_leaves_no_row(files: Filed) -> None:
    class Deleting(io.BytesIO):
        """A stream at whose end somebody removes the run."""

        def read(self, size: int | None = -1) -> bytes:
            part = super().read(size)
            if not part:
                files.delete_run(FIRST)
            return part

    with pytest.raises(Exception, match="was deleted"):
        files.artifacts.upload(FIRST, "a", content=Deleting(b"content"))
    files.age()
    assert files.artifacts.sweep() == 1
    assert files.kept == []


def test_a_registered_model_outlives_its_run(files: Filed) -> None:
    models = Models(files.database, files.blobs)
    put(files, "out/model", b"trained")
    put(files, "out/log", b"scrap")
    models.register("ws", NewModel("digits", "out/model", run=FIRST.partition("/")[2]))
    for name in ("out/model", "out/log"):
        files.artifacts.delete(FIRST, name)
    files.delete_run(FIRST)
    files.age()
    assert files.artifacts.sweep(older_than=-1) == 1
    with models.open("ws", "digits", version=1, path="model") as stream:
        assert stream.read() == b"trained"
    # what was lost all the same is named, though no run has it any more
    (files.root / files.kept[0]).unlink()
    (damage,) = files.artifacts.damaged()
    assert (damage.run, damage.artifact.name) == ("ws/models/digits:1", "model")


def test_a_content_goes_with_the_last_version_of_a_model_that_has_it(files: Filed) -> None:
    models = Models(files.database, files.blobs)
    put(files, "model", b"trained")
    for _ in range(2):
        models.register("ws", NewModel("digits", "model", run=FIRST.partition("/")[2]))
    files.artifacts.delete(FIRST, "model")
    models.delete("ws", "digits", version=1)
    files.age()
    assert files.artifacts.sweep(older_than=-1) == 0
    models.delete("ws", "digits", version=2)
    # a day of grace, as for files of runs
    assert files.artifacts.sweep() == 0
    assert files.artifacts.sweep(older_than=-1) == 1
    assert files.kept == []


def test_a_sweep_never_takes_what_is_being_registered(files: Filed, count: Callable[[int, int], int]) -> None:
    """Old contents are swept while others make models of them: of a run's file, and of files kept anew."""
    models = Models(files.database, files.blobs)
    run = FIRST.partition("/")[2]

    def of_run(name: str) -> object:
        try:
            return models.register("ws", NewModel(name, "model", run=run))
        except NotFound as error:
            return error

    def of_files(name: str) -> object:
        blob = files.blobs.put(io.BytesIO(b"local"))
        return models.register("ws", NewModel(name, "m", files=(ModelFile("m", blob.sha256, blob.size),)))

    def clear() -> int:
        files.artifacts.delete(FIRST, "model")
        return files.artifacts.sweep()

    for number in range(count(15, 1000)):
        put(files, "model", b"trained")
        files.blobs.put(io.BytesIO(b"local"))
        files.age()
        at_once(
            clear, *[lambda call=call, n=number: call(f"{call.__name__}-{n}") for call in (of_run, of_files)]
        )
        assert files.artifacts.damaged(thorough=True) == ()
        for model in models.list("ws"):
            models.delete("ws", model.name, version=model.version)
        files.age()
        files.artifacts.sweep(older_than=-1)

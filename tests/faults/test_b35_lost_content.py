"""b35, for files: content that is missing, cut short or changed is told by name, the rest stays readable."""

from __future__ import annotations

import io
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

import runstone
from runstone.model.errors import Unreadable
from runstone.store.blobs import PART
from tests.histories import KINDS, RUNS, Filed, filed

FIRST, SECOND = RUNS
SOURCES = str(Path(runstone.__file__).parent.parent)
KILLED = """
import io, pathlib, sys, time
from runstone.store.blobs import Directory
class Slow(io.BytesIO):
    def read(self, size=-1):
        if self.tell() > 3_000_000:
            print("half way", flush=True)
            time.sleep(60)
        return super().read(size)
Directory(pathlib.Path(sys.argv[1])).put(Slow(bytes(10_000_000)))
"""
LIMITED = """
import io, pathlib, resource, sys
from runstone.model.errors import Full
from runstone.store.blobs import Directory
blobs = Directory(pathlib.Path(sys.argv[1]))
small = blobs.put(io.BytesIO(b"small"))
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
try:
    blobs.put(io.BytesIO(bytes(10_000_000)))
except Full as error:
    print(error.status, error)
print(blobs.verify(small.sha256).size)
"""
FORBIDDEN = """
import io, os, pathlib, sys
from runstone.model.errors import Invalid
from runstone.store.blobs import Directory
root = pathlib.Path(sys.argv[1])
root.mkdir()
root.chmod(0o555)
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    Directory(root).put(io.BytesIO(b"x"))
except Invalid as error:
    print(error)
"""


@pytest.fixture(params=KINDS)
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Filed]:
    with filed(request.param, tmp_path, request) as found:
        yield found


def put(files: Filed, name: str, content: bytes, run: str = FIRST) -> Path:
    sha256 = files.artifacts.upload(run, name, content=io.BytesIO(content)).sha256
    return files.root / sha256[:2] / sha256


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << at % 8
    path.write_bytes(content)


def test_changed_content_is_never_given_out_whole(
    files: Filed, rng: Random, count: Callable[[int, int], int]
) -> None:
    content = rng.randbytes(2 * PART + 5)
    path = put(files, "model", content)
    for at in [0, PART, len(content) - 1, *(rng.randrange(len(content)) for _ in range(count(5, 500)))]:
        flip(path, at)
        taken = io.BytesIO()
        with files.artifacts.open(FIRST, "model") as stream, pytest.raises(Unreadable, match="checksum"):
            shutil.copyfileobj(stream, taken, 4096)
        assert taken.tell() < len(content)
        flip(path, at)
    with files.artifacts.open(FIRST, "model") as stream:
        assert stream.read() == content


@pytest.mark.parametrize("kept", [0, 1, 499, 999])
def test_content_that_was_cut_short_is_told(files: Filed, kept: int) -> None:
    path = put(files, "model", bytes(1000))
    path.write_bytes(bytes(kept))
    with files.artifacts.open(FIRST, "model") as stream, pytest.raises(Unreadable, match="runstone doctor"):
        stream.read()


def test_content_that_grew_is_told(files: Filed) -> None:
    path = put(files, "model", b"content")
    path.write_bytes(b"content and more")
    with files.artifacts.open(FIRST, "model") as stream, pytest.raises(Unreadable, match="16 bytes"):
        stream.read()


def test_missing_content_is_told_at_once_and_the_rest_is_readable(files: Filed) -> None:
    put(files, "model", b"one").unlink()
    put(files, "other", b"two")
    with pytest.raises(Unreadable, match="cannot be read"):
        files.artifacts.open(FIRST, "model")
    assert [artifact.name for artifact in files.artifacts.list(FIRST)] == ["model", "other"]
    with files.artifacts.open(FIRST, "other") as stream:
        assert stream.read() == b"two"


def test_damage_is_told_by_the_names_of_the_files(files: Filed) -> None:
    put(files, "whole", b"whole")
    put(files, "missing", b"missing").unlink()
    put(files, "missing too", b"missing", SECOND)
    put(files, "short", b"short").write_bytes(b"sho")
    flip(put(files, "changed", b"changed"), 3)
    put(files, "deleted", b"deleted").unlink()
    files.artifacts.delete(FIRST, "deleted")
    assert {(one.run, one.artifact.name) for one in files.artifacts.damaged()} == {(FIRST, "short")}
    (files.root / files.artifacts.get(FIRST, "missing").sha256[:2]).joinpath(
        files.artifacts.get(FIRST, "missing").sha256
    ).unlink()
    found = {(one.run, one.artifact.name): one.reason for one in files.artifacts.damaged(thorough=True)}
    assert set(found) == {(FIRST, "missing"), (SECOND, "missing too"), (FIRST, "short"), (FIRST, "changed")}
    assert found[FIRST, "missing"] == "its content is missing"
    assert found[FIRST, "short"] == "its content is not 5 bytes long, as it was"
    assert "does not match its checksum" in found[FIRST, "changed"]


def test_lost_content_is_mended_by_uploading_it_again(files: Filed) -> None:
    put(files, "model", b"content").unlink()
    put(files, "copy", b"content", SECOND)
    assert files.artifacts.damaged(thorough=True) == ()


def test_an_upload_that_is_killed_leaves_nothing_that_can_be_seen(files: Filed) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(files.root)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": SOURCES},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half way\n"
        process.send_signal(signal.SIGKILL)
    assert list(files.blobs) == []
    assert len(files.kept) == 1
    files.age()
    files.artifacts.sweep()
    assert files.kept == []


def test_a_full_disk_is_told_and_what_is_there_stays_readable(tmp_path: Path) -> None:
    told = run(LIMITED, tmp_path / "blobs")
    text = f"The disk under {tmp_path}/blobs is full or failing (File too large); reading still works."
    assert told == f"507 {text}\n5\n"
    assert list((tmp_path / "blobs" / "tmp").iterdir()) == []


def test_a_directory_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    told = run(FORBIDDEN, tmp_path / "blobs")
    assert told == f"{tmp_path}/blobs cannot be used (Permission denied); check its owner and permissions.\n"


def run(code: str, root: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": SOURCES},
    )
    assert done.stderr == ""
    return done.stdout

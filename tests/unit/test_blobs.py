"""The directory of blobs: streamed, verified, kept once, swept with a period of grace."""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from runstone.model.artifacts import Blob
from runstone.model.errors import Full, Invalid, Unreadable
from runstone.store.blobs import PART, Blobs, Directory

DAY = 24 * 3600.0


class Endless(io.RawIOBase):
    """A stream of zeros that is not in memory; it counts how it is read."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.largest = 0

    def read(self, size: int = -1) -> bytes:
        self.largest = max(self.largest, size if size >= 0 else self.left)
        count = min(size, self.left)
        self.left -= count
        return bytes(count)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(root: Path) -> Blobs:
    return Directory(root)


def age(root: Path, seconds: float = 2 * DAY) -> None:
    then = time.time() - seconds
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def files(root: Path) -> list[str]:
    return sorted(
        str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.name != "lock"
    )


def never(sha256: str) -> bool:
    return False


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART])
def test_what_is_put_is_read_back(blobs: Blobs, root: Path, rng: Random, size: int) -> None:
    content = rng.randbytes(size)
    blob = blobs.put(io.BytesIO(content))
    assert blob == Blob(hashlib.sha256(content).hexdigest(), size)
    assert files(root) == [f"{blob.sha256[:2]}/{blob.sha256}"]
    assert blobs.exists(blob.sha256, size=size)
    assert blobs.verify(blob.sha256) == blob
    assert list(blobs) == [blob.sha256]
    with blobs.open(blob.sha256) as stream:
        assert stream.read() == content
        assert stream.read() == b""


def test_the_rest_of_a_stream_is_put(blobs: Blobs) -> None:
    stream = io.BytesIO(b"header,body")
    stream.seek(7)
    assert blobs.put(stream) == Blob(hashlib.sha256(b"body").hexdigest(), 4)


def test_a_part_of_it_is_read_from_an_offset(blobs: Blobs, rng: Random) -> None:
    content = rng.randbytes(PART + 10)
    sha256 = blobs.put(io.BytesIO(content)).sha256
    for offset in (1, PART, PART + 9, PART + 10, PART + 11):
        with blobs.open(sha256, offset=offset) as stream:
            assert stream.read() == content[offset:]


def test_a_reader_may_seek(blobs: Blobs) -> None:
    sha256 = blobs.put(io.BytesIO(b"0123456789")).sha256
    with blobs.open(sha256) as stream:
        assert stream.seek(-3, os.SEEK_END) == 7
        assert stream.read() == b"789"
        assert stream.seek(0) == 0
        assert stream.read(2) == b"01"
        assert stream.tell() == 2
        assert os.fstat(stream.fileno()).st_size == 10


def test_the_same_content_is_kept_once(blobs: Blobs, root: Path) -> None:
    first = blobs.put(io.BytesIO(b"same"))
    inode = (root / files(root)[0]).stat().st_ino
    assert blobs.put(io.BytesIO(b"same")) == first
    assert [(root / name).stat().st_ino for name in files(root)] == [inode]


def test_content_that_has_been_cut_short_is_mended_by_putting_it_again(blobs: Blobs, root: Path) -> None:
    blob = blobs.put(io.BytesIO(b"whole"))
    (root / files(root)[0]).write_bytes(b"who")
    assert not blobs.exists(blob.sha256, size=5)
    blobs.put(io.BytesIO(b"whole"))
    assert blobs.verify(blob.sha256) == blob


def test_a_large_file_is_never_in_memory(blobs: Blobs) -> None:
    stream = Endless(64 * PART)
    tracemalloc.start()
    blob = blobs.put(stream)  # type: ignore[arg-type]
    blobs.verify(blob.sha256)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert blob.size == 64 * PART
    assert stream.largest <= PART
    assert peak < 8 * PART


@pytest.mark.parametrize("stream", [io.StringIO("text"), io.StringIO("")])
def test_a_stream_of_text_is_refused(blobs: Blobs, root: Path, stream: io.StringIO) -> None:
    with pytest.raises(Invalid, match=r"binary stream, as open\(path, 'rb'\).* gave str"):
        blobs.put(stream)  # type: ignore[arg-type]
    assert files(root) == []


def test_a_stream_that_fails_leaves_nothing(blobs: Blobs, root: Path) -> None:
    class Broken(io.RawIOBase):
        parts = iter([b"some"])

        def read(self, size: int = -1) -> bytes:
            for part in self.parts:
                return part
            raise OSError(5, "the user's disk fails")

    with pytest.raises(OSError, match="the user's disk fails"):
        blobs.put(Broken())  # type: ignore[arg-type]
    assert files(root) == []


@pytest.mark.parametrize(
    "sha256", ["", "x", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n", "0" * 65, None]
)
def test_only_a_hash_names_a_content(blobs: Blobs, sha256: str) -> None:
    for call in (blobs.open, blobs.exists, blobs.delete, blobs.verify):
        with pytest.raises(Invalid, match="64 hexadecimal digits"):
            call(sha256)


def test_an_offset_before_the_start_is_refused(blobs: Blobs) -> None:
    with pytest.raises(Invalid, match="got -1"):
        blobs.open(blobs.put(io.BytesIO(b"x")).sha256, offset=-1)


def test_content_that_is_not_there_is_unreadable(blobs: Blobs) -> None:
    missing = hashlib.sha256(b"never put").hexdigest()
    assert not blobs.exists(missing)
    assert not blobs.delete(missing)
    with pytest.raises(Unreadable, match=f"{missing} cannot be read.*No such file.*runstone doctor"):
        blobs.open(missing)


def test_deleted_content_is_gone(blobs: Blobs) -> None:
    sha256 = blobs.put(io.BytesIO(b"x")).sha256
    assert blobs.delete(sha256)
    assert not blobs.exists(sha256)
    assert list(blobs) == []


def test_a_sweep_takes_what_nobody_refers_to_once_it_is_old(blobs: Blobs, root: Path) -> None:
    kept = blobs.put(io.BytesIO(b"kept")).sha256
    lost = blobs.put(io.BytesIO(b"lost")).sha256
    assert blobs.sweep(never) == []
    age(root)
    young = blobs.put(io.BytesIO(b"young")).sha256
    assert blobs.sweep({kept}.__contains__) == [lost]
    assert set(blobs) == {kept, young}


def test_content_that_is_put_again_is_young_again(blobs: Blobs, root: Path) -> None:
    blobs.put(io.BytesIO(b"again"))
    age(root)
    blobs.put(io.BytesIO(b"again"))
    assert blobs.sweep(never) == []


def test_a_sweep_asks_about_what_is_old_alone(blobs: Blobs, root: Path) -> None:
    old = blobs.put(io.BytesIO(b"old")).sha256
    age(root)
    blobs.put(io.BytesIO(b"young"))
    asked: list[str] = []
    assert blobs.sweep(lambda sha256: not asked.append(sha256)) == []  # type: ignore[func-returns-value]
    assert asked == [old]


def test_a_sweep_of_nothing_does_nothing(blobs: Blobs, root: Path) -> None:
    assert blobs.sweep(never) == []
    assert not root.exists()


def test_a_sweep_removes_what_an_interrupted_upload_left(blobs: Blobs, root: Path) -> None:
    sha256 = blobs.put(io.BytesIO(b"x")).sha256
    (root / "tmp" / "left-over").write_bytes(b"half")
    assert blobs.sweep(never) == []
    assert "tmp/left-over" in files(root)
    age(root)
    assert blobs.sweep(never) == [sha256]
    assert files(root) == []


def test_foreign_files_are_left_alone(blobs: Blobs, root: Path) -> None:
    blobs.put(io.BytesIO(b"x"))
    (root / "00").mkdir(exist_ok=True)
    (root / "00" / "README").write_text("not ours")
    age(root)
    blobs.sweep(never)
    assert files(root) == ["00/README"]


def test_a_path_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file, where a directory should be")
    with pytest.raises(Invalid, match=f"{tmp_path}/blobs.*check its owner and permissions"):
        Directory(tmp_path / "blobs").put(io.BytesIO(b"x"))


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "mkdir", "open"])
def test_whatever_call_fails_nothing_is_half_there(
    blobs: Blobs, root: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    failures = 0
    while True:
        with monkeypatch.context() as patch:
            patch.setattr(os, call, failing_at(failures, getattr(os, call)))
            try:
                blobs.put(io.BytesIO(bytes(PART + 1)))
                break
            except Full as error:
                told = error.message
        failures += 1
        assert f"The disk under {root}" in told
        assert not [name for name in files(root) if name.startswith("tmp")]
        assert all(blobs.verify(sha256) and blobs.delete(sha256) for sha256 in blobs)
    assert failures > 0


def failing_at(number: int, real: Callable[..., object]) -> Callable[..., object]:
    """The call, but for one time when the disk is full."""
    turns = itertools.count()

    def call(*given: object, **named: object) -> object:
        if next(turns) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*given, **named)

    return call

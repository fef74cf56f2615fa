"""Files by the hash of their content. No name that a user gave is ever a path here."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Protocol

from runstone.model.artifacts import Blob
from runstone.model.errors import Full, Invalid, Unreadable

PART = 1 << 20
GRACE = 24 * 3600.0
FORCED = 64 * PART

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_LOST = {errno.ENOENT, errno.ENOTDIR, errno.EIO}
_LOCK = "lock"
_TEMPORARY = "tmp"


class Blobs(Protocol):
    """Where contents are kept, each once. Safe to use from threads, processes and forks."""

    def put(self, stream: BinaryIO) -> Blob:
        """Keep what the stream still holds; on return the content is there and survives a loss of power."""

    def open(self, sha256: str, *, offset: int = 0) -> BinaryIO:
        """The content from a byte on; Unreadable at once when it is missing.

        Read from the start to the end, it is verified: the read that would give the last bytes raises
        Unreadable when they are not what was kept. After an offset or a seek nothing is verified.
        """

    def exists(self, sha256: str, *, size: int | None = None) -> bool:
        """Whether the content is there (and has that size)."""

    def delete(self, sha256: str) -> bool:
        """Remove the content, whoever refers to it; whether it was there."""

    def sweep(self, referenced: Callable[[str], bool], *, older_than: float = GRACE) -> list[str]:
        """Remove what nobody refers to and nobody has put for ``older_than`` seconds; what was removed.

        ``referenced`` is asked about one content at a time, while nobody can put it.
        """

    def verify(self, sha256: str) -> Blob:
        """Read the whole content; Unreadable when it is missing or not what was kept."""

    def __iter__(self) -> Iterator[str]:
        """The hashes of all contents, in no order."""


class Directory:
    """Blobs as files ``ab/<sha256>`` of one directory, each written aside, forced to the disk and renamed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, stream: BinaryIO) -> Blob:
        """See ``Blobs.put``; streamed in parts, never whole in memory."""
        parts = _parts(stream)
        begun = [*islice(parts, 2)]
        if len(begun) < 2 and (known := self._known(b"".join(begun))):
            return known
        with self._temporary() as (file, path):
            digest, size = hashlib.sha256(), 0
            for part in chain(begun, parts):
                digest.update(part)
                size += len(part)
                with _told(self.root):
                    _write(file, part)
            blob = Blob(digest.hexdigest(), size)
            self._keep(blob, file, path)
        return blob

    def open(self, sha256: str, *, offset: int = 0) -> BinaryIO:
        """See ``Blobs.open``."""
        if offset < 0:
            raise Invalid(f"An offset counts bytes from the start, 0 or more; got {offset}.")
        path = self._path(sha256)
        with _told(path, sha256):
            raw = _Verified(path)
        stream = io.BufferedReader(raw, PART)
        if offset:
            stream.seek(offset)
        return stream

    def exists(self, sha256: str, *, size: int | None = None) -> bool:
        """See ``Blobs.exists``."""
        path = self._path(sha256)
        with _told(path):
            try:
                found = path.stat()
            except FileNotFoundError:
                return False
        return size is None or found.st_size == size

    def delete(self, sha256: str) -> bool:
        """See ``Blobs.delete``."""
        path = self._path(sha256)
        with _told(path):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            _force(path.parent)
        return True

    def sweep(self, referenced: Callable[[str], bool], *, older_than: float = GRACE) -> list[str]:
        """See ``Blobs.sweep``; removes left-over temporary files, too."""
        before = time.time() - older_than
        for path in self._files(_TEMPORARY):
            with _told(path):
                if _older(path, before):
                    path.unlink(missing_ok=True)
        return [sha256 for sha256 in self if self._swept(sha256, referenced, before)]

    def verify(self, sha256: str) -> Blob:
        """See ``Blobs.verify``."""
        with self.open(sha256) as stream:
            return Blob(sha256, sum(len(part) for part in _parts(stream)))

    def __iter__(self) -> Iterator[str]:
        for number in range(256):
            for path in self._files(f"{number:02x}"):
                if _SHA256.fullmatch(path.name):
                    yield path.name

    def _path(self, sha256: str) -> Path:
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise Invalid(f"A SHA-256 is 64 hexadecimal digits in lower case; got {sha256!r}.")
        return self.root / sha256[:2] / sha256

    def _files(self, folder: str) -> list[Path]:
        try:
            return sorted((self.root / folder).iterdir())
        except FileNotFoundError:
            return []

    @contextmanager
    def _temporary(self) -> Iterator[tuple[int, Path]]:
        path = self.root / _TEMPORARY / uuid.uuid4().hex
        with _told(self.root):
            if not self.root.exists():
                os.makedirs(self.root, exist_ok=True)
                _force(self.root.parent)
            os.makedirs(path.parent, exist_ok=True)
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            yield file, path
        finally:
            os.close(file)
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _known(self, content: bytes) -> Blob | None:
        """A content that is in place already, at the price of hashing it: most files of most snapshots."""
        blob = Blob(hashlib.sha256(content).hexdigest(), len(content))
        path = self._path(blob.sha256)
        with _told(self.root):
            if not path.exists() or not self._renewed(path, blob.size):
                return None
            # whoever put it may have been killed, or be about to do this
            _force(path.parent)
        return blob

    def _keep(self, blob: Blob, file: int, temporary: Path) -> None:
        path = self._path(blob.sha256)
        with _told(self.root):
            if not path.parent.exists():
                os.makedirs(path.parent, exist_ok=True)
                _force(self.root)
            if not self._renewed(path, blob.size):
                os.fsync(file)
                with self._held(fcntl.LOCK_SH):
                    os.rename(temporary, path)
            _force(path.parent)

    def _renewed(self, path: Path, size: int) -> bool:
        """Whether the content is there already; it then counts as put just now, so that no sweep takes it."""
        with self._held(fcntl.LOCK_SH):
            try:
                if path.stat().st_size != size:
                    return False
                os.utime(path)
            except (FileNotFoundError, PermissionError):
                return False
        return True

    def _swept(self, sha256: str, referenced: Callable[[str], bool], before: float) -> bool:
        path = self._path(sha256)
        with _told(path):
            if not _older(path, before):
                return False
            with self._held(fcntl.LOCK_EX):
                # looked at again now that nobody can put it: it may have been put since
                if not _older(path, before) or referenced(sha256):
                    return False
                path.unlink(missing_ok=True)
                return True

    @contextmanager
    def _held(self, how: int) -> Iterator[None]:
        """Shared by those who put, exclusive for one who sweeps; held for moments only."""
        file = os.open(self.root / _LOCK, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            # a file system without locks leaves the period of grace as the only guard
            with suppress(OSError):
                fcntl.flock(file, how)
            yield
        finally:
            # said, not left to the closing: a forked child may hold a copy of the descriptor
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)
            os.close(file)


class _Verified(io.RawIOBase):
    """A file that is hashed as it is read, and checked when its last byte is reached."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._size = os.fstat(self._file).st_size
        self._at = 0
        self._digest: hashlib._Hash | None = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with _told(self._path, self._path.name):
            count = os.readv(self._file, [buffer])
        self._at += count
        if self._digest is not None:
            self._digest.update(buffer[:count])
            if count == 0 or self._at == self._size:
                self._check(self._digest)
        return count

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(PART) or b"", b""))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = os.lseek(self._file, offset, whence)
        if at != self._at:
            self._digest = None
        self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def fileno(self) -> int:
        return self._file

    def close(self) -> None:
        if not self.closed:
            os.close(self._file)
        super().close()

    def _check(self, digest: hashlib._Hash) -> None:
        if digest.hexdigest() != self._path.name:
            raise Unreadable(
                f"The content {self._path.name} ({self._at:,} bytes) does not match its checksum; "
                f"`runstone doctor` says which files are lost."
            )


def _parts(stream: BinaryIO) -> Iterator[bytes]:
    while True:
        part = stream.read(PART)
        if not isinstance(part, (bytes, bytearray, memoryview)):
            raise Invalid(
                f"A file is uploaded from a binary stream, as open(path, 'rb') gives it; reading this one "
                f"gave {type(part).__name__}."
            )
        if not part:
            return
        yield part


def _write(file: int, part: bytes) -> None:
    rest = memoryview(part)
    while rest:
        rest = rest[os.write(file, rest) :]
    if os.lseek(file, 0, os.SEEK_CUR) % FORCED < len(part):
        # or all of a large file would be forced at its end, for which its writer would wait too long
        os.fdatasync(file)


def _force(folder: Path) -> None:
    """Make the names in a directory survive a loss of power."""
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False


@contextmanager
def _told(path: Path, sha256: str | None = None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if sha256 and error.errno in _LOST:
            raise Unreadable(
                f"The content {sha256} cannot be read ({path}: {error.strerror}); `runstone doctor` says "
                f"which files are lost."
            ) from error
        if error.errno in _NO_ROOM:
            raise Full(
                f"The disk under {path} is full or failing ({error.strerror}); reading still works."
            ) from error
        raise Invalid(
            f"{path} cannot be used ({error.strerror}); check its owner and permissions."
        ) from error

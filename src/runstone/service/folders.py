"""Directories on the user's side: which of their files are uploaded, and how a downloaded one is written."""

from __future__ import annotations

import logging
import os
import stat
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from runstone.model.errors import Invalid, UserErrorException
from runstone.model.names import relative_name

PART = 1 << 20
# How often one directory is walked by way of links: they can multiply without ever going in a circle.
MOST_BY_LINK = 100

# What the directory of a history holds; of the others one at least, from its first moment.
DATABASE, BESIDE = "history.db", ("history.db.upgrade", "journal", "blobs")

_log = logging.getLogger("runstone")
_AS_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
}


def walk_folder(
    path: str | os.PathLike[str], *, note: Callable[[str], object] = _log.warning
) -> Iterator[tuple[str, Path]]:
    """The files below a directory, in order of their names: name relative to it, with ``/``, and path.

    Links are followed as long as they stay inside. What cannot be uploaded is skipped, ``note`` told of it:
    links that lead out, nowhere or in a circle, FIFOs, sockets, devices, names that are refused. A history
    that lies in the directory is left out.
    """
    root = Path(path)
    if not root.is_dir():
        raise UserErrorException(f"Cannot upload path: {path} since it is not a valid directory.")
    return _Walk(Path(os.path.realpath(root)), note).files()


def opened(path: str | os.PathLike[str]) -> BinaryIO:
    """A regular file, opened for reading; Invalid for anything else, on which reading could wait for ever,
    and for the database of a history: closing it would take away the locks that SQLite holds (POSIX has it
    so)."""
    folder, name = os.path.split(os.path.realpath(path))
    if name.startswith(DATABASE) and _is_history(folder):
        raise Invalid(f"{os.fspath(path)!r} is the database of a history, which cannot be uploaded.")
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = stat.S_IFMT(os.fstat(file).st_mode)
    if kind == stat.S_IFREG:
        return os.fdopen(file, "rb")
    os.close(file)
    raise Invalid(f"{os.fspath(path)!r} is {_KINDS.get(kind, 'no file')}; only regular files are uploaded.")


def save(
    stream: BinaryIO, target: str | os.PathLike[str], *, inside: str | os.PathLike[str] | None = None
) -> Path:
    """Write what the stream holds to a file: all of it, or nothing is changed. Missing directories are made.

    A target that is a symbolic link, or no regular file, is refused. ``inside`` is a directory that the user
    chose: below it the directories may not be links either, and the rest of the path has to be a safe name.
    """
    target = Path(target)
    root = target.parent if inside is None else Path(inside)
    with _told(target):
        root.mkdir(parents=True, exist_ok=True)
    with _parent(root, _parts(target, inside), target) as folder:
        _write(stream, folder, target)
    return target


@dataclass(frozen=True)
class _Level:
    """A directory that is being walked; ``linked`` when a link leads there."""

    prefix: str
    real: str
    entries: Iterator[os.DirEntry[str]]
    linked: bool


class _Walk:
    def __init__(self, root: Path, note: Callable[[str], object]) -> None:
        self._root = str(root)
        self._note = note
        self._levels: list[_Level] = []
        self._by_link: Counter[str] = Counter()
        self._names: set[str] = set()

    def files(self) -> Iterator[tuple[str, Path]]:
        self._enter("", self._root, linked=False)
        while self._levels:
            level = self._levels[-1]
            entry = next(level.entries, None)
            if entry is None:
                self._levels.pop()
                continue
            found = self._visit(level, entry)
            if found is not None:
                yield found

    def _visit(self, level: _Level, entry: os.DirEntry[str]) -> tuple[str, Path] | None:
        """The name and the path of a file that is to be uploaded; a directory is entered."""
        try:
            link = entry.is_symlink()
            real = os.path.realpath(entry.path, strict=True) if link else entry.path
            mode = os.stat(real).st_mode
        except OSError as error:
            self._skip(entry.path, f"it leads nowhere ({error.strerror})")
            return None
        if link and not self._holds(real):
            self._skip(entry.path, f"it is a link out of the directory, to {real}")
        elif stat.S_ISDIR(mode):
            self._enter(f"{level.prefix}{entry.name}/", real, linked=link or level.linked)
        elif not stat.S_ISREG(mode):
            self._skip(entry.path, f"it is {_KINDS.get(stat.S_IFMT(mode), 'no regular file')}")
        elif name := self._named(entry.path, level.prefix + entry.name):
            return name, Path(real)
        return None

    def _enter(self, prefix: str, real: str, *, linked: bool) -> None:
        shown = os.path.join(self._root, prefix.rstrip("/"))
        if any(real == level.real for level in self._levels):
            self._skip(shown, "links go in a circle here")
            return
        self._by_link[real] += linked
        if linked and self._by_link[real] > MOST_BY_LINK:
            self._skip(shown, f"{real} was uploaded by way of {MOST_BY_LINK} links already")
            return
        try:
            with os.scandir(real) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            self._skip(shown, f"it cannot be listed ({error.strerror})")
            return
        if DATABASE in (entry.name for entry in entries) and _is_history(real):
            return
        self._levels.append(_Level(prefix, real, iter(entries), linked))

    def _named(self, path: str, given: str) -> str | None:
        try:
            name = relative_name(given)
        except Invalid as error:
            self._skip(path, error.message.rstrip("."))
            return None
        if name in self._names:
            self._skip(path, f"another file is called {name!r}, too")
            return None
        self._names.add(name)
        return name

    def _holds(self, real: str) -> bool:
        return real == self._root or real.startswith(self._root.rstrip(os.sep) + os.sep)

    def _skip(self, path: str, reason: str) -> None:
        shown = path.encode("utf-8", "backslashreplace").decode("utf-8")
        self._note(f"{shown} is not uploaded: {reason}.")


def _is_history(folder: str) -> bool:
    there = [name for name in (DATABASE, *BESIDE) if os.path.exists(os.path.join(folder, name))]
    return DATABASE in there and len(there) > 1


def _parts(target: Path, inside: str | os.PathLike[str] | None) -> tuple[str, ...]:
    if inside is None:
        return (target.name,)
    try:
        parts = target.relative_to(inside).parts
    except ValueError:
        raise Invalid(f"{target} is not inside of {os.fspath(inside)}, where it was to be written.") from None
    relative_name("/".join(parts))
    return parts


@contextmanager
def _parent(root: Path, parts: tuple[str, ...], target: Path) -> Iterator[int]:
    """The directory of a file as a descriptor, opened part by part: nobody can slip a link in between."""
    with _told(target):
        folder = os.open(root, _AS_FOLDER)
    try:
        for part in parts[:-1]:
            inner = _entered(part, folder, target)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _entered(part: str, folder: int, target: Path) -> int:
    with _told(target):
        with suppress(FileExistsError):
            os.mkdir(part, dir_fd=folder)
        _refuse(part, folder, target, stat.S_IFDIR)
        return os.open(part, _AS_FOLDER | os.O_NOFOLLOW, dir_fd=folder)


def _write(stream: BinaryIO, folder: int, target: Path) -> None:
    temporary = f".{uuid.uuid4().hex}.part"
    with _told(target):
        _refuse(target.name, folder, target, stat.S_IFREG)
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        with os.fdopen(file, "wb", buffering=0) as output:
            while part := stream.read(PART):
                _write_all(output.fileno(), part, target)
        with _told(target):
            os.rename(temporary, target.name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _write_all(file: int, part: bytes, target: Path) -> None:
    rest = memoryview(part)
    with _told(target):
        while rest:
            rest = rest[os.write(file, rest) :]


def _refuse(part: str, folder: int, target: Path, wanted: int) -> None:
    """Invalid when the name is there, and is not of the kind that is wanted."""
    try:
        kind = stat.S_IFMT(os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return
    if kind != wanted:
        what = _KINDS.get(kind, "a file")
        raise Invalid(f"{target} is not written: {part!r} is {what}; move it away, or choose another place.")


@contextmanager
def _told(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserErrorException(f"{target} cannot be written ({error.strerror}).") from error

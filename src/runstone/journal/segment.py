"""The files of a journal: where they lie, how one begins, and which writers have left some."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from runstone.journal import frames
from runstone.model.runs import Process

SUFFIX = ".rsj"
NOTE = "journal-of.txt"
_NAME = re.compile(r"[0-9]{8,}\.rsj")
_WRITER = re.compile(r"[0-9a-f]{32}")
_FLAGS = (
    os.O_RDWR
    | os.O_CREAT
    | os.O_EXCL
    | os.O_APPEND
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)
# More than the longest HEAD: ids and host names are short.
_HEAD_BYTES = 64 * 1024
_TYPES = {"str": str, "int": int}

_write = os.write


@dataclass(frozen=True)
class Head:
    """The first frame of a segment. ``lost``: records before ``first`` that the writer knows to be gone."""

    run: str
    writer: str
    segment: int
    first: int
    lost: int
    host: str
    boot: str
    pid: int
    start: int
    created_us: int

    @property
    def process(self) -> Process:
        """The process that wrote it."""
        return Process(self.host, self.boot, self.pid, self.start)


def path(folder: Path, number: int) -> Path:
    """The file of a writer's segment."""
    return folder / f"{number:08d}{SUFFIX}"


def number(file: Path) -> int:
    """The number of a segment, from its name."""
    return int(file.stem)


def create(folder: Path, head: Head) -> tuple[int, int]:
    """Begin a segment: a descriptor that appends, and how many bytes are in it; an error leaves no file."""
    file = path(folder, head.segment)
    try:
        descriptor = os.open(file, _FLAGS, 0o600)
    except FileNotFoundError:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, _FLAGS, 0o600)
    descriptor = _beside_streams(descriptor)
    start = frames.PREAMBLE + frames.encode(frames.HEAD, asdict(head))
    try:
        if _write(descriptor, start) != len(start):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except BaseException:
        os.close(descriptor)
        file.unlink(missing_ok=True)
        raise
    return descriptor, len(start)


def segments(journal: Path, writer: str) -> list[Path]:
    """A writer's segments in order, wherever they lie."""
    files = [
        place / writer / name
        for place in (journal, fallback(journal))
        for name in _names(place / writer)
        if _NAME.fullmatch(name)
    ]
    return sorted(files, key=number)


def head(file: Path) -> Head | None:
    """How a segment begins; None when it never came so far, is gone, or is none of ours."""
    try:
        with open(file, "rb") as stream:
            return parse_head(stream.read(_HEAD_BYTES))
    except OSError:
        return None


def parse_head(data: bytes) -> Head | None:
    """The HEAD at the beginning of a segment's bytes. None when that is of another version."""
    if not data.startswith(frames.PREAMBLE[:6]):
        return None
    first = next(frames.scan(data[:_HEAD_BYTES], len(frames.PREAMBLE)), None)
    if first is None or first.shape != frames.HEAD:
        return None
    try:
        found = frames.body(data, first)
    except ValueError:
        return None
    if not all(isinstance(found.get(field.name), _TYPES[str(field.type)]) for field in fields(Head)):
        return None
    return Head(**{field.name: found[field.name] for field in fields(Head)})


def writers(journal: Path) -> list[str]:
    """All writers that have left segments, in the journal's directory or where one falls back to."""
    found = {
        name
        for place in (journal, fallback(journal))
        for name in _names(place)
        if _WRITER.fullmatch(name) and any(_NAME.fullmatch(file) for file in _names(place / name))
    }
    return sorted(found)


def waiting(journal: Path, run: str) -> int:
    """The bytes that all writers of a run have on disk."""
    found = 0
    for files in (segments(journal, writer) for writer in writers(journal)):
        first = next(filter(None, map(head, files)), None)
        if first is not None and first.run == run:
            found += sum(map(size, files))
    return found


def fallback(journal: Path) -> Path:
    """Where to write when the journal's directory cannot be written; its path alone tells the place."""
    name = hashlib.sha256(os.fsencode(os.path.abspath(journal))).hexdigest()[:16]
    return Path(_temporary()) / f"runstone-{_user()}" / "journal" / name


def prepare_fallback(journal: Path) -> Path:
    """Make the directory to fall back to, ours alone, with a note that says which journal it is for."""
    place = fallback(journal)
    root = place.parent.parent
    root.mkdir(mode=0o700, exist_ok=True)
    status = os.lstat(root)
    # another user could have made it before us, to read what we write
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o170077 != 0o040000):
        raise PermissionError(f"{root} is not a directory of ours alone (mode 0700)")
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    (place / NOTE).write_text(f"{os.path.abspath(journal)}\n", encoding="utf-8", errors="surrogateescape")
    return place


def size(file: Path) -> int:
    """The bytes of a segment; 0 when it is gone."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def is_empty(file: Path) -> bool:
    """Whether a segment holds no record that could be read: then nothing is lost with it."""
    try:
        data = file.read_bytes()
    except OSError:
        return True
    return not any(frames.is_record(frame.shape) for frame in frames.walk(data))


def remove(files: list[Path]) -> None:
    """Delete segments, and the writer's folder with the last one."""
    for file in files:
        file.unlink(missing_ok=True)
    for folder in {file.parent for file in files}:
        with suppress(OSError):  # not empty yet, or gone already
            folder.rmdir()


def _beside_streams(descriptor: int) -> int:
    """Where a process has closed stdout or stderr, what is printed must not end up in a journal."""
    if descriptor > 2:
        return descriptor
    beside = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return beside


def _temporary() -> str:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return os.path.join(os.sep, "tmp")


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []

"""Where data lie: directories of this machine and web addresses, listed, read and written alike."""

from __future__ import annotations

import os
import stat
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from runstone.model.errors import Conflict, Invalid, NotFound, UserErrorException
from runstone.model.names import artifact_name, folder_name
from runstone.service import folders

SECONDS = 60.0


@dataclass(frozen=True)
class Entry:
    """A file of a storage: its name there, with ``/`` between the parts."""

    name: str
    size: int | None = None


class Storage(Protocol):
    """Files by name. What ``put`` has returned from is there whole."""

    def list(self, prefix: str) -> Iterator[Entry]:
        """The file of that name, or all files below it, in order; none when there is no such thing."""

    def open(self, name: str) -> BinaryIO:
        """A file's bytes; NotFound when there is none."""

    def put(self, name: str, stream: BinaryIO, *, overwrite: bool) -> None:
        """Write a file; Conflict when it is there and not ``overwrite``."""

    def local(self, name: str) -> Path | None:
        """Where a file or folder is on this machine; None for what is elsewhere, or is not there."""


class Directory:
    """A directory of this machine. Links are followed inside of it, and never out."""

    def __init__(self, root: Path, *, note: Callable[[str], object] | None = None) -> None:
        self.root = root
        self._note = note or (lambda _: None)

    def list(self, prefix: str) -> Iterator[Entry]:
        """See ``Storage.list``; what cannot be read as a file is passed over with a note."""
        name = folder_name(prefix)
        path = self.local(name)
        if path is None:
            return
        if path.is_file():
            yield Entry(name, path.stat().st_size)
        if not path.is_dir():
            return
        for relative, file in folders.walk_folder(path, note=self._note):
            yield Entry(f"{name}/{relative}" if name else relative, file.stat().st_size)

    def open(self, name: str) -> BinaryIO:
        """See ``Storage.open``."""
        path = self.local(artifact_name(name))
        if path is None:
            raise NotFound(f"There is no file {name!r} in {self.root}.")
        return folders.opened(path)

    def put(self, name: str, stream: BinaryIO, *, overwrite: bool) -> None:
        """See ``Storage.put``; nothing is written through a link."""
        target = self.root / artifact_name(name)
        if not overwrite and os.path.lexists(target):
            raise taken(name)
        folders.save(stream, target, inside=self.root)

    def local(self, name: str) -> Path | None:
        """See ``Storage.local``; Invalid for a link that leads out of the directory."""
        path = self.root / folder_name(name)
        root = os.path.realpath(self.root)
        try:
            real = os.path.realpath(path, strict=True)
        except OSError:
            return None
        if real != root and not real.startswith(root.rstrip(os.sep) + os.sep):
            raise Invalid(f"{path} is not read: it is a link out of {self.root}, to {real}.")
        kind = stat.S_IFMT(os.stat(real).st_mode)
        return Path(real) if kind in (stat.S_IFREG, stat.S_IFDIR) else None

    def make(self, name: str) -> Path:
        """A folder, made if it is not there; Invalid when a part of its path is a link, or a file."""
        path = self.root
        for part in filter(None, folder_name(name).split("/")):
            path = path / part
            if path.is_symlink() or (path.exists() and not path.is_dir()):
                raise Invalid(f"{path} is no directory of {self.root}: it is a link or a file.")
            path.mkdir(exist_ok=True)
        return path


class Web:
    """One file behind an http or https address."""

    def __init__(self, address: str) -> None:
        self._address = address
        path = urllib.parse.unquote(urllib.parse.urlsplit(address).path)
        self.name = _last_part(path)

    def list(self, prefix: str) -> Iterator[Entry]:
        """The one file; whether it is there shows when it is opened."""
        yield Entry(self.name)

    def open(self, name: str) -> BinaryIO:
        """See ``Storage.open``; waits at most 60 s for each answer."""
        try:
            # the address was checked to be of http or https
            answer = urllib.request.urlopen(self._address, timeout=SECONDS)
        except (OSError, ValueError, urllib.error.URLError) as error:
            raise UserErrorException(f"{self._address} cannot be read ({error}).") from error
        return cast(BinaryIO, answer)

    def put(self, name: str, stream: BinaryIO, *, overwrite: bool) -> None:
        """Refused: an address is for reading."""
        raise UserErrorException(f"{self._address} is an address for reading; nothing is written there.")

    def local(self, name: str) -> Path | None:
        """None: it is elsewhere."""
        return None


def taken(name: str) -> Conflict:
    """The error of a file that is there already."""
    return Conflict(f"The file {name!r} is there already; give overwrite=True to replace it.")


def _last_part(path: str) -> str:
    try:
        return artifact_name(path.rstrip("/").rpartition("/")[2])
    except Invalid:
        return "data"

"""The file in which runs travel: a ZIP of documents, records and contents, each with its checksum.

docs/archive-format.md describes it. An archive is written from front to back, and is there whole or not at
all.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol

from runstone.model.errors import Full, Invalid

FORMAT, VERSION = "runstone-archive", 1
SUFFIX = ".runstone"
MANIFEST, EXPERIMENTS, INDEX = "manifest.json", "experiments.json", "index.ndjson"
# An entry that is larger is stored as it is: a few bytes never become many.
MOST_DEFLATED = 16 * 1024 * 1024
PART = 1 << 20


def document_of(number: int) -> str:
    """The name of the entry with a run's document; runs count from 1."""
    return f"runs/{number:08}.json"


def records_of(number: int) -> str:
    """The name of the entry with a run's records."""
    return f"runs/{number:08}.records"


def snapshot_of(id: str) -> str:
    """The name of the entry with the manifest of a snapshot."""
    return f"snapshots/{id}.json"


def content_of(sha256: str) -> str:
    """The name of the entry with a content."""
    return f"contents/{sha256}"


class Readable(Protocol):
    """What can be read in parts."""

    def read(self, most: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""


class Writer:
    """An archive that is being written, beside its place; a context manager that puts it there at its end."""

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_file():
            raise Invalid(f"{path} is no file, and would become one; name another place.")
        self.path = path
        self._part = path.with_name(f"{path.name}.part")
        self._index = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the writer)
        self._digest = hashlib.sha256()
        self._runs = 0
        self._entries: set[str] = set()
        try:
            self._file: BinaryIO = open(self._part, "wb")  # noqa: SIM115  (closed with the writer)
        except OSError as error:
            self._index.close()
            raise Invalid(f"{path} cannot be written ({error.strerror}); name another place.") from error
        self._zip = zipfile.ZipFile(self._file, "w", allowZip64=True)

    def __contains__(self, entry: str) -> bool:
        return entry in self._entries

    def add_run(self, id: str, document: bytes, *, records: Iterable[bytes]) -> None:
        """A run's document and records."""
        self._runs += 1
        digest = self.add(document_of(self._runs), document)
        line = {"id": id, "document": digest, "records": self.stream(records_of(self._runs), records)}
        text = json.dumps(line).encode() + b"\n"
        self._digest.update(text)
        try:
            self._index.write(text)
        except OSError as error:
            raise self._full(error) from error

    def add(self, name: str, data: bytes) -> str:
        """An entry that is held in memory; its SHA-256."""
        return self.stream(name, [data], deflated=len(data) <= MOST_DEFLATED)

    def add_content(self, sha256: str, size: int, *, stream: BinaryIO) -> None:
        """What a file is made of; one that is there already is not written again."""
        parts = iter(lambda: stream.read(PART), b"")
        self.stream(content_of(sha256), parts, deflated=size <= MOST_DEFLATED)

    def stream(self, name: str, parts: Iterable[bytes], *, deflated: bool = False) -> str:
        """An entry from parts; its SHA-256."""
        self._entries.add(name)
        digest = hashlib.sha256()
        # the same runs make the same entries: no time of day, no mode of a file
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
        try:
            with self._zip.open(info, "w", force_zip64=True) as entry:
                for part in parts:
                    digest.update(part)
                    entry.write(part)
        except OSError as error:
            # what is read is told by its own name: this is the file that is written
            raise self._full(error) from error
        return digest.hexdigest()

    def finish(self, manifest: Mapping[str, Any], experiments: Iterable[Mapping[str, Any]]) -> int:
        """Write what describes the rest, and put the archive in its place; its size in bytes."""
        digest = self.add(EXPERIMENTS, json.dumps(list(experiments)).encode())
        self._index.seek(0)
        self.stream(INDEX, iter(lambda: self._index.read(PART), b""))
        known = {"format": FORMAT, "version": VERSION, "runs": self._runs, "experiments": digest}
        known |= {"index": self._digest.hexdigest(), **manifest}
        self.add(MANIFEST, json.dumps(known, indent=2).encode() + b"\n")
        try:
            self._zip.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            os.replace(self._part, self.path)
        except OSError as error:
            raise self._full(error) from error
        return self.path.stat().st_size

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # a ZIP that is left open writes its directory when it is collected
        self._zip.fp = None
        for file in (self._file, self._index):
            # what is still buffered finds no room either
            with suppress(OSError):
                file.close()
        self._part.unlink(missing_ok=True)

    def _full(self, error: OSError) -> Full:
        return Full(f"{self.path} cannot be written ({error.strerror}); nothing is left of it.")


def whole(stream: Readable, most: int, *, what: str) -> bytes:
    """All that a stream holds; Invalid beyond ``most`` bytes."""
    data = io.BytesIO()
    while part := stream.read(PART):
        data.write(part)
        if data.tell() > most:
            raise Invalid(f"{what} is larger than {most:,} bytes, which none can be.")
    return data.getvalue()

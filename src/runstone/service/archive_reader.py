"""An archive that somebody hands over, looked at before anything of it is believed."""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, cast

import msgspec

from runstone.model.documents import read_json
from runstone.model.errors import Invalid
from runstone.model.runs import Experiment
from runstone.service import archive

MOST_MANIFEST = 1 << 20
MOST_DOCUMENT = 16 * 1024 * 1024
# A line of the index: an id of 256 characters, escaped, and two hashes.
MOST_LINE = 8 * 1024
_NAME = re.compile(
    r"manifest\.json|experiments\.json|index\.ndjson|runs/[0-9]{8,12}\.(json|records)"
    r"|snapshots/[0-9a-f]{64}\.json|contents/[0-9a-f]{64}"
)
# What Python's zipfile raises when it meets bytes that are no ZIP.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError)


class Manifest(msgspec.Struct):
    """What an archive says of itself. ``lost`` are contents that its history did not have any more."""

    format: str
    version: int
    runs: int
    experiments: str
    index: str
    workspace: str = ""
    created: str = ""
    runstone: str = ""
    filter: str = ""
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """A run in the index: its number in the archive, its id, and the checksums of its two entries."""

    number: int
    id: str
    document: str
    records: str


class Reader:
    """An archive, opened: its directory and its manifest have been looked at. A context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file: BinaryIO = open(path, "rb")  # noqa: SIM115  (closed with the reader)
        except OSError as error:
            raise Invalid(f"{path} cannot be read ({error.strerror}).") from error
        try:
            self._zip = self._opened()
            self._entries = self._directory()
            self.manifest = self._manifest()
        except BaseException:
            self._file.close()
            raise

    @property
    def size(self) -> int:
        """The bytes of all its entries, unpacked."""
        return sum(entry.file_size for entry in self._entries.values())

    def lines(self) -> Iterator[Line]:
        """The index, run by run, after its checksum was found right."""
        self._verify(archive.INDEX, self.manifest.index)
        with self._open(archive.INDEX) as stream:
            number = 0
            while line := stream.readline(MOST_LINE):
                number += 1
                yield self._line(number, line)
        if number != self.manifest.runs:
            raise self._refused(f"its index names {number:,} runs in the place of {self.manifest.runs:,}")

    def experiments(self) -> list[Experiment]:
        """The experiments of its runs."""
        text = self._verified(archive.EXPERIMENTS, self.manifest.experiments)
        found = read_json(text.decode("utf-8", "replace"), "list of experiments")
        try:
            return msgspec.convert(found, list[Experiment])
        except msgspec.ValidationError as error:
            raise self._refused(f"its experiments cannot be read: {error}") from error

    def document(self, line: Line) -> bytes:
        """The document of a run."""
        return self._verified(archive.document_of(line.number), line.document)

    def records(self, line: Line) -> Iterator[bytes]:
        """The bytes of a run's records, in parts."""
        digest = hashlib.sha256()
        for part in self._parts(archive.records_of(line.number)):
            digest.update(part)
            yield part
        if digest.hexdigest() != line.records:
            raise self._refused(f"{archive.records_of(line.number)} does not match its checksum")

    def snapshot(self, id: str) -> list[Any]:
        """The manifest of a snapshot: a list of files."""
        found = read_json(self._verified(archive.snapshot_of(id), id).decode("utf-8", "replace"), "snapshot")
        if not isinstance(found, list):
            raise self._refused(f"{archive.snapshot_of(id)} is no list")
        return found

    @contextmanager
    def content(self, sha256: str, size: int) -> Iterator[BinaryIO]:
        """What a file is made of; whoever keeps it finds its hash."""
        name = archive.content_of(sha256)
        found = self._entries[name].file_size if name in self._entries else size
        if found != size:
            raise self._refused(f"{name} has {found:,} bytes in the place of {size:,}")
        with self._open(name) as stream:
            yield cast("BinaryIO", _Told(stream, self, name=name))

    def refused(self, why: str) -> Invalid:
        """What is said of an archive that is not as it should be."""
        return self._refused(why)

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()
        self._file.close()

    def _opened(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._file)
        except _DAMAGE as error:
            raise self._refused(f"it is no archive, or only the beginning of one: {error}") from error

    def _directory(self) -> dict[str, zipfile.ZipInfo]:
        found: dict[str, zipfile.ZipInfo] = {}
        end = 0
        for entry in sorted(self._zip.infolist(), key=lambda entry: entry.header_offset):
            if not _NAME.fullmatch(entry.filename):
                raise self._refused(f"it holds {entry.filename!r:.200}, and no archive of runs does")
            if entry.filename in found:
                raise self._refused(f"it holds {entry.filename} twice")
            if entry.header_offset < end:
                raise self._refused(f"{entry.filename} lies upon the entry before it")
            self._check(entry)
            end = entry.header_offset + entry.compress_size
            found[entry.filename] = entry
        return found

    def _check(self, entry: zipfile.ZipInfo) -> None:
        stored = entry.compress_type == zipfile.ZIP_STORED
        if entry.flag_bits & 0x1 or (not stored and entry.compress_type != zipfile.ZIP_DEFLATED):
            raise self._refused(f"{entry.filename} is encrypted, or packed in a way that no archive uses")
        if stored and entry.file_size != entry.compress_size:
            raise self._refused(f"{entry.filename} is stored, and has two sizes")
        if not stored and entry.file_size > archive.MOST_DEFLATED:
            raise self._refused(
                f"{entry.filename} would grow from {entry.compress_size:,} to {entry.file_size:,} bytes, and "
                f"what is larger than {archive.MOST_DEFLATED:,} is never packed"
            )

    def _manifest(self) -> Manifest:
        if archive.MANIFEST not in self._entries:
            raise self._refused("it has no manifest.json")
        with self._open(archive.MANIFEST) as stream:
            text = archive.whole(
                _Told(stream, self, name=archive.MANIFEST), MOST_MANIFEST, what="manifest.json"
            )
        known = read_json(text.decode("utf-8", "replace"), "manifest.json")
        if not isinstance(known, Mapping) or known.get("format") != archive.FORMAT:
            raise self._refused("its manifest.json is none of an archive of runs")
        version = known.get("version")
        if isinstance(version, int) and version > archive.VERSION:
            raise Invalid(
                f"{self.path} has version {version} of the format of archives, and this Runstone knows "
                f"versions up to {archive.VERSION}; upgrade Runstone. Nothing was taken in."
            )
        try:
            return msgspec.convert(known, Manifest)
        except msgspec.ValidationError as error:
            raise self._refused(f"its manifest.json cannot be read: {error}") from error

    def _line(self, number: int, line: bytes) -> Line:
        try:
            known = read_json(line.decode("utf-8", "replace"), "index")
            return Line(number, str(known["id"]), str(known["document"]), str(known["records"]))
        except (Invalid, LookupError, TypeError) as error:
            raise self._refused(f"line {number} of its index cannot be read") from error

    def _verified(self, name: str, sha256: str) -> bytes:
        with self._open(name) as stream:
            data = archive.whole(_Told(stream, self, name=name), MOST_DOCUMENT, what=name)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise self._refused(f"{name} does not match its checksum")
        return data

    def _verify(self, name: str, sha256: str) -> None:
        digest = hashlib.sha256()
        for part in self._parts(name):
            digest.update(part)
        if digest.hexdigest() != sha256:
            raise self._refused(f"{name} does not match its checksum")

    def _parts(self, name: str) -> Iterator[bytes]:
        with self._open(name) as stream:
            told = _Told(stream, self, name=name)
            while part := told.read(archive.PART):
                yield part

    def _open(self, name: str) -> IO[bytes]:
        entry = self._entries.get(name)
        if entry is None:
            raise self._refused(f"it has no {name}")
        try:
            return self._zip.open(entry)
        except _DAMAGE as error:
            raise self._refused(f"{name} cannot be read: {error}") from error

    def _refused(self, why: str) -> Invalid:
        return Invalid(f"The archive {self.path} is refused: {why}.")


class _Told:
    """A stream whose damage is told as the archive's."""

    def __init__(self, stream: IO[bytes], reader: Reader, *, name: str) -> None:
        self._stream = stream
        self._reader = reader
        self._name = name

    def read(self, most: int = -1) -> bytes:
        try:
            return self._stream.read(most)
        except _DAMAGE as error:
            raise self._reader.refused(f"{self._name} cannot be read: {error}") from error

"""Object storage (S3, Azure Blob, GCS) through obstore: listed, read and written as other storages are."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from runstone.model.errors import Busy, Invalid, NotFound, UserErrorException
from runstone.model.names import artifact_name, folder_name
from runstone.service.storage import Entry, taken

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("s3", "az", "gs")
PART = 8 << 20
_PATIENCE: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}


class Objects:
    """A prefix of a bucket or container, by its address: ``s3://bucket/prefix``, ``az://...``, ``gs://...``."""

    def __init__(
        self, address: str, options: Mapping[str, Any], *, note: Callable[[str], object] | None = None
    ) -> None:
        self._address = address
        self._note = note or (lambda _: None)
        self._store = _opened(address, options)

    def list(self, prefix: str) -> Iterator[Entry]:
        """See ``Storage.list``; objects whose names no directory could keep are passed over with a note."""
        import obstore  # an extra

        wanted = folder_name(prefix)
        with self._told(wanted):
            single = self._size(wanted) if wanted else None
        if single is not None:
            yield Entry(wanted, single)
            return
        with self._told(wanted):
            pages = obstore.list(self._store, wanted or None)
            found = sorted((one["path"], one["size"]) for page in pages for one in page)
        for path, size in found:
            if self._kept(path):
                yield Entry(path, size)

    def open(self, name: str) -> BinaryIO:
        """See ``Storage.open``; read in parts, never whole in memory."""
        import obstore  # an extra

        with self._told(name):
            return io.BufferedReader(
                _Read(obstore.open_reader(self._store, name, buffer_size=PART), self._told), PART
            )

    def put(self, name: str, stream: BinaryIO, *, overwrite: bool) -> None:
        """See ``Storage.put``; in parts, and there only once all of them have arrived."""
        import obstore  # an extra

        key = artifact_name(name)
        with self._told(key):
            if not overwrite and self._size(key) is not None:
                raise taken(key)
            obstore.put(self._store, key, stream, chunk_size=PART)

    def local(self, name: str) -> Path | None:
        """None: it is elsewhere."""
        return None

    def _kept(self, path: str) -> bool:
        try:
            reason = "" if artifact_name(path) == path else "its name has another form."
        except Invalid as error:
            reason = error.message
        if reason:
            self._note(f"The object {path!r} of {self._address} is passed over: {reason}")
        return not reason

    def _size(self, key: str) -> int | None:
        import obstore  # an extra

        try:
            return int(obstore.head(self._store, key)["size"])
        except FileNotFoundError:
            return None

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError  # an extra

        try:
            yield
        except FileNotFoundError:
            raise NotFound(f"There is no object {name!r} in {self._address}.") from None
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise UserErrorException(
                f"{self._address} refuses the credentials ({_first_line(error)}); set the environment "
                f"variables that the datastore names."
            ) from error
        except BaseError as error:
            raise Busy(f"{self._address} cannot be used: {_first_line(error)}.") from error


class _Read(io.RawIOBase):
    def __init__(self, reader: Any, told: Callable[[str], Any]) -> None:
        self._reader = reader
        self._told = told

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with self._told("it"):
            part = bytes(self._reader.read(len(buffer)))
        buffer[: len(part)] = part
        return len(part)


def _opened(address: str, options: Mapping[str, Any]) -> ObjectStore:
    try:
        from obstore.exceptions import BaseError  # an extra
        from obstore.store import from_url
    except ImportError as error:
        raise UserErrorException(
            "Object storage needs more than is installed: pip install runstone[cloud]"
        ) from error
    plain = str(options.get("endpoint", "")).startswith("http://")
    try:
        given: Any = dict(options)
        return from_url(address, config=given, client_options={"allow_http": plain}, retry_config=_PATIENCE)
    except (BaseError, ValueError) as error:
        raise UserErrorException(f"{address} cannot be opened: {_first_line(error)}.") from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]

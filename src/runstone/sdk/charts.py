"""Images and chart documents: made from what a script hands over, checked, and read back."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from runstone.model.documents import read_json
from runstone.model.errors import AzureMLException, Invalid, UserErrorException
from runstone.service import folders

if TYPE_CHECKING:
    from runstone.sdk.recording import Recording

_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
URI = "aml://artifactId/ExperimentRun/dcid."


def image(name: str, path: Any, plot: Any) -> tuple[str | None, BinaryIO]:
    """The bytes of an image given as a path, a stream or a matplotlib plot, and what the artifact is called:
    as the path, else None, for one of ``new_names``."""
    if path is None and plot is None:
        raise AzureMLException("Invalid parameters, one of path and plot is required as input")
    if path is not None and plot is not None:
        raise AzureMLException(
            "Invalid parameters, path and plot were both provided, only one at a time is supported"
        )
    if plot is not None:
        return None, _drawn(plot)
    if hasattr(path, "read"):
        return None, _checked(io.BytesIO(path.read()), name)
    with folders.opened(path) as file:
        return _relative(path), _checked(io.BytesIO(file.read()), str(path))


def new_names(name: str) -> Iterator[str]:
    """Names for an image that has none: ``<name>_<unix seconds>.png``, and others for the same second."""
    stem = f"{name}_{int(time.time())}"
    yield f"{stem}.png"
    yield from (f"{stem}_{number}.png" for number in count(2))


def document(kind: str, name: str, value: str | Mapping[str, Any]) -> BinaryIO:
    """A chart's document as JSON; what is in it is the caller's, that it is JSON is checked here."""
    if isinstance(value, str):
        value = read_json(value, f"{kind} {name!r}")
    if not isinstance(value, Mapping):
        raise UserErrorException(f"The {kind} {name!r} is a dict or the JSON of one; got {value!r}.")
    try:
        return io.BytesIO(json.dumps(dict(value), default=_plain).encode())
    except TypeError as error:
        raise UserErrorException(f"The {kind} {name!r} cannot be written as JSON: {error}.") from None


def populated(run: Recording, metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics with the content of chart documents (images: bytes) in the place of their addresses."""
    prefix = f"{URI}{run.id}/"
    return {
        name: _content(run, value[len(prefix) :])
        if isinstance(value, str) and value.startswith(prefix)
        else value
        for name, value in metrics.items()
    }


def _content(run: Recording, artifact: str) -> Any:
    with run._service.artifacts.open(run._ref, artifact) as stream:
        content = stream.read()
    try:
        return read_json(content.decode(), artifact)
    except (ValueError, Invalid):
        # an image, or what somebody else has uploaded in its place
        return content


def _drawn(plot: Any) -> BinaryIO:
    if not hasattr(plot, "savefig"):
        raise UserErrorException(
            f"plot is matplotlib.pyplot or a Figure, something with savefig(); got {plot!r}."
        )
    stream = io.BytesIO()
    plot.savefig(stream, format="png")
    stream.seek(0)
    return stream


def _checked(stream: BinaryIO, argument: str) -> BinaryIO:
    if not stream.read(8).startswith(_IMAGES):
        raise UserErrorException(f"Argument [{argument}] is malformed. It is neither a PNG nor a JPEG image.")
    stream.seek(0)
    return stream


def _relative(path: Any) -> str:
    given = Path(path)
    if given.is_absolute() or ".." in given.parts:
        return given.name
    return given.as_posix()


def _plain(value: Any) -> Any:
    for convert in ("tolist", "item"):
        if hasattr(value, convert):
            return getattr(value, convert)()
    raise TypeError(f"{type(value).__name__} is no JSON value")

"""The routes whose bodies are bytes: files up and down, logs as they grow, the contents of snapshots."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import anyio.from_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from runstone.model.errors import Invalid
from runstone.server import transfers
from runstone.server.answers import Endpoint, answer
from runstone.service.artifacts import Artifacts
from runstone.service.logs import Logs
from runstone.service.snapshots import Snapshots

PART = 1024**2
# Nothing that somebody has uploaded runs in the page of somebody else.
INERT = {
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}


def endpoints(resources: Mapping[str, Any]) -> list[tuple[str, str, Endpoint]]:
    """Verb, path and endpoint of each, for the resources that there are."""
    found: list[tuple[str, str, Endpoint]] = []
    content = "/runs/{workspace}/{run}/artifact/content"
    if "artifacts" in resources:
        found += [
            ("PUT", content, _upload(resources["artifacts"])),
            ("GET", content, _download(resources["artifacts"])),
        ]
    if "logs" in resources:
        found.append(("GET", "/runs/{workspace}/{run}/log", _log(resources["logs"])))
    if "snapshots" in resources:
        found += [
            ("PUT", "/contents", _keep(resources["snapshots"])),
            ("GET", "/contents/{sha256}", _content(resources["snapshots"])),
        ]
    if "transfers" in resources:
        found += [
            (
                "GET",
                "/runs/{workspace}/{run}/export",
                transfers.leaving(resources["transfers"], parts=_parts, headers=INERT),
            ),
            (
                "POST",
                "/workspaces/{workspace}/import",
                transfers.arriving(resources["transfers"], incoming=_incoming),
            ),
        ]
    return found


def _upload(artifacts: Artifacts) -> Endpoint:
    async def upload(request: Request) -> Response:
        overwrite = request.query_params.get("overwrite", "true") == "true"
        kept = await run_in_threadpool(
            artifacts.upload,
            _run(request),
            _name(request),
            content=_incoming(request),
            overwrite=overwrite,
        )
        return answer(request, kept)

    return upload


def _download(artifacts: Artifacts) -> Endpoint:
    async def download(request: Request) -> Response:
        version = _number(request, "version", None)
        offset = _number(request, "offset", 0) or 0
        ref, name = _run(request), _name(request)
        artifact = await run_in_threadpool(artifacts.get, ref, name, version=version)
        first, last = _range(request, offset, artifact.size)
        stream = await run_in_threadpool(artifacts.open, ref, name, version=artifact.version, offset=first)
        headers = {**INERT, "Accept-Ranges": "bytes", "Content-Length": str(last - first)}
        headers["ETag"] = f'"{artifact.sha256}"'
        status = 200
        if "range" in request.headers:
            status, headers["Content-Range"] = 206, f"bytes {first}-{last - 1}/{artifact.size}"
        return StreamingResponse(
            _parts(stream, last - first), status, headers, media_type="application/octet-stream"
        )

    return download


def _log(logs: Logs) -> Endpoint:
    async def log(request: Request) -> Response:
        offset, most = _number(request, "offset", 0) or 0, _number(request, "most", PART) or 0
        found = await run_in_threadpool(
            logs.read, _run(request), _name(request), offset=offset, most=min(most, PART)
        )
        return Response(found, headers=INERT, media_type="application/octet-stream")

    return log


def _keep(snapshots: Snapshots) -> Endpoint:
    async def keep(request: Request) -> Response:
        return answer(request, await run_in_threadpool(snapshots.keep, _incoming(request)))

    return keep


def _content(snapshots: Snapshots) -> Endpoint:
    async def content(request: Request) -> Response:
        stream = await run_in_threadpool(snapshots.open, request.path_params["sha256"])
        return StreamingResponse(_parts(stream), headers=INERT, media_type="application/octet-stream")

    return content


class _Incoming(io.RawIOBase):
    """A request's body as a stream for the thread that an operation runs in: read as it arrives."""

    def __init__(self, request: Request) -> None:
        self._arriving = request.stream()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = anyio.from_thread.run(self._next)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    async def _next(self) -> bytes:
        async for part in self._arriving:
            if part:
                return part
        return b""


def _incoming(request: Request) -> BinaryIO:
    return io.BufferedReader(_Incoming(request), PART)


def _parts(stream: BinaryIO, size: int | None = None) -> Iterator[bytes]:
    with stream:
        left = size
        while left is None or left > 0:
            part = stream.read(PART if left is None else min(PART, left))
            if not part:
                return
            left = None if left is None else left - len(part)
            yield part


def _run(request: Request) -> str:
    return f"{request.path_params['workspace']}/{request.path_params['run']}"


def _name(request: Request) -> str:
    name = request.query_params.get("name")
    if not name:
        raise Invalid(f"{request.url.path} needs the name of a file: ?name=outputs/model.pkl")
    return name


def _number(request: Request, name: str, usual: int | None) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return usual
    if not re.fullmatch(r"\d{1,18}", text):
        raise Invalid(f"{name} is a whole number, 0 or more; got {text!r}.")
    return int(text)


def _range(request: Request, offset: int, size: int) -> tuple[int, int]:
    """The first byte that is asked for, and the one after the last; what is no range is passed over."""
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", request.headers.get("range", ""))
    if match is None or not (match[1] or match[2]):
        return min(offset, size), size
    if not match[1]:
        return max(size - int(match[2]), 0), size
    return min(int(match[1]), size), min(int(match[2]) + 1, size) if match[2] else size

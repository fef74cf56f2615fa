"""What endpoints share: bodies within a limit, answers in the caller's form, errors as problem documents."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runstone.model.errors import RunstoneError, TooLarge
from runstone.service import wire
from runstone.service.problems import MEDIA, problem

# What a body may hold that is read whole: a batch of a journal is below 8 MiB.
MOST_BODY = 16 * 1024**2

log = logging.getLogger(__name__)
Endpoint = Callable[[Request], Awaitable[Response]]


def answer(request: Request, found: Any) -> Response:
    """What an operation has answered, as the caller takes it: MessagePack if it says so, else JSON."""
    if request.headers.get("accept") == wire.PACKED:
        return Response(wire.packed(found), media_type=wire.PACKED)
    return Response(wire.spelt(found), media_type=wire.JSON)


def refusal(error: Exception, *, status: int | None = None) -> Response:
    """The problem document for an error."""
    usual, document = problem(error)
    return Response(document, status_code=status or usual, media_type=MEDIA)


def refusing(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose errors are answers."""

    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except RunstoneError as error:
            return refusal(error)
        except Exception as error:
            log.exception("%s %s failed", request.method, request.url.path)
            return refusal(error)

    return guarded


async def whole_body(request: Request) -> bytes:
    """The body; TooLarge before more than the limit is in memory."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BODY:
            raise TooLarge(f"A body holds at most {MOST_BODY // 1024**2} MiB here; send less at a time.")
        parts.append(part)
    return b"".join(parts)

"""The ASGI application: a route for each operation, derived from its declaration, and for byte streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from runstone.model.errors import NotFound
from runstone.server import openapi, streams
from runstone.server.answers import Endpoint, answer, refusal, refusing, whole_body
from runstone.service import wire


def application(resources: Mapping[str, Any]) -> Starlette:
    """The application that serves a history's resources. Who may call it is for the layer around it."""
    endpoints = [
        (call.verb, call.path, _answering(call, resources[call.resource]))
        for call in wire.calls()
        if call.resource in resources
    ]
    endpoints += streams.endpoints(resources)
    routes = [
        Route(wire.PREFIX + path, refusing(endpoint), methods=[verb])
        for verb, path, endpoint in sorted(endpoints, key=lambda one: one[1].count("{"))
    ]
    handlers = {HTTPException: _no_route}
    routes += [Route("/health", _health), Route(f"{wire.PREFIX}/openapi.json", _described)]
    return Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]


def _answering(call: wire.Call, resource: Any) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        given = wire.from_path(call, request.path_params)
        if call.in_query:
            given |= wire.from_query(call, request.query_params.multi_items())
        else:
            media = request.headers.get("content-type")
            given |= wire.from_body(call, await whole_body(request), media=media)
        return answer(request, await run_in_threadpool(call.method, resource, **given))

    return endpoint


async def _health(request: Request) -> Response:
    return Response("ok\n", media_type="text/plain")


async def _described(request: Request) -> Response:
    return Response(openapi.text(), media_type=wire.JSON)


async def _no_route(request: Request, error: HTTPException) -> Response:
    if error.status_code == 405:
        return refusal(NotFound(f"{request.url.path} is not asked by {request.method}."), status=405)
    return refusal(
        NotFound(f"There is nothing at {request.url.path}; the operations are under {wire.PREFIX}.")
    )

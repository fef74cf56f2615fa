"""The routes by which runs leave a history and arrive in one.

Either way a run is held in a file of the server: no slow caller keeps a transaction open.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from runstone.model.errors import Invalid
from runstone.model.portable import Arrival
from runstone.server.answers import Endpoint, answer
from runstone.service import travelling
from runstone.service.transfers import Transfers


class Given(msgspec.Struct, forbid_unknown_fields=True):
    """What goes before a run that is to be taken in."""

    experiment: str
    lost: frozenset[str] = frozenset()


def leaving(transfers: Transfers, *, parts: Callable[[BinaryIO], Any], headers: Any) -> Endpoint:
    """GET /runs/{workspace}/{run}/export."""

    async def export(request: Request) -> Response:
        ref = f"{request.path_params['workspace']}/{request.path_params['run']}"
        file = await run_in_threadpool(_written, transfers, ref)
        return StreamingResponse(parts(file), headers=headers, media_type="application/octet-stream")

    return export


def arriving(transfers: Transfers, *, incoming: Callable[[Request], BinaryIO]) -> Endpoint:
    """POST /workspaces/{workspace}/import."""

    async def take(request: Request) -> Response:
        workspace = request.path_params["workspace"]
        return answer(request, await run_in_threadpool(_taken, transfers, workspace, incoming(request)))

    return take


def _written(transfers: Transfers, ref: str) -> BinaryIO:
    file = tempfile.TemporaryFile()  # noqa: SIM115  (closed by whoever sends it)
    try:
        with transfers.export(ref) as run:
            for part in travelling.sent(run.document, leaving=run.records):
                file.write(part)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _taken(transfers: Transfers, workspace: str, incoming: BinaryIO) -> Arrival:
    with tempfile.TemporaryFile() as file:
        travelling.spooled(incoming, file)
        try:
            given = msgspec.json.decode(travelling.head(file), type=Given)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Invalid(f"What goes before a run cannot be read: {error}.") from error
        document = travelling.head(file)
        return transfers.take(
            workspace,
            document,
            records=travelling.arriving(file),
            experiment=given.experiment,
            lost=given.lost,
        )

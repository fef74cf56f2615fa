"""Resources of a history asked over HTTP: a real server in this process, and the client that is derived."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from types import SimpleNamespace
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

from runstone.server.app import application
from runstone.service import remote
from runstone.service.http import Http

FACES = ("called", "http")


class Applications:
    """One server for all tests of a process: the first part of a path says which application is meant."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._known: dict[str, Any] = {}
        listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(self, log_level="critical", lifespan="off"))
        threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
        while not server.started:
            time.sleep(0.005)

    @contextmanager
    def serving(self, app: Any) -> Iterator[str]:
        """The address of an application."""
        name = str(next(self._numbers))
        self._known[name] = app
        yield f"{self.address}/{name}"
        del self._known[name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, name, path = scope["path"].split("/", 2)
        await self._known[name]({**scope, "path": f"/{path}"}, receive, send)


applications = cache(Applications)


@contextmanager
def through(face: str, **resources: Any) -> Iterator[Any]:
    """Resources as they are called in an embedded history, or asked over HTTP."""
    if face == "called":
        yield SimpleNamespace(**resources)
        return
    with applications().serving(application(resources)) as address:
        http = Http(address)
        yield SimpleNamespace(**{name: remote.resource(name, http) for name in resources})
        http.close()

"""Serving a history until somebody says stop: what is being answered is answered first."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection
from pathlib import Path

import uvicorn

from runstone.model.errors import Invalid
from runstone.server.access import LOOPBACK, Gate, kept_token
from runstone.server.app import application
from runstone.service.connect import Service, Settings

STOP_SECONDS = 30


def serve(
    root: Path,
    settings: Settings,
    *,
    store: str = "",
    bind: tuple[str, int] = ("127.0.0.1", 8770),
    hosts: Collection[str] = (),
    tell: Callable[[str], object],
) -> None:
    """Serve the history in a directory, or with its records in the database at ``store``, until a signal.

    Invalid when the address is taken. ``tell`` is given what a person wants to know: the address, and a token
    that is new.
    """
    service = Service(root, settings, store=store, durable=True)
    try:
        listening = _listening(*bind)
        token, new = (settings.token, False) if settings.token else kept_token(root)
        gate = Gate(application(service.resources), token=token, hosts={*LOOPBACK, *hosts, bind[0]})
        config = uvicorn.Config(
            gate,
            log_level="warning",
            lifespan="off",
            timeout_graceful_shutdown=STOP_SECONDS,
            access_log=False,
        )
        tell(f"Serving {(store and 'a database') or root} at http://{_shown(*listening.getsockname()[:2])}")
        if new:
            tell(f"Its token, printed this once and kept in {root / 'server.token'}: {token}")
        tell("Work with it: RUNSTONE_HISTORY=<the address> RUNSTONE_TOKEN=<the token>. Ctrl-C stops.")
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        service.close()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise Invalid(
            f"{host}:{port} cannot be served ({os.strerror(error.errno or 0)}); choose another --port."
        ) from None


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

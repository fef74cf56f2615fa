"""Who is let in: one layer around the whole application, closed unless it is opened."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from runstone.model.errors import AuthenticationException, Invalid
from runstone.server.answers import refusal

LOOPBACK = ("localhost", "127.0.0.1", "::1")
OPEN = ("/health",)


class Gate:
    """Lets in who names a host that the server goes by, and brings its token.

    The host is looked at because a page that a browser of this machine shows may have a name of its own point
    here (DNS rebinding); it would bring no token, and should learn nothing either.
    """

    def __init__(self, app: ASGIApp, *, token: str, hosts: Collection[str] = LOOPBACK) -> None:
        self._app = app
        self._digest = _digest(token)
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # no other protocol is served, and none is let in
            return
        headers = Headers(scope=scope)
        error = self._complaint(scope["path"], headers)
        if error is None:
            await self._app(scope, receive, send)
            return
        answer = refusal(error, status=421 if isinstance(error, Invalid) else 401)
        answer.headers["WWW-Authenticate"] = "Bearer"
        await answer(scope, receive, send)

    def _complaint(self, path: str, headers: Headers) -> Exception | None:
        host = urlsplit(f"//{headers.get('host', '')}").hostname
        if host not in self._hosts:
            return Invalid(
                f"This server does not go by the name {host!r}; its owner can add it: --allow-host."
            )
        if path in OPEN:
            return None
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and hmac.compare_digest(_digest(token.strip()), self._digest):
            return None
        return AuthenticationException(
            "This server needs a token: set RUNSTONE_TOKEN to the one that it printed when it first started."
        )


def kept_token(folder: Path) -> tuple[str, bool]:
    """The server's token, and whether it was made just now. Its file is for its owner alone."""
    path = folder / "server.token"
    made = f"rst_{secrets.token_urlsafe(32)}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip(), False
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(made + "\n")
    return made, True


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()

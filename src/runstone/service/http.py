"""The client's end of HTTP: connections that are kept, time-outs for all of it, errors that are raised."""

from __future__ import annotations

import http.client
import os
import socket
import urllib.parse
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from runstone.model import patience
from runstone.model.errors import Busy, Invalid
from runstone.service.problems import raised

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
Body = bytes | Iterable[bytes] | None
NONE: Mapping[str, str] = MappingProxyType({})


class Http:
    """One server, asked from any thread and any forked child."""

    def __init__(self, address: str, token: str | None = None) -> None:
        parts = urllib.parse.urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid(f"A server's address is like https://runs.example.org; got {address!r}.")
        self.address = address.rstrip("/")
        self._parts = parts
        self._token = token
        self._process = os.getpid()
        self._idle: list[http.client.HTTPConnection] = []

    def ask(
        self, verb: str, path: str, *, query: str = "", body: Body = None, headers: Mapping[str, str] = NONE
    ) -> bytes:
        """The content of the answer; the server's refusal is raised, and Busy when there is no server."""
        try:
            answer, content = self._answer(verb, self._target(path, query), body, self._with_token(headers))
        except (OSError, http.client.HTTPException) as error:
            raise self._away(error) from error
        return self._accepted(answer, content)

    def open(self, path: str, *, query: str = "") -> http.client.HTTPResponse:
        """An answer to be read as a stream, over a connection of its own, which ends with it."""
        headers = self._with_token({"Connection": "close"})
        try:
            connection = self._connected()
            connection.request("GET", self._target(path, query), headers=headers)
            answer = connection.getresponse()
            if answer.status >= 300:
                self._accepted(answer, answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise self._away(error) from error
        return answer

    def close(self) -> None:
        """Close the connections that are idle; another call opens one again."""
        while self._idle:
            self._idle.pop().close()

    def _accepted(self, answer: http.client.HTTPResponse, content: bytes) -> bytes:
        if answer.status < 300:
            return content
        raise raised(answer.status, content, address=self.address)

    def _answer(
        self, verb: str, target: str, body: Body, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        kept = self._kept()
        if kept is not None:
            try:
                return self._over(kept, verb, target, body=body, headers=headers)
            except (ConnectionError, http.client.BadStatusLine):
                # a server closes what was idle for long, and has read nothing; a stream cannot be sent twice
                if not isinstance(body, bytes | None):
                    raise
        return self._over(self._connected(), verb, target, body=body, headers=headers)

    def _over(
        self,
        connection: http.client.HTTPConnection,
        verb: str,
        target: str,
        *,
        body: Body,
        headers: Mapping[str, str],
    ) -> tuple[http.client.HTTPResponse, bytes]:
        try:
            connection.request(verb, target, body=body, headers=dict(headers))
            answer = connection.getresponse()
            content = answer.read()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer, content

    def _kept(self) -> http.client.HTTPConnection | None:
        if self._process != os.getpid():
            # those belong to the parent of this forked child
            self._process = os.getpid()
            self.close()
        try:
            connection = self._idle.pop()
        except IndexError:
            return None
        if connection.sock is not None:
            connection.sock.settimeout(max(patience.left(READ_SECONDS), 0.1))
        return connection

    def _connected(self) -> http.client.HTTPConnection:
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        wait = max(patience.left(CONNECT_SECONDS), 0.1)
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=wait)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sock.settimeout(max(patience.left(READ_SECONDS), 0.1))
        return connection

    def _target(self, path: str, query: str) -> str:
        return f"{self._parts.path.rstrip('/')}{path}{'?' + query if query else ''}"

    def _with_token(self, headers: Mapping[str, str]) -> dict[str, str]:
        own = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return {**own, **headers}

    def _away(self, error: Exception) -> Busy:
        return Busy(f"The server {self.address} cannot be reached ({error or type(error).__name__}).")

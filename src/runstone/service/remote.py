"""A history on a server, asked by the same operations as one in a directory."""

from __future__ import annotations

import hashlib
import inspect
import urllib.parse
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar, cast

from runstone.model import patience
from runstone.model.artifacts import Artifact, Blob
from runstone.service import wire
from runstone.service.artifacts import Artifacts
from runstone.service.connect import Service, Settings
from runstone.service.http import Http
from runstone.service.logs import PART, Logs
from runstone.service.recovery import Recovery
from runstone.service.remote_transfers import RemoteTransfers
from runstone.service.snapshots import Snapshots

Resource = TypeVar("Resource")
# How long a process that opens a history tries to deliver what others have left.
LEFT_SECONDS = 5.0
_HEADERS = {"Content-Type": wire.PACKED, "Accept": wire.PACKED}


class RemoteService(Service):
    """The operations on a history that a server keeps. Journals wait in a directory of this machine."""

    def __init__(self, address: str, settings: Settings) -> None:
        digest = hashlib.sha256(address.encode()).hexdigest()[:16]
        self.http = http = Http(address, settings.token)
        self._reside(settings.home / "servers" / digest, settings)
        self.address = address
        self.recovery = _Elsewhere()
        self.workspaces = resource("workspaces", http)
        self.experiments = resource("experiments", http)
        self.runs = resource("runs", http)
        self.metrics = resource("metrics", http)
        self.jobs = resource("jobs", http)
        self.snapshots = resource("snapshots", http)
        self.assets = resource("assets", http)
        self.models = resource("models", http)
        self.secrets = resource("secrets", http)
        self.transfers = resource("transfers", http)
        self.lineage = resource("lineage", http)
        self.artifacts = resource("artifacts", http)
        self.purging = resource("purging", http)
        self.logs = resource("logs", http)
        # what a process of this machine has left, because it was killed or the server was away
        with patience.within(LEFT_SECONDS):
            self.shipper.drain_all()

    def persist(self) -> bool:
        """True: what a server has acknowledged is durable."""
        return True

    def close(self) -> None:
        """Deliver what this process has logged, as long as the server is there, and close the connections."""
        self.shipper.close()
        self.http.close()


class _Elsewhere(Recovery):
    """The server puts its history in order by itself."""

    def __init__(self) -> None:
        """Nothing is here to be put in order."""

    def settle(self, ref: str | None = None) -> None:
        return None

    def refresh(self) -> None:
        return None

    def after_end(self) -> None:
        return None


def resource(name: str, http: Http) -> Any:
    """The operations of a resource, carried out by a server."""
    kind = _STREAMING.get(name, wire.RESOURCES[name])
    asking = {call.name: _asking(call) for call in wire.calls() if call.resource == name}
    found: Any = type(kind.__name__, (kind,), asking)
    # not initialised: what an embedded resource needs is on the server
    resource = object.__new__(found)
    resource._http = http
    return resource


class _Artifacts(Artifacts):
    _http: Http

    def upload(self, run: str, name: str, *, content: BinaryIO, overwrite: bool = True) -> Artifact:
        query = urllib.parse.urlencode({"name": name, "overwrite": str(overwrite).lower()})
        path = f"{wire.PREFIX}/runs/{_quoted(run)}/artifact/content"
        found = self._http.ask("PUT", path, query=query, body=_parts(content), headers=_STREAM)
        return cast(Artifact, wire.unpacked(found, Artifact))

    def open(self, run: str, name: str, *, version: int | None = None, offset: int = 0) -> BinaryIO:
        query = {"name": name, "version": version, "offset": offset}
        path = f"{wire.PREFIX}/runs/{_quoted(run)}/artifact/content"
        return cast(BinaryIO, self._http.open(path, query=_query(query)))


class _Logs(Logs):
    _http: Http

    def read(self, run: str, name: str, *, offset: int = 0, most: int = PART) -> bytes:
        query = _query({"name": name, "offset": offset, "most": most})
        return self._http.ask("GET", f"{wire.PREFIX}/runs/{_quoted(run)}/log", query=query)


class _Snapshots(Snapshots):
    _http: Http

    def keep(self, content: BinaryIO) -> Blob:
        found = self._http.ask("PUT", f"{wire.PREFIX}/contents", body=_parts(content), headers=_STREAM)
        return cast(Blob, wire.unpacked(found, Blob))

    def open(self, sha256: str) -> BinaryIO:
        return cast(BinaryIO, self._http.open(f"{wire.PREFIX}/contents/{_quoted(sha256)}"))


# The resources with operations whose bodies are streams.
_STREAMING: dict[str, type] = {
    "artifacts": _Artifacts,
    "logs": _Logs,
    "snapshots": _Snapshots,
    "transfers": RemoteTransfers,
}
_STREAM = {"Content-Type": "application/octet-stream", "Accept": wire.PACKED}


def _asking(call: wire.Call) -> Callable[..., Any]:
    signature = inspect.signature(call.method)

    def ask(*arguments: Any, **named: Any) -> Any:
        given = dict(signature.bind(*arguments, **named).arguments)
        http: Http = given.pop("self")._http
        path = _path(call, given)
        if call.in_query:
            query = urllib.parse.urlencode(wire.to_query(call, given))
            found = http.ask(call.verb, path, query=query, headers=_HEADERS)
        else:
            found = http.ask(call.verb, path, body=wire.packed(given), headers=_HEADERS)
        return wire.unpacked(found, call.answer)

    return ask


def _path(call: wire.Call, given: dict[str, Any]) -> str:
    """The path of a call; the arguments in it are taken out of those that are given."""
    if "{workspace}/{run}" in call.path:
        given["workspace"], _, given["run"] = str(given["run"]).partition("/")
    parts = {name: _quoted(str(given.pop(name))) for name in call.in_path}
    return wire.PREFIX + call.path.format(**parts)


def _quoted(text: str) -> str:
    return "/".join(urllib.parse.quote(part, safe="") for part in text.split("/"))


def _query(values: dict[str, Any]) -> str:
    return urllib.parse.urlencode({name: value for name, value in values.items() if value is not None})


def _parts(content: BinaryIO) -> Any:
    return iter(lambda: content.read(PART), b"")

"""Runs out of a history on a server, and into one: the two operations whose bodies are streams."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from runstone.model.portable import Arrival
from runstone.service import wire
from runstone.service.http import Http
from runstone.service.transfers import Leaving, Transfers

if TYPE_CHECKING:
    from runstone.store.records import Record

_STREAM = {"Content-Type": "application/octet-stream", "Accept": wire.PACKED}


class RemoteTransfers(Transfers):
    """See ``Transfers``; a server carries it out."""

    _http: Http

    @contextmanager
    def export(self, run: str) -> Iterator[Leaving]:
        """See ``Transfers.export``."""
        from runstone.service import travelling

        path = f"{wire.PREFIX}/runs/{'/'.join(quote(part, safe='') for part in run.split('/'))}/export"
        with self._http.open(path) as stream:
            document = travelling.head(stream)
            yield Leaving(document, travelling.arriving(stream))

    def take(
        self,
        workspace: str,
        document: bytes,
        *,
        records: Iterable[Record],
        experiment: str,
        lost: frozenset[str] = frozenset(),
    ) -> Arrival:
        """See ``Transfers.take``."""
        from runstone.service import travelling

        given = json.dumps({"experiment": experiment, "lost": sorted(lost)}).encode()
        found = self._http.ask(
            "POST",
            f"{wire.PREFIX}/workspaces/{quote(workspace, safe='')}/import",
            body=travelling.sent(given, document, leaving=records),
            headers=_STREAM,
        )
        return Arrival(wire.unpacked(found, Arrival))

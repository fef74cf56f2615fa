"""Operations on assets: environments, models and data sets, registered in versions."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from runstone.model.assets import Asset
from runstone.model.errors import Invalid
from runstone.service.operation import operation
from runstone.store import assets, experiments
from runstone.store.database import Database, Transaction

_KIND = re.compile(r"[a-z][a-z-]{0,29}")


class Assets:
    """What a workspace keeps by name and version. A kind is one word, as ``environment`` or ``model``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @operation("POST /workspaces/{workspace}/assets/{kind}")
    def register(
        self, workspace: str, kind: str, *, name: str, body: Mapping[str, Any], again: bool = False
    ) -> Asset:
        """The version of that content: the latest one if nothing has changed since, else a new one.

        ``again`` makes a new version of the same content too. TooLarge for a body of more than 4 MiB as JSON.
        """
        with self._database.write() as tx:
            n = _place(tx, workspace, kind)
            return assets.register(tx, n, kind, name=name, body=body, now=_now(), again=again)

    @operation("GET /workspaces/{workspace}/asset/{kind}")
    def get(
        self, workspace: str, kind: str, *, name: str, version: int | None = None, label: str | None = None
    ) -> Asset:
        """One version, by its number or a label, the latest by default; NotFound names those that there
        are."""
        with self._database.read() as tx:
            return assets.get(tx, _place(tx, workspace, kind), kind, name=name, version=version, label=label)

    @operation("GET /workspaces/{workspace}/assets/{kind}")
    def list(self, workspace: str, kind: str) -> tuple[Asset, ...]:
        """The latest version of each name, by name."""
        with self._database.read() as tx:
            return tuple(assets.latest(tx, _place(tx, workspace, kind), kind))

    @operation("GET /workspaces/{workspace}/asset/{kind}/versions")
    def versions(self, workspace: str, kind: str, *, name: str) -> tuple[Asset, ...]:
        """Every version of a name, the oldest first; none of a name that nobody has registered."""
        with self._database.read() as tx:
            return tuple(assets.versions(tx, _place(tx, workspace, kind), kind, name=name))

    @operation("PUT /workspaces/{workspace}/asset/{kind}/labels")
    def label(self, workspace: str, kind: str, *, name: str, version: int, labels: Sequence[str]) -> Asset:
        """Have labels point at a version; a label that pointed at another one moves."""
        with self._database.write() as tx:
            n = _place(tx, workspace, kind)
            return assets.label(tx, n, kind, name=name, version=version, labels=labels, now=_now())

    @operation("DELETE /workspaces/{workspace}/asset/{kind}")
    def delete(self, workspace: str, kind: str, *, name: str, version: int) -> None:
        """Delete one version; its number is never given again."""
        with self._database.write() as tx:
            n = _place(tx, workspace, kind)
            assets.delete(tx, n, kind, name=name, version=version, now=_now())


def _place(tx: Transaction, workspace: str, kind: str) -> int:
    if not _KIND.fullmatch(kind):
        raise Invalid(f"A kind of assets is one word of small letters, as 'environment'; got {kind!r}.")
    return experiments.workspace(tx, workspace).id


def _now() -> int:
    return time.time_ns() // 1000

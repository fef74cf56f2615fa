"""Operations on workspaces."""

from __future__ import annotations

import time
from collections.abc import Mapping

from runstone.model.errors import Conflict
from runstone.model.runs import Workspace
from runstone.service.operation import operation
from runstone.store import experiments
from runstone.store.database import Database


class Workspaces:
    """The workspaces of a history: names under which experiments are kept apart."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @operation("POST /workspaces")
    def create(
        self, name: str, *, labels: Mapping[str, str] | None = None, exist_ok: bool = True
    ) -> Workspace:
        """The workspace of that name, created if there is none; Conflict if there is one and not
        ``exist_ok``."""
        with self._database.write() as tx:
            added = experiments.add_workspace(tx, name, labels=labels or {}, now=time.time_ns() // 1000)
            if not added and not exist_ok:
                raise Conflict(f"A workspace {name!r} exists already; pass exist_ok=True to use it.")
            return experiments.workspace(tx, name)

    @operation("GET /workspaces/{name}")
    def get(self, name: str) -> Workspace:
        """The workspace of that name; NotFound names those that there are."""
        with self._database.read() as tx:
            return experiments.workspace(tx, name)

    @operation("GET /workspaces")
    def list(self) -> tuple[Workspace, ...]:
        """Every workspace, by name."""
        with self._database.read() as tx:
            return tuple(experiments.workspaces(tx))

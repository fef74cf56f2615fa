"""Operations on experiments."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from runstone.model.errors import Invalid
from runstone.model.runs import Experiment
from runstone.service.operation import operation
from runstone.store import experiments
from runstone.store.database import Database

VIEWS = ("active", "archived", "all")


class Experiments:
    """The experiments of a workspace: named sets of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @operation("POST /workspaces/{workspace}/experiments")
    def create(self, workspace: str, name: str) -> Experiment:
        """The active experiment of that name, created if there is none; an archived one of the name stays as
        it is."""
        with self._database.write() as tx:
            return experiments.add(tx, experiments.workspace(tx, workspace).id, name, now=_now())

    @operation("GET /workspaces/{workspace}/experiments")
    def list(
        self, workspace: str, *, name: str | None = None, view: str = "active"
    ) -> tuple[Experiment, ...]:
        """Experiments in the order of their creation; ``view`` is active, archived or all."""
        if view not in VIEWS:
            raise Invalid(f"view is one of {', '.join(VIEWS)}; got {view!r}.")
        with self._database.read() as tx:
            return tuple(
                experiments.listed(tx, experiments.workspace(tx, workspace).id, name=name, view=view)
            )

    @operation("GET /experiments/{id}")
    def get(self, id: str, *, deleted: bool = False) -> Experiment:
        """The experiment of that id, archived or not; with ``deleted``, also one that was deleted."""
        with self._database.read() as tx:
            return experiments.by_id(tx, id, deleted=deleted)

    @operation("POST /experiments/{id}/tags")
    def tag(self, id: str, tags: Mapping[str, str | None]) -> Experiment:
        """Add or replace tags; the others stay."""
        with self._database.write() as tx:
            experiments.set_tags(tx, id, tags)
            return experiments.by_id(tx, id)

    @operation("DELETE /experiments/{id}/tags")
    def untag(self, id: str, keys: Sequence[str]) -> Experiment:
        """Remove tags; a key that is not there is passed over."""
        with self._database.write() as tx:
            experiments.remove_tags(tx, id, keys)
            return experiments.by_id(tx, id)

    @operation("PATCH /experiments/{id}")
    def describe(self, id: str, description: str | None) -> Experiment:
        """Set the description (Markdown, at most 64 KiB of characters); None removes it."""
        with self._database.write() as tx:
            experiments.describe(tx, id, description)
            return experiments.by_id(tx, id)

    @operation("POST /experiments/{id}/archive")
    def archive(self, id: str) -> Experiment:
        """Hide the experiment from lists; its name may then be taken by a new one. Repeating is harmless."""
        with self._database.write() as tx:
            experiments.archive(tx, id, _now())
            return experiments.by_id(tx, id)

    @operation("POST /experiments/{id}/reactivate")
    def reactivate(self, id: str, *, new_name: str | None = None) -> Experiment:
        """Bring an archived experiment back; Conflict when an active one has the name."""
        with self._database.write() as tx:
            experiments.reactivate(tx, id, new_name)
            return experiments.by_id(tx, id)

    @operation("DELETE /experiments/{id}")
    def delete(self, id: str) -> None:
        """Delete an experiment without runs; Conflict when it still has some."""
        with self._database.write() as tx:
            experiments.delete(tx, id, _now())


def _now() -> int:
    return time.time_ns() // 1000

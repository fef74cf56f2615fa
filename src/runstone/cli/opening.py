"""From where a person stands to the history, the workspace and the runs that a command is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from runstone.cli import output

if TYPE_CHECKING:
    from runstone.model.runs import Run as Record
    from runstone.sdk.places import Place
    from runstone.sdk.run import Run
    from runstone.sdk.workspace import Workspace
    from runstone.service.connect import Service

# So many runs are named when the beginning of an id is that of several.
NAMED = 5


@dataclass(frozen=True)
class Scope:
    """What a command line says of its place; the rest is found from a directory, as a script there would."""

    path: Path = Path(".")
    workspace_name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def place(self) -> Place:
        """Where scripts in that directory have their history."""
        from runstone.sdk import places  # loaded by the commands that need it: `--help` is quick
        from runstone.service.connect import settings

        return places.locate(self.path.resolve(), settings())

    @property
    def workspace(self) -> str:
        """The workspace's name."""
        return self.workspace_name or self.place.workspace

    def history(self) -> Service | None:
        """The history, None when there is none yet: looking does not make one."""
        from runstone.service.connect import connect  # see place()

        if not self.there:
            output.note(self._nothing)
            return None
        return connect(self.place.history)

    def look(self) -> Opened | None:
        """The workspace, None when there is none yet, unless it was asked for by its name."""
        from runstone.model.errors import NotFound  # see place()

        service = self.history()
        if service is None:
            return None
        try:
            service.workspaces.get(self.workspace)
        except NotFound:
            if self.workspace_name:
                raise
            return None
        return Opened(service, self.workspace)

    def open(self) -> Opened:
        """The history of things that must be there; NotFound when there is none."""
        found = self.look() if self.there else None
        if found is not None:
            return found
        from runstone.model.errors import NotFound  # see place()

        empty = f"There is nothing yet in the workspace {self.workspace!r}."
        raise NotFound(empty if self.there else self._nothing)

    @property
    def there(self) -> bool:
        """Whether there is a history."""
        return "://" in self.place.history or (Path(self.place.history) / "history.db").exists()

    def made(self) -> Workspace:
        """The workspace, made when it is not there yet: something is to be put into it."""
        from runstone.sdk.workspace import Workspace  # see place()

        given = self.labels
        return Workspace(
            given.get("subscription_id"),
            given.get("resource_group"),
            self.workspace,
            history=self.place.history,
        )

    @property
    def _nothing(self) -> str:
        return f"There is no history yet at {self.place.history}; `runstone demo` makes one."


@dataclass(frozen=True)
class Opened:
    """A workspace that is there, and the operations on its history."""

    service: Service
    workspace: str

    @property
    def sdk(self) -> Workspace:
        """The workspace as scripts have it."""
        from runstone.sdk.workspace import Workspace  # see Scope.place

        return Workspace(workspace_name=self.workspace, history=self.service.address)

    def run(self, given: str) -> Run:
        """The run of that id, or with that beginning, as scripts have it."""
        from runstone.sdk.run import Run  # see Scope.place

        return Run._of_workspace(self.sdk, self.record(given))

    def record(self, given: str) -> Record:
        """The run of that id, or the one whose id begins so; NotFound, or Conflict when several do."""
        from runstone.model.errors import Conflict, NotFound  # see Scope.place

        try:
            return self.service.runs.get(self.ref(given))
        except NotFound:
            found = self._beginning(given)
            if not found:
                raise
        if len(found) > 1:
            raise Conflict(_several(given, found))
        return found[0]

    def deleted(self, given: str) -> str:
        """The id of the run of that id, deleted or not, or of the deleted one whose id begins so."""
        from runstone.model.errors import Conflict, Gone, NotFound  # see Scope.place

        try:
            return self.service.runs.get(self.ref(given)).id
        except Gone:
            return given
        except NotFound:
            found = self._beginning(given, "deleted = true")
            if not found:
                raise
        if len(found) > 1:
            raise Conflict(_several(given, found))
        return found[0].id

    def ref(self, id: str) -> str:
        """The text by which operations name a run."""
        from runstone.store.runs import reference  # see Scope.place

        return reference(self.workspace, id)

    def _beginning(self, given: str, also: str = "") -> tuple[Record, ...]:
        from runstone.sdk import finding  # see Scope.place

        if not given or "/" in given:
            return ()
        text = f"run_id startswith {finding.quoted(given)}" + (f" and {also}" if also else "")
        return self.service.runs.search(self.workspace, text, limit=NAMED + 1).runs


def require_experiment(opened: Opened, name: str) -> None:
    """NotFound, naming those that there are, unless the workspace has such an experiment."""
    from runstone.model.errors import NotFound  # see Scope.place

    known = sorted({one.name for one in opened.service.experiments.list(opened.workspace, view="all")})
    if name not in known:
        there = f"there are: {', '.join(known)}" if known else "there is none yet"
        raise NotFound(f"There is no experiment {name!r} in the workspace {opened.workspace!r}; {there}.")


def _several(given: str, found: Sequence[Record]) -> str:
    some = ", ".join(one.id for one in found[:NAMED])
    more = ", ..." if len(found) > NAMED else ""
    return f"Several runs begin with {given!r}: {some}{more}. Give more of the id."

"""Experiment: a named set of runs."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runstone.model.runs import iso
from runstone.sdk import finding
from runstone.sdk.starting import start_run
from runstone.sdk.submitting import submit
from runstone.sdk.workspace import Workspace

if TYPE_CHECKING:
    from runstone.sdk.run import Run

_VIEWS = {"ActiveOnly": "active", "ArchivedOnly": "archived", "All": "all"}


class Experiment:
    """The active experiment of that name, created if there is none.

    Args:
        workspace: where it is kept.
        name: 1 to 255 letters, digits, ``-`` and ``_``, the first a letter or a digit.

    Raises:
        UserErrorException: the name is not a legal one.
    """

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        _skip_name_validation: bool = False,
        _id: str | None = None,
        _archived_time: Any = None,
        _create_in_cloud: bool = True,
        _experiment_dto: Any = None,
        **kwargs: Any,
    ) -> None:
        self._workspace = workspace
        operations = workspace._service.experiments
        self._record = operations.get(_id) if _id else operations.create(workspace.name, name)

    @staticmethod
    def list(
        workspace: Workspace,
        experiment_name: str | None = None,
        view_type: str = "ActiveOnly",
        tags: str | Mapping[str, str] | None = None,
    ) -> builtins.list[Experiment]:
        """The experiments of a workspace, oldest first.

        Args:
            experiment_name: only those of that name.
            view_type: ``ActiveOnly``, ``ArchivedOnly`` or ``All``.
            tags: a key that must be there, or keys with the values that they must have.
        """
        view = _VIEWS.get(str(view_type), str(view_type))
        records = workspace._service.experiments.list(workspace.name, name=experiment_name, view=view)
        wanted = finding.sought("tags", tags)
        return [
            _of_record(workspace, record)
            for record in records
            if all(key in record.tags and value in (None, record.tags[key]) for key, value in wanted.items())
        ]

    @property
    def id(self) -> str:
        """The experiment's GUID."""
        return self._record.id

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self._record.name

    @property
    def workspace(self) -> Workspace:
        """The workspace in which it is kept."""
        return self._workspace

    @property
    def workspace_object(self) -> Workspace:
        """The original's other name for ``workspace``."""
        return self._workspace

    @property
    def tags(self) -> dict[str, str | None]:
        """The tags, as last fetched; see ``refresh``."""
        return dict(self._record.tags)

    @property
    def description(self) -> str | None:
        """The description (Markdown); can be set."""
        return self._record.description

    @description.setter
    def description(self, text: str | None) -> None:
        self._record = self._operations.describe(self.id, text)

    @property
    def archived_time(self) -> str | None:
        """When it was archived (ISO 8601, UTC), or None."""
        return iso(self._record.archived)

    @property
    def portal_url(self) -> str:
        """The address of the experiment."""
        return self.get_portal_url()

    def get_portal_url(self) -> str:
        """The address of the experiment: ``runstone://<workspace>/experiments/<id>``."""
        return f"runstone://{self._workspace.name}/experiments/{self.id}"

    def start_logging(
        self,
        *_: Any,
        outputs: str | bool | None = True,
        snapshot_directory: str | None = None,
        display_name: str | None = None,
        run_id: str | None = None,
        **more: Any,
    ) -> Run:
        """Start a run in this process; it is Running at once.

        Args:
            outputs: the directory that is uploaded when the run completes; True is ``outputs``, False none.
            snapshot_directory: a directory to keep as the run's snapshot; None keeps none. One that is too
                large is one warning, and the script alone is kept, as are its git state and diff in any case.
            display_name: to 1,024 characters.
            run_id: an id of your own, unique in the workspace; a GUID by default.
            **more: ``description``, ``tags``, ``properties``, ``params``, and ``capture`` (what to capture
                without asking, e.g. ``"none"`` or ``"-git"``).

        Raises:
            UserErrorException: a run of that id exists, or a value is over a limit.
        """
        run = start_run(self, outputs=outputs, display_name=display_name, run_id=run_id, **more)
        if snapshot_directory is not None:
            run._keep_source(snapshot_directory)
        return run

    def submit(self, config: Any, tags: Mapping[str, Any] | None = None, **kwargs: Any) -> Run:
        """Hand a script over, or a sweep of it; returns at once with a run that is Queued.

        Args:
            config: a ScriptRunConfig, or a SweepConfig.
            tags: the run's tags.
            **kwargs: ``show_output=True`` waits, and prints what the script prints.

        Raises:
            ExperimentExecutionException: the script is not in the source directory.
            SnapshotException: the source directory is too large.
            UserErrorException: the configuration cannot be run, or there is no such compute target.
        """
        run = submit(self, config, tags=tags)
        if kwargs.get("show_output"):
            run.wait_for_completion(show_output=True)
        return run

    def get_runs(
        self,
        type: str | None = None,
        tags: str | Mapping[str, str] | None = None,
        properties: str | Mapping[str, str] | None = None,
        include_children: bool = False,
        *,
        filter: str = "",
        order_by: str = "",
    ) -> Iterator[Run]:
        """The runs, newest first: a generator, stable while runs are being added.

        Args:
            type: only runs of this type.
            tags, properties: a key that must be there, or keys with the values that they must have.
            include_children: runs of every depth, not the top level alone.
            filter, order_by: the one filter language, in addition.

        Raises:
            UserErrorException: the filter cannot be read; the message names the character.
        """
        clauses = [finding.equals("experiment_id", self.id), finding.typed(type)]
        clauses += [*finding.having("tags", tags), *finding.having("properties", properties)]
        clauses += ["" if include_children else "depth = 0", finding.given(filter)]
        return finding.runs(self._workspace, clauses, order_by)

    def tag(self, key: str, value: str | None = None) -> None:
        """Add or replace one tag."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, str | None] | str) -> None:
        """Add or replace tags; the others stay. A text is one tag, or a JSON object of them."""
        self._record = self._operations.tag(self.id, finding.tags(tags))

    def remove_tags(self, tags: builtins.list[str]) -> None:
        """Remove tags; a key that is not there is passed over."""
        self._record = self._operations.untag(self.id, finding.keys(tags))

    def archive(self) -> None:
        """Hide the experiment from lists; its name may then be taken by a new one."""
        self._record = self._operations.archive(self.id)

    def reactivate(self, new_name: str | None = None) -> None:
        """Bring it back; refused when an active experiment has the name."""
        self._record = self._operations.reactivate(self.id, new_name=new_name)

    @staticmethod
    def delete(workspace: Workspace, experiment_id: str) -> None:
        """Delete an experiment that has no runs; refused when it still has some."""
        workspace._service.experiments.delete(experiment_id)

    def refresh(self) -> None:
        """Fetch the record again."""
        self._record = self._operations.get(self.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Experiment) and (self.id, self._workspace) == (other.id, other._workspace)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Experiment(Name: {self.name},\nWorkspace: {self._workspace.name})"

    def _repr_html_(self) -> str:
        # only notebooks show themselves
        from runstone.sdk import display

        fields = {"Name": self.name, "Workspace": self._workspace.name, "Report Page": self.get_portal_url()}
        return display.table_html(fields)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self._workspace, self.id)

    @property
    def _operations(self) -> Any:
        return self._workspace._service.experiments


def _of_record(workspace: Workspace, record: Any) -> Experiment:
    experiment = Experiment.__new__(Experiment)
    experiment._workspace = workspace
    experiment._record = record
    return experiment


def _reopen(workspace: Workspace, id: str) -> Experiment:
    # deleted runs can be looked for, and their experiment may be deleted, too
    return _of_record(workspace, workspace._service.experiments.get(id, deleted=True))

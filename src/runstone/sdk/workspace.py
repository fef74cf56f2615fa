"""Workspace: the place where experiments are kept, found without any set-up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstone.model import runs as model
from runstone.model.errors import Conflict, NotFound, WorkspaceException
from runstone.sdk import places
from runstone.sdk.results import RunList
from runstone.sdk.workspace_assets import WorkspaceAssets
from runstone.sdk.workspace_transfer import WorkspaceTransfer
from runstone.service.connect import Service, Settings, connect, settings
from runstone.store.runs import reference

if TYPE_CHECKING:
    from runstone.sdk.experiment import Experiment
    from runstone.sdk.run import Run


# What the original tells of a workspace besides: resources of its cloud, of which there are none.
_OF_THE_CLOUD = (
    "containerRegistry",
    "keyVault",
    "applicationInsights",
    "storageAccount",
    "identity",
    "resourceCmkUri",
    "hbiWorkspace",
    "imageBuildCompute",
    "systemDatastoresAuthMode",
)


class Workspace(WorkspaceAssets, WorkspaceTransfer):
    """A workspace of a history, created when it is not there yet.

    Args:
        subscription_id: kept as a label; the original needed it to find a workspace in its cloud.
        resource_group: kept as a label.
        workspace_name: 2 to 32 letters, digits, ``-`` and ``_``.
        history: a directory; by default the nearest ``.runstone`` upwards, else the user's data directory.

    Raises:
        UserErrorException: the name is not a legal one, or the history cannot be opened.
    """

    def __init__(
        self,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        workspace_name: str | None = None,
        auth: Any = None,
        _location: str | None = None,
        _disable_service_check: bool = False,
        _workspace_id: str | None = None,
        sku: str = "basic",
        tags: Mapping[str, str] | None = None,
        _cloud: str = "AzureCloud",
        *,
        history: str | Path | None = None,
        **_: Any,
    ) -> None:
        if history is None or workspace_name is None:
            found = _place()
            history, workspace_name = history or found.history, workspace_name or found.workspace
        self._open(history, workspace_name, _labels(tags, subscription_id, resource_group))

    @staticmethod
    def from_config(
        path: str | Path | None = None, auth: Any = None, _logger: Any = None, _file_name: str | None = None
    ) -> Workspace:
        """The workspace of the nearest configuration file upwards; with none anywhere, the embedded one.

        Args:
            path: a configuration file, or the directory to start from; then a file must be found.

        Raises:
            UserErrorException: nothing is found from ``path``, or a file lacks required values.
        """
        if path is None:
            return _workspace_at(_place(_file_name))
        return _workspace_at(places.locate_file(Path(path), settings(), file_name=_file_name))

    @staticmethod
    def get(
        name: str,
        auth: Any = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
        cloud: str = "AzureCloud",
        id: str | None = None,
        *,
        history: str | Path | None = None,
    ) -> Workspace:
        """The workspace of that name.

        Raises:
            WorkspaceException: there is none; the message names those that there are.
        """
        address = history or _place().history
        try:
            connect(address).workspaces.get(name)
        except NotFound as error:
            raise WorkspaceException(error.message, inner_exception=error) from None
        return _bare(address, name, {})

    @staticmethod
    def create(
        name: str,
        auth: Any = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
        create_resource_group: bool = True,
        sku: str = "basic",
        tags: Mapping[str, str] | None = None,
        friendly_name: str | None = None,
        storage_account: Any = None,
        key_vault: Any = None,
        app_insights: Any = None,
        container_registry: Any = None,
        adb_workspace: Any = None,
        primary_user_assigned_identity: Any = None,
        cmk_keyvault: Any = None,
        resource_cmk_uri: Any = None,
        hbi_workspace: bool = False,
        default_cpu_compute_target: Any = None,
        default_gpu_compute_target: Any = None,
        private_endpoint_config: Any = None,
        private_endpoint_auto_approval: bool = True,
        exist_ok: bool = False,
        show_output: bool = True,
        user_assigned_identity_for_cmk_encryption: Any = None,
        system_datastores_auth_mode: str = "accessKey",
        v1_legacy_mode: bool | None = None,
        *,
        history: str | Path | None = None,
    ) -> Workspace:
        """Create a workspace; the original's other arguments (key vault, storage, ...) are accepted and not
        needed.

        Raises:
            WorkspaceException: it exists already and ``exist_ok`` is False.
            UserErrorException: the name is not a legal one.
        """
        address = history or _place().history
        labels = _labels(tags, subscription_id, resource_group)
        try:
            connect(address).workspaces.create(name, labels=labels, exist_ok=exist_ok)
        except Conflict as error:
            raise WorkspaceException(error.message, inner_exception=error) from None
        return _bare(address, name, labels)

    @staticmethod
    def list(
        subscription_id: str | None = None,
        auth: Any = None,
        resource_group: str | None = None,
        *,
        history: str | Path | None = None,
    ) -> dict[str, list[Workspace]]:
        """Every workspace of the history: for each name, a list of one."""
        address = history or _place().history
        names = [workspace.name for workspace in connect(address).workspaces.list()]
        return {name: [_bare(address, name, {})] for name in names}

    @property
    def name(self) -> str:
        """The workspace's name."""
        return self._record.name

    @property
    def subscription_id(self) -> str | None:
        """The original's subscription, kept as a label."""
        return self._record.labels.get("subscription_id")

    @property
    def resource_group(self) -> str | None:
        """The original's resource group, kept as a label."""
        return self._record.labels.get("resource_group")

    @property
    def location(self) -> str:
        """Where the history is: a directory, or a server's address."""
        return self._service.address

    @property
    def sku(self) -> str:
        """``basic``: there is one kind of workspace."""
        return "basic"

    @property
    def tags(self) -> dict[str, str]:
        """The labels that the workspace was created with."""
        return {key: value for key, value in self._record.labels.items() if key not in places.LABELS}

    @property
    def experiments(self) -> dict[str, Experiment]:
        """The active experiments, by name."""
        from runstone.sdk.experiment import Experiment  # the two classes name each other

        return {experiment.name: experiment for experiment in Experiment.list(self)}

    def get_run(self, run_id: str) -> Run:
        """The run of that id, in whichever experiment.

        Raises:
            UserErrorException: there is no such run, or it was deleted.
        """
        from runstone.sdk.run import Run  # the two classes name each other

        return Run.get(self, run_id)

    def search_runs(
        self, filter: str = "", order_by: str = "", limit: int = 100, cursor: str | None = None
    ) -> RunList:
        """Runs of every experiment and depth that match, newest first unless ordered otherwise.

        Args:
            filter: the one filter language, e.g. ``metrics.acc > 0.9 and params.lr = '0.01'``.
            order_by: e.g. ``metrics.acc desc, started``.
            limit: at most so many runs, 1 to 1,000.
            cursor: the ``cursor`` of the result before this one.

        Returns:
            A list of runs with ``cursor``, ``warnings``, ``to_pandas()``, ``to_polars()`` and ``to_arrow()``.

        Raises:
            UserErrorException: the filter cannot be read; the message names the character and what would be
            right.
        """
        page = self._service.runs.search(self.name, filter, order_by=order_by, limit=limit, cursor=cursor)
        return RunList(self, page)

    def count_runs(self, filter: str = "") -> int:
        """How many runs match; exact to 10,000, and 10,001 stands for more."""
        return self._service.runs.count(self.name, filter)

    def get_details(self) -> dict[str, Any]:
        """What is known of the workspace, under the original's keys."""
        return {
            "id": f"{self.location}/{self.name}",
            "name": self.name,
            "location": self.location,
            "type": "Runstone.Workspace",
            "tags": self.tags,
            "workspaceid": str(self._record.id),
            "description": "",
            "friendlyName": self.name,
            "creationTime": model.iso(self._record.created),
            "sku": self.sku,
            **dict.fromkeys(_OF_THE_CLOUD),
        }

    def write_config(self, path: str | Path | None = None, file_name: str | None = None) -> None:
        """Write ``.runstone/config.json``, by which ``from_config`` finds this workspace from here and below.

        Args:
            path: the directory that gets the ``.runstone`` folder; the current one by default.
            file_name: another name than ``config.json``.
        """
        directory = Path(path or ".") / ".runstone"
        directory.mkdir(parents=True, exist_ok=True)
        values = {
            "history": _beside(self.location, directory.resolve()),
            "workspace": self.name,
            "workspace_name": self.name,
            "subscription_id": self.subscription_id or "",
            "resource_group": self.resource_group or "",
        }
        target = directory / (file_name or "config.json")
        target.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Workspace) and (self.location, self.name) == (other.location, other.name)

    def __hash__(self) -> int:
        return hash((self.location, self.name))

    def __repr__(self) -> str:
        return f"Workspace(name={self.name!r}, history={self.location!r})"

    def _repr_html_(self) -> str:
        # only notebooks show themselves
        from runstone.sdk import display

        return display.table_html({"Workspace": self.name, "History": self.location})

    def __reduce__(self) -> tuple[Any, ...]:
        return _bare, (self.location, self.name, {})

    def _open(self, history: str | Path, name: str, labels: Mapping[str, str]) -> None:
        self._service: Service = connect(history)
        self._record = self._service.workspaces.create(name, labels=labels)

    def _reference(self, run_id: str) -> str:
        return reference(self.name, run_id)


def _beside(location: str, directory: Path) -> str:
    """A history beside a file of configuration moves with it, so its path begins there."""
    inside = "://" not in location and Path(location).is_relative_to(directory)
    return Path(location).relative_to(directory).as_posix() if inside else location


def _place(file_name: str | None = None) -> places.Place:
    found: Settings = settings()
    return places.locate(_here(), found, file_name=file_name)


def _workspace_at(place: places.Place) -> Workspace:
    return _bare(place.history, place.workspace, place.labels)


def _labels(
    tags: Mapping[str, str] | None, subscription_id: str | None, resource_group: str | None
) -> dict[str, str]:
    given = {"subscription_id": subscription_id, "resource_group": resource_group}
    return {**(tags or {}), **{key: str(value) for key, value in given.items() if value}}


def _bare(history: str | Path, name: str, labels: Mapping[str, str]) -> Workspace:
    workspace = Workspace.__new__(Workspace)
    workspace._open(history, name, labels)
    return workspace


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        # the current directory was deleted under us
        return Path("/")

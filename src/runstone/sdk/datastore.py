"""Datastore: where data lie. The workspace's own, directories, and object storage."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstone.model.data import DATASTORE, DEFAULT, OWN, SETTING, datastore_name, datastore_path
from runstone.model.errors import Conflict, NotFound, UserErrorException
from runstone.sdk.data_paths import DataReference
from runstone.sdk.datastore_kinds import Registering, own_secret
from runstone.sdk.handle import warn
from runstone.service import datastores, folders
from runstone.service.connect import environment
from runstone.service.datastores import Datastores
from runstone.service.storage import Storage

if TYPE_CHECKING:
    from runstone.sdk.workspace import Workspace


class Datastore(Registering):
    """A place for data, known to a workspace by name.

    Args:
        workspace: the workspace.
        name: the datastore's name, in any case; the workspace's default by default.

    Raises:
        UserErrorException: there is none of that name; the message names those that there are.
    """

    def __init__(self, workspace: Workspace, name: str | None = None) -> None:
        self._workspace = workspace
        self._name = default_of(workspace) if name is None else datastore_name(name)
        self._body = datastores.body_of(workspace._service, workspace.name, name=self._name)

    @staticmethod
    def get(workspace: Workspace, datastore_name: str) -> Datastore:
        """The datastore of that name."""
        return Datastore(workspace, datastore_name)

    @staticmethod
    def get_default(workspace: Workspace) -> Datastore:
        """The workspace's default: its own, ``workspaceblobstore``, unless another one was made it."""
        return Datastore(workspace)

    @property
    def name(self) -> str:
        """The datastore's name."""
        return self._name

    @property
    def workspace(self) -> Workspace:
        """The workspace that knows it."""
        return self._workspace

    @property
    def datastore_type(self) -> str:
        """``directory`` or ``objects``."""
        return str(self._body["type"])

    @property
    def location(self) -> str:
        """Where it is: a directory, or an address."""
        return str(self._body.get("path") or self._body["url"])

    @property
    def account_name(self) -> str | None:
        """The storage account; None for what has none."""
        return dict(self._body.get("options", {})).get("account_name")

    @property
    def container_name(self) -> str | None:
        """The bucket or container; None for a directory."""
        return self._body["url"].split("/")[2] if "url" in self._body else None

    def set_as_default(self) -> None:
        """Make it the workspace's default."""
        service = self._workspace._service
        service.assets.register(self._workspace.name, SETTING, name=DEFAULT, body={"name": self._name})

    def unregister(self) -> None:
        """Forget the datastore, and credentials that were kept for it; the data stay where they are.

        Raises:
            UserErrorException: it is the workspace's own, or it is not registered any more.
        """
        if self._name == OWN:
            raise UserErrorException(f"{OWN!r} is the workspace's own datastore; it cannot be unregistered.")
        service, workspace = self._workspace._service, self._workspace.name
        datastores.body_of(service, workspace, name=self._name)
        for asset in service.assets.versions(workspace, DATASTORE, name=self._name):
            service.assets.delete(workspace, DATASTORE, name=self._name, version=asset.version)
        options = self._body.get("credentials", {})
        own = [f"secret:{own_secret(self._name, option)}" for option in options]
        kept = [one.partition(":")[2] for one in own if one in options.values()]
        if kept:
            service.secrets.delete(workspace, kept)

    def upload(
        self, src_dir: Any, target_path: Any = None, overwrite: bool = False, show_progress: bool = True
    ) -> DataReference:
        """Upload every file below a directory; links out of it are not followed.

        Args:
            target_path: a folder of the datastore; its root by default.
            overwrite: False leaves out what is there already, and says so.

        Returns:
            A reference to the folder.
        """
        return self._upload([*folders.walk_folder(src_dir, note=warn)], target_path, overwrite, show_progress)

    def upload_files(
        self,
        files: Sequence[Any],
        relative_root: Any = None,
        target_path: Any = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> DataReference:
        """Upload files, by the last part of their names, or by their paths below ``relative_root``.

        Raises:
            FileNotFoundError: one of them is not there; nothing is uploaded.
            UserErrorException: one of them is not below ``relative_root``, or is no regular file.
        """
        pairs = [(_below(path, relative_root), Path(path)) for path in files]
        for _, path in pairs:
            folders.opened(path).close()
        return self._upload(pairs, target_path, overwrite, show_progress)

    def download(
        self, target_path: Any, prefix: Any = None, overwrite: bool = False, show_progress: bool = True
    ) -> int:
        """Download every file, or those below ``prefix``, keeping their paths; how many were written.

        Nothing is written through a link. ``overwrite=False`` leaves out what is there already.
        """
        storage, root, count = self._storage(), Path(target_path), 0
        for entry in storage.list(datastore_path(prefix)):
            path = root.joinpath(*entry.name.split("/"))
            if os.path.lexists(path) and not overwrite:
                _say(show_progress, f"Target already exists. Skipping download for {entry.name}")
                continue
            with storage.open(entry.name) as stream:
                folders.save(stream, path, inside=root)
            count += 1
            _say(show_progress, f"Downloaded {entry.name}")
        return count

    def path(self, path: Any = None, data_reference_name: str | None = None) -> DataReference:
        """A path of the datastore: an argument of a script, or the place of a data set."""
        return DataReference(self, data_reference_name, path)

    def as_mount(self) -> DataReference:
        """All of it as an argument of a script, for reading where it is."""
        return self.path().as_mount()

    def as_download(self, path_on_compute: Any = None) -> DataReference:
        """All of it as an argument of a script, copied to the machine that runs it."""
        return self.path().as_download(path_on_compute)

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, Datastore) and self._workspace == other._workspace
        return same and self._name == getattr(other, "_name", None)

    def __hash__(self) -> int:
        return hash((self._workspace, self._name))

    def __repr__(self) -> str:
        return f"Datastore(name={self._name!r}, location={self.location!r})"

    def _storage(self) -> Storage:
        space = self._workspace
        stores = Datastores(space._service, space.name, environ=environment(), note=warn)
        return stores.storage(self._name)

    def _upload(
        self, pairs: Sequence[tuple[str, Path]], target_path: Any, overwrite: bool, show: bool
    ) -> DataReference:
        storage, folder = self._storage(), datastore_path(target_path)
        _say(show, f"Uploading an estimated of {len(pairs)} files")
        for number, (relative, path) in enumerate(pairs, 1):
            name = f"{folder}/{relative}" if folder else relative
            try:
                with folders.opened(path) as stream:
                    storage.put(name, stream, overwrite=overwrite)
            except Conflict:
                _say(show, f"Target already exists. Skipping upload for {name}")
                continue
            _say(show, f"Uploaded {path}, {number} files out of an estimated total of {len(pairs)}")
        return self.path(folder or None)


def datastores_of(workspace: Workspace) -> dict[str, Datastore]:
    """Every datastore of a workspace, its own first, by name."""
    kept = workspace._service.assets.list(workspace.name, DATASTORE)
    return {name: Datastore(workspace, name) for name in [OWN, *(asset.name for asset in kept)]}


def default_of(workspace: Workspace) -> str:
    """The name of a workspace's default datastore."""
    service = workspace._service
    try:
        name = str(service.assets.get(workspace.name, SETTING, name=DEFAULT).body["name"])
        datastores.body_of(service, workspace.name, name=name)
    except NotFound:
        return OWN
    return name


def _below(path: Any, root: Any) -> str:
    if root is None:
        return Path(path).name
    try:
        return Path(os.path.abspath(path)).relative_to(os.path.abspath(root)).as_posix()
    except ValueError:
        raise UserErrorException(f"{path} is not below {root}, the relative_root that was given.") from None


def _say(shown: bool, text: str) -> None:
    if shown:
        print(text)

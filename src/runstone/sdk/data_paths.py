"""Paths of data as a script gives them: local ones, addresses, and those of a datastore."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstone.model.data import DOWNLOAD, MOUNT, UPLOAD, Source, datastore_path, plain_address, run_name
from runstone.model.errors import UserErrorException

if TYPE_CHECKING:
    from runstone.sdk.datastore import Datastore
    from runstone.sdk.workspace import Workspace


MODES = {"mount": MOUNT, "download": DOWNLOAD, "upload": UPLOAD}


class DataPath:
    """A path of a datastore.

    Args:
        datastore: where it is.
        path_on_datastore: a file, a folder, or a pattern with ``*``, ``?`` and ``**``.
        name: accepted, and not needed.

    Raises:
        UserErrorException: the path leads out of the datastore.
    """

    def __init__(self, datastore: Datastore, path_on_datastore: Any = None, name: str | None = None) -> None:
        self.datastore = datastore
        self.path_on_datastore = datastore_path(path_on_datastore)
        self._name = name

    @property
    def datastore_name(self) -> str:
        """The datastore's name."""
        return self.datastore.name

    def __repr__(self) -> str:
        return f"DataPath(datastore={self.datastore.name!r}, path={self.path_on_datastore!r})"


class DataReference:
    """A path of a datastore as an argument of a script: it becomes a local path.

    Args:
        datastore: where it is.
        data_reference_name: letters, digits and ``_``; the datastore's name by default.
        path_on_datastore: a file or a folder.
        mode: ``mount``, ``download`` or ``upload``.
        path_on_compute: a path in the script's directory.
        overwrite: replace what is there, when it is uploaded.
    """

    def __init__(
        self,
        datastore: Datastore,
        data_reference_name: str | None = None,
        path_on_datastore: Any = None,
        mode: str = "mount",
        path_on_compute: Any = None,
        overwrite: bool = False,
    ) -> None:
        if mode not in MODES:
            raise UserErrorException(f"A data reference's mode is one of {[*MODES]}; got {mode!r}.")
        self.datastore = datastore
        self.data_reference_name = run_name(data_reference_name or datastore.name.replace("-", "_"))
        self.path_on_datastore = datastore_path(path_on_datastore)
        self.mode = mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    def path(self, path: Any = None, data_reference_name: str | None = None) -> DataReference:
        """A path below this one."""
        joined = f"{self.path_on_datastore}/{path}" if self.path_on_datastore and path else path
        name = data_reference_name or self.data_reference_name
        return DataReference(self.datastore, name, joined or self.path_on_datastore, self.mode)

    def as_mount(self) -> DataReference:
        """The same, for reading where it is."""
        return self._as("mount", None, False)

    def as_download(self, path_on_compute: Any = None, overwrite: bool = False) -> DataReference:
        """The same, copied to the machine that runs the script."""
        return self._as("download", path_on_compute, overwrite)

    def as_upload(self, path_on_compute: Any = None, overwrite: bool = False) -> DataReference:
        """The same, written by the script and uploaded at its end."""
        return self._as("upload", path_on_compute, overwrite)

    def __str__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.data_reference_name}"

    def __repr__(self) -> str:
        return f"DataReference({self.data_reference_name!r}, {self.path_on_datastore!r}, {self.mode!r})"

    def _as(self, mode: str, path_on_compute: Any, overwrite: bool) -> DataReference:
        place = (self.datastore, self.data_reference_name, self.path_on_datastore)
        return DataReference(*place, mode, path_on_compute, overwrite)


def sources(path: Any) -> tuple[tuple[Source, ...], Workspace | None]:
    """Where the files of a path are, and the workspace of their datastores.

    Args:
        path: a local path, an http(s) address, ``(datastore, path)``, a DataPath, a DataReference, or a list.

    Raises:
        UserErrorException: nothing of these, an empty list, or datastores of several workspaces.
    """
    many = _is_list(path)
    found = [_source(one) for one in (path if many else [path])]
    if not found:
        raise UserErrorException("An empty list of paths names no data; give one path or more.")
    workspaces = {workspace for _, workspace in found if workspace is not None}
    if len(workspaces) > 1:
        raise UserErrorException("The paths are of datastores of several workspaces; take those of one.")
    return tuple(source for source, _ in found), next(iter(workspaces), None)


def place(target: Any) -> tuple[Datastore, str]:
    """The datastore and the path there of a target: a datastore, ``(datastore, path)``, a DataPath.

    Raises:
        UserErrorException: nothing of these.
    """
    from runstone.sdk.datastore import Datastore  # it has paths

    if isinstance(target, Datastore):
        return target, ""
    if isinstance(target, DataPath | DataReference):
        return target.datastore, target.path_on_datastore
    if isinstance(target, tuple) and len(target) == 2 and isinstance(target[0], Datastore):
        return target[0], datastore_path(target[1])
    raise UserErrorException(f"A target is a datastore, (datastore, path) or a DataPath; got {target!r}.")


def _is_list(path: Any) -> bool:
    from runstone.sdk.datastore import Datastore  # it has paths

    if isinstance(path, tuple):
        return not (len(path) == 2 and isinstance(path[0], Datastore))
    return isinstance(path, Iterable) and not isinstance(path, str | bytes | os.PathLike)


def _source(path: Any) -> tuple[Source, Workspace | None]:
    if isinstance(path, str) and path.startswith(("http://", "https://")):
        return Source(plain_address(path)), None
    if isinstance(path, str | os.PathLike) and str(path):
        text = os.fspath(path)
        return Source(os.path.abspath(Path(text).expanduser())), None
    datastore, inside = place(path)
    return Source(inside, datastore.name), datastore.workspace

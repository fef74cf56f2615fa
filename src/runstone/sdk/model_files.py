"""The files of models on the user's side: read into the history, written from it, safely both ways."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runstone.model.errors import ModelPathNotFoundException, UserErrorException, WebserviceException
from runstone.model.models import Model, ModelFile
from runstone.model.names import relative_name
from runstone.sdk.handle import warn
from runstone.service import folders

if TYPE_CHECKING:
    from runstone.sdk.workspace import Workspace
    from runstone.service.connect import Service

CACHE = "azureml-models"


def keep(
    service: Service, path: Path, *, only: Sequence[str] | None = None
) -> tuple[str, tuple[ModelFile, ...]]:
    """Keep the contents of a file or a folder; its last part, and the files by their paths below that.

    Raises:
        ModelPathNotFoundException: it is not there, or it holds nothing of ``only``.
    """
    if not path.exists():
        raise ModelPathNotFoundException(
            f"Error, provided model path {str(path)!r} cannot be found (from {os.getcwd()!r}); "
            f"give a file or a folder."
        )
    # the name that people gave it, and not that of a directory to which it links
    top = relative_name(os.path.basename(os.path.abspath(path)))
    if not path.is_dir():
        return top, (_kept(service, top, path),)
    found = dict(folders.walk_folder(path, note=warn))
    if only is not None:
        found = {name: file for name, file in found.items() if _below(name, only)}
    if not found:
        of = f"nothing of {list(only)}" if only is not None else "no files"
        raise ModelPathNotFoundException(f"The folder {str(path)!r} has {of}; a model has one file or more.")
    return top, tuple(_kept(service, f"{top}/{name}", file) for name, file in found.items())


def download(workspace: Workspace, model: Model, target: Path, *, overwrite: bool) -> str:
    """Write a model's file or folder into a directory; its path.

    Raises:
        WebserviceException: it is there already, and not ``overwrite``.
    """
    place = target / model.path
    if not overwrite and os.path.lexists(place):
        raise WebserviceException(f"File already exists. To overwrite, set exist_ok to True. {place}")
    models = workspace._service.models
    for file in models.files(workspace.name, model.name, version=model.version):
        with models.open(workspace.name, model.name, version=model.version, path=file.path) as stream:
            folders.save(stream, target / file.path, inside=target)
    return str(place)


def cached(workspace: Workspace, model: Model) -> str:
    """The path of a model in the folder of downloaded models below the current directory."""
    target = Path(CACHE) / model.name / str(model.version)
    files = workspace._service.models.files(workspace.name, model.name, version=model.version)
    if all(_is_there(target / file.path, file.size) for file in files):
        return str(target / model.path)
    # a download that was interrupted is completed
    return download(workspace, model, target, overwrite=True)


def _kept(service: Service, name: str, path: Path) -> ModelFile:
    try:
        with folders.opened(path) as stream:
            blob = service.snapshots.keep(stream)
    except OSError as error:
        raise UserErrorException(f"{path} cannot be read ({error.strerror}).") from error
    return ModelFile(name, blob.sha256, blob.size)


def _below(name: str, only: Iterable[str]) -> bool:
    wanted = [relative_name(str(each).rstrip("/")) for each in only]
    return any(name == each or name.startswith(f"{each}/") for each in wanted)


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size

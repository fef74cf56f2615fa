"""Where a script's history, workspace and experiment are: the nearest configuration upwards, else the user's
own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runstone.model.documents import read_json
from runstone.model.errors import UserErrorException
from runstone.service.connect import Settings

DEFAULT_WORKSPACE = "default"
DEFAULT_EXPERIMENT = "default"
# Where the original looked in each directory, in its order.
AZURE_FILES = (".azureml/config.json", "config.json", "aml_config/config.json")
FOLDERS = (".runstone", ".azureml", "aml_config")
LABELS = ("subscription_id", "resource_group")


@dataclass(frozen=True)
class Place:
    """A history (a path), a workspace in it, the experiment of scripts that name none, and the original's
    labels."""

    history: str
    workspace: str
    experiment: str
    labels: Mapping[str, str] = field(default_factory=dict)
    # the experiment that was named for the place, and is not just the directory's name
    attached: str | None = None


def locate(start: Path, settings: Settings, *, file_name: str | None = None) -> Place:
    """The place for a directory: environment first, then the nearest files upwards, then the user's data
    directory."""
    own, azure = _own(start, file_name), _azure(start, file_name)
    if file_name and not own.values and not azure.values:
        raise _not_found(start, file_name)
    names = [own.values.get("workspace"), azure.values.get("workspace_name")]
    if azure.depth > own.depth:
        names.reverse()
    attached = settings.experiment or own.values.get("experiment") or None
    return Place(
        history=str(settings.history or _history(own) or settings.home / "history"),
        workspace=str(next(filter(None, (settings.workspace, *names)), DEFAULT_WORKSPACE)),
        experiment=str(attached or experiment_of(start)),
        labels={key: str(azure.values[key]) for key in LABELS if azure.values.get(key)},
        attached=None if attached is None else str(attached),
    )


def locate_file(path: Path, settings: Settings, *, file_name: str | None = None) -> Place:
    """The place that one file, or the directory at or above a path, describes; an error if there is none."""
    if path.is_file():
        return _of_file(path, settings)
    found = path.is_dir() and (_own(path, file_name).root or _azure(path, file_name).root)
    if not found:
        raise _not_found(path, file_name)
    return locate(path, settings, file_name=file_name)


def experiment_of(directory: Path) -> str:
    """A legal experiment name made from a directory's name."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", directory.resolve().name).strip("-_")
    return name[:255] or DEFAULT_EXPERIMENT


@dataclass(frozen=True)
class _Found:
    """What a file says, and the directory that it belongs to: ``.runstone`` itself for one of ours."""

    values: Mapping[str, Any] = field(default_factory=dict)
    root: Path | None = None
    depth: int = 0


def _of_file(path: Path, settings: Settings) -> Place:
    values = _read(path)
    if not {"history", "workspace"} & set(values):
        _require_azure(path, values)
    folder = path.resolve().parent
    beside = locate(folder.parent if folder.name in FOLDERS else folder, settings)
    return Place(
        history=str(settings.history or _history(_Found(values, folder)) or beside.history),
        workspace=str(values.get("workspace") or values.get("workspace_name") or beside.workspace),
        experiment=str(settings.experiment or values.get("experiment") or beside.experiment),
        labels={key: str(values[key]) for key in LABELS if values.get(key)},
    )


def _own(start: Path, file_name: str | None) -> _Found:
    for directory in _upwards(start):
        root = directory / ".runstone"
        depth = len(directory.parts)
        if (root / (file_name or "config.json")).is_file():
            return _Found(_read(root / (file_name or "config.json")), root, depth)
        if (root / "history").is_dir():
            return _Found({}, root, depth)
    return _Found()


def _azure(start: Path, file_name: str | None) -> _Found:
    names = [name.replace("config.json", file_name or "config.json") for name in AZURE_FILES]
    for directory in _upwards(start):
        for path in (directory / name for name in names):
            if not path.is_file():
                continue
            foreign = path == directory / "config.json"
            values = _read_foreign(path) if foreign else _read(path)
            if not foreign:
                _require_azure(path, values)
            if values.get("workspace_name"):
                return _Found(values, directory, len(directory.parts))
    return _Found()


def _history(found: _Found) -> str | Path | None:
    """The history that a file of ours names (relative to it), or that is beside it; None without a file."""
    given = found.values.get("history")
    if given is None:
        return found.root / "history" if found.root and found.root.name == ".runstone" else None
    if "://" in str(given) or found.root is None:
        return str(given)
    return found.root / Path(str(given)).expanduser()


def _not_found(start: Path, file_name: str | None) -> UserErrorException:
    return UserErrorException(
        f"The workspace configuration file {file_name or 'config.json'}, could not be found in {start} or "
        f"its parent directories. Please check whether the workspace configuration file exists, or call "
        f"from_config() without an argument to use the embedded workspace."
    )


def _upwards(start: Path) -> list[Path]:
    try:
        start = start.resolve()
    except OSError:
        return []
    return [start, *start.parents]


def _read(path: Path) -> Mapping[str, Any]:
    try:
        values = read_json(path.read_text(encoding="utf-8-sig"), f"config file {path}")
    except (OSError, UnicodeDecodeError) as error:
        raise UserErrorException(
            f"The config file {path} cannot be read ({error}); correct or remove it."
        ) from error
    if not isinstance(values, dict):
        raise UserErrorException(f"The config file {path} holds no JSON object; it needs names and values.")
    return values


def _read_foreign(path: Path) -> Mapping[str, Any]:
    # a bare config.json may belong to any program
    try:
        return _read(path)
    except UserErrorException:
        return {}


def _require_azure(path: Path, values: Mapping[str, Any]) -> None:
    missing = [key for key in (*LABELS, "workspace_name") if not values.get(key)]
    if missing:
        raise UserErrorException(
            f"The config file found in: {path} does not seem to contain the required parameters. Please "
            f"make sure it contains your subscription_id, resource_group and workspace_name. (Missing: "
            f"{', '.join(missing)})"
        )

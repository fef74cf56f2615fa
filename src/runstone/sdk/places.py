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
LABELS = ("subscription_id", "resource_group")


@dataclass(frozen=True)
class Place:
    """A history (a path), a workspace in it, the experiment of scripts that name none, and the original's
    labels."""

    history: str
    workspace: str
    experiment: str
    labels: Mapping[str, str] = field(default_factory=dict)


def locate(start: Path, settings: Settings, *, file_name: str | None = None) -> Place:
    """The place for a directory: environment first, then the nearest files upwards, then the user's data
    directory."""
    own, own_root = _own(start)
    azure = _azure(start, file_name) or {}
    history = settings.history or own.get("history")
    if history is None:
        history = own_root / "history" if own_root else settings.home / "history"
    elif own_root and not settings.history and "://" not in str(history):
        history = own_root / str(history)
    return Place(
        history=str(history),
        workspace=settings.workspace
        or own.get("workspace")
        or azure.get("workspace_name")
        or DEFAULT_WORKSPACE,
        experiment=settings.experiment or own.get("experiment") or experiment_of(start),
        labels={key: str(azure[key]) for key in LABELS if azure.get(key)},
    )


def locate_file(path: Path, settings: Settings, *, file_name: str | None = None) -> Place:
    """The place that one file, or the directory at or above a path, describes; an error if there is none."""
    if path.is_file():
        values = _read(path)
        if "history" not in values:
            _require_azure(path, values)
        start = (
            path.parent.parent if path.parent.name in (".runstone", ".azureml", "aml_config") else path.parent
        )
        place = locate(start, settings)
        return Place(
            history=place.history,
            workspace=str(values.get("workspace_name") or values.get("workspace") or place.workspace),
            experiment=place.experiment,
            labels={key: str(values[key]) for key in LABELS if values.get(key)},
        )
    own, own_root = _own(path)
    if not own and own_root is None and _azure(path, file_name) is None:
        raise UserErrorException(
            f"The workspace configuration file config.json, could not be found in {path} or its parent "
            f"directories. "
            f"Please check whether the workspace configuration file exists, or call from_config() without a "
            f"path to use the embedded workspace."
        )
    return locate(path, settings, file_name=file_name)


def experiment_of(directory: Path) -> str:
    """A legal experiment name made from a directory's name."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", directory.resolve().name).strip("-_")
    return name[:255] or DEFAULT_EXPERIMENT


def _own(start: Path) -> tuple[Mapping[str, Any], Path | None]:
    for directory in _upwards(start):
        root = directory / ".runstone"
        if (root / "config.json").is_file():
            return _read(root / "config.json"), root
        if (root / "history").is_dir():
            return {}, root
    return {}, None


def _azure(start: Path, file_name: str | None) -> Mapping[str, Any] | None:
    candidates = (f".azureml/{file_name}", file_name) if file_name else AZURE_FILES
    for directory in _upwards(start):
        for name in candidates:
            path = directory / name
            if not path.is_file():
                continue
            values = _read(path) if name != "config.json" else _read_foreign(path)
            if file_name or name != "config.json":
                _require_azure(path, values)
            if values.get("workspace_name"):
                return values
    return None


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

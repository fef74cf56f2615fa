"""Registered models: files under a name, in versions, and what people say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runstone.model.errors import Invalid
from runstone.model.names import artifact_name, key


@dataclass(frozen=True)
class ModelFile:
    """A file of a model: where a download puts it, its content's SHA-256, its size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class NewModel:
    """A model that is to be registered: the ``files`` that were kept, or a file or folder of a run.

    ``path`` is that file or folder of ``run`` (a run's id); for ``files`` it is the first part of their
    paths. ``more`` is kept as it is.
    """

    name: str
    path: str
    files: tuple[ModelFile, ...] = ()
    run: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    framework: str | None = None
    framework_version: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """One version of a model. ``path`` is the file or folder that a download makes; ``size`` is in bytes.

    ``created`` is microseconds since 1970, UTC; versions count from 1.
    """

    name: str
    version: int
    path: str
    files: int = 0
    size: int = 0
    run: str | None = None
    experiment: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    framework: str | None = None
    framework_version: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    created: int = 0


@dataclass(frozen=True)
class ModelChange:
    """What changes of a registered model: tags to set and to remove, new properties, a description."""

    tags: Mapping[str, str | None] = field(default_factory=dict)
    untag: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


def model_name(value: object) -> str:
    """A model's name: 1 to 250 characters, one part of a path; no ``:``, which stands before a version."""
    name = key(value, "model name")
    if ":" in name or "/" in name or "\\" in name:
        raise Invalid(
            f"A model's name holds no ':' and no slash: it stands in name:version and in paths; got {name!r}."
        )
    return artifact_name(name)

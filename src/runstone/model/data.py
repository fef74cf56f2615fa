"""Data: where it lies, the recipe by which it is read, and how a run is given it."""

from __future__ import annotations

import json
import re
import urllib.parse
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from runstone.model.errors import Invalid
from runstone.model.names import folder_name

DATASTORE, DATASET, DEFINITION, SETTING = "datastore", "dataset", "dataset-definition", "setting"
# The workspace's own datastore, and the name of the setting that says which one is the default.
OWN, DEFAULT = "workspaceblobstore", "default-datastore"
FILE, TABULAR = "file", "tabular"
MOUNT, DOWNLOAD, DIRECT, UPLOAD = "Mount", "Download", "Direct", "Upload"

_IDS = uuid.UUID("6f5a1d1e-4f5b-4a55-9c0f-6a1d2f1f7c11")
# What names of options and parameters have in them when their values are secret.
SECRET_WORD = re.compile(r"key|secret|token|passw|credential|signature|^sig$|auth", re.I)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_DATASTORE = re.compile(r"[a-z0-9][a-z0-9_-]{0,254}")
_GLOB = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")
_REGEX = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True)
class Source:
    """Files of a datastore, of this machine (no datastore: an absolute path), or behind an http(s) address.

    A path is a file, a folder (all below it), or a pattern: ``*`` and ``?`` in a name, ``**`` any folders.
    """

    path: str
    datastore: str | None = None

    @property
    def remote(self) -> bool:
        """Whether it is an address."""
        return self.datastore is None and self.path.startswith(("http://", "https://"))

    @property
    def base(self) -> str:
        """The part of the path before the first folder or name with a wildcard."""
        if self.remote or not ("*" in self.path or "?" in self.path):
            return self.path
        return "/".join(_before_wildcard(self.path.split("/")))

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """What the rest of the path matches; None for a path without wildcards."""
        if self.base == self.path:
            return None
        rest = self.path[len(self.base) :].lstrip("/")
        return re.compile("".join(_REGEX.get(part, re.escape(part)) for part in _GLOB.findall(rest)), re.S)


@dataclass(frozen=True)
class Recipe:
    """How data are made from files: where they are, how they are read, and what is then done, step by step.

    ``kind`` is ``file`` or ``tabular``. A step is its name and its arguments, ``{"do": "take", "count": 5}``.
    """

    kind: str
    sources: tuple[Source, ...]
    reading: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Mapping[str, Any], ...] = ()

    def document(self) -> dict[str, Any]:
        """The recipe as JSON."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Recipe:
        """The recipe of a document."""
        sources = tuple(Source(one["path"], one.get("datastore")) for one in document["sources"])
        return cls(document["kind"], sources, document.get("reading", {}), tuple(document.get("steps", ())))


@dataclass(frozen=True)
class Data:
    """Some data: a recipe, and the name and version under which it is registered, if it is."""

    recipe: Recipe
    name: str | None = None
    version: int | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id of the recipe, or of the registered version: the same one wherever it is computed."""
        text = json.dumps([self.recipe.document(), self.name, self.version], sort_keys=True)
        return str(uuid.uuid5(_IDS, text))


def token(name: str) -> str:
    """What stands for an input's or an output's path in arguments, until the path is known."""
    return f"DatasetConsumptionConfig:{name}"


def run_name(name: object) -> str:
    """The name of a run's input or output, which becomes an environment variable; Invalid for any other."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise Invalid(
        f"Invalid name {name!r}. The name of an input or an output holds letters, digits and underscores, "
        f"and does not begin with a digit."
    )


def datastore_name(name: object) -> str:
    """A datastore's name as it is kept, in lower case; Invalid for one that is not legal."""
    if isinstance(name, str) and _DATASTORE.fullmatch(name.lower()):
        return name.lower()
    raise Invalid(
        f"A datastore's name is 1 to 255 letters, digits, '_' and '-', a letter or digit first; got {name!r}."
    )


def datastore_path(path: object) -> str:
    """A path in a datastore as it is kept: relative, of safe parts, empty for all of it."""
    text = "" if path is None else str(path).lstrip("/")
    return folder_name(text)


def filled(path: str, *, run: str, output: str) -> str:
    """An output's path in its datastore, for a run."""
    return datastore_path(path.replace("{run-id}", run).replace("{output-name}", output))


def plain_address(url: str) -> str:
    """The address, or Invalid when it holds a secret: addresses are kept as they are."""
    parts = urllib.parse.urlsplit(url)
    names = [name for name, _ in urllib.parse.parse_qsl(parts.query, keep_blank_values=True)]
    if parts.scheme and ("@" in parts.netloc or any(SECRET_WORD.search(name) for name in names)):
        raise Invalid(
            f"The address {masked(url)!r} holds credentials, which are never kept in clear; register the "
            f"storage as a datastore (Datastore.register_object_store), or download the file."
        )
    return url


def masked(url: str) -> str:
    """The address without what may be secret in it."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _before_wildcard(parts: list[str]) -> list[str]:
    for number, part in enumerate(parts):
        if "*" in part or "?" in part:
            return parts[:number]
    return parts

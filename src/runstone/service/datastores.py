"""Datastores: the workspace's own, registered directories and object storage, opened by their names."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstone.model.data import DATASTORE, OWN, Source, datastore_name
from runstone.model.errors import Invalid, NotFound, UserErrorException
from runstone.service.objects import SCHEMES, Objects
from runstone.service.storage import Directory, Storage, Web

if TYPE_CHECKING:
    from runstone.service.connect import Service

DIRECTORY, OBJECTS = "directory", "objects"
# Which environment variables hold the credentials of a scheme, unless a datastore names others.
CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "s3": {
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
    },
    "az": {"account_key": "AZURE_STORAGE_ACCOUNT_KEY", "sas_key": "AZURE_STORAGE_SAS_TOKEN"},
    "gs": {"service_account_key": "GOOGLE_SERVICE_ACCOUNT_KEY"},
}
_SECRET_WORDS = ("key", "secret", "token", "password", "credential")
_VARIABLE = "env:"


class Datastores:
    """The datastores of a workspace, each opened when it is first needed.

    Without a service there are local paths and addresses alone. ``environ`` is where credentials are looked
    up; ``note`` is told of what is passed over.
    """

    def __init__(
        self,
        service: Service | None,
        workspace: str,
        *,
        environ: Mapping[str, str],
        note: Callable[[str], object] | None = None,
    ) -> None:
        self._service = service
        self._workspace = workspace
        self._environ = environ
        self._note = note
        self._opened: dict[str, Storage] = {}

    def storage(self, name: str) -> Storage:
        """The storage of a datastore; NotFound for a name that nobody has registered."""
        name = datastore_name(name)
        if self._service is None:
            raise UserErrorException(f"The datastore {name!r} is of no workspace; take it from one.")
        if name not in self._opened:
            self._opened[name] = self._open(self._service, name)
        return self._opened[name]

    def place(self, source: Source) -> tuple[Storage, str]:
        """Where a source's files are, and the folder or the file there that it begins with."""
        if source.datastore is not None:
            return self.storage(source.datastore), source.base
        if source.remote:
            return Web(source.path), ""
        base = Path(source.base or os.sep)
        if base.is_file():
            return Directory(base.parent, note=self._note), base.name
        return Directory(base, note=self._note), ""

    def _open(self, service: Service, name: str) -> Storage:
        body = body_of(service, self._workspace, name=name)
        if body["type"] == DIRECTORY:
            root = Path(body["path"])
            if name != OWN and not root.is_dir():
                raise UserErrorException(
                    f"The datastore {name!r} is the directory {root}, which is not there."
                )
            root.mkdir(parents=True, exist_ok=True)
            return Directory(root, note=self._note)
        return Objects(body["url"], {**body["options"], **self._credentials(body)}, note=self._note)

    def _credentials(self, body: Mapping[str, Any]) -> dict[str, str]:
        names = body["credentials"].items()
        return {option: self._environ[name] for option, name in names if self._environ.get(name)}


def body_of(service: Service, workspace: str, *, name: str) -> Mapping[str, Any]:
    """What is kept of a datastore; NotFound names those that there are."""
    if name == OWN:
        return {"type": DIRECTORY, "path": str(service.root / "datastores" / workspace)}
    try:
        return service.assets.get(workspace, DATASTORE, name=name).body
    except NotFound:
        known = [OWN, *(asset.name for asset in service.assets.list(workspace, DATASTORE))]
        raise NotFound(
            f"There is no datastore {name!r} in the workspace {workspace!r}; there are: {', '.join(known)}."
        ) from None


def directory_body(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What is kept of a directory; Invalid when it is not there."""
    root = Path(path).expanduser().absolute()
    if not root.is_dir():
        raise Invalid(f"{root} is no directory; make it first.")
    return {"type": DIRECTORY, "path": os.path.realpath(root)}


def objects_body(
    url: str, *, options: Mapping[str, Any] | None, credentials: Mapping[str, str] | None
) -> dict[str, Any]:
    """What is kept of object storage: an address, options, the names of the variables with its credentials.

    Invalid for an address of another scheme, and for a secret in the address or the options.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.netloc:
        schemes = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise Invalid(
            f"Object storage has an address like s3://bucket/prefix ({schemes}); got {_masked(url)!r}."
        )
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise Invalid(f"The address {_masked(url)!r} may hold no credentials and no query; see credentials=.")
    given = {str(name): value for name, value in (options or {}).items()}
    secret = [name for name in given if any(word in name.lower() for word in _SECRET_WORDS)]
    if secret:
        raise Invalid(
            f"The options {secret} look like secrets, which are never kept in the history; put them into "
            f"environment variables, and name these: credentials={{'{secret[0]}': 'MY_VARIABLE'}}."
        )
    named = dict(CREDENTIALS[parts.scheme] if credentials is None else credentials)
    found = {option: variable(name) for option, name in named.items()}
    return {"type": OBJECTS, "url": url.rstrip("/"), "options": given, "credentials": found}


def variable(given: str) -> str:
    """The name of an environment variable, ``env:NAME`` or ``NAME``; Invalid for what cannot be one."""
    name = str(given).removeprefix(_VARIABLE)
    if name.isidentifier() and name.isascii():
        return name
    # it may be the secret itself: it is not said again
    raise Invalid("Credentials are given by the name of an environment variable, such as 'MY_KEY'.")


def _masked(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

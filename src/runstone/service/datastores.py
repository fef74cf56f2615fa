"""Datastores: the workspace's own, registered directories and object storage, opened by their names."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstone.model.data import DATASTORE, OWN, SECRET_WORD, Source, datastore_name, masked, plain_address
from runstone.model.errors import Invalid, NotFound, UserErrorException
from runstone.model.secrets import secret_name
from runstone.service.objects import SCHEMES, Objects
from runstone.service.storage import Directory, Storage, Web

if TYPE_CHECKING:
    from runstone.service.connect import Service

DIRECTORY, OBJECTS = "directory", "objects"
ENV, SECRET = "env", "secret"
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
        options = {**body["options"], **self._credentials(service, body["credentials"])}
        return Objects(body["url"], options, note=self._note)

    def _credentials(self, service: Service, named: Mapping[str, str]) -> dict[str, str]:
        """The credentials that there are; a variable that is not set leaves its part out."""
        found: dict[str, str] = {}
        for option, reference in named.items():
            kind, _, name = reference.partition(":")
            if kind == SECRET:
                found[option] = service.secrets.get(self._workspace, name)
            elif self._environ.get(name):
                found[option] = self._environ[name]
        return found


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
    """What is kept of object storage: an address, options, and where its credentials are.

    Invalid for an address of another scheme, and for a secret in the address or the options.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.netloc:
        schemes = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise Invalid(
            f"Object storage has an address like s3://bucket/prefix ({schemes}); got {masked(url)!r}."
        )
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise Invalid(f"The address {masked(url)!r} may hold no credentials and no query; see credentials=.")
    given = {str(name): value for name, value in (options or {}).items()}
    secret = [name for name in given if SECRET_WORD.search(name)]
    if secret:
        raise Invalid(
            f"The options {secret} look like secrets, which are never kept in clear; put them into "
            f"environment variables, and name these: credentials={{'{secret[0]}': 'MY_VARIABLE'}}."
        )
    for value in given.values():
        plain_address(str(value))
    named = dict(CREDENTIALS[parts.scheme] if credentials is None else credentials)
    found = {option: reference(name) for option, name in named.items()}
    return {"type": OBJECTS, "url": url.rstrip("/"), "options": given, "credentials": found}


def reference(given: str) -> str:
    """Where a credential is: ``env:NAME`` (or ``NAME``) or ``secret:NAME``; Invalid for what is none."""
    kind, colon, name = str(given).rpartition(":")
    if kind == SECRET and colon:
        return f"{SECRET}:{secret_name(name)}"
    if kind in ("", ENV) and name.isidentifier() and name.isascii():
        return f"{ENV}:{name}"
    # it may be the secret itself: it is not said again
    raise Invalid(
        "Credentials are given by the name of an environment variable, such as 'MY_KEY', or of a secret of "
        "the workspace, such as 'secret:my-key'."
    )

"""Operations on secrets: kept sealed, told only to those who ask for one by its name."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from runstone.model.errors import Conflict, NotFound
from runstone.model.secrets import CONTENT_TYPE, SecretName, content_type, secret_name, secret_value
from runstone.service import sealing
from runstone.service.operation import operation
from runstone.store import experiments, secrets
from runstone.store.database import Database, Transaction
from runstone.store.secrets import Sealed


class Secrets:
    """The secrets of a workspace. In the database there are sealed values only; the key is in ``home``."""

    def __init__(self, database: Database, *, home: Path) -> None:
        self._database = database
        self._home = home

    @operation("PUT /workspaces/{workspace}/secrets")
    def put(self, workspace: str, values: Mapping[str, str], *, content: str = CONTENT_TYPE) -> None:
        """Keep secrets, all or none; what was kept under a name before is gone.

        Invalid for a name that is no 1 to 127 letters, digits and dashes; TooLarge for more than 64 KiB.
        """
        kind = content_type(content)
        given = {secret_name(name): secret_value(name, value) for name, value in values.items()}
        with self._database.write() as tx:
            n = experiments.workspace(tx, workspace).id
            key = self._key(tx)
            for name, value in given.items():
                text = key.seal(value, place=_place(workspace, name))
                secrets.put(tx, n, Sealed(name, text, key.id, kind), now=time.time_ns() // 1000)

    @operation("GET /workspaces/{workspace}/secrets/{name}")
    def get(self, workspace: str, name: str) -> str:
        """The value of one secret; NotFound names those that there are, Conflict the key that is missing."""
        with self._database.read() as tx:
            found = secrets.find(tx, experiments.workspace(tx, workspace).id, secret_name(name))
        return self._opened(found, workspace)

    @operation("POST /workspaces/{workspace}/secrets/values")
    def values(self, workspace: str, names: Sequence[str]) -> dict[str, str | None]:
        """The values of several secrets; None for a name that there is not."""
        found: dict[str, Sealed | None] = {}
        with self._database.read() as tx:
            n = experiments.workspace(tx, workspace).id
            for name in names:
                try:
                    found[name] = secrets.find(tx, n, secret_name(name))
                except NotFound:
                    found[name] = None
        return {
            name: None if sealed is None else self._opened(sealed, workspace)
            for name, sealed in found.items()
        }

    @operation("GET /workspaces/{workspace}/secrets")
    def list(self, workspace: str) -> tuple[SecretName, ...]:
        """What there is, by name; no values, and no key is needed."""
        with self._database.read() as tx:
            return tuple(secrets.every(tx, experiments.workspace(tx, workspace).id))

    @operation("DELETE /workspaces/{workspace}/secrets")
    def delete(self, workspace: str, names: Sequence[str]) -> None:
        """Remove secrets for good, all or none; NotFound for a name that there is not. No key is needed."""
        with self._database.write() as tx:
            n = experiments.workspace(tx, workspace).id
            for name in map(secret_name, names):
                if not secrets.remove(tx, n, name):
                    raise secrets.missing(tx, n, name)

    def _key(self, tx: Transaction) -> sealing.Key:
        """The key to seal with: the one that is there, or a new one unless another has sealed something."""
        key = sealing.read(self._home)
        if key is None and (others := secrets.keys(tx)):
            raise Conflict(_lost(self._home, others[0]))
        return key or sealing.make(self._home)

    def _opened(self, found: Sealed, workspace: str) -> str:
        key = sealing.read(self._home)
        if key is None:
            raise Conflict(_lost(self._home, found.key))
        if key.id != found.key:
            raise Conflict(
                f"The secret {found.name!r} is sealed with the key {found.key}, and {key.path} is the key "
                f"{key.id}: set RUNSTONE_HOME to where the right one is, or set the secret again."
            )
        return key.open(found.text, place=_place(workspace, found.name))


def _place(workspace: str, name: str) -> str:
    return f"{workspace}/{name.lower()}"


def _lost(home: Path, key: str) -> str:
    return (
        f"The secrets of this history are sealed with the key {key}, and there is no key in "
        f"{home / sealing.FILE}: put the file back there (or set RUNSTONE_HOME to where it is), or delete "
        f"the secrets and set them again."
    )

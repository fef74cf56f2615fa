"""Keyvault: the secrets of a workspace, for scripts that must not carry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from runstone.model.errors import UserErrorException
from runstone.sdk import finding

if TYPE_CHECKING:
    from runstone.sdk.workspace import Workspace
    from runstone.service.secrets import Secrets


class KeyVaultContentType(Enum):
    """What a secret's value is, as far as somebody has said so."""

    not_provided = "application/NotProvided"
    json = "application/json"
    text = "text/plain"


class Keyvault:
    """The secrets of a workspace: encrypted in the history, by a key that is not in it.

    Args:
        workspace: whose secrets they are; ``workspace.get_default_keyvault()`` gives the same.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def set_secret(
        self,
        name: str,
        value: str,
        content_type: KeyVaultContentType | str = KeyVaultContentType.not_provided,
    ) -> None:
        """Keep a secret; what was kept under its name before is gone.

        Args:
            name: 1 to 127 letters, digits and dashes; large and small letters are the same.
            value: a text of 64 KiB at most.
            content_type: what it is, to be told again by ``get_secret_content_type``.

        Raises:
            UserErrorException: a name or value that cannot be kept (no message shows a value), or no key to
                seal it with; nothing is kept.
        """
        kind = content_type.value if isinstance(content_type, KeyVaultContentType) else content_type
        self._secrets.put(self._workspace.name, {name: value}, content=kind)

    def set_secrets(self, secrets_batch: Mapping[str, str]) -> None:
        """Keep several secrets, by name: all of them, or none when one is refused."""
        if not isinstance(secrets_batch, Mapping):
            # its text might be a secret
            raise UserErrorException(
                f"Secrets are a dict of names and values; got a {type(secrets_batch).__name__}."
            )
        self._secrets.put(self._workspace.name, dict(secrets_batch))

    def get_secret(self, name: str) -> str:
        """The value of a secret.

        Raises:
            UserErrorException: there is none of that name (the message names those that there are), or the
                key that opens it is not there.
        """
        return self._secrets.get(self._workspace.name, name)

    def get_secrets(self, secrets: Sequence[str]) -> dict[str, str | None]:
        """The values of several secrets, by name; None for those that there are not."""
        return self._secrets.values(self._workspace.name, finding.keys(secrets))

    def get_secret_content_type(self, name: str) -> str:
        """What a secret's value is, as it was said when it was set.

        Raises:
            UserErrorException: there is none of that name.
        """
        found = {one.name.lower(): one for one in self._secrets.list(self._workspace.name)}
        if str(name).lower() not in found:
            raise UserErrorException(
                f"There is no secret {name!r} in this workspace; list_secrets() names them."
            )
        return found[str(name).lower()].content_type

    def list_secrets(self) -> list[str]:
        """The names of the secrets, sorted; never their values."""
        return [one.name for one in self._secrets.list(self._workspace.name)]

    def delete_secret(self, name: str) -> None:
        """Delete a secret for good.

        Raises:
            UserErrorException: there is none of that name.
        """
        self._secrets.delete(self._workspace.name, [name])

    def delete_secrets(self, secrets: Sequence[str]) -> None:
        """Delete several secrets for good: all of them, or none when one is not there."""
        self._secrets.delete(self._workspace.name, finding.keys(secrets))

    @property
    def _secrets(self) -> Secrets:
        return self._workspace._service.secrets

    def __repr__(self) -> str:
        return f"Keyvault(workspace={self._workspace.name!r})"

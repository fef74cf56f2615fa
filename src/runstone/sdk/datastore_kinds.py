"""The kinds of datastores that a workspace can be told of, and those that it cannot."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from runstone.model.data import DATASTORE, OWN, datastore_name
from runstone.model.errors import Conflict, UserErrorException
from runstone.service import datastores

if TYPE_CHECKING:
    from runstone.sdk.datastore import Datastore
    from runstone.sdk.workspace import Workspace


class Registering:
    """The part of Datastore that registers one."""

    @staticmethod
    def register_directory(
        workspace: Workspace, datastore_name: str, path: Any, *, overwrite: bool = False
    ) -> Datastore:
        """Register a directory of this machine, or of a file system that it shares.

        Raises:
            UserErrorException: it is no directory, or the name stands for another datastore already.
        """
        return _register(workspace, datastore_name, datastores.directory_body(path), overwrite)

    @staticmethod
    def register_object_store(
        workspace: Workspace,
        datastore_name: str,
        url: str,
        *,
        options: Mapping[str, Any] | None = None,
        credentials: Mapping[str, str] | None = None,
        overwrite: bool = False,
    ) -> Datastore:
        """Register a prefix of S3, Azure Blob or Google Cloud Storage; needs ``runstone[cloud]`` when used.

        Args:
            url: ``s3://bucket/prefix``, ``az://container/prefix`` or ``gs://bucket/prefix``.
            options: what obstore takes besides, such as ``endpoint``, ``region``; no secret.
            credentials: which environment variable holds each credential, such as
                ``{"access_key_id": "MY_ID", "secret_access_key": "MY_KEY"}``, or which secret of the
                workspace, ``secret:my-key``; the usual variables by default.

        Raises:
            UserErrorException: another kind of address, a secret in it or in the options, or a taken name.
        """
        body = datastores.objects_body(url, options=options, credentials=credentials)
        return _register(workspace, datastore_name, body, overwrite)

    @staticmethod
    def register_azure_blob_container(
        workspace: Workspace,
        datastore_name: str,
        container_name: str,
        account_name: str,
        sas_token: str | None = None,
        account_key: str | None = None,
        protocol: str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        create_if_not_exists: bool = False,
        skip_validation: bool = False,
        blob_cache_timeout: int | None = None,
        grant_workspace_access: bool = False,
        subscription_id: str | None = None,
        resource_group: str | None = None,
    ) -> Datastore:
        """Register a container of Azure Blob Storage; needs ``runstone[cloud]`` when used.

        Args:
            sas_token: the token, which the workspace's key store keeps (``runstone[secrets]``); or where it
                is: ``env:NAME`` or ``secret:NAME``. The variable ``AZURE_STORAGE_SAS_TOKEN`` by default.
            account_key: likewise; ``AZURE_STORAGE_ACCOUNT_KEY`` by default.
            endpoint: another address than Azure's, such as an emulator's.

        Raises:
            UserErrorException: there is no key store to keep a credential in, or the name is taken.
        """
        given = {"account_key": account_key, "sas_key": sas_token and sas_token.lstrip("?")}
        there = {option: value for option, value in given.items() if value is not None}
        named = {option: _reference(datastore_name, option, value) for option, value in there.items()}
        secrets = {
            named[option].partition(":")[2]: value for option, value in there.items() if _secret(value)
        }
        options = {"account_name": account_name, **({"endpoint": endpoint} if endpoint else {})}
        body = datastores.objects_body(f"az://{container_name}", options=options, credentials=named or None)
        return _register(workspace, datastore_name, body, overwrite, secrets)

    @staticmethod
    def register_azure_file_share(workspace: Workspace, datastore_name: str, *_: Any, **__: Any) -> NoReturn:
        """Refused: mount the share on this machine, and register the directory."""
        _refuse("An Azure file share", "mount it on this machine, and use Datastore.register_directory")

    @staticmethod
    def register_azure_data_lake(workspace: Workspace, datastore_name: str, *_: Any, **__: Any) -> NoReturn:
        """Refused: the first generation of Azure Data Lake is no more."""
        _refuse(
            "Azure Data Lake, first generation,", "copy the data, and use Datastore.register_object_store"
        )

    @staticmethod
    def register_azure_data_lake_gen2(
        workspace: Workspace, datastore_name: str, *_: Any, **__: Any
    ) -> NoReturn:
        """Refused: register its container as object storage."""
        _refuse("Azure Data Lake", "use Datastore.register_object_store with az://<filesystem>")

    @staticmethod
    def register_azure_sql_database(
        workspace: Workspace, datastore_name: str, *_: Any, **__: Any
    ) -> NoReturn:
        """Refused: a database is read by the script."""
        _refuse_database()

    @staticmethod
    def register_azure_postgre_sql(workspace: Workspace, datastore_name: str, *_: Any, **__: Any) -> NoReturn:
        """Refused: a database is read by the script."""
        _refuse_database()

    @staticmethod
    def register_azure_my_sql(workspace: Workspace, datastore_name: str, *_: Any, **__: Any) -> NoReturn:
        """Refused: a database is read by the script."""
        _refuse_database()

    @staticmethod
    def register_dbfs(workspace: Workspace, datastore_name: str) -> NoReturn:
        """Refused: it is a file system of Databricks."""
        _refuse("A Databricks file system", "mount it, and use Datastore.register_directory")

    @staticmethod
    def register_hdfs(workspace: Workspace, datastore_name: str, *_: Any, **__: Any) -> NoReturn:
        """Refused: mount it on this machine, and register the directory."""
        _refuse("A Hadoop file system", "mount it, and use Datastore.register_directory")


def _register(
    workspace: Workspace,
    given: str,
    body: Mapping[str, Any],
    overwrite: bool,
    secrets: Mapping[str, str] | None = None,
) -> Datastore:
    from runstone.sdk.datastore import Datastore  # a datastore registers datastores

    name = datastore_name(given)
    if name == OWN:
        raise UserErrorException(f"{OWN!r} is the workspace's own datastore; choose another name.")
    service = workspace._service
    known = service.assets.versions(workspace.name, DATASTORE, name=name)
    if known and not overwrite and (known[-1].body != body or _other(workspace, secrets)):
        raise Conflict(f"Another datastore is called {name!r} already; give overwrite=True to replace it.")
    if secrets:
        service.secrets.put(workspace.name, secrets)
    service.assets.register(workspace.name, DATASTORE, name=name, body=body)
    return Datastore(workspace, name)


def _other(workspace: Workspace, secrets: Mapping[str, str] | None) -> bool:
    return bool(secrets) and workspace._service.secrets.values(workspace.name, [*(secrets or {})]) != secrets


def own_secret(datastore: str, option: str) -> str:
    """The name of the secret that keeps a datastore's credential."""
    name = datastore_name(datastore)
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"datastore-{name[:60]}-{digest}-{option}".replace("_", "-")


def _reference(datastore: str, option: str, given: str) -> str:
    return f"secret:{own_secret(datastore, option)}" if _secret(given) else given


def _secret(given: str) -> bool:
    return not given.startswith(("env:", "secret:"))


def _refuse(what: str, instead: str) -> NoReturn:
    raise UserErrorException(f"{what} is no datastore of Runstone; {instead}.")


def _refuse_database() -> NoReturn:
    _refuse("A database", "read it in the script, and register what was read as a data set")

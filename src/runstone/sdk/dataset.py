"""Dataset: the door to data sets, registered and new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runstone.model.errors import UserErrorException
from runstone.sdk.abstract_dataset import AbstractDataset, dataset_of
from runstone.sdk.file_dataset import FileDatasetFactory
from runstone.sdk.tabular_dataset import TabularDataset, TabularDatasetFactory
from runstone.service.datasets import Datasets

if TYPE_CHECKING:
    from runstone.sdk.workspace import Workspace


class Dataset:
    """Where data sets come from: ``Dataset.Tabular``, ``Dataset.File``, and those that are registered."""

    Tabular = TabularDatasetFactory
    File = FileDatasetFactory

    @staticmethod
    def get_by_name(workspace: Workspace, name: str, version: Any = "latest", **_: Any) -> Any:
        """A registered data set.

        Args:
            version: a number, or ``latest``.

        Raises:
            UserErrorException: there is no such name or version; the message says what there is.
        """
        number = None if version in (None, "latest") else _number(version)
        data = Datasets(workspace._service, workspace.name).get(name, number)
        return dataset_of(workspace, data)

    @staticmethod
    def get_by_id(workspace: Workspace, id: str, **_: Any) -> Any:
        """The data set of that id: a registered version, or one that a run used.

        Raises:
            UserErrorException: there is none.
        """
        return dataset_of(workspace, Datasets(workspace._service, workspace.name).find(id))

    @staticmethod
    def get_all(workspace: Workspace) -> dict[str, Any]:
        """The latest version of each registered data set, by name."""
        kept = Datasets(workspace._service, workspace.name).latest()
        return {str(data.name): dataset_of(workspace, data) for data in kept}

    @staticmethod
    def get(workspace: Workspace, name: str | None = None, id: str | None = None) -> AbstractDataset:
        """A registered data set by name or by id; deprecated by the original."""
        if (name is None) == (id is None):
            raise UserErrorException("Give the name of a data set or its id; one of them.")
        found: AbstractDataset = (
            Dataset.get_by_id(workspace, str(id)) if name is None else Dataset.get_by_name(workspace, name)
        )
        return found

    @staticmethod
    def list(workspace: Workspace) -> list[Any]:
        """The latest version of each registered data set; deprecated by the original."""
        return [*Dataset.get_all(workspace).values()]

    @staticmethod
    def from_delimited_files(
        path: Any, separator: str = ",", header: Any = True, **more: Any
    ) -> TabularDataset:
        """``Dataset.Tabular.from_delimited_files``; deprecated by the original."""
        return TabularDatasetFactory.from_delimited_files(path, separator=separator, header=header, **more)

    @staticmethod
    def from_parquet_files(path: Any, include_path: bool = False) -> TabularDataset:
        """``Dataset.Tabular.from_parquet_files``; deprecated by the original."""
        return TabularDatasetFactory.from_parquet_files(path, include_path=include_path)


def _number(version: Any) -> int:
    try:
        return int(version)
    except (TypeError, ValueError):
        raise UserErrorException(f"A version is a number, or 'latest'; got {version!r}.") from None
